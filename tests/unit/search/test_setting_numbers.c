/* Repeats take trial numbers, and samplers do not see them. */
#include "search/sampler.h"
#include "search/setting_numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void trials_and_settings_map_both_ways(void **state)
{
    (void)state;
    struct esp_setting_numbers map = {0};
    const uint32_t repeats[] = {4, 5, 9};
    const int64_t settings[] = {0, 1, 2, 3, -1, -1, 4, 5, 6, -1, 7, 8};
    assert_int_equal(esp_setting_numbers_to_trial(&map, 17), 17);
    for (int i = 0; i < 3; i++) {
        esp_setting_numbers_add_repeat(&map, repeats[i]);
    }
    for (uint32_t trial = 0; trial < 12; trial++) {
        assert_int_equal(esp_setting_numbers_is_repeat(&map, trial), settings[trial] < 0);
        if (settings[trial] >= 0) {
            assert_int_equal(esp_setting_numbers_to_setting(&map, trial), settings[trial]);
            assert_int_equal(esp_setting_numbers_to_trial(&map, (uint32_t)settings[trial]),
                             trial);
        }
    }
    esp_setting_numbers_release(&map);
}

/* Twelve settings, with or without repeats between them. */
static void draw(enum esp_method method, bool repeats, double *drawn)
{
    static struct esp_value choices[12];
    static struct esp_study study;
    struct esp_sampler *sampler;
    memset(&study, 0, sizeof study);
    for (int i = 0; i < 12; i++) {
        choices[i] = (struct esp_value){.type = ESP_VALUE_REAL, .real = i};
    }
    study.method = method;
    study.prior.kind = ESP_PRIOR_NONE;
    study.param_count = 1;
    study.params[0] = (struct esp_param){
        .name = "p", .distribution = ESP_CATEGORICAL, .choices = choices, .choice_count = 12};
    if (method != ESP_METHOD_GRID) {
        study.params[0] =
            (struct esp_param){.name = "p", .distribution = ESP_UNIFORM, .min = 0, .max = 1};
    }
    assert_int_equal(esp_sampler_create(&study, &sampler, NULL), 0);
    uint32_t trial = 0;
    for (int i = 0; i < 12; i++) {
        struct esp_reason reason;
        double numbers[ESP_FIT_NUMBERS_MAX];
        int count = esp_sampler_refit(sampler, numbers, ESP_FIT_NUMBERS_MAX);
        if (count > 0) {
            esp_sampler_fitted(sampler, numbers, count);
        }
        assert_int_equal(esp_sampler_propose(sampler, trial, &drawn[i], &reason), 0);
        esp_sampler_created(sampler, trial, &drawn[i]);
        esp_sampler_observed(sampler, trial, 100, 2 + drawn[i]);
        esp_sampler_ended(sampler, trial++, ESP_END_COMPLETE);
        for (int k = 0; repeats && k < i % 3; k++) {
            esp_sampler_repeated(sampler, trial);
            esp_sampler_observed(sampler, trial, 100, 1.5);
            esp_sampler_ended(sampler, trial++, ESP_END_COMPLETE);
        }
    }
    double value;
    struct esp_reason reason;
    int rc = esp_sampler_propose(sampler, trial, &value, &reason);
    assert_int_equal(rc, method == ESP_METHOD_GRID ? ESP_SAMPLER_EXHAUSTED : 0);
    esp_sampler_destroy(sampler);
}

static void repeats_change_no_proposal(void **state)
{
    (void)state;
    for (int method = ESP_METHOD_GRID; method < ESP_METHOD_COUNT; method++) {
        double with[12], without[12];
        draw((enum esp_method)method, true, with);
        draw((enum esp_method)method, false, without);
        assert_memory_equal(with, without, sizeof with);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trials_and_settings_map_both_ways),
        cmocka_unit_test(repeats_change_no_proposal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
