/* The rows of samplers against the enum, the reader of study files and each other. */
#include "search/registry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_method_of_the_enum_has_a_row(void **state)
{
    (void)state;
    int defaults = 0;
    assert_int_equal(esp_sampler_count, ESP_METHOD_COUNT);
    for (int method = 0; method < ESP_METHOD_COUNT; method++) {
        const struct esp_sampler_row *row = esp_sampler_of_method((enum esp_method)method);
        assert_int_equal(row->method, method);
        assert_non_null(row->name);
        assert_non_null(row->summary);
        assert_true(!row->exhaustive || row->blind);
        defaults += row->is_default;
    }
    assert_int_equal(defaults, 1);
    assert_string_equal(esp_sampler_default()->name, "bayes");
}

static void every_row_can_be_created_and_proposes(void **state)
{
    (void)state;
    for (int i = 0; i < esp_sampler_count; i++) {
        struct esp_study study = {.method = esp_samplers[i].method, .param_count = 1};
        struct esp_sampler *sampler = NULL;
        struct esp_reason reason;
        struct esp_error error = {""};
        double value = -1;
        study.params[0] = (struct esp_param){
            .name = "k", .distribution = ESP_INT_UNIFORM, .integral = true, .min = 1, .max = 3};
        assert_int_equal(esp_sampler_create(&study, &sampler, &error), 0);
        assert_int_equal(esp_sampler_propose(sampler, 0, &value, &reason), 0);
        assert_true(value >= 1 && value <= 3);
        esp_sampler_destroy(sampler);
    }
}

static void every_name_is_found_and_no_two_are_equal(void **state)
{
    (void)state;
    const char *names[ESP_SAMPLER_NAMES_MAX];
    enum esp_method method;
    bool univariate;
    esp_sampler_names(names);
    for (int i = 0; i < esp_sampler_count; i++) {
        assert_int_equal(esp_sampler_find(names[i], &method, &univariate, NULL), 0);
        assert_int_equal(method, i);
        assert_false(univariate);
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(names[i], names[k]);
        }
    }
    assert_null(names[esp_sampler_count]);
    assert_int_equal(esp_sampler_find("tpe-univariate", &method, &univariate, NULL), 0);
    assert_true(method == ESP_METHOD_TPE && univariate);
}

static void an_unknown_method_is_refused_with_a_list(void **state)
{
    (void)state;
    enum esp_method method;
    bool univariate;
    struct esp_error error = {""};
    char list[ESP_SAMPLER_LIST_MAX];
    assert_int_equal(esp_sampler_find("bayse", &method, &univariate, &error), -EINVAL);
    assert_string_equal(
        error.text,
        "unknown method \"bayse\"; there are grid, random, sobol, tpe, tpe-univariate, bayes");
    esp_sampler_list(list);
    assert_string_equal(list, "grid, random, sobol, tpe or bayes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_of_the_enum_has_a_row),
        cmocka_unit_test(every_row_can_be_created_and_proposes),
        cmocka_unit_test(every_name_is_found_and_no_two_are_equal),
        cmocka_unit_test(an_unknown_method_is_refused_with_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
