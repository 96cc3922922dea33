/* Tests of trial/model/normal.h. */
#include "../../../trial/model/normal.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Draws by definition: one by one, by libm. */
static void by_libm(const struct esp_normal_tensor *t, uint64_t counter, float pair[2])
{
    const struct esp_random_block b =
        esp_random_at(t->seed, t->tensor, ESP_RANDOM_INIT, counter);
    const double u = 1 - esp_random_unit(b.word[0], b.word[1]);
    const double angle = 6.28318530717958647692 * esp_random_unit(b.word[2], b.word[3]);
    const double radius = sqrt(-2 * log(u));
    pair[0] = (float)(radius * cos(angle) * t->deviation);
    pair[1] = (float)(radius * sin(angle) * t->deviation);
}

/* Every level, 3 million draws: all that are marked as certain equal libm's, and nearly all
 * are. */
static void draws_of_every_level_are_those_of_libm(void **state)
{
    (void)state;
    static const struct esp_normal_tensor tensors[] = {
        {1, 0, 0.02}, {UINT64_MAX, 7, 0.02 / 7}, {77, UINT64_C(1) << 40, 1}};
    const int blocks = 8000;
    int levels = 0;
    for (int level = 0; level < ESP_NORMAL_LEVELS; level++) {
        esp_normal_lanes *lanes = esp_normal_lanes_at(level);
        struct esp_normal_block block;
        int64_t unsure = 0;
        if (!lanes) {
            continue;
        }
        levels++;
        for (int at = 0; at < 3 * blocks; at++) {
            const struct esp_normal_tensor *t = &tensors[at / blocks];
            const uint64_t counter = (uint64_t)(at % blocks) * ESP_NORMAL_BLOCK;
            lanes(t, counter, &block);
            for (int i = 0; i < ESP_NORMAL_BLOCK; i++) {
                float pair[2];
                by_libm(t, counter + (uint64_t)i, pair);
                unsure += block.unsure[i] != 0;
                if (!block.unsure[i] && (bits_of(pair[0]) != bits_of(block.even[i]) ||
                                         bits_of(pair[1]) != bits_of(block.odd[i]))) {
                    fail_msg("level %d, counter %llu: %.9g %.9g instead of %.9g %.9g",
                             level,
                             (unsigned long long)counter + (unsigned long long)i,
                             block.even[i],
                             block.odd[i],
                             pair[0],
                             pair[1]);
                }
            }
        }
        assert_in_range(unsure, 0, 3 * blocks * ESP_NORMAL_BLOCK / 10000);
    }
    assert_true(levels > 0);
}

/* Holds for any part of a tensor, also where pairs are drawn again. */
static void a_part_is_the_same_as_the_whole(void **state)
{
    (void)state;
    const struct esp_normal_tensor t = {.seed = 5, .tensor = 3, .deviation = 0.02};
    const int count = 2000001;
    float *whole = malloc((size_t)count * sizeof *whole), part[300];
    double *wide = malloc((size_t)count * sizeof *wide);
    esp_normal_floats(&t, 0, count, whole);
    esp_normal_doubles(&t, 0, count, wide);
    for (int i = 0; i < count; i++) {
        float pair[2];
        by_libm(&t, (uint64_t)i / 2, pair);
        assert_int_equal(bits_of(whole[i]), bits_of(pair[i % 2]));
        assert_int_equal(bits_of(whole[i]), bits_of((float)wide[i]));
    }
    for (int length = 1; length <= 299; length += 7) {
        part[length] = -1;
        esp_normal_floats(&t, 1234, length, part);
        assert_memory_equal(part, whole + 1234, (size_t)length * sizeof *part);
        assert_true(part[length] == -1);
    }
    free(whole);
    free(wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_of_every_level_are_those_of_libm),
        cmocka_unit_test(a_part_is_the_same_as_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
