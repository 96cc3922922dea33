/* Dropout from keyed random bits; kernels.h defines which element is kept. Philox4x32-10 as in
 * include/espalier/random.h (Salmon et al., SC 2011), written out for the device. The tests
 * compare the two. */
#ifndef ESP_CUDA_DROPOUT_H
#define ESP_CUDA_DROPOUT_H

#include "device.h"

/* ESP_RANDOM_DROPOUT of include/espalier/random.h. */
#define DROPOUT_PURPOSE 6u

struct dropout {
    uint32_t seed_low, seed_high;
    uint32_t stream_low, stream_high;
    uint32_t threshold;
    float scale;
    bool on;
};

DEVICE struct dropout dropout_of(const struct esp_control *control, int tensor)
{
    const uint64_t stream = control->step << 16 | (uint64_t)tensor;
    struct dropout d;
    d.seed_low = (uint32_t)control->seed;
    d.seed_high = (uint32_t)(control->seed >> 32);
    d.stream_low = (uint32_t)stream;
    d.stream_high = (uint32_t)(stream >> 32);
    d.threshold = (uint32_t)(control->dropout * 4294967296.0);
    d.scale = (float)(1.0 / (1.0 - control->dropout));
    d.on = control->dropout > 0;
    return d;
}

DEVICE void dropout_words(const struct dropout &d, uint64_t counter, uint32_t word[4])
{
    uint32_t c0 = (uint32_t)counter;
    uint32_t c1 = ((uint32_t)(counter >> 32) & 0xffffu) | DROPOUT_PURPOSE << 16;
    uint32_t c2 = d.stream_low, c3 = d.stream_high;
    uint32_t k0 = d.seed_low, k1 = d.seed_high;
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const uint32_t high0 = __umulhi(c0, 0xD2511F53u), low0 = c0 * 0xD2511F53u;
        const uint32_t high1 = __umulhi(c2, 0xCD9E8D57u), low1 = c2 * 0xCD9E8D57u;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    word[0] = c0;
    word[1] = c1;
    word[2] = c2;
    word[3] = c3;
}

/* Number of a row's first element in the member's whole batch. */
DEVICE uint64_t dropout_element(const struct esp_batch &batch,
                                int member,
                                int64_t row,
                                int width)
{
    const int64_t first = batch.control[member].first_sequence * batch.context;
    return (uint64_t)(first + row) * (uint64_t)width;
}

/* Applies dropout to V elements from `element` on. If V is a multiple of 4, `element` must be
 * one too. */
template <int V> DEVICE void drop(const struct dropout &d, uint64_t element, float x[V])
{
    uint32_t word[4] = {0, 0, 0, 0};
#pragma unroll
    for (int i = 0; i < V; i++) {
        if (V % 4 != 0 || i % 4 == 0) {
            dropout_words(d, (element + i) / 4, word);
        }
        const int which = V % 4 != 0 ? (int)((element + i) % 4) : i % 4;
        const uint32_t bits = which == 0   ? word[0]
                              : which == 1 ? word[1]
                              : which == 2 ? word[2]
                                           : word[3];
        x[i] = bits >= d.threshold ? x[i] * d.scale : 0.0f;
    }
}

#endif
