/* Every sampler trains a setting once, and a search ends when each has a trial. */
#include "search/registry.h"
#include "search/sampler.h"
#include "search/setting_space.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SETTINGS_MAX 6000

static struct esp_value rates[] = {
    {.type = ESP_VALUE_REAL, .real = 1e-4},
    {.type = ESP_VALUE_REAL, .real = 1e-3},
    {.type = ESP_VALUE_REAL, .real = 1e-2},
};
static struct esp_value sizes[] = {
    {.type = ESP_VALUE_INTEGER, .real = 32, .integer = 32},
    {.type = ESP_VALUE_INTEGER, .real = 4, .integer = 4},
    {.type = ESP_VALUE_REAL, .real = 32},
    {.type = ESP_VALUE_INTEGER, .real = 8, .integer = 8},
};
static struct esp_value words[] = {
    {.type = ESP_VALUE_TEXT, .text = "cosine"},
    {.type = ESP_VALUE_TEXT, .text = "linear"},
    {.type = ESP_VALUE_BOOLEAN, .real = 1},
    {.type = ESP_VALUE_INTEGER, .real = 1, .integer = 1},
};
static double weights[] = {0.7, 0.3, 0, 0};

static struct esp_param choice_of(const char *name, struct esp_value *choices, int count)
{
    struct esp_param param = {.distribution = count > 1 ? ESP_CATEGORICAL : ESP_CONSTANT,
                              .choices = choices,
                              .choice_count = count};
    snprintf(param.name, sizeof param.name, "%s", name);
    return param;
}

static struct esp_param whole(const char *name, double min, double max)
{
    struct esp_param param = {
        .distribution = ESP_INT_UNIFORM, .integral = true, .min = min, .max = max};
    snprintf(param.name, sizeof param.name, "%s", name);
    return param;
}

static struct esp_param
rounded(enum esp_distribution distribution, double a, double b, double q)
{
    return (struct esp_param){.name = "dropout",
                              .distribution = distribution,
                              .quantised = true,
                              .min = a,
                              .max = b,
                              .mu = a,
                              .sigma = b,
                              .q = q};
}

static struct esp_study study_of(enum esp_method method, uint64_t seed)
{
    struct esp_study study = {
        .method = method, .seed = seed, .abilities = esp_abilities_builtin()};
    esp_trainer_init(&study.trainer);
    study.trainer.tokens = 4000;
    study.trainer.report_every = 1000;
    return study;
}

static bool same_setting(const struct esp_study *study, const double *a, const double *b)
{
    for (int i = 0; i < study->param_count; i++) {
        struct esp_value x = esp_param_value(&study->params[i], a[i]);
        struct esp_value y = esp_param_value(&study->params[i], b[i]);
        if (!esp_same_choice(&x, &y)) {
            return false;
        }
    }
    return true;
}

static double loss_of(const struct esp_study *study, const double *values)
{
    double loss = 3;
    for (int i = 0; i < study->param_count; i++) {
        loss += 0.1 * pow(esp_param_unit(&study->params[i], values[i]) - 0.3, 2);
    }
    return loss;
}

struct search {
    struct esp_sampler *sampler;
    double values[SETTINGS_MAX][ESP_PARAMS_MAX];
    uint32_t count, distinct;
    int rc; /* of the last proposal */
};

/* Trains trials up to `cap` in all. `open`: how many are in training at once. After `restart`
 * trials, another sampler goes on that has got the same facts in the same order. */
static void run(struct search *s,
                const struct esp_study *study,
                uint32_t cap,
                uint32_t open,
                uint32_t restart)
{
    double numbers[ESP_FIT_NUMBERS_MAX];
    memset(s, 0, sizeof *s);
    assert_int_equal(esp_sampler_create(study, &s->sampler, NULL), 0);
    while (s->count < cap) {
        struct esp_reason reason;
        double again[ESP_PARAMS_MAX];
        s->rc = esp_sampler_propose(s->sampler, s->count, s->values[s->count], &reason);
        if (s->rc == ESP_SAMPLER_EXHAUSTED) {
            break;
        }
        assert_int_equal(s->rc, 0);
        if (s->count == restart) {
            struct esp_sampler *other;
            assert_int_equal(esp_sampler_create(study, &other, NULL), 0);
            for (uint32_t t = 0; t < s->count; t++) {
                esp_sampler_created(other, t, s->values[t]);
                if (t + 1 >= open) {
                    uint32_t ended = t + 1 - open;
                    esp_sampler_observed(other, ended, 4000, loss_of(study, s->values[ended]));
                    esp_sampler_ended(other, ended, ESP_END_COMPLETE);
                }
                int count = esp_sampler_refit(other, numbers, ESP_FIT_NUMBERS_MAX);
                if (count > 0) {
                    esp_sampler_fitted(other, numbers, count);
                }
            }
            assert_int_equal(esp_sampler_propose(other, s->count, again, &reason), 0);
            assert_memory_equal(
                again, s->values[s->count], (size_t)study->param_count * sizeof *again);
            esp_sampler_destroy(s->sampler);
            s->sampler = other;
        }
        bool is_new = true;
        for (uint32_t t = 0; t < s->count && is_new; t++) {
            is_new = !same_setting(study, s->values[t], s->values[s->count]);
        }
        s->distinct += is_new;
        esp_sampler_created(s->sampler, s->count, s->values[s->count]);
        s->count++;
        if (s->count >= open) {
            uint32_t ended = s->count - open;
            esp_sampler_observed(s->sampler, ended, 4000, loss_of(study, s->values[ended]));
            esp_sampler_ended(s->sampler, ended, ESP_END_COMPLETE);
        }
        int count = esp_sampler_refit(s->sampler, numbers, ESP_FIT_NUMBERS_MAX);
        if (count > 0) {
            esp_sampler_fitted(s->sampler, numbers, count);
        }
    }
    esp_sampler_destroy(s->sampler);
}

static struct search search;

/* Every sampler, with several seeds and numbers of workers, over a restart: each of the
 * settings once, then no more. */
static void expect_each_once(struct esp_study *study, uint32_t settings, uint32_t cap)
{
    for (int m = 0; m < esp_sampler_count; m++) {
        if (esp_samplers[m].exhaustive) {
            continue;
        }
        for (uint64_t seed = 1; seed <= 3; seed++) {
            uint32_t open = seed == 2 ? 8 : 1;
            study->method = esp_samplers[m].method;
            study->seed = seed;
            run(&search, study, cap, open, settings / 2);
            assert_int_equal(search.distinct, settings < cap ? settings : cap);
            assert_int_equal(search.count, search.distinct);
            assert_int_equal(search.rc, settings < cap ? ESP_SAMPLER_EXHAUSTED : 0);
        }
    }
}

static void twelve_settings_are_trained_once_each(void **state)
{
    (void)state;
    struct esp_study study = study_of(ESP_METHOD_RANDOM, 1);
    study.params[study.param_count++] = choice_of("learning_rate", rates, 3);
    study.params[study.param_count++] = whole("layers", 1, 4);
    expect_each_once(&study, 12, 14);
    expect_each_once(&study, 12, 7);
}

static void two_settings_are_trained_once_each(void **state)
{
    (void)state;
    struct esp_study study = study_of(ESP_METHOD_RANDOM, 1);
    study.params[study.param_count++] = choice_of("learning_rate", rates, 2);
    expect_each_once(&study, 2, 12);
}

static void equal_choices_count_once(void **state)
{
    (void)state;
    struct esp_study study = study_of(ESP_METHOD_RANDOM, 1);
    study.params[study.param_count++] = choice_of("batch_size", sizes, 4); /* 32, 4, 8 */
    study.params[study.param_count++] = choice_of("word", words, 4);       /* true is not 1 */
    expect_each_once(&study, 12, 20);
}

static void constants_alone_are_one_setting(void **state)
{
    (void)state;
    struct esp_study study = study_of(ESP_METHOD_RANDOM, 1);
    expect_each_once(&study, 1, 5);
    study.params[study.param_count++] = choice_of("learning_rate", rates, 1);
    study.params[study.param_count++] = choice_of("batch_size", sizes, 1);
    expect_each_once(&study, 1, 5);
}

static void a_choice_without_probability_is_not_waited_for(void **state)
{
    (void)state;
    struct esp_study study = study_of(ESP_METHOD_RANDOM, 1);
    study.params[0] = choice_of("word", words, 3);
    study.params[0].distribution = ESP_CATEGORICAL_WEIGHTED;
    study.params[0].probabilities = weights;
    study.params[1] = whole("layers", 1, 16);
    study.param_count = 2;
    expect_each_once(&study, 32, 40);
    expect_each_once(&study, 32, 20);
    study.abilities.deterministic = false;
    for (int m = 1; m < esp_sampler_count; m++) {
        study.method = esp_samplers[m].method;
        run(&search, &study, 50, 1, UINT32_MAX);
        for (uint32_t t = 0; t < search.count; t++) {
            assert_true(search.values[t][0] < 2);
        }
    }
}

static void quantised_ranges_count_what_is_left_after_rounding(void **state)
{
    (void)state;
    struct esp_study study = study_of(ESP_METHOD_RANDOM, 1);
    study.param_count = 1;
    study.params[0] = rounded(ESP_UNIFORM, 0, 0.5, 0.1); /* 0, 0.1, …, 0.5 */
    expect_each_once(&study, 6, 20);
    study.params[0] = rounded(ESP_LOG_UNIFORM_VALUES, 8, 64, 8);
    study.params[0].integral = true;
    expect_each_once(&study, 8, 20);
    study.params[0] = rounded(ESP_INV_LOG_UNIFORM_VALUES, 0.1, 1, 0.25); /* 0, 0.25, …, 1 */
    expect_each_once(&study, 5, 20);
}

static void a_quantised_normal_ends_within_its_middle(void **state)
{
    (void)state;
    struct esp_study study = study_of(ESP_METHOD_RANDOM, 1);
    study.param_count = 1;
    study.params[0] = rounded(ESP_NORMAL, 0, 0.5, 1); /* 99.9 %: -1.6 … 1.6 */
    assert_int_equal(esp_study_setting_count(&study), 5);
    for (int m = 1; m < esp_sampler_count; m++) {
        study.method = esp_samplers[m].method;
        run(&search, &study, 20, 1, UINT32_MAX);
        assert_int_equal(search.distinct, search.count);
        assert_int_equal(search.rc, ESP_SAMPLER_EXHAUSTED);
        assert_true(search.count >= 5);
    }
}

static void a_continuous_range_is_never_exhausted(void **state)
{
    (void)state;
    struct esp_study study = study_of(ESP_METHOD_RANDOM, 1);
    study.params[study.param_count++] = choice_of("batch_size", sizes, 2);
    study.params[study.param_count++] =
        (struct esp_param){.name = "learning_rate",
                           .distribution = ESP_LOG_UNIFORM_VALUES,
                           .min = 1e-4,
                           .max = 1e-2};
    assert_int_equal(esp_study_setting_count(&study), 0);
    expect_each_once(&study, 60, 60);
}

/* More settings than are compared with each other; Parzen estimators crowd together. */
static void of_many_settings_each_is_found(void **state)
{
    (void)state;
    struct esp_study study = study_of(ESP_METHOD_RANDOM, 1);
    study.params[study.param_count++] = whole("layers", 1, 70);
    study.params[study.param_count++] = whole("heads", 1, 70);
    assert_int_equal(esp_study_setting_count(&study), 4900);
    static const enum esp_method quick[] = {ESP_METHOD_RANDOM, ESP_METHOD_SOBOL};
    for (int m = 0; m < 2; m++) {
        study.method = quick[m];
        run(&search, &study, 5000, 1, UINT32_MAX);
        assert_int_equal(search.count, 4900);
        assert_int_equal(search.distinct, 4900);
        assert_int_equal(search.rc, ESP_SAMPLER_EXHAUSTED);
    }
}

static void settings_beside_the_space_do_not_exhaust_it(void **state)
{
    (void)state;
    struct esp_study study = study_of(ESP_METHOD_SOBOL, 1);
    study.params[study.param_count++] = whole("layers", 1, 2);
    struct esp_sampler *sampler;
    struct esp_reason reason;
    assert_int_equal(esp_sampler_create(&study, &sampler, NULL), 0);
    double by_hand[3] = {7, 9, 1}, value;
    for (uint32_t t = 0; t < 3; t++) {
        esp_sampler_created(sampler, t, &by_hand[t]);
    }
    assert_int_equal(esp_sampler_trial_with(sampler, &by_hand[1]), 1);
    assert_int_equal(esp_sampler_propose(sampler, 3, &value, &reason), 0);
    assert_true(value == 2);
    assert_int_equal(esp_sampler_trial_with(sampler, &value), -1);
    esp_sampler_created(sampler, 3, &value);
    assert_int_equal(esp_sampler_propose(sampler, 4, &value, &reason), ESP_SAMPLER_EXHAUSTED);
    esp_sampler_destroy(sampler);
}

static void an_exhausted_sampler_stays_so_after_repeats_with_other_seeds(void **state)
{
    (void)state;
    struct esp_study study = study_of(ESP_METHOD_TPE, 1);
    study.params[study.param_count++] = whole("layers", 1, 2);
    struct esp_sampler *sampler;
    struct esp_reason reason;
    assert_int_equal(esp_sampler_create(&study, &sampler, NULL), 0);
    double first, second, value;
    assert_int_equal(esp_sampler_propose(sampler, 0, &first, &reason), 0);
    esp_sampler_created(sampler, 0, &first);
    esp_sampler_repeated(sampler, 1);
    assert_int_equal(esp_sampler_propose(sampler, 2, &second, &reason), 0);
    assert_true(first != second);
    esp_sampler_created(sampler, 2, &second);
    esp_sampler_repeated(sampler, 3);
    assert_int_equal(esp_sampler_propose(sampler, 4, &value, &reason), ESP_SAMPLER_EXHAUSTED);
    esp_sampler_destroy(sampler);
}

/* A trainer that gives another number each time: all settings first, then again. */
static void a_trainer_that_is_not_deterministic_goes_on(void **state)
{
    (void)state;
    struct esp_study study = study_of(ESP_METHOD_RANDOM, 1);
    study.abilities.deterministic = false;
    study.params[study.param_count++] = choice_of("learning_rate", rates, 3);
    study.params[study.param_count++] = whole("layers", 1, 4);
    for (int m = 1; m < esp_sampler_count; m++) {
        study.method = esp_samplers[m].method;
        run(&search, &study, 12, 4, 6);
        assert_int_equal(search.distinct, 12);
        run(&search, &study, 20, 4, 14);
        assert_int_equal(search.count, 20);
        assert_int_equal(search.rc, 0);
    }
}

static void the_number_of_settings_follows_the_method(void **state)
{
    (void)state;
    struct esp_study study = study_of(ESP_METHOD_RANDOM, 1);
    study.params[study.param_count++] = rounded(ESP_UNIFORM, 0, 0.5, 0.1);
    study.params[study.param_count++] = choice_of("batch_size", sizes, 4);
    assert_int_equal(esp_study_setting_count(&study), 18);
    study.method = ESP_METHOD_GRID; /* its range leaves out the end, as numpy.arange does */
    assert_int_equal(esp_study_setting_count(&study), 15);
    study.method = ESP_METHOD_RANDOM;
    study.abilities.deterministic = false;
    assert_int_equal(esp_study_setting_count(&study), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twelve_settings_are_trained_once_each),
        cmocka_unit_test(two_settings_are_trained_once_each),
        cmocka_unit_test(equal_choices_count_once),
        cmocka_unit_test(constants_alone_are_one_setting),
        cmocka_unit_test(a_choice_without_probability_is_not_waited_for),
        cmocka_unit_test(quantised_ranges_count_what_is_left_after_rounding),
        cmocka_unit_test(a_quantised_normal_ends_within_its_middle),
        cmocka_unit_test(a_continuous_range_is_never_exhausted),
        cmocka_unit_test(of_many_settings_each_is_found),
        cmocka_unit_test(settings_beside_the_space_do_not_exhaust_it),
        cmocka_unit_test(an_exhausted_sampler_stays_so_after_repeats_with_other_seeds),
        cmocka_unit_test(a_trainer_that_is_not_deterministic_goes_on),
        cmocka_unit_test(the_number_of_settings_follows_the_method),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
