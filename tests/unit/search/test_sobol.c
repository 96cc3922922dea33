/* Sobol points against SciPy 1.17.1, and the properties that scrambling must keep. */
#include "search/sobol_points.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* scipy.stats.qmc.Sobol(64, scramble=False, bits=32).random(70000)[index][dimension] * 2**32 */
static const int recorded_dimensions[] = {0, 1, 2, 3, 7, 20, 40, 63};
static const struct {
    uint32_t index;
    uint32_t bits[8];
} recorded[] = {
    {0,
     {0x00000000u,
      0x00000000u,
      0x00000000u,
      0x00000000u,
      0x00000000u,
      0x00000000u,
      0x00000000u,
      0x00000000u}},
    {1,
     {0x80000000u,
      0x80000000u,
      0x80000000u,
      0x80000000u,
      0x80000000u,
      0x80000000u,
      0x80000000u,
      0x80000000u}},
    {2,
     {0xc0000000u,
      0x40000000u,
      0x40000000u,
      0x40000000u,
      0xc0000000u,
      0x40000000u,
      0x40000000u,
      0xc0000000u}},
    {3,
     {0x40000000u,
      0xc0000000u,
      0xc0000000u,
      0xc0000000u,
      0x40000000u,
      0xc0000000u,
      0xc0000000u,
      0x40000000u}},
    {4,
     {0x60000000u,
      0x60000000u,
      0xa0000000u,
      0xe0000000u,
      0xe0000000u,
      0x20000000u,
      0xe0000000u,
      0x20000000u}},
    {5,
     {0xe0000000u,
      0xe0000000u,
      0x20000000u,
      0x60000000u,
      0x60000000u,
      0xa0000000u,
      0x60000000u,
      0xa0000000u}},
    {6,
     {0xa0000000u,
      0x20000000u,
      0xe0000000u,
      0xa0000000u,
      0x20000000u,
      0x60000000u,
      0xa0000000u,
      0xe0000000u}},
    {7,
     {0x20000000u,
      0xa0000000u,
      0x60000000u,
      0x20000000u,
      0xa0000000u,
      0xe0000000u,
      0x20000000u,
      0x60000000u}},
    {100,
     {0x6a000000u,
      0x42000000u,
      0xc6000000u,
      0xba000000u,
      0x7a000000u,
      0xc2000000u,
      0xb6000000u,
      0xa6000000u}},
    {1023,
     {0x00400000u,
      0xc0c00000u,
      0x9cc00000u,
      0x25400000u,
      0x9e400000u,
      0xddc00000u,
      0xa1c00000u,
      0x0a400000u}},
    {65535,
     {0x00010000u,
      0xffff0000u,
      0x90550000u,
      0xc3050000u,
      0xba490000u,
      0x91030000u,
      0x6a350000u,
      0x4bdf0000u}},
    {69999,
     {0x1b998000u,
      0xaa078000u,
      0xf6ad8000u,
      0x3cd28000u,
      0xe7d58000u,
      0xbe288000u,
      0xfec58000u,
      0xcc908000u}},
};

static void points_equal_those_of_scipy(void **state)
{
    (void)state;
    for (int d = 0; d < 8; d++) {
        struct esp_sobol_dimension dimension;
        esp_sobol_dimension_make(&dimension, recorded_dimensions[d]);
        for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++) {
            assert_int_equal(esp_sobol_bits(&dimension, recorded[i].index),
                             recorded[i].bits[d]);
        }
    }
}

static void every_interval_of_every_dimension_gets_one_point(void **state)
{
    (void)state;
    for (int d = 0; d <= esp_sobol_row_count; d++) {
        struct esp_sobol_dimension dimension;
        int seen[256] = {0};
        esp_sobol_dimension_make(&dimension, d);
        for (uint32_t i = 0; i < 256; i++) {
            double u = esp_sobol_scramble(esp_sobol_bits(&dimension, i), 7, (uint64_t)d, i);
            assert_true(u >= 0 && u < 1);
            seen[(int)(u * 256)]++;
        }
        for (int i = 0; i < 256; i++) {
            assert_int_equal(seen[i], 1);
        }
    }
}

static void scrambling_keeps_the_net_of_the_first_two_dimensions(void **state)
{
    (void)state;
    struct esp_sobol_dimension x, y;
    esp_sobol_dimension_make(&x, 0);
    esp_sobol_dimension_make(&y, 1);
    for (int split = 0; split <= 8; split++) {
        int seen[256] = {0};
        for (uint32_t i = 256; i < 512; i++) {
            double u = esp_sobol_scramble(esp_sobol_bits(&x, i), 3, 0, i);
            double v = esp_sobol_scramble(esp_sobol_bits(&y, i), 3, 1, i);
            int cell = ((int)(u * (1 << split)) << (8 - split)) | (int)(v * (256 >> split));
            seen[cell]++;
        }
        for (int i = 0; i < 256; i++) {
            assert_int_equal(seen[i], 1);
        }
    }
}

static void another_seed_gives_different_points(void **state)
{
    (void)state;
    struct esp_sobol_dimension x;
    esp_sobol_dimension_make(&x, 0);
    int equal = 0;
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t bits = esp_sobol_bits(&x, i);
        equal += esp_sobol_scramble(bits, 1, 0, i) == esp_sobol_scramble(bits, 2, 0, i);
    }
    assert_int_equal(equal, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_equal_those_of_scipy),
        cmocka_unit_test(every_interval_of_every_dimension_gets_one_point),
        cmocka_unit_test(scrambling_keeps_the_net_of_the_first_two_dimensions),
        cmocka_unit_test(another_seed_gives_different_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
