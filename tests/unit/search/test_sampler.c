/* Samplers through their interface: grid, random, sobol. */
#include "search/sampler.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct esp_value numbers[] = {
    {.type = ESP_VALUE_REAL, .real = 3.0},
    {.type = ESP_VALUE_INTEGER, .real = 3, .integer = 3},
    {.type = ESP_VALUE_INTEGER, .real = 5, .integer = 5},
};
static struct esp_value words[] = {
    {.type = ESP_VALUE_TEXT, .text = "3"},
    {.type = ESP_VALUE_TEXT, .text = "cosine"},
};

/* z: {values: [3.0, 3, 5]}, a: {values: ["3", "cosine"]}, k: {min: 1, max: 2} */
static struct esp_study three_axes(enum esp_method method)
{
    static struct esp_study study;
    memset(&study, 0, sizeof study);
    study.method = method;
    study.seed = 11;
    study.param_count = 3;
    study.params[0] = (struct esp_param){
        .name = "z", .distribution = ESP_CATEGORICAL, .choices = numbers, .choice_count = 3};
    study.params[1] = (struct esp_param){
        .name = "a", .distribution = ESP_CATEGORICAL, .choices = words, .choice_count = 2};
    study.params[2] = (struct esp_param){
        .name = "k", .distribution = ESP_INT_UNIFORM, .integral = true, .min = 1, .max = 2};
    return study;
}

static struct esp_study one_real(enum esp_method method, uint64_t seed)
{
    struct esp_study study = {.method = method, .seed = seed, .param_count = 1};
    study.params[0] = (struct esp_param){
        .name = "lr", .distribution = ESP_LOG_UNIFORM_VALUES, .min = 1e-4, .max = 1e-1};
    return study;
}

static void grid_sorts_names_and_varies_the_last_fastest(void **state)
{
    (void)state;
    struct esp_study study = three_axes(ESP_METHOD_GRID);
    struct esp_sampler *sampler;
    assert_int_equal(esp_sampler_create(&study, &sampler, NULL), 0);
    /* a slowest, then k, then z; 3 repeats 3.0 */
    double expected[8][3] = {
        {0, 0, 1}, {2, 0, 1}, {0, 0, 2}, {2, 0, 2}, {0, 1, 1}, {2, 1, 1}, {0, 1, 2}, {2, 1, 2}};
    struct esp_reason reason;
    double values[3];
    for (uint32_t t = 0; t < 8; t++) {
        assert_int_equal(esp_sampler_propose(sampler, t, values, &reason), 0);
        assert_memory_equal(values, expected[t], sizeof values);
        assert_int_equal(reason.rule, ESP_RULE_NEW);
        esp_sampler_created(sampler, t, values);
    }
    assert_int_equal(esp_sampler_propose(sampler, 8, values, &reason), ESP_SAMPLER_EXHAUSTED);
    esp_sampler_destroy(sampler);
}

static void grid_skips_combinations_that_exist(void **state)
{
    (void)state;
    struct esp_study study = three_axes(ESP_METHOD_GRID);
    struct esp_sampler *sampler;
    assert_int_equal(esp_sampler_create(&study, &sampler, NULL), 0);
    double by_hand[4][3] = {{1, 0, 2}, {2, 0, 1}, {0, 0, 1}, {1, 0, 9}}; /* 2, 1, 0, none */
    struct esp_reason reason;
    double values[3];
    for (uint32_t t = 0; t < 4; t++) {
        esp_sampler_created(sampler, t, by_hand[t]);
    }
    double next[3] = {2, 0, 2};
    assert_int_equal(esp_sampler_propose(sampler, 4, values, &reason), 0);
    assert_memory_equal(values, next, sizeof values);
    uint32_t trial = 4;
    while (esp_sampler_propose(sampler, trial, values, &reason) == 0) {
        esp_sampler_created(sampler, trial++, values);
    }
    assert_int_equal(trial, 4 + 5);
    esp_sampler_destroy(sampler);
}

static void grid_names_a_continuous_parameter_that_it_refuses(void **state)
{
    (void)state;
    struct esp_study study = one_real(ESP_METHOD_GRID, 1);
    struct esp_sampler *sampler;
    struct esp_error error;
    study.params[0].line = 7;
    assert_int_equal(esp_sampler_create(&study, &sampler, &error), -EINVAL);
    assert_non_null(strstr(error.text, "line 7"));
    assert_non_null(strstr(error.text, "\"lr\""));
}

static void proposals_depend_only_on_seed_and_trial(void **state)
{
    (void)state;
    enum esp_method methods[] = {ESP_METHOD_RANDOM, ESP_METHOD_SOBOL};
    for (int m = 0; m < 2; m++) {
        struct esp_study one = one_real(methods[m], 5), other = one_real(methods[m], 6);
        struct esp_sampler *a, *b, *c;
        assert_int_equal(esp_sampler_create(&one, &a, NULL), 0);
        assert_int_equal(esp_sampler_create(&one, &b, NULL), 0);
        assert_int_equal(esp_sampler_create(&other, &c, NULL), 0);
        struct esp_reason reason;
        for (uint32_t t = 0; t < 32; t++) {
            double x, y, z, again;
            assert_int_equal(esp_sampler_propose(a, t, &x, &reason), 0);
            assert_int_equal(esp_sampler_propose(a, t, &again, &reason), 0);
            assert_int_equal(esp_sampler_propose(b, t, &y, &reason), 0);
            assert_int_equal(esp_sampler_propose(c, t, &z, &reason), 0);
            assert_true(x == again && x == y && x != z);
            assert_true(x >= 1e-4 && x <= 1e-1);
            esp_sampler_created(a, t, &x);
            double elsewhere = 1e-3; /* the settings of earlier trials do not matter */
            esp_sampler_created(b, t, &elsewhere);
            esp_sampler_observed(b, t, 10, NAN);
            esp_sampler_ended(b, t, ESP_END_FAILED);
            esp_sampler_created(c, t, &z);
        }
        esp_sampler_destroy(a);
        esp_sampler_destroy(b);
        esp_sampler_destroy(c);
    }
}

/* With 64 points random leaves the emptiest of 16 bins at 4 ± 2; sobol fills each with 4. */
static void sobol_is_even_where_random_is_not(void **state)
{
    (void)state;
    enum esp_method methods[] = {ESP_METHOD_RANDOM, ESP_METHOD_SOBOL};
    int worst[2] = {0};
    for (int m = 0; m < 2; m++) {
        struct esp_study study = one_real(methods[m], 3);
        struct esp_sampler *sampler;
        struct esp_reason reason;
        int bins[16] = {0};
        assert_int_equal(esp_sampler_create(&study, &sampler, NULL), 0);
        for (uint32_t t = 0; t < 64; t++) {
            double x;
            assert_int_equal(esp_sampler_propose(sampler, t, &x, &reason), 0);
            esp_sampler_created(sampler, t, &x);
            bins[(int)(16 * log(x / 1e-4) / log(1e3))]++;
        }
        for (int i = 0; i < 16; i++) {
            int away = bins[i] > 4 ? bins[i] - 4 : 4 - bins[i];
            worst[m] = away > worst[m] ? away : worst[m];
        }
        esp_sampler_destroy(sampler);
    }
    assert_true(worst[0] > 0);
    assert_int_equal(worst[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grid_sorts_names_and_varies_the_last_fastest),
        cmocka_unit_test(grid_skips_combinations_that_exist),
        cmocka_unit_test(grid_names_a_continuous_parameter_that_it_refuses),
        cmocka_unit_test(proposals_depend_only_on_seed_and_trial),
        cmocka_unit_test(sobol_is_even_where_random_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
