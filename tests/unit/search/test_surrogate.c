/* The surrogate against a direct solve, and what it must believe. */
#include "search/normal.h"
#include "search/sampler.h"
#include "search/surrogate_private.h"

#include <espalier/random.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../near.h"

#define N 9
#define AXES 5

static struct esp_study study;

static double uniform(uint64_t stream, uint64_t counter)
{
    struct esp_random_block b = esp_random_at(77, stream, ESP_RANDOM_SIMULATION, counter);
    return esp_random_unit(b.word[0], b.word[1]);
}

/* Five linear parameters: too many for a bowl, so that the constant is the only mean. */
static void plain_study(void)
{
    memset(&study, 0, sizeof study);
    study.prior.kind = ESP_PRIOR_NONE;
    study.trainer.tokens = 64;
    study.param_count = AXES;
    for (int i = 0; i < AXES; i++) {
        study.params[i] =
            (struct esp_param){.distribution = ESP_UNIFORM, .min = -1, .max = 1 + i};
        snprintf(study.params[i].name, sizeof study.params[i].name, "p%d", i);
    }
}

/* Learning rate over 9 octaves and batch size over 8 levels, for a model where the law puts the
 * optimum at (center of the test). */
static struct esp_value sizes[8];
static void rate_and_batch(enum esp_prior_kind prior)
{
    memset(&study, 0, sizeof study);
    study.prior.kind = prior;
    study.prior.parameters = 2e8;
    study.trainer.tokens = 4000000000;
    study.trainer.context = 2048;
    study.param_count = 2;
    study.params[0] = (struct esp_param){.name = "learning_rate",
                                         .distribution = ESP_LOG_UNIFORM_VALUES,
                                         .min = 1e-4,
                                         .max = 5e-2};
    for (int i = 0; i < 8; i++) {
        sizes[i] = (struct esp_value){.type = ESP_VALUE_INTEGER, .real = 16 << i};
    }
    study.params[1] = (struct esp_param){.name = "batch_size",
                                         .distribution = ESP_CATEGORICAL,
                                         .choices = sizes,
                                         .choice_count = 8};
}

static double matern(const double *x, const double *y, const double *length)
{
    double sum = 0;
    for (int a = 0; a < AXES; a++) {
        sum += pow((x[a] - y[a]) / exp(length[a]), 2);
    }
    double r = sqrt(5 * sum);
    return (1 + r + r * r / 3) * exp(-r);
}

/* Gaussian elimination without pivoting: K is positive definite. */
static void solve(double k[N][N], const double *b, double *x)
{
    double m[N][N + 1];
    for (int i = 0; i < N; i++) {
        memcpy(m[i], k[i], sizeof k[i]);
        m[i][N] = b[i];
    }
    for (int i = 0; i < N; i++) {
        for (int j = i + 1; j < N; j++) {
            double f = m[j][i] / m[i][i];
            for (int c = i; c <= N; c++) {
                m[j][c] -= f * m[i][c];
            }
        }
    }
    for (int i = N - 1; i >= 0; i--) {
        x[i] = m[i][N];
        for (int c = i + 1; c < N; c++) {
            x[i] -= m[i][c] * x[c];
        }
        x[i] /= m[i][i];
    }
}

static void the_posterior_equals_a_direct_solve(void **state)
{
    (void)state;
    struct esp_surrogate *s;
    double x[N][AXES], loss[N], best = INFINITY;
    plain_study();
    assert_int_equal(esp_surrogate_create(&study, &s, NULL), 0);
    for (uint32_t t = 0; t < N; t++) {
        double drawn[AXES];
        for (int a = 0; a < AXES; a++) {
            drawn[a] = -1 + (2 + a) * uniform(t, (uint64_t)a);
            x[t][a] = 4 * (drawn[a] + 1) / (2 + a);
        }
        loss[t] = 1 + uniform(t, 100);
        best = fmin(best, loss[t]);
        esp_surrogate_created(s, t, drawn);
        esp_surrogate_observed(s, t, 64, loss[t]);
        esp_surrogate_completed(s, t);
    }
    s->hyper.noise = log(0.01);
    s->hyper.length[2] = log(1.7);
    struct esp_posterior p = {0};
    assert_int_equal(esp_posterior_make(&p, s, &s->hyper, ESP_ACTIVE_MAX, false), 0);

    double k[N][N], w[N], one[N], kw[N], k1[N], cross[N], kc[N];
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            k[i][j] = matern(x[i], x[j], s->hyper.length) + (i == j ? 0.01 + 1e-8 : 0);
        }
        w[i] = esp_compress((loss[i] - best) / p.scale);
        one[i] = 1;
    }
    solve(k, w, kw);
    solve(k, one, k1);
    double c = 0, ones = 0, q = 0;
    for (int i = 0; i < N; i++) {
        c += kw[i];
        ones += k1[i];
    }
    c /= ones;
    for (int i = 0; i < N; i++) {
        q += (w[i] - c) * (kw[i] - c * k1[i]);
    }
    double at[AXES] = {1, 2, 3, 2, 1}, mean = c, explained = 0, rest = 1;
    for (int i = 0; i < N; i++) {
        cross[i] = matern(at, x[i], s->hyper.length);
        mean += cross[i] * (kw[i] - c * k1[i]);
    }
    solve(k, cross, kc);
    for (int i = 0; i < N; i++) {
        explained += cross[i] * kc[i];
        rest -= cross[i] * k1[i];
    }
    /* inverse gamma (1.5, 1.5): variance (1.5 + q/2)/(1.5 + (N-1)/2 - 1/2) */
    double variance =
        (1 - explained + rest * rest / ones) * (1.5 + q / 2) / (1.5 + (N - 1) / 2.0 - 0.5);
    struct esp_prediction_w belief;
    struct esp_query query = {.x = at, .trial = UINT32_MAX};
    esp_posterior_predict(&p, s, &query, 1, &belief);
    assert_near(belief.mean, mean, 1e-9);
    assert_near(belief.variance, variance, 1e-9);
    double sd = sqrt(variance), z = (0 - mean) / sd; /* the incumbent is w = 0 */
    double ei = sd * (exp(esp_normal_log_pdf(z)) + z * esp_normal_p(z));
    assert_near(belief.log_ei, log(ei), 1e-7);
    esp_posterior_release(&p);
    esp_surrogate_destroy(s);
}

static void the_order_of_telling_changes_nothing(void **state)
{
    (void)state;
    struct esp_prediction belief[2];
    plain_study();
    for (int order = 0; order < 2; order++) {
        struct esp_surrogate *s;
        assert_int_equal(esp_surrogate_create(&study, &s, NULL), 0);
        for (uint32_t i = 0; i < 40; i++) {
            uint32_t which = order ? 39 - i : i;
            double drawn[AXES];
            for (int a = 0; a < AXES; a++) {
                drawn[a] = -1 + (2 + a) * uniform(which, (uint64_t)a);
            }
            esp_surrogate_created(s, i, drawn);
        }
        for (uint32_t i = 0; i < 40; i++) {
            uint32_t which = order ? 39 - i : i;
            esp_surrogate_observed(s, i, 64, 2 + uniform(which, 100));
            if (which % 7 == 3) {
                esp_surrogate_failed(s, i);
            } else {
                esp_surrogate_completed(s, i);
            }
        }
        double at[AXES] = {1, 2, 3, 2, 1};
        belief[order] = esp_surrogate_predict_at(s, at);
        esp_surrogate_destroy(s);
    }
    assert_near(belief[0].mean, belief[1].mean, 1e-9);
    assert_near(belief[0].deviation, belief[1].deviation, 1e-9);
    assert_near(belief[0].log_ei, belief[1].log_ei, 1e-7);
}

static void nothing_told_is_not_finite_afterwards(void **state)
{
    (void)state;
    const double odd[] = {NAN, INFINITY, -INFINITY, 1e300, 0, -1e300, 5};
    for (int kind = 0; kind < 2; kind++) {
        struct esp_surrogate *s;
        rate_and_batch(kind ? ESP_PRIOR_STEP_LAW : ESP_PRIOR_NONE);
        assert_int_equal(esp_surrogate_create(&study, &s, NULL), 0);
        for (uint32_t t = 0; t < 30; t++) {
            double values[2], numbers[ESP_FIT_NUMBERS_MAX];
            struct esp_prediction belief = esp_surrogate_propose(s, t, values);
            assert_true(isfinite(values[0]) && values[0] >= 1e-4 * (1 - 1e-9) &&
                        values[0] <= 5e-2 * (1 + 1e-9));
            assert_true(values[1] >= 0 && values[1] < 8);
            assert_false(isnan(belief.log_ei));
            esp_surrogate_created(s, t, values);
            esp_surrogate_observed(s, t, 1 + (int64_t)t * 100000000, odd[t % 7]);
            if (t % 3 == 0) {
                esp_surrogate_failed(s, t);
            } else if (t % 3 == 1) {
                esp_surrogate_completed(s, t);
            }
            int count = esp_surrogate_refit(s, numbers, ESP_FIT_NUMBERS_MAX);
            for (int i = 0; i < count; i++) {
                assert_true(isfinite(numbers[i]));
            }
            if (count > 0) {
                esp_surrogate_fitted(s, numbers, count);
            }
        }
        esp_surrogate_destroy(s);
    }
}

/* The law's bowl around (u, v) octaves from where the law says. */
static double bowl(const struct esp_surrogate *s, const double *values, double u, double v)
{
    double x[ESP_PARAMS_MAX], shift[2] = {u, v};
    esp_space_place(esp_surrogate_space(s), values, x);
    return 2.5 *
           (1 + 0.01 * esp_compress(esp_scaling_law_rise(esp_surrogate_law(s), x, shift)));
}

/* How many full trainings until one is within 0.1 % of the bottom. */
static int trainings_to_the_bottom(enum esp_prior_kind prior, double u, double v)
{
    struct esp_surrogate *s, *law;
    rate_and_batch(ESP_PRIOR_STEP_LAW);
    struct esp_study with_law = study;
    assert_int_equal(esp_surrogate_create(&with_law, &law, NULL), 0);
    rate_and_batch(prior);
    assert_int_equal(esp_surrogate_create(&study, &s, NULL), 0);
    int found = 0;
    for (uint32_t t = 0; t < 30 && !found; t++) {
        double values[2], numbers[ESP_FIT_NUMBERS_MAX];
        esp_surrogate_propose(s, t, values);
        double loss = bowl(law, values, u, v);
        found = loss < 2.5 * 1.001 ? (int)t + 1 : 0;
        esp_surrogate_created(s, t, values);
        esp_surrogate_observed(s, t, study.trainer.tokens, loss);
        esp_surrogate_completed(s, t);
        int count = esp_surrogate_refit(s, numbers, ESP_FIT_NUMBERS_MAX);
        if (count > 0) {
            esp_surrogate_fitted(s, numbers, count);
        }
    }
    esp_surrogate_destroy(s);
    esp_surrogate_destroy(law);
    return found ? found : 99;
}

static void a_right_law_is_found_at_once_and_a_wrong_one_moved(void **state)
{
    (void)state;
    assert_int_equal(trainings_to_the_bottom(ESP_PRIOR_STEP_LAW, 0, 0), 1);
    assert_true(trainings_to_the_bottom(ESP_PRIOR_STEP_LAW, 0.7, 0.5) <= 4);
    assert_true(trainings_to_the_bottom(ESP_PRIOR_STEP_LAW, 2, 0) <= 8);
    assert_true(trainings_to_the_bottom(ESP_PRIOR_STEP_LAW, -2, -1) <= 8);
    assert_true(trainings_to_the_bottom(ESP_PRIOR_NONE, 0.7, 0.5) <= 12);
}

/* Losses that have nothing of a bowl: the law must lose its weight. */
static void evidence_switches_the_law_off(void **state)
{
    (void)state;
    struct esp_surrogate *s;
    rate_and_batch(ESP_PRIOR_STEP_LAW);
    assert_int_equal(esp_surrogate_create(&study, &s, NULL), 0);
    for (uint32_t t = 0; t < 40; t++) {
        double values[2] = {1e-4 * pow(500, uniform(t, 0)), floor(8 * uniform(t, 1))};
        double slope = 0.02 * log2(values[0] / 1e-4) + 0.03 * values[1];
        esp_surrogate_created(s, t, values);
        esp_surrogate_observed(s, t, study.trainer.tokens, 2.5 - 0.3 * slope);
        esp_surrogate_completed(s, t);
    }
    assert_true(esp_surrogate_law_weight(s) < 0.5);
    esp_surrogate_destroy(s);
}

static void workers_that_ask_at_once_get_different_settings(void **state)
{
    (void)state;
    struct esp_surrogate *s;
    rate_and_batch(ESP_PRIOR_STEP_LAW);
    study.params[0] = (struct esp_param){
        .name = "k", .distribution = ESP_INT_UNIFORM, .integral = true, .min = 1, .max = 3};
    assert_int_equal(esp_surrogate_create(&study, &s, NULL), 0);
    bool seen[3][8] = {{false}};
    for (uint32_t t = 0; t < 24; t++) { /* all of 3 × 8 settings, none told */
        double values[2];
        esp_surrogate_propose(s, t, values);
        bool *cell = &seen[(int)values[0] - 1][(int)values[1]];
        assert_false(*cell);
        *cell = true;
        esp_surrogate_created(s, t, values);
    }
    esp_surrogate_destroy(s);
}

/* Where the loss falls to the end of the range, the places that promise most are clipped to it.
 */
static void proposals_keep_apart_at_an_end_of_the_range(void **state)
{
    (void)state;
    struct esp_surrogate *s;
    plain_study();
    study.param_count = 1;
    assert_int_equal(esp_surrogate_create(&study, &s, NULL), 0);
    double drawn[40];
    bool at_end = false;
    for (uint32_t t = 0; t < 40; t++) {
        esp_surrogate_propose(s, t, &drawn[t]);
        for (uint32_t i = 0; i < t; i++) {
            assert_true(fabs(drawn[i] - drawn[t]) > 0.0099); /* of a range of 2 */
        }
        at_end = at_end || drawn[t] == study.params[0].max;
        esp_surrogate_created(s, t, &drawn[t]);
        if (t % 4 != 3) { /* the others are asked for while it trains */
            esp_surrogate_observed(s, t, 64, 3 - drawn[t]);
            esp_surrogate_completed(s, t);
        }
    }
    assert_true(at_end);
    esp_surrogate_destroy(s);
}

/* Curves 2 + d·(t/T)^-0.3: what is seen at an eighth of the horizon is projected to 2 + d, once
 * a few have shown the way. */
static void partial_losses_are_projected_to_the_end(void **state)
{
    (void)state;
    struct esp_surrogate *s;
    plain_study();
    assert_int_equal(esp_surrogate_create(&study, &s, NULL), 0);
    for (uint32_t t = 0; t < 30; t++) {
        double drawn[AXES], d = 0.2 + 0.02 * ((t * 7) % 30);
        for (int a = 0; a < AXES; a++) {
            drawn[a] = -1 + (2 + a) * uniform(t, (uint64_t)a);
        }
        esp_surrogate_created(s, t, drawn);
        for (int64_t tokens = 1; tokens <= 64; tokens *= 2) {
            esp_surrogate_observed(s, t, tokens, 2 + d * pow((double)tokens / 64, -0.3));
        }
        esp_surrogate_completed(s, t);
    }
    for (double d = 0.25; d < 0.5; d += 0.05) {
        double early = 2 + d * pow(1.0 / 8, -0.3);
        double z = esp_surrogate_project(s, early, esp_surrogate_h(s, 8), 0);
        assert_near(z, 2 + d, 0.06);
        assert_true(fabs(z - 2 - d) < 0.4 * (early - 2 - d));
    }
    esp_surrogate_destroy(s);
}

/* What its curve alone says: the last loss, less what one in the middle gained from there. */
/* With the constant as the only mean and K = 1 + (a + b)·h² + noise of one loss told at h, the
 * variance at the horizon is (1 - 1/K) + (K - 1)²/K = K - 1, times what is the same for all. */
static void doubt_grows_with_the_square_of_what_is_left(void **state)
{
    (void)state;
    struct esp_error error;
    double deviation[2];
    const int64_t told[2] = {32, 8}; /* of 64: h is 1/6 and 1/2 */
    for (int i = 0; i < 2; i++) {
        struct esp_surrogate *s;
        plain_study();
        assert_int_equal(esp_surrogate_create(&study, &s, &error), 0);
        esp_surrogate_created(s, 0, (double[AXES]){0});
        esp_surrogate_observed(s, 0, told[i], 3);
        struct esp_prediction belief;
        esp_surrogate_predict_trials(s, (uint32_t[]){0}, 1, &belief);
        deviation[i] = belief.deviation;
        esp_surrogate_destroy(s);
    }
    double wanted = (0.8 / 4 + 1e-3) / (0.8 / 36 + 1e-3);
    assert_near(pow(deviation[1] / deviation[0], 2), wanted, 1e-3);
}

/* Axes of equal range: the rate's length is limited in octaves, whatever the range. */
static void a_rate_s_length_begins_at_what_is_known_of_it(void **state)
{
    (void)state;
    struct esp_space space;
    struct esp_hyper hyper;
    rate_and_batch(ESP_PRIOR_STEP_LAW);
    study.params[0].min = 1e-8;
    study.params[0].max = 10;
    study.params[1] = study.params[0];
    strcpy(study.params[1].name, "l2");
    esp_space_make(&space, &study);
    esp_hyper_default(&hyper, &space);
    assert_near(hyper.length[0], log(5), 1e-9);
    assert_near(hyper.length[1], log(0.35 * log2(1e9) * sqrt(3)), 1e-9);
}

static void a_curve_points_by_what_the_others_gained(void **state)
{
    (void)state;
    struct esp_surrogate *s;
    double drawn[AXES] = {0};
    plain_study();
    assert_int_equal(esp_surrogate_create(&study, &s, NULL), 0);
    for (uint32_t t = 0; t < 5; t++) {
        esp_surrogate_created(s, t, drawn);
    }
    assert_true(isnan(esp_surrogate_extrapolated_loss(s, 0)));
    esp_surrogate_observed(s, 0, 16, 5);
    assert_near(
        esp_surrogate_extrapolated_loss(s, 0), 5, 1e-9); /* nobody has gained anything yet */
    for (uint32_t t = 1; t < 4; t++) { /* t in all, from a quarter to the end */
        esp_surrogate_observed(s, t, 16, 4);
        esp_surrogate_observed(s, t, 64, 4 - (double)t);
        esp_surrogate_completed(s, t);
    }
    assert_near(esp_surrogate_extrapolated_loss(s, 0), 3, 1e-6);
    assert_near(
        esp_surrogate_extrapolated_loss(s, 3), 1, 1e-9); /* at its end it is what it is */
    esp_surrogate_observed(s, 4, 32, 5);
    assert_near(esp_surrogate_extrapolated_loss(s, 4), 4, 1e-6);
    esp_surrogate_destroy(s);
}

/* A linear range, choices that are no octaves apart, octaves; a word has no centre. */
static void a_centre_is_placed_on_every_kind_of_number(void **state)
{
    (void)state;
    static struct esp_value rates[] = {{.type = ESP_VALUE_REAL, .real = 0},
                                       {.type = ESP_VALUE_REAL, .real = 0.1},
                                       {.type = ESP_VALUE_REAL, .real = 0.4}};
    static struct esp_value words[] = {{.type = ESP_VALUE_TEXT, .text = "cosine"},
                                       {.type = ESP_VALUE_TEXT, .text = "wsd"}};
    const double center[] = {0.25, 0.1, 0.002, 1}, wanted[] = {1, 1, log2(0.002)};
    struct esp_space space;
    struct esp_scaling_law law;
    memset(&study, 0, sizeof study);
    study.prior.kind = ESP_PRIOR_CENTER;
    study.param_count = 4;
    study.params[0] = (struct esp_param){.distribution = ESP_UNIFORM, .min = 0, .max = 1};
    study.params[1] = (struct esp_param){
        .distribution = ESP_CATEGORICAL, .choices = rates, .choice_count = 3};
    study.params[2] =
        (struct esp_param){.distribution = ESP_LOG_UNIFORM_VALUES, .min = 1e-4, .max = 1e-1};
    study.params[3] = (struct esp_param){
        .distribution = ESP_CATEGORICAL, .choices = words, .choice_count = 2};
    memcpy(study.prior.center, center, sizeof center);
    esp_space_make(&space, &study);
    esp_scaling_law_make(&law, &space);
    assert_int_equal(law.count, 3);
    for (int i = 0; i < law.count; i++) {
        assert_int_equal(law.axes[i], i);
        assert_near(law.at[i], wanted[i], 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_posterior_equals_a_direct_solve),
        cmocka_unit_test(the_order_of_telling_changes_nothing),
        cmocka_unit_test(nothing_told_is_not_finite_afterwards),
        cmocka_unit_test(a_right_law_is_found_at_once_and_a_wrong_one_moved),
        cmocka_unit_test(evidence_switches_the_law_off),
        cmocka_unit_test(workers_that_ask_at_once_get_different_settings),
        cmocka_unit_test(proposals_keep_apart_at_an_end_of_the_range),
        cmocka_unit_test(a_centre_is_placed_on_every_kind_of_number),
        cmocka_unit_test(doubt_grows_with_the_square_of_what_is_left),
        cmocka_unit_test(a_rate_s_length_begins_at_what_is_known_of_it),
        cmocka_unit_test(a_curve_points_by_what_the_others_gained),
        cmocka_unit_test(partial_losses_are_projected_to_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
