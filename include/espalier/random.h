/* Counter-based randomness: Philox4x32-10 from Random123 (Salmon et al., SC 2011).
 *
 * A draw is a pure function of (seed, stream, purpose, counter); nothing is stored, so resuming
 * needs integers only. `stream` is a trial, a tensor or a member, `purpose` one of the
 * constants below, so that two uses never share numbers. */
#ifndef ESPALIER_RANDOM_H
#define ESPALIER_RANDOM_H

#include <Random123/philox.h>
#include <stdint.h>

enum esp_random_purpose {
    ESP_RANDOM_SAMPLER = 1,
    ESP_RANDOM_SCHEDULER = 2,
    ESP_RANDOM_TRIAL_SEED = 3,
    ESP_RANDOM_INIT = 4,
    ESP_RANDOM_DATA = 5,
    ESP_RANDOM_DROPOUT = 6,
    ESP_RANDOM_MASK = 7,
    ESP_RANDOM_SIMULATION = 8,
    ESP_RANDOM_TEXT = 9,
    ESP_RANDOM_AUDIT = 10,
};

struct esp_random_block {
    uint32_t word[4];
};

/* 128 random bits for (seed, stream, purpose, counter); counter < 2^48. */
static inline struct esp_random_block
esp_random_at(uint64_t seed, uint64_t stream, enum esp_random_purpose purpose, uint64_t counter)
{
    philox4x32_ctr_t c = {{(uint32_t)counter,
                           ((uint32_t)(counter >> 32) & 0xffffu) | ((uint32_t)purpose << 16),
                           (uint32_t)stream,
                           (uint32_t)(stream >> 32)}};
    philox4x32_key_t k = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    philox4x32_ctr_t r = philox4x32(c, k);
    struct esp_random_block block = {{r.v[0], r.v[1], r.v[2], r.v[3]}};
    return block;
}

/* Uniform in [0, 1) with 53 bits, from two words. */
static inline double esp_random_unit(uint32_t high, uint32_t low)
{
    return (double)((((uint64_t)high << 32) | low) >> 11) * 0x1p-53;
}

#endif
