/* Predicted cost of training: the fit compared with a direct solution, its robustness, and the
 * predictions where little is known. */
#include "stop/cost.h"
#include "stop/rate.h"

#include <espalier/random.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TOKENS 1000 /* between reports */

static double uniform(uint64_t seed, uint64_t index)
{
    struct esp_random_block b = esp_random_at(seed, 0, ESP_RANDOM_SIMULATION, index);
    return esp_random_unit(b.word[0], b.word[1]);
}

static void near(double found, double wanted, double tolerance)
{
    if (!(fabs(found - wanted) <= tolerance * fabs(wanted))) {
        fail_msg("%.12g is not within %g of %.12g", found, tolerance, wanted);
    }
}

/* min Σ (y_i - a·x_i - b)² / y_i² by Householder's QR of the weighted rows, in double. */
static void direct(const double *x, const double *y, int n, double *a, double *b)
{
    double m[64][3];
    for (int i = 0; i < n; i++) {
        m[i][0] = x[i] / y[i];
        m[i][1] = 1 / y[i];
        m[i][2] = 1;
    }
    for (int k = 0; k < 2; k++) {
        double norm = 0, v[64], vv = 0;
        for (int i = k; i < n; i++) {
            norm += m[i][k] * m[i][k];
        }
        norm = copysign(sqrt(norm), m[k][k]);
        for (int i = k; i < n; i++) {
            v[i] = m[i][k] + (i == k ? norm : 0);
            vv += v[i] * v[i];
        }
        for (int c = k; c < 3; c++) {
            double dot = 0;
            for (int i = k; i < n; i++) {
                dot += v[i] * m[i][c];
            }
            for (int i = k; i < n; i++) {
                m[i][c] -= 2 * dot / vv * v[i];
            }
        }
    }
    *b = m[1][2] / m[1][1];
    *a = (m[0][2] - m[0][1] * *b) / m[0][0];
}

static void the_fit_is_the_least_squares_line(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct esp_rate rate;
        double x[8], y[8], a, b;
        double fixed = 1e-3 * (1 + uniform(seed, 100)), each = 1e-4 * (1 + uniform(seed, 101));
        esp_rate_init(&rate);
        for (int i = 0; i < 8; i++) {
            x[i] = ldexp(1, -i);
            y[i] = (fixed * x[i] + each) * (0.9 + 0.2 * uniform(seed, (uint64_t)i));
            esp_rate_add(&rate, x[i], y[i]);
        }
        direct(x, y, 8, &a, &b);
        assert_true(a > 0 && b > 0);
        near(rate.a, a, 1e-9);
        near(rate.b, b, 1e-9);
        near(esp_rate_at(&rate, 0.3), a * 0.3 + b, 1e-9);
        esp_rate_release(&rate);
    }
}

/* No point of a grid over the feasible quadrant is better. */
static void the_fit_is_the_best_without_negative_costs(void **state)
{
    (void)state;
    int bound = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct esp_rate rate;
        double x[4], y[4], best = INFINITY, ours = 0;
        esp_rate_init(&rate);
        for (int i = 0; i < 4; i++) { /* within Huber's limit, where the weights are 1 */
            x[i] = ldexp(1, -i);
            y[i] = seed % 2 ? 1 - 0.1 * x[i] + 0.05 * uniform(seed, (uint64_t)i)
                            : pow(x[i], 1.2) * (1 + 0.05 * uniform(seed, (uint64_t)i));
            esp_rate_add(&rate, x[i], y[i]);
        }
        for (int i = 0; i < 4; i++) {
            ours += pow((rate.a * x[i] + rate.b) / y[i] - 1, 2);
        }
        for (int p = 0; p <= 400; p++) {
            for (int q = 0; q <= 400; q++) {
                double sum = 0;
                for (int i = 0; i < 4; i++) {
                    sum += pow((p / 200.0 * x[i] + q / 200.0) / y[i] - 1, 2);
                }
                best = fmin(best, sum);
            }
        }
        assert_true(rate.a >= 0 && rate.b >= 0 && ours <= best + 1e-12);
        bound += rate.a == 0 || rate.b == 0;
        esp_rate_release(&rate);
    }
    assert_int_equal(bound, 50);
}

static void stalls_do_not_change_the_fit(void **state)
{
    (void)state;
    struct esp_rate rate;
    esp_rate_init(&rate);
    for (int i = 0; i < 200; i++) {
        double x = ldexp(1, -2 - i % 5);
        double seconds = 4e-4 * x + 1e-5;
        /* Every fourth interval of each size is up to a thousand times as long. */
        bool stall = i / 5 % 4 == 3;
        esp_rate_add(&rate, x, stall ? seconds * (2 + 998 * uniform(1, (uint64_t)i)) : seconds);
        if (i >= 15) {
            near(rate.a, 4e-4, 1e-9);
            near(rate.b, 1e-5, 1e-9);
        }
    }
    esp_rate_release(&rate);
}

static void one_outlying_batch_size_hardly_changes_the_others(void **state)
{
    (void)state;
    struct esp_rate rate;
    esp_rate_init(&rate);
    for (int i = 0; i < 40; i++) {
        double x = ldexp(1, -3 - i % 4);
        esp_rate_add(&rate, x, 4e-4 * x + 1e-5);
    }
    esp_rate_add(&rate, 1.0 / 4, 20 * (4e-4 / 4 + 1e-5)); /* its only interval stalled */
    near(esp_rate_at(&rate, 1.0 / 8), 4e-4 / 8 + 1e-5, 0.05);
    near(esp_rate_at(&rate, 1.0 / 64), 4e-4 / 64 + 1e-5, 0.05);
    esp_rate_release(&rate);
}

static void the_fit_follows_a_machine_that_slows_down(void **state)
{
    (void)state;
    struct esp_rate rate;
    esp_rate_init(&rate);
    for (int i = 0; i < 300; i++) {
        double x = ldexp(1, -2 - i % 5);
        esp_rate_add(&rate, x, (4e-4 * x + 1e-5) * (i < 200 ? 1 : 3));
    }
    near(rate.a, 12e-4, 1e-9);
    near(rate.b, 3e-5, 1e-9);
    esp_rate_release(&rate);
}

static void batch_sizes_beyond_the_limit_are_fitted_too(void **state)
{
    (void)state;
    struct esp_rate rate;
    esp_rate_init(&rate);
    for (int i = 0; i < 3000; i++) {
        double x = 1 / floor(exp2(10 * uniform(3, (uint64_t)i)));
        esp_rate_add(&rate, x, 4e-4 * x + 1e-5);
    }
    assert_int_equal(rate.count, ESP_RATE_SIZES_MAX);
    for (int k = 0; k <= 10; k++) {
        double x = ldexp(1, -k);
        near(esp_rate_at(&rate, x), 4e-4 * x + 1e-5, 0.25);
    }
    esp_rate_release(&rate);
}

static void the_line_is_extrapolated_by_two_octaves_only(void **state)
{
    (void)state;
    struct esp_rate rate;
    esp_rate_init(&rate);
    esp_rate_add(&rate, 1.0 / 64, 2e-5);
    esp_rate_add(&rate, 1.0 / 128, 1.5e-5);
    near(esp_rate_at(&rate, 1.0 / 16), 5e-5, 1e-9);
    near(esp_rate_at(&rate, 1), 5e-5, 1e-9);
    esp_rate_release(&rate);
}

/* A study over batch sizes 1 to 1024 and, with `shape`, two widths. */
static struct esp_study *study_of(bool shape)
{
    static struct esp_study study;
    static struct esp_value widths[] = {
        {.type = ESP_VALUE_INTEGER, .integer = 64, .real = 64},
        {.type = ESP_VALUE_INTEGER, .integer = 512, .real = 512}};
    memset(&study, 0, sizeof study);
    study.abilities = esp_abilities_builtin();
    study.trainer.batch_size = 16;
    study.param_count = shape ? 2 : 1;
    study.params[0] = (struct esp_param){.name = "batch_size",
                                         .distribution = ESP_INT_UNIFORM,
                                         .integral = true,
                                         .min = 1,
                                         .max = 1024};
    study.params[1] = (struct esp_param){.name = "model.width",
                                         .distribution = ESP_CATEGORICAL,
                                         .choices = widths,
                                         .choice_count = 2};
    return &study;
}

static struct esp_cost *open_cost(const struct esp_study *study)
{
    struct esp_cost *cost;
    struct esp_error error;
    if (esp_cost_create(study, &cost, &error) < 0) {
        fail_msg("%s", error.text);
    }
    return cost;
}

static double of(const struct esp_cost *cost, double batch, int device)
{
    return esp_cost_of_values(cost, (double[]){batch, 0}, device);
}

/* Adds a trial of this batch size that reports `reports` times at `rate` on the device. */
static void train(struct esp_cost *cost,
                  uint32_t trial,
                  const double *values,
                  int device,
                  double rate,
                  int reports)
{
    esp_cost_created(cost, trial, values);
    esp_cost_started(cost, trial, device, 0, 0);
    for (int i = 1; i <= reports; i++) {
        esp_cost_observed(cost, trial, (int64_t)i * TOKENS, i * TOKENS * rate);
    }
}

static void every_token_costs_the_same_before_enough_is_seen(void **state)
{
    (void)state;
    struct esp_cost *cost = open_cost(study_of(false));
    assert_true(isnan(of(cost, 4, 0)));
    train(cost, 0, (double[]){64}, 0, 2e-5, 0);
    assert_true(isnan(esp_cost_of_trial(cost, 0, 0)));
    train(cost, 1, (double[]){64}, 0, 2e-5, 3);
    near(of(cost, 64, 0), 2e-5, 1e-12);
    near(of(cost, 1, 0), 2e-5, 1e-12);
    near(of(cost, 1024, 0), 2e-5, 1e-12);
    near(esp_cost_of_trial(cost, 0, 0), 2e-5, 1e-12);
    assert_true(isnan(of(cost, 64, 1)));
    esp_cost_destroy(cost);
}

/* Device 0 has a short fixed time and is slow at large batches; device 1 is the opposite. */
static double crossing(int device, double batch)
{
    return device ? 8e-4 / batch + 1e-6 : 1e-5 / batch + 2e-5;
}

static void two_devices_are_fitted_separately(void **state)
{
    (void)state;
    struct esp_cost *cost = open_cost(study_of(false));
    for (uint32_t t = 0; t < 8; t++) {
        double batch = ldexp(1, 2 * (int)(t % 4));
        int device = t >= 4;
        train(cost, t, &batch, device, crossing(device, batch), 3);
    }
    for (double batch = 1; batch <= 256; batch *= 2) {
        near(of(cost, batch, 0), crossing(0, batch), 1e-9);
        near(of(cost, batch, 1), crossing(1, batch), 1e-9);
    }
    assert_true(of(cost, 4, 0) < of(cost, 4, 1) && of(cost, 256, 0) > of(cost, 256, 1));
    /* Trial 3 (batch 64) has reported on device 0 only. */
    near(esp_cost_of_trial(cost, 3, 1), crossing(1, 64), 1e-9);
    esp_cost_destroy(cost);
}

static void a_trials_own_rate_is_preferred(void **state)
{
    (void)state;
    struct esp_cost *cost = open_cost(study_of(false));
    for (uint32_t t = 0; t < 6; t++) {
        double batch = ldexp(1, (int)t);
        train(cost, t, &batch, 0, 1e-4 / batch + 1e-5, 15);
    }
    double usual = 1e-4 / 8 + 1e-5;
    train(cost, 6, (double[]){8}, 0, 1.5 * usual, 5);
    near(of(cost, 8, 0), usual, 0.02);
    near(esp_cost_of_trial(cost, 6, 0), 1.5 * usual, 0.08);
    /* One interval that takes thirty times as long is not trusted. */
    train(cost, 7, (double[]){8}, 0, 30 * usual, 1);
    near(esp_cost_of_trial(cost, 7, 0), usual, 0.5);
    /* On another device the rate is predicted from its batch size. */
    esp_cost_started(cost, 6, 1, 5 * TOKENS, 0);
    assert_true(isnan(esp_cost_of_trial(cost, 6, 1)));
    esp_cost_destroy(cost);
}

static void resuming_and_retraining_do_not_distort_the_fit(void **state)
{
    (void)state;
    struct esp_cost *cost = open_cost(study_of(false));
    double batch = 16;
    train(cost, 0, &batch, 0, 1e-5, 4);
    /* Lost at 4; its checkpoint was at 2, with the clock there. 3 and 4 are not reported again.
     */
    esp_cost_started(cost, 0, 0, 2 * TOKENS, 2e-2);
    esp_cost_observed(cost, 0, 5 * TOKENS, 5e-2);
    near(of(cost, 16, 0), 1e-5, 1e-9);
    /* Again, from the beginning, on a clock that restarts. */
    esp_cost_started(cost, 0, 0, 0, 0);
    esp_cost_observed(cost, 0, 6 * TOKENS, 6e-2);
    near(of(cost, 16, 0), 1e-5, 1e-9);
    /* From a checkpoint with an unknown clock: the first interval does not count. */
    esp_cost_started(cost, 0, 0, 6 * TOKENS, NAN);
    esp_cost_observed(cost, 0, 7 * TOKENS, 1000);
    esp_cost_observed(cost, 0, 8 * TOKENS, 1000 + 1e-2);
    near(of(cost, 16, 0), 1e-5, 1e-9);
    /* Moved to a device that is ten times as fast: the rates of the two are kept apart. */
    esp_cost_started(cost, 0, 1, 8 * TOKENS, 1000 + 1e-2);
    esp_cost_observed(cost, 0, 9 * TOKENS, 1000 + 1e-2 + 1e-3);
    near(of(cost, 16, 0), 1e-5, 1e-9);
    near(of(cost, 16, 1), 1e-6, 1e-6);
    near(esp_cost_of_trial(cost, 0, 1), 1e-6, 1e-6);
    esp_cost_destroy(cost);
}

static void intervals_with_an_invalid_clock_are_ignored(void **state)
{
    (void)state;
    struct esp_cost *cost = open_cost(study_of(false));
    const double clocks[] = {NAN, INFINITY, -INFINITY, -1, 0, 0, 1e300, 1e300, NAN};
    double batch = 16;
    esp_cost_created(cost, 0, &batch);
    for (int i = 0; i < 9; i++) {
        esp_cost_observed(cost, 0, (int64_t)(i + 1) * TOKENS, clocks[i]);
        assert_true(!(esp_cost_of_trial(cost, 0, 0) <= 0));
    }
    struct esp_cost *other = open_cost(study_of(false));
    esp_cost_created(other, 0, &batch);
    for (int i = 0; i < 9; i++) { /* every second report is valid */
        esp_cost_observed(other, 0, (int64_t)(3 * i + 1) * TOKENS, (3 * i + 1) * 1e-2);
        esp_cost_observed(other, 0, (int64_t)(3 * i + 2) * TOKENS, (3 * i + 2) * 1e-2);
        esp_cost_observed(other, 0, (int64_t)(3 * i + 3) * TOKENS, clocks[i]);
        esp_cost_observed(other, 0, (int64_t)(3 * i + 3) * TOKENS, (3 * i + 3) * 1e-2);
    }
    near(of(other, 16, 0), 1e-5, 1e-9);
    near(esp_cost_of_trial(other, 0, 0), 1e-5, 1e-9);
    esp_cost_destroy(cost);
    esp_cost_destroy(other);
}

static void a_batch_size_that_is_not_searched_gives_one_number(void **state)
{
    (void)state;
    struct esp_study *study = study_of(false);
    strcpy(study->params[0].name, "learning_rate");
    struct esp_cost *cost = open_cost(study);
    train(cost, 0, (double[]){1e-3}, 0, 3e-5, 3);
    train(cost, 1, (double[]){1e-2}, 0, 3e-5, 3);
    near(esp_cost_of_values(cost, (double[]){0.5}, 0), 3e-5, 1e-12);
    esp_cost_destroy(cost);
}

static void a_programs_trials_are_predicted_from_their_own_rates(void **state)
{
    (void)state;
    struct esp_study *study = study_of(false);
    study->abilities = (struct esp_abilities){0};
    struct esp_cost *cost = open_cost(study);
    train(cost, 0, (double[]){4}, 0, 1, 5);
    train(cost, 1, (double[]){512}, 0, 3, 5);
    assert_true(esp_cost_of_trial(cost, 1, 0) > 2 * esp_cost_of_trial(cost, 0, 0));
    near(of(cost, 4, 0), of(cost, 512, 0), 1e-12);
    esp_cost_destroy(cost);
}

static void a_shape_is_predicted_from_trials_of_that_shape(void **state)
{
    (void)state;
    struct esp_cost *cost = open_cost(study_of(true));
    for (uint32_t t = 0; t < 4; t++) { /* narrow models at four batch sizes */
        double values[] = {ldexp(1, 2 * (int)t), 0};
        train(cost, t, values, 0, 1e-4 / values[0] + 1e-5, 5);
    }
    /* No wide model has run: predicted from all trials. */
    near(esp_cost_of_values(cost, (double[]){16, 1}, 0), 1e-4 / 16 + 1e-5, 1e-9);
    /* One wide trial takes ten times as long. The dependence on batch size is that of all
     * trials. */
    train(cost, 4, (double[]){16, 1}, 0, 10 * (1e-4 / 16 + 1e-5), 2);
    near(esp_cost_of_values(cost, (double[]){16, 1}, 0), 10 * (1e-4 / 16 + 1e-5), 1e-9);
    double ratio = esp_cost_of_values(cost, (double[]){1, 1}, 0) /
                   esp_cost_of_values(cost, (double[]){64, 1}, 0);
    near(ratio, (1e-4 + 1e-5) / (1e-4 / 64 + 1e-5), 0.1);
    /* With two batch sizes the wide models have their own line, and the narrow ones theirs. */
    train(cost, 5, (double[]){64, 1}, 0, 1.2e-4, 2);
    near(esp_cost_of_values(cost, (double[]){64, 1}, 0), 1.2e-4, 1e-9);
    near(esp_cost_of_values(cost, (double[]){64, 0}, 0), 1e-4 / 64 + 1e-5, 1e-9);
    esp_cost_destroy(cost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fit_is_the_least_squares_line),
        cmocka_unit_test(the_fit_is_the_best_without_negative_costs),
        cmocka_unit_test(stalls_do_not_change_the_fit),
        cmocka_unit_test(one_outlying_batch_size_hardly_changes_the_others),
        cmocka_unit_test(the_fit_follows_a_machine_that_slows_down),
        cmocka_unit_test(batch_sizes_beyond_the_limit_are_fitted_too),
        cmocka_unit_test(the_line_is_extrapolated_by_two_octaves_only),
        cmocka_unit_test(every_token_costs_the_same_before_enough_is_seen),
        cmocka_unit_test(two_devices_are_fitted_separately),
        cmocka_unit_test(a_trials_own_rate_is_preferred),
        cmocka_unit_test(resuming_and_retraining_do_not_distort_the_fit),
        cmocka_unit_test(intervals_with_an_invalid_clock_are_ignored),
        cmocka_unit_test(a_batch_size_that_is_not_searched_gives_one_number),
        cmocka_unit_test(a_programs_trials_are_predicted_from_their_own_rates),
        cmocka_unit_test(a_shape_is_predicted_from_trials_of_that_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
