/* TPE's densities against Optuna 5.0.0, the normal functions against known values, and the
 * sampler's search for a minimum. */
#include "search/normal.h"
#include "search/parzen.h"
#include "search/sampler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../near.h"

/* optuna.samplers._tpe.parzen_estimator._ParzenEstimator, prior weight 1, magic clip, on
 * observation i: x = (0.37·i + 0.11) mod 1, k = (7·i + 3) mod 100, c = (5·i + 1) mod 3, with
 * x in [0, 1], k an integer in [0, 99], c one of three: log_pdf at four points. */
static const struct {
    uint32_t count;
    double log_pdf[4];
} recorded[] = {
    {0, {-5.8693425194, -5.67134350273, -5.7443425194, -5.71579352773}},
    {1, {-5.90155314228, -5.21766454297, -6.05800658673, -6.03176835504}},
    {3, {-5.2193311347, -5.71651222163, -7.12922432075, -6.63083743949}},
    {40, {-9.3861719664, -8.77040443002, -7.00569937147, -8.76272095693}},
};

static void densities_equal_those_of_optuna(void **state)
{
    (void)state;
    const struct esp_parzen_axis axes[] = {{0}, {.cell = 0.01}, {.choices = 3}};
    const double x[] = {0.0, 0.2, 0.5, 0.93};
    const int k[] = {0, 40, 99, 55}, c[] = {0, 1, 2, 0};
    for (size_t r = 0; r < sizeof recorded / sizeof *recorded; r++) {
        double observations[40 * 3 + 1];
        for (uint32_t i = 0; i < recorded[r].count; i++) {
            observations[3 * i] = fmod(i * 0.37 + 0.11, 1.0);
            observations[3 * i + 1] = ((i * 7 + 3) % 100 + 0.5) / 100;
            observations[3 * i + 2] = (i * 5 + 1) % 3;
        }
        struct esp_parzen parzen;
        assert_int_equal(esp_parzen_make(&parzen, axes, 3, observations, recorded[r].count), 0);
        for (int p = 0; p < 4; p++) {
            double point[] = {x[p], (k[p] + 0.5) / 100, c[p]};
            assert_near(esp_parzen_log_pdf(&parzen, point), recorded[r].log_pdf[p], 1e-9);
        }
        esp_parzen_release(&parzen);
    }
}

/* Draws follow the density: shares of 10 cells of x against the integral of the pdf. */
static void draws_follow_the_density(void **state)
{
    (void)state;
    const struct esp_parzen_axis axis = {0};
    const double observations[] = {0.2, 0.25, 0.8};
    struct esp_parzen parzen;
    assert_int_equal(esp_parzen_make(&parzen, &axis, 1, observations, 3), 0);
    int seen[10] = {0}, draws = 20000;
    for (int i = 0; i < draws; i++) {
        struct esp_random_block r = esp_random_at(5, (uint64_t)i, ESP_RANDOM_SIMULATION, 0);
        double u[] = {esp_random_unit(r.word[0], r.word[1]),
                      esp_random_unit(r.word[2], r.word[3])};
        double point;
        esp_parzen_sample(&parzen, u, &point);
        assert_true(point >= 0 && point <= 1);
        seen[(int)fmin(point * 10, 9)]++;
    }
    for (int cell = 0; cell < 10; cell++) {
        double mass = 0;
        for (int i = 0; i < 100; i++) {
            double x = (cell + (i + 0.5) / 100) / 10;
            mass += exp(esp_parzen_log_pdf(&parzen, &x)) / 1000;
        }
        /* five standard deviations of a binomial share */
        double deviation = 5 * sqrt(mass * (1 - mass) / draws);
        assert_near((double)seen[cell] / draws, mass, deviation);
    }
    esp_parzen_release(&parzen);
}

/* scipy.stats.norm (1.17.1): logcdf, ppf. */
static void normal_tails_are_accurate(void **state)
{
    (void)state;
    assert_near(esp_normal_log_p(-5), -15.064998393988727, 1e-12);
    assert_near(esp_normal_log_p(-30), -454.32124395634319, 1e-9);
    assert_near(esp_normal_log_p(-100), -5005.5242086942050, 1e-8);
    assert_near(esp_normal_log_p(8), -6.2209605742717841e-16, 1e-20);
    assert_near(esp_normal_z(0.975), 1.9599639845400542, 1e-12);
    assert_near(esp_normal_z(1e-10), -6.3613409024040562, 1e-10);
    assert_near(esp_normal_z(0.5), 0, 1e-15);
    /* h(0) = φ(0); h(1) = φ(1) + Φ(1) */
    assert_near(exp(esp_log_improvement(0)), 0.39894228040143268, 1e-14);
    assert_near(exp(esp_log_improvement(1)), 1.0833154705876863, 1e-13);
    for (double z = -0.5; z > -2e4; z *= 1.01) { /* smooth across its three forms */
        double a = esp_log_improvement(z), b = esp_log_improvement(z * 1.0001);
        assert_true(b < a);
        double slope = (a - b) / (-z * 1e-4), expected = -z + (z < -2 ? 2 / -z : 1.2);
        assert_true(fabs(slope / expected - 1) < 0.5);
    }
}

static double bowl(double lr, double size_index)
{
    double u = log10(lr) + 2.5;
    return u * u + 0.3 * (size_index - 2) * (size_index - 2);
}

/* Best of 60 on a bowl: TPE's are closer than random's on most seeds. */
static void tpe_finds_a_minimum_faster_than_random(void **state)
{
    (void)state;
    struct esp_value sizes[5];
    for (int i = 0; i < 5; i++) {
        sizes[i] = (struct esp_value){.type = ESP_VALUE_REAL, .real = 4 << i};
    }
    static struct esp_study study;
    study.param_count = 2;
    study.params[0] = (struct esp_param){
        .name = "lr", .distribution = ESP_LOG_UNIFORM_VALUES, .min = 1e-5, .max = 1};
    study.params[1] = (struct esp_param){
        .name = "batch", .distribution = ESP_CATEGORICAL, .choices = sizes, .choice_count = 5};
    int wins = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        double mean[2] = {0};
        for (int m = 0; m < 2; m++) {
            struct esp_sampler *sampler;
            struct esp_reason reason;
            double values[2];
            study.method = m ? ESP_METHOD_TPE : ESP_METHOD_RANDOM;
            study.seed = seed;
            assert_int_equal(esp_sampler_create(&study, &sampler, NULL), 0);
            for (uint32_t t = 0; t < 60; t++) {
                assert_int_equal(esp_sampler_propose(sampler, t, values, &reason), 0);
                assert_true(values[0] >= 1e-5 && values[0] <= 1 && values[1] >= 0 &&
                            values[1] < 5);
                esp_sampler_created(sampler, t, values);
                double loss = bowl(values[0], values[1]);
                esp_sampler_observed(sampler, t, 1, t % 9 == 8 ? NAN : loss);
                esp_sampler_ended(sampler, t, t % 9 == 8 ? ESP_END_DIVERGED : ESP_END_COMPLETE);
                mean[m] += t >= 30 ? loss : 0;
            }
            esp_sampler_destroy(sampler);
        }
        wins += mean[1] < mean[0];
    }
    assert_true(wins >= 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(densities_equal_those_of_optuna),
        cmocka_unit_test(draws_follow_the_density),
        cmocka_unit_test(normal_tails_are_accurate),
        cmocka_unit_test(tpe_finds_a_minimum_faster_than_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
