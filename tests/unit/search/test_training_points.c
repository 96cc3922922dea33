/* The losses that the Gaussian process is conditioned on, and their scale. */
#include "search/loss_scale.h"
#include "search/training_points.h"

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

/* Trials 0 to count − 1. Every tenth failed; of the others a third is complete, the rest was
 * stopped at a quarter. The lower the number, the lower the loss. */
static void make_trials(struct esp_loss_curves *curves, uint32_t count)
{
    make_plain_study(&study);
    esp_loss_curves_init(curves, &study);
    for (uint32_t t = 0; t < count; t++) {
        double drawn[PLAIN_AXES];
        draw_plain(t, drawn, NULL);
        esp_loss_curves_created(curves, t, drawn);
        if (t % 10 == 9) {
            esp_loss_curves_failed(curves, t);
            continue;
        }
        esp_loss_curves_observed(curves, t, PLAIN_HORIZON / 4, 3 + 0.01 * t);
        if (t % 3 == 0) {
            esp_loss_curves_observed(curves, t, PLAIN_HORIZON, 2 + 0.01 * t);
            esp_loss_curves_completed(curves, t);
        } else {
            esp_loss_curves_closed(curves, t);
        }
    }
}

static bool has_trial(const struct esp_training_points *points, uint32_t trial)
{
    for (int i = 0; i < points->place_count; i++) {
        if (points->points[i].trial == trial) {
            return true;
        }
    }
    return false;
}

static void all_trials_are_chosen_while_they_fit(void **state)
{
    (void)state;
    struct esp_loss_curves curves;
    struct esp_training_points points = {0};
    make_trials(&curves, 20);
    assert_int_equal(esp_training_points_choose(&points, &curves, ESP_ACTIVE_MAX), 0);
    assert_int_equal(points.place_count, 20);
    for (uint32_t t = 0; t < 20; t++) {
        const struct esp_training_point *point = &points.points[t];
        assert_int_equal(point->trial, t);
        assert_int_equal(point->place, t);
        assert_true(t % 10 == 9 ? isinf(point->z) : isfinite(point->z));
        assert_memory_equal(esp_training_points_x(&points, (int)t),
                            esp_loss_curves_place(&curves, t),
                            PLAIN_AXES * sizeof(double));
    }
    esp_training_points_release(&points);
    esp_loss_curves_release(&curves);
}

static void the_active_set_is_bounded_and_has_the_best(void **state)
{
    (void)state;
    struct esp_loss_curves curves;
    struct esp_training_points points = {0};
    const int limit = 64;
    make_trials(&curves, 1000);
    assert_int_equal(esp_training_points_choose(&points, &curves, limit), 0);
    assert_int_equal(points.place_count, limit);
    assert_true(points.count <= limit * 3 / 2);
    int failed = 0;
    for (int i = 0; i < points.place_count; i++) {
        failed += points.points[i].trial % 10 == 9;
        for (int k = 0; k < i; k++) {
            assert_int_not_equal(points.points[i].trial, points.points[k].trial);
        }
    }
    assert_int_equal(failed, limit / 12);
    for (uint32_t t = 0; t < 20; t++) { /* the best of both marks */
        assert_true(t % 10 == 9 || t % 3 || has_trial(&points, t));
    }
    assert_true(has_trial(&points, 1) && has_trial(&points, 2));
    esp_training_points_release(&points);
    esp_loss_curves_release(&curves);
}

static void assumed_points_are_added_until_the_set_is_full(void **state)
{
    (void)state;
    struct esp_loss_curves curves;
    struct esp_training_points points = {0};
    const double x[PLAIN_AXES] = {1, 2, 3, 2, 1};
    make_trials(&curves, 20);
    assert_int_equal(esp_training_points_choose(&points, &curves, ESP_ACTIVE_MAX), 0);
    while (points.count < ESP_POINTS_MAX) {
        assert_true(esp_training_points_assume(&points, x));
        const struct esp_training_point *last = &points.points[points.count - 1];
        assert_true(last->trial == ESP_NO_TRIAL && last->h == 0 && isnan(last->z));
    }
    assert_false(esp_training_points_assume(&points, x));
    assert_memory_equal(esp_training_points_x(&points, points.count - 1), x, sizeof x);
    esp_training_points_release(&points);
    esp_loss_curves_release(&curves);
}

static void compression_is_monotone_and_bounded(void **state)
{
    (void)state;
    double before = esp_compress(-5);
    assert_near(before, -5, 1e-12);
    for (double e = -5; e < 100; e += 0.01) {
        assert_true(esp_compress(e) >= before && esp_compress(e) <= ESP_W_MAX);
        before = esp_compress(e);
    }
    assert_near(esp_compress(1), 1, 1e-12);
    assert_near(esp_compress(exp(1)), 2, 1e-12);
    assert_near(esp_compress(INFINITY), ESP_W_MAX, 0);
    assert_near(esp_compress(NAN), ESP_W_MAX, 0);
}

static void the_scale_is_the_spread_of_the_better_half(void **state)
{
    (void)state;
    struct esp_loss_scale scale;
    double z[] = {9, 2, 3, 4, 2.5};
    esp_loss_scale_make(&scale, z, 5, false);
    assert_near(scale.best, 2, 1e-12);
    assert_near(scale.scale, 1, 1e-12); /* from 2 to 3 */
    esp_loss_scale_make(&scale, z, 5, true);
    assert_near(scale.scale, 0.06, 1e-12); /* with a known law: 3 % of the best */
    double near_equal[] = {2, 2.001, 2.002};
    esp_loss_scale_make(&scale, near_equal, 3, false);
    assert_near(scale.scale, 0.04, 1e-12); /* at least 2 % of the best */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_trials_are_chosen_while_they_fit),
        cmocka_unit_test(the_active_set_is_bounded_and_has_the_best),
        cmocka_unit_test(assumed_points_are_added_until_the_set_is_full),
        cmocka_unit_test(compression_is_monotone_and_bounded),
        cmocka_unit_test(the_scale_is_the_spread_of_the_better_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
