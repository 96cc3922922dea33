/* What the surrogate predicts and proposes. */
#include "search/loss_scale.h"
#include "search/sampler.h"
#include "search/surrogate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../near.h"
#include "fixture.h"

static struct esp_study study;

static struct esp_surrogate *make_surrogate(const struct esp_study *of)
{
    struct esp_surrogate *s;
    struct esp_error error;
    assert_int_equal(esp_surrogate_create(of, &s, &error), 0);
    return s;
}

/* Fits when a fit is due; every number must be finite. */
static void refit(struct esp_surrogate *s)
{
    double numbers[ESP_FIT_NUMBERS_MAX];
    int count = esp_surrogate_refit(s, numbers, ESP_FIT_NUMBERS_MAX);
    for (int i = 0; i < count; i++) {
        assert_true(isfinite(numbers[i]));
    }
    if (count > 0) {
        esp_surrogate_fitted(s, numbers, count);
    }
}

static void proposals_are_finite_whatever_is_reported(void **state)
{
    (void)state;
    const double odd[] = {NAN, INFINITY, -INFINITY, 1e300, 0, -1e300, 5};
    for (int kind = 0; kind < 2; kind++) {
        make_rate_and_batch(&study, kind ? ESP_PRIOR_STEP_LAW : ESP_PRIOR_NONE);
        struct esp_surrogate *s = make_surrogate(&study);
        for (uint32_t t = 0; t < 30; t++) {
            double values[2];
            struct esp_prediction prediction = esp_surrogate_propose(s, t, values);
            assert_true(isfinite(values[0]) && values[0] >= 1e-4 * (1 - 1e-9) &&
                        values[0] <= 5e-2 * (1 + 1e-9));
            assert_true(values[1] >= 0 && values[1] < 8);
            assert_false(isnan(prediction.log_ei));
            esp_surrogate_created(s, t, values);
            esp_surrogate_observed(s, t, 1 + (int64_t)t * 100000000, odd[t % 7]);
            if (t % 3 == 0) {
                esp_surrogate_failed(s, t);
            } else if (t % 3 == 1) {
                esp_surrogate_completed(s, t);
            }
            refit(s);
        }
        esp_surrogate_destroy(s);
    }
}

/* A loss with the law's basin, its bottom (u, v) octaves from the law's optimum. */
static double basin(const struct esp_surrogate *s, const double *values, double u, double v)
{
    double x[ESP_PARAMS_MAX], shift[2] = {u, v};
    esp_space_place(esp_surrogate_space(s), values, x);
    double rise = esp_scaling_law_rise(esp_surrogate_law(s), x, shift);
    return 2.5 * (1 + 0.01 * esp_compress(rise));
}

/* Full trainings until one is within 0.1 % of the bottom. */
static int trainings_to_the_bottom(enum esp_prior_kind prior, double u, double v)
{
    struct esp_study with_law;
    make_rate_and_batch(&with_law, ESP_PRIOR_STEP_LAW);
    struct esp_surrogate *law = make_surrogate(&with_law);
    make_rate_and_batch(&study, prior);
    struct esp_surrogate *s = make_surrogate(&study);
    int found = 0;
    for (uint32_t t = 0; t < 30 && !found; t++) {
        double values[2];
        esp_surrogate_propose(s, t, values);
        double loss = basin(law, values, u, v);
        found = loss < 2.5 * 1.001 ? (int)t + 1 : 0;
        esp_surrogate_created(s, t, values);
        esp_surrogate_observed(s, t, study.trainer.tokens, loss);
        esp_surrogate_completed(s, t);
        refit(s);
    }
    esp_surrogate_destroy(s);
    esp_surrogate_destroy(law);
    return found ? found : 99;
}

static void a_right_law_is_found_at_once_and_a_wrong_one_is_moved(void **state)
{
    (void)state;
    assert_int_equal(trainings_to_the_bottom(ESP_PRIOR_STEP_LAW, 0, 0), 1);
    assert_true(trainings_to_the_bottom(ESP_PRIOR_STEP_LAW, 0.7, 0.5) <= 4);
    assert_true(trainings_to_the_bottom(ESP_PRIOR_STEP_LAW, 2, 0) <= 8);
    assert_true(trainings_to_the_bottom(ESP_PRIOR_STEP_LAW, -2, -1) <= 8);
    assert_true(trainings_to_the_bottom(ESP_PRIOR_NONE, 0.7, 0.5) <= 12);
}

static void trials_proposed_before_any_report_differ(void **state)
{
    (void)state;
    make_rate_and_batch(&study, ESP_PRIOR_STEP_LAW);
    study.params[0] = (struct esp_param){
        .name = "k", .distribution = ESP_INT_UNIFORM, .integral = true, .min = 1, .max = 3};
    struct esp_surrogate *s = make_surrogate(&study);
    bool seen[3][8] = {{false}};
    for (uint32_t t = 0; t < 24; t++) { /* all of 3 × 8 settings, none has reported */
        double values[2];
        esp_surrogate_propose(s, t, values);
        bool *cell = &seen[(int)values[0] - 1][(int)values[1]];
        assert_false(*cell);
        *cell = true;
        esp_surrogate_created(s, t, values);
    }
    esp_surrogate_destroy(s);
}

/* Where the loss falls to the end of the range, the most promising places are clipped to it. */
static void proposals_keep_apart_at_an_end_of_the_range(void **state)
{
    (void)state;
    make_plain_study(&study);
    study.param_count = 1;
    struct esp_surrogate *s = make_surrogate(&study);
    double drawn[40];
    bool at_end = false;
    for (uint32_t t = 0; t < 40; t++) {
        esp_surrogate_propose(s, t, &drawn[t]);
        for (uint32_t i = 0; i < t; i++) {
            assert_true(fabs(drawn[i] - drawn[t]) > 0.0099); /* of a range of 2 */
        }
        at_end = at_end || drawn[t] == study.params[0].max;
        esp_surrogate_created(s, t, &drawn[t]);
        if (t % 4 != 3) { /* the others are still training */
            esp_surrogate_observed(s, t, 64, 3 - drawn[t]);
            esp_surrogate_completed(s, t);
        }
    }
    assert_true(at_end);
    esp_surrogate_destroy(s);
}

/* With the constant as the only mean and K = 1 + (a + b)·h² + noise of one loss seen at h, the
 * variance at the horizon is (1 - 1/K) + (K - 1)²/K = K - 1, times a common factor. */
static void variance_grows_with_the_square_of_h(void **state)
{
    (void)state;
    double deviation[2];
    const int64_t tokens[2] = {32, 8}; /* of 64: h is 1/6 and 1/2 */
    for (int i = 0; i < 2; i++) {
        struct esp_prediction prediction;
        make_plain_study(&study);
        struct esp_surrogate *s = make_surrogate(&study);
        esp_surrogate_created(s, 0, (double[PLAIN_AXES]){0});
        esp_surrogate_observed(s, 0, tokens[i], 3);
        esp_surrogate_predict_trials(s, (uint32_t[]){0}, 1, &prediction);
        deviation[i] = prediction.deviation;
        esp_surrogate_destroy(s);
    }
    double wanted = (0.8 / 4 + 1e-3) / (0.8 / 36 + 1e-3);
    assert_near(pow(deviation[1] / deviation[0], 2), wanted, 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proposals_are_finite_whatever_is_reported),
        cmocka_unit_test(a_right_law_is_found_at_once_and_a_wrong_one_is_moved),
        cmocka_unit_test(trials_proposed_before_any_report_differ),
        cmocka_unit_test(proposals_keep_apart_at_an_end_of_the_range),
        cmocka_unit_test(variance_grows_with_the_square_of_h),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
