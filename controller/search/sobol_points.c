#include "sobol_points.h"

#include <espalier/limits.h>
#include <espalier/random.h>

#include <assert.h>

/* Counters of the scrambling bits are (level, prefix); those of the low digits are above. */
#define TAIL_COUNTER (1ull << 40)

void esp_sobol_dimension_make(struct esp_sobol_dimension *dimension, int index)
{
    assert(index >= 0 && index <= esp_sobol_row_count);
    uint32_t *v = dimension->v;
    if (index == 0) {
        for (int i = 0; i < 32; i++) {
            v[i] = 1u << (31 - i);
        }
        return;
    }
    const struct esp_sobol_row *row = &esp_sobol_rows[index - 1];
    int s = row->degree;
    for (int i = 0; i < s; i++) {
        v[i] = (uint32_t)row->m[i] << (31 - i);
    }
    /* Bratley and Fox, ACM TOMS 14 (1988), equation 2. */
    for (int i = s; i < 32; i++) {
        v[i] = v[i - s] ^ (v[i - s] >> s);
        for (int k = 1; k < s; k++) {
            if ((row->polynomial >> (s - 1 - k)) & 1) {
                v[i] ^= v[i - k];
            }
        }
    }
}

uint32_t esp_sobol_bits(const struct esp_sobol_dimension *dimension, uint32_t index)
{
    uint32_t gray = index ^ (index >> 1), bits = 0;
    for (int i = 0; gray; i++, gray >>= 1) {
        if (gray & 1) {
            bits ^= dimension->v[i];
        }
    }
    return bits;
}

double esp_sobol_scramble(uint32_t bits, uint64_t seed, uint64_t stream, uint32_t index)
{
    uint32_t scrambled = 0;
    for (int level = 0; level < 32; level++) {
        uint64_t prefix = level == 0 ? 0 : bits >> (32 - level);
        uint64_t counter = (1ull << level) | prefix; /* distinct for every node of the tree */
        uint32_t flip = esp_random_at(seed, stream, ESP_RANDOM_SAMPLER, counter).word[0] & 1;
        scrambled = (scrambled << 1) | (((bits >> (31 - level)) & 1) ^ flip);
    }
    uint32_t tail =
        esp_random_at(seed, stream, ESP_RANDOM_SAMPLER, TAIL_COUNTER + index).word[0];
    return esp_random_unit(scrambled, tail);
}
