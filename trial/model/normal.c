/* Normal draws for fresh weights. See normal.h. */
#include "normal.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* Two draws from one block of bits, by libm. */
static void draw_pair(struct esp_random_block block, double pair[2])
{
    const double u = 1 - esp_random_unit(block.word[0], block.word[1]);
    const double v = esp_random_unit(block.word[2], block.word[3]);
    const double radius = sqrt(-2 * log(u));
    pair[0] = radius * cos(6.28318530717958647692 * v);
    pair[1] = radius * sin(6.28318530717958647692 * v);
}

void esp_normal_doubles(const struct esp_normal_tensor *tensor,
                        int64_t first,
                        int64_t count,
                        double *out)
{
    assert(first % 2 == 0);
    for (int64_t i = 0; i < count; i += 2) {
        double pair[2];
        const uint64_t counter = (uint64_t)(first + i) / 2;
        draw_pair(esp_random_at(tensor->seed, tensor->tensor, ESP_RANDOM_INIT, counter), pair);
        out[i] = pair[0] * tensor->deviation;
        if (i + 1 < count) {
            out[i + 1] = pair[1] * tensor->deviation;
        }
    }
}

static bool has_v3(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2");
}

static bool has_v4(void)
{
    return has_v3() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

esp_normal_lanes *esp_normal_lanes_at(int level)
{
    switch (level) {
    case 0:
        return esp_normal_lanes_v1;
    case 1:
        return has_v3() ? esp_normal_lanes_v3 : NULL;
    case 2:
        return has_v4() ? esp_normal_lanes_v4 : NULL;
    default:
        return NULL;
    }
}

static esp_normal_lanes *widest(void)
{
    int level = ESP_NORMAL_LEVELS - 1;
    while (!esp_normal_lanes_at(level)) {
        level--;
    }
    return esp_normal_lanes_at(level);
}

/* Draws again by libm the pairs whose rounding is not certain. */
static void draw_again(double deviation, struct esp_normal_block *block)
{
    for (int i = 0; i < ESP_NORMAL_BLOCK; i++) {
        if (block->unsure[i]) {
            double pair[2];
            struct esp_random_block bits;
            for (int w = 0; w < 4; w++) {
                bits.word[w] = block->words[w][i];
            }
            draw_pair(bits, pair);
            block->even[i] = (float)(pair[0] * deviation);
            block->odd[i] = (float)(pair[1] * deviation);
        }
    }
}

void esp_normal_floats(const struct esp_normal_tensor *tensor,
                       int64_t first,
                       int64_t count,
                       float *out)
{
    esp_normal_lanes *lanes = widest();
    struct esp_normal_block block;
    assert(first % 2 == 0);
    for (int64_t at = 0; at < count; at += 2 * ESP_NORMAL_BLOCK) {
        const int64_t rest = count - at;
        lanes(tensor, (uint64_t)(first + at) / 2, &block);
        draw_again(tensor->deviation, &block);
        for (int64_t i = 0; i < 2 * ESP_NORMAL_BLOCK && i < rest; i++) {
            out[at + i] = i % 2 ? block.odd[i / 2] : block.even[i / 2];
        }
    }
}
