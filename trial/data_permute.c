/* The keyed permutation of the data order. See data.h for the source. */
#include "data.h"

#include <assert.h>
#include <espalier/random.h>

/* Rounds: four make a Feistel network of random functions a strong pseudo-random permutation
 * (Luby and Rackoff, 1988); two more cost nothing compared with training on the window. */
#define FEISTEL_ROUNDS 6

static uint64_t mix(uint64_t seed, uint64_t epoch, unsigned round, uint64_t half)
{
    struct esp_random_block block =
        esp_random_at(seed, epoch, ESP_RANDOM_DATA, (uint64_t)round << 32 | half);
    return (uint64_t)block.word[1] << 32 | block.word[0];
}

int64_t esp_data_permute(uint64_t seed, uint64_t epoch, int64_t count, int64_t index)
{
    assert(count > 0 && count < INT64_C(1) << 60 && index >= 0 && index < count);
    unsigned half_bits = 1;
    while (UINT64_C(1) << (2 * half_bits) < (uint64_t)count) {
        half_bits++;
    }
    uint64_t mask = (UINT64_C(1) << half_bits) - 1;
    uint64_t x = (uint64_t)index;
    do { /* at most 4 iterations are expected: the domain is less than four times the count */
        uint64_t left = x >> half_bits, right = x & mask;
        for (unsigned round = 0; round < FEISTEL_ROUNDS; round++) {
            uint64_t next = left ^ (mix(seed, epoch, round, right) & mask);
            left = right;
            right = next;
        }
        x = left << half_bits | right;
    } while (x >= (uint64_t)count);
    return (int64_t)x;
}
