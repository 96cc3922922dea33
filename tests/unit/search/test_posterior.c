/* The Gaussian process's posterior against a direct solve, and how it weighs the means. */
#include "search/normal.h"
#include "search/posterior.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../near.h"
#include "fixture.h"

#define N 9
#define AXES PLAIN_AXES

static struct esp_study study;

/* What a posterior is made of. */
struct model {
    struct esp_loss_curves curves;
    struct esp_mean_functions means;
    struct esp_hyperparameters hyper;
    struct esp_posterior posterior;
};

static void make_model(struct model *model)
{
    memset(model, 0, sizeof *model);
    esp_loss_curves_init(&model->curves, &study);
    esp_mean_functions_make(&model->means, &model->curves.space);
    esp_hyperparameters_default(&model->hyper, &model->curves.space);
}

static void condition(struct model *model)
{
    int rc = esp_posterior_make(
        &model->posterior, &model->curves, &model->means, &model->hyper, ESP_ACTIVE_MAX, true);
    assert_int_equal(rc, 0);
}

static struct esp_prediction_w predict(const struct model *model, const double *x)
{
    struct esp_prediction_w prediction;
    struct esp_query query = {.x = x, .trial = ESP_NO_TRIAL};
    esp_posterior_predict(&model->posterior, &query, 1, &prediction);
    return prediction;
}

static void release_model(struct model *model)
{
    esp_posterior_release(&model->posterior);
    esp_loss_curves_release(&model->curves);
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
    struct model model;
    double x[N][AXES], loss[N], best = INFINITY;
    make_plain_study(&study);
    make_model(&model);
    for (uint32_t t = 0; t < N; t++) {
        double drawn[AXES];
        draw_plain(t, drawn, x[t]);
        loss[t] = 1 + uniform(t, 100);
        best = fmin(best, loss[t]);
        esp_loss_curves_created(&model.curves, t, drawn);
        esp_loss_curves_observed(&model.curves, t, PLAIN_HORIZON, loss[t]);
        esp_loss_curves_completed(&model.curves, t);
    }
    model.hyper.noise = log(0.01);
    model.hyper.length[2] = log(1.7);
    condition(&model);

    double k[N][N], w[N], one[N], kw[N], k1[N], cross[N], kc[N];
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            k[i][j] = matern(x[i], x[j], model.hyper.length) + (i == j ? 0.01 + 1e-8 : 0);
        }
        w[i] = esp_compress((loss[i] - best) / model.posterior.scale.scale);
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
        cross[i] = matern(at, x[i], model.hyper.length);
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
    struct esp_prediction_w prediction = predict(&model, at);
    assert_near(prediction.mean, mean, 1e-9);
    assert_near(prediction.variance, variance, 1e-9);
    double sd = sqrt(variance), z = (0 - mean) / sd; /* the incumbent is w = 0 */
    double ei = sd * (exp(esp_normal_log_pdf(z)) + z * esp_normal_p(z));
    assert_near(prediction.log_ei, log(ei), 1e-7);
    release_model(&model);
}

static void the_order_of_reports_changes_nothing(void **state)
{
    (void)state;
    struct esp_prediction_w prediction[2];
    double deviation[2];
    make_plain_study(&study);
    for (int order = 0; order < 2; order++) {
        struct model model;
        make_model(&model);
        for (uint32_t i = 0; i < 40; i++) {
            double drawn[AXES];
            draw_plain(order ? 39 - i : i, drawn, NULL);
            esp_loss_curves_created(&model.curves, i, drawn);
        }
        for (uint32_t i = 0; i < 40; i++) {
            uint32_t which = order ? 39 - i : i;
            esp_loss_curves_observed(&model.curves, i, PLAIN_HORIZON, 2 + uniform(which, 100));
            if (which % 7 == 3) {
                esp_loss_curves_failed(&model.curves, i);
            } else {
                esp_loss_curves_completed(&model.curves, i);
            }
        }
        double at[AXES] = {1, 2, 3, 2, 1};
        condition(&model);
        const struct esp_loss_scale *scale = &model.posterior.scale;
        prediction[order] = predict(&model, at);
        deviation[order] = scale->scale * sqrt(prediction[order].variance);
        prediction[order].mean = scale->best + scale->scale * prediction[order].mean;
        prediction[order].log_ei += log(scale->scale);
        release_model(&model);
    }
    assert_near(prediction[0].mean, prediction[1].mean, 1e-9);
    assert_near(deviation[0], deviation[1], 1e-9);
    assert_near(prediction[0].log_ei, prediction[1].log_ei, 1e-7);
}

/* Losses that follow a plane, not a bowl: the law must lose its weight. */
static void evidence_switches_the_law_off(void **state)
{
    (void)state;
    struct model model;
    make_rate_and_batch(&study, ESP_PRIOR_STEP_LAW);
    make_model(&model);
    for (uint32_t t = 0; t < 40; t++) {
        double values[2] = {1e-4 * pow(500, uniform(t, 0)), floor(8 * uniform(t, 1))};
        double slope = 0.02 * log2(values[0] / 1e-4) + 0.03 * values[1];
        esp_loss_curves_created(&model.curves, t, values);
        esp_loss_curves_observed(&model.curves, t, study.trainer.tokens, 2.5 - 0.3 * slope);
        esp_loss_curves_completed(&model.curves, t);
    }
    condition(&model);
    assert_true(model.posterior.process.law_weight < 0.5);
    release_model(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_posterior_equals_a_direct_solve),
        cmocka_unit_test(the_order_of_reports_changes_nothing),
        cmocka_unit_test(evidence_switches_the_law_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
