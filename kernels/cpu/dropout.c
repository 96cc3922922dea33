/* Dropout from keyed random bits (include/espalier/random.h), sixteen Philox blocks at a time.
 */
#include "cpu.h"

#include <espalier/random.h>

#define BLOCKS 16
#define WORDS (4 * BLOCKS)

/* words[4 i + j] = word j of block first + i: the rounds of Random123's philox4x32-10, written
 * over arrays so that they vectorise. The tests compare the two. */
static void philox_words(const struct esp_control *control,
                         int tensor,
                         uint64_t first,
                         uint32_t words[WORDS])
{
    const uint64_t stream = control->step << 16 | (uint64_t)tensor;
    uint32_t c0[BLOCKS], c1[BLOCKS], c2[BLOCKS], c3[BLOCKS];
    uint32_t k0 = (uint32_t)control->seed, k1 = (uint32_t)(control->seed >> 32);
    for (int i = 0; i < BLOCKS; i++) {
        uint64_t counter = first + (uint64_t)i;
        c0[i] = (uint32_t)counter;
        c1[i] = ((uint32_t)(counter >> 32) & 0xffffu) | (uint32_t)ESP_RANDOM_DROPOUT << 16;
        c2[i] = (uint32_t)stream;
        c3[i] = (uint32_t)(stream >> 32);
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            uint64_t p0 = (uint64_t)c0[i] * 0xD2511F53u;
            uint64_t p1 = (uint64_t)c2[i] * 0xCD9E8D57u;
            c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
            c1[i] = (uint32_t)p1;
            c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c3[i] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < BLOCKS; i++) {
        words[4 * i] = c0[i];
        words[4 * i + 1] = c1[i];
        words[4 * i + 2] = c2[i];
        words[4 * i + 3] = c3[i];
    }
}

void ESP_CPU(drop)(const struct esp_control *control,
                   int tensor,
                   uint64_t first,
                   int64_t count,
                   const real *in,
                   real *out)
{
    const uint32_t threshold = (uint32_t)(control->dropout * 0x1p32);
    const real scale = (real)(1.0 / (1.0 - control->dropout));
    uint32_t words[WORDS];
    int64_t i = 0;
    while (i < count) {
        uint64_t element = first + (uint64_t)i;
        int skip = (int)(element % 4);
        int some = WORDS - skip < count - i ? WORDS - skip : (int)(count - i);
        philox_words(control, tensor, element / 4, words);
        for (int j = 0; j < some; j++) {
            out[i + j] = words[skip + j] >= threshold ? in[i + j] * scale : 0;
        }
        i += some;
    }
}
