/* Losses seen during training, projected to the horizon. */
#include "search/loss_curves.h"

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

static double
project(const struct esp_loss_curves *curves, double loss, int64_t tokens, double log_rate)
{
    double h = esp_curve_projection_h(&curves->projection, tokens);
    return esp_curve_projection_project(&curves->projection, loss, h, log_rate);
}

static double extrapolate(const struct esp_loss_curves *curves, uint32_t trial)
{
    const struct esp_loss_curve *curve = &curves->trials[trial];
    return esp_curve_projection_extrapolate(&curves->projection, curve->last, curve->last_h);
}

static double
rate_adjusted(const struct esp_loss_curves *curves, uint32_t trial, int64_t tokens, double loss)
{
    return esp_curve_projection_rate_adjusted(
        &curves->projection, loss, tokens, curves->trials[trial].log_rate);
}

/* Curves 2 + d·(t/T)^-0.3: a loss at an eighth of the horizon is projected to 2 + d, once some
 * curves have been seen. */
static void partial_losses_are_projected_to_the_horizon(void **state)
{
    (void)state;
    struct esp_loss_curves curves;
    make_plain_study(&study);
    esp_loss_curves_init(&curves, &study);
    for (uint32_t t = 0; t < 30; t++) {
        double drawn[PLAIN_AXES], d = 0.2 + 0.02 * ((t * 7) % 30);
        draw_plain(t, drawn, NULL);
        esp_loss_curves_created(&curves, t, drawn);
        for (int64_t tokens = 1; tokens <= 64; tokens *= 2) {
            esp_loss_curves_observed(
                &curves, t, tokens, 2 + d * pow((double)tokens / 64, -0.3));
        }
        esp_loss_curves_completed(&curves, t);
    }
    for (double d = 0.25; d < 0.5; d += 0.05) {
        double early = 2 + d * pow(1.0 / 8, -0.3);
        double z = project(&curves, early, 8, 0);
        assert_near(z, 2 + d, 0.06);
        assert_true(fabs(z - 2 - d) < 0.4 * (early - 2 - d));
    }
    esp_loss_curves_release(&curves);
}

static void an_extrapolation_adds_what_the_median_trial_gained(void **state)
{
    (void)state;
    struct esp_loss_curves curves;
    double drawn[PLAIN_AXES] = {0};
    make_plain_study(&study);
    esp_loss_curves_init(&curves, &study);
    for (uint32_t t = 0; t < 5; t++) {
        esp_loss_curves_created(&curves, t, drawn);
    }
    assert_true(isnan(extrapolate(&curves, 0)));
    esp_loss_curves_observed(&curves, 0, 16, 5);
    assert_near(extrapolate(&curves, 0), 5, 1e-9); /* no gain has been seen yet */
    for (uint32_t t = 1; t < 4; t++) {             /* trial t gains t from a quarter on */
        esp_loss_curves_observed(&curves, t, 16, 4);
        esp_loss_curves_observed(&curves, t, 64, 4 - (double)t);
        esp_loss_curves_completed(&curves, t);
    }
    assert_near(extrapolate(&curves, 0), 3, 1e-6);
    assert_near(extrapolate(&curves, 3), 1, 1e-9); /* at the horizon nothing is added */
    esp_loss_curves_observed(&curves, 4, 32, 5);
    assert_near(extrapolate(&curves, 4), 4, 1e-6);
    esp_loss_curves_release(&curves);
}

/* Trial 0 has the lower rate of the two, trial 1 the higher. */
static void make_two_rates(struct esp_loss_curves *curves)
{
    make_scheduled_study(&study, ESP_SCHEDULE_COSINE);
    esp_loss_curves_init(curves, &study);
    esp_loss_curves_created(curves, 0, (const double[]){0x1p-10, 1});
    esp_loss_curves_created(curves, 1, (const double[]){0x1p-8, 1});
}

/* Of two equal losses, the one with the lower rate ends lower when it is seen early, and the
 * one with the higher rate when it is seen later. */
static void lower_rates_catch_up_before_higher_ones_anneal(void **state)
{
    (void)state;
    struct esp_loss_curves curves;
    make_two_rates(&curves);
    assert_true(rate_adjusted(&curves, 0, 6400 / 50, 3.0) <
                rate_adjusted(&curves, 1, 6400 / 50, 3.0) - 0.02);
    assert_true(rate_adjusted(&curves, 0, 6400 / 3, 3.0) >
                rate_adjusted(&curves, 1, 6400 / 3, 3.0) + 0.02);
    assert_true(project(&curves, 3.0, 6400 / 50, -1) < project(&curves, 3.0, 6400 / 50, 1));
    assert_true(project(&curves, 3.0, 6400 / 3, -1) > project(&curves, 3.0, 6400 / 3, 1));
    esp_loss_curves_release(&curves);
}

/* Of two equal losses at an eighth, the one with the higher rate is expected to end lower, by
 * about κ times the octaves between them, less what the other catches up. */
static void equal_losses_end_lower_at_a_higher_rate(void **state)
{
    (void)state;
    struct esp_loss_curves curves;
    make_two_rates(&curves);
    for (uint32_t i = 0; i < 2; i++) {
        esp_loss_curves_observed(&curves, i, 800, 3.0);
    }
    assert_true(rate_adjusted(&curves, 1, 800, 3.0) <
                rate_adjusted(&curves, 0, 800, 3.0) - 0.03);
    assert_near(rate_adjusted(&curves, 1, 6400, 3.0), 3.0, 1e-9);
    double gap = project(&curves, 3.0, 800, curves.trials[0].log_rate) -
                 project(&curves, 3.0, 800, curves.trials[1].log_rate);
    assert_true(gap > 0.03 && gap < 0.2);
    assert_near(project(&curves, 3.0, 6400, 2), 3.0, 1e-9);
    esp_loss_curves_release(&curves);
}

/* κ is learnt: where high rates gain no more than low ones, the expectation shrinks. */
static void parallel_curves_remove_the_effect_of_the_rate(void **state)
{
    (void)state;
    struct esp_loss_curves curves;
    double gap[2];
    make_scheduled_study(&study, ESP_SCHEDULE_COSINE);
    esp_loss_curves_init(&curves, &study);
    for (int seen = 0; seen < 2; seen++) {
        for (uint32_t i = 0; i < 12 && seen; i++) {
            const double values[2] = {exp2(-12 + 0.5 * i), 1};
            double start = 3 + 0.02 * fabs((double)i - 6);
            esp_loss_curves_created(&curves, i, values);
            for (int k = 0; k <= 6; k++) {
                esp_loss_curves_observed(&curves, i, 800ll << (k / 2), start - 0.1 * (k / 2));
            }
            esp_loss_curves_completed(&curves, i);
        }
        gap[seen] = project(&curves, 3.0, 800, -1) - project(&curves, 3.0, 800, 1);
    }
    assert_true(gap[0] > 0.03);
    assert_true(gap[1] < 0.5 * gap[0]);
    esp_loss_curves_release(&curves);
}

/* Curves that follow the model of rate_effect.h, with larger κ and λ than its prior: both are
 * learnt from what is observed. */
static void the_effect_of_the_rate_is_learnt_from_curves(void **state)
{
    (void)state;
    struct esp_loss_curves curves;
    const double kappa = 0.04, lambda = 0.004;
    make_scheduled_study(&study, ESP_SCHEDULE_COSINE);
    esp_loss_curves_init(&curves, &study);
    const struct esp_curve_projection *projection = &curves.projection;
    for (uint32_t i = 0; i < 200; i++) {
        const double values[2] = {exp2(-11 + 0.1 * (i * 17 % 40)), 1};
        esp_loss_curves_created(&curves, i, values);
        double log_rate = curves.trials[i].log_rate, loss = 3 + 0.1 * (i * 7 % 5);
        for (int64_t tokens = 200; tokens <= 6400; tokens *= 2) {
            esp_loss_curves_observed(&curves, i, tokens, loss);
            struct esp_rate_effect_span span = esp_rate_effect_between(
                &projection->rate_effect, log_rate, tokens / 6400., tokens / 3200.);
            loss -= 0.05 + loss * (kappa * span.annealed - lambda * span.lag);
        }
        esp_loss_curves_completed(&curves, i);
    }
    const struct esp_rate_effect_span annealed = {.annealed = 1}, lag = {.lag = 1};
    assert_near(esp_rate_effect_decrease(&projection->rate_fit, annealed), kappa, 0.01);
    assert_near(esp_rate_effect_decrease(&projection->rate_fit, lag), -lambda, 0.001);
    esp_loss_curves_release(&curves);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partial_losses_are_projected_to_the_horizon),
        cmocka_unit_test(an_extrapolation_adds_what_the_median_trial_gained),
        cmocka_unit_test(lower_rates_catch_up_before_higher_ones_anneal),
        cmocka_unit_test(equal_losses_end_lower_at_a_higher_rate),
        cmocka_unit_test(parallel_curves_remove_the_effect_of_the_rate),
        cmocka_unit_test(the_effect_of_the_rate_is_learnt_from_curves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
