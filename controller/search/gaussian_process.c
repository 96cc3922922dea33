#include "gaussian_process.h"

#include "normal.h"

#include <assert.h>
#include <cblas.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

extern void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);

/* Shape of the inverse gamma prior of the process variance. */
#define SHAPE 1.5
/* Parts are kept until they hold this share of the weight. */
#define KEPT_SHARE 0.995
/* Equal settings with hardly any noise make K singular to working precision. The log noise then
 * grows by NOISE_STEP until K is regular, or the log noise is above NOISE_MAX. */
#define NOISE_STEP 4.0
#define NOISE_MAX 2.0

void esp_gaussian_process_release(struct esp_gaussian_process *p)
{
    free(p->factor);
    free(p->ones);
    for (int i = 0; i < ESP_MEANS_KEPT; i++) {
        free(p->part[i].alpha);
    }
    memset(p, 0, sizeof *p);
}

void esp_gaussian_process_fix_means(struct esp_gaussian_process *p)
{
    for (int i = 0; i < p->part_count; i++) {
        p->fixed[i] = p->part[i].function;
    }
    p->fixed_count = p->part_count;
}

static double mean_at(const struct esp_gaussian_process *p,
                      struct esp_mean_function function,
                      const double *x)
{
    return esp_mean_function_value(p->means, &p->units, function, x);
}

/* b := L⁻¹·b or L⁻ᵀ·b. */
static void
solve_lower(const struct esp_gaussian_process *p, enum CBLAS_TRANSPOSE transpose, double *b)
{
    int n = p->data->count;
    cblas_dtrsv(CblasColMajor, CblasLower, transpose, CblasNonUnit, n, p->factor, n, b, 1);
}

/* b := L⁻¹·b, [points, columns]. */
static void solve_lower_columns(const struct esp_gaussian_process *p, int columns, double *b)
{
    int n = p->data->count;
    cblas_dtrsm(CblasColMajor,
                CblasLeft,
                CblasLower,
                CblasNoTrans,
                CblasNonUnit,
                n,
                columns,
                1,
                p->factor,
                n,
                b,
                n);
}

/* Fills p->factor with K and factorises it. -EDOM: not positive definite. */
static int factorise(struct esp_gaussian_process *p, double *log_determinant)
{
    const struct esp_training_points *data = p->data;
    int n = data->count, places = data->place_count, axes = data->axes;
    double *m = malloc(((size_t)places * (size_t)places + 1) * sizeof *m);
    if (!m) {
        return -ENOMEM;
    }
    for (int i = 0; i < places; i++) {
        for (int k = 0; k <= i; k++) {
            m[i * places + k] = esp_covariance_of_settings(
                &p->covariance, &data->x[i * axes], &data->x[k * axes]);
        }
    }
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            int a = data->points[i].place, b = data->points[j].place;
            double matern = a > b ? m[a * places + b] : m[b * places + a];
            p->factor[j * n + i] =
                esp_covariance_of_losses(
                    &p->covariance, matern, data->points[i].h, data->points[j].h, a == b) +
                (i == j ? p->covariance.noise : 0);
        }
    }
    free(m);
    int info = 0;
    if (n > 0) {
        dpotrf_("L", &n, p->factor, &n, &info);
    }
    if (info != 0) {
        return -EDOM;
    }
    *log_determinant = 0;
    for (int i = 0; i < n; i++) {
        *log_determinant += 2 * log(p->factor[i * n + i]);
    }
    return 0;
}

/* A mean function and its evidence. */
struct scored {
    struct esp_mean_function function;
    double log_weight, constant, variance;
};

static int by_weight(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    return (x->log_weight < y->log_weight) - (x->log_weight > y->log_weight);
}

/* Fills in `scored` from L⁻¹·(w − mean), [points]. */
static void
score(const struct esp_gaussian_process *p, const double *residual, struct scored *scored)
{
    int n = p->data->count;
    double shape = SHAPE + 0.5 * (n > 1 ? n - 1 : 0);
    double constant = n > 0 ? cblas_ddot(n, p->ones, 1, residual, 1) / p->ones_sum : 0;
    double q = cblas_ddot(n, residual, 1, residual, 1) - constant * constant * p->ones_sum;
    double spread =
        scored->function.shift < 0 ? p->units.constant_residual : p->units.law_residual;
    double prior_scale = SHAPE * pow(spread, 2);
    double scale = prior_scale + 0.5 * fmax(q, 0);
    double log_prior = esp_mean_function_log_prior(p->means, &p->units, scored->function);
    scored->constant = constant;
    scored->log_weight = log_prior + SHAPE * log(prior_scale) - shape * log(scale);
    scored->variance = scale / (shape - 0.5);
}

/* Scores `total` mean functions, whose `function` is set. -ENOMEM. */
static int
score_means(struct esp_gaussian_process *p, const double *w, struct scored *scored, int total)
{
    int n = p->data->count;
    double *residual = malloc(((size_t)n * (size_t)total + 1) * sizeof *residual);
    if (!residual) {
        return -ENOMEM;
    }
    for (int t = 0; t < total; t++) {
        for (int i = 0; i < n; i++) {
            residual[t * n + i] =
                w[i] - mean_at(p, scored[t].function, esp_training_points_x(p->data, i));
        }
    }
    for (int i = 0; i < n; i++) {
        p->ones[i] = 1;
    }
    if (n > 0) {
        solve_lower_columns(p, total, residual);
        solve_lower(p, CblasNoTrans, p->ones);
    }
    p->ones_sum = fmax(cblas_ddot(n, p->ones, 1, p->ones, 1), 1e-12);
    for (int t = 0; t < total; t++) {
        score(p, &residual[t * n], &scored[t]);
    }
    free(residual);
    return 0;
}

/* Makes the next part of the mixture from a scored mean. -ENOMEM. */
static int add_part(struct esp_gaussian_process *p,
                    const double *w,
                    const struct scored *scored,
                    double weight)
{
    int n = p->data->count;
    struct esp_process_part *part = &p->part[p->part_count];
    double *alpha = realloc(part->alpha, ((size_t)n + 1) * sizeof *alpha);
    if (!alpha) {
        return -ENOMEM;
    }
    *part = (struct esp_process_part){.function = scored->function,
                                      .weight = weight,
                                      .constant = scored->constant,
                                      .variance = scored->variance,
                                      .alpha = alpha};
    for (int i = 0; i < n; i++) {
        alpha[i] = w[i] - scored->constant -
                   mean_at(p, scored->function, esp_training_points_x(p->data, i));
    }
    if (n > 0) {
        solve_lower(p, CblasNoTrans, alpha);
        solve_lower(p, CblasTrans, alpha);
    }
    p->part_count++;
    return 0;
}

/* Sums up the evidence of all scored means and keeps those with most of the weight.
 */
static int keep_means(struct esp_gaussian_process *p,
                      const double *w,
                      struct scored *scored,
                      int total,
                      double log_determinant)
{
    double log_weight_max = -INFINITY, sum = 0, law = 0, kept = 0;
    for (int t = 0; t < total; t++) {
        log_weight_max = fmax(log_weight_max, scored[t].log_weight);
    }
    for (int t = 0; t < total; t++) {
        double weight = exp(scored[t].log_weight - log_weight_max);
        sum += weight;
        law += scored[t].function.shift >= 0 ? weight : 0;
    }
    p->law_weight = law / sum;
    p->evidence = log_weight_max + log(sum) - 0.5 * log_determinant - 0.5 * log(p->ones_sum);
    qsort(scored, (size_t)total, sizeof *scored, by_weight);
    p->part_count = 0;
    while (p->part_count < ESP_MEANS_KEPT && p->part_count < total && kept < KEPT_SHARE) {
        const struct scored *next = &scored[p->part_count];
        double weight = exp(next->log_weight - log_weight_max) / sum;
        int rc = add_part(p, w, next, weight);
        if (rc < 0) {
            return rc;
        }
        kept += weight;
    }
    for (int i = 0; i < p->part_count; i++) {
        p->part[i].weight /= kept;
    }
    return 0;
}

static int weigh_means(struct esp_gaussian_process *p, const double *w, double log_determinant)
{
    int total = p->fixed_count > 0 ? p->fixed_count : esp_mean_functions_count(p->means);
    struct scored *scored = malloc((size_t)total * sizeof *scored);
    if (!scored) {
        return -ENOMEM;
    }
    for (int t = 0; t < total; t++) {
        scored[t].function = p->fixed_count > 0 ? p->fixed[t] : esp_mean_function_at(t);
    }
    int rc = score_means(p, w, scored, total);
    if (rc == 0) {
        rc = keep_means(p, w, scored, total, log_determinant);
    }
    free(scored);
    return rc;
}

int esp_gaussian_process_condition(struct esp_gaussian_process *p,
                                   const struct esp_training_points *data,
                                   const double *w,
                                   const struct esp_mean_functions *means,
                                   const struct esp_mean_units *units,
                                   const struct esp_hyperparameters *hyper,
                                   const struct esp_space *space)
{
    struct esp_hyperparameters raised = *hyper;
    double log_determinant;
    if (!p->factor) {
        p->factor = malloc((size_t)ESP_POINTS_MAX * ESP_POINTS_MAX * sizeof *p->factor);
        p->ones = malloc(ESP_POINTS_MAX * sizeof *p->ones);
        if (!p->factor || !p->ones) {
            esp_gaussian_process_release(p);
            return -ENOMEM;
        }
    }
    p->data = data;
    p->means = means;
    p->units = *units;
    esp_covariance_make(&p->covariance, &raised, space);
    int rc = factorise(p, &log_determinant);
    while (rc == -EDOM && raised.noise < NOISE_MAX) {
        raised.noise += NOISE_STEP;
        esp_covariance_make(&p->covariance, &raised, space);
        rc = factorise(p, &log_determinant);
    }
    return rc == 0 ? weigh_means(p, w, log_determinant) : rc;
}

/* Covariances of a query with all points, and its mean under each part, [ESP_MEANS_KEPT].
 * `matern`: room for one number per place. */
static void relate(const struct esp_gaussian_process *p,
                   const struct esp_query *query,
                   double *matern,
                   double *covariances,
                   double *means)
{
    const struct esp_training_points *data = p->data;
    for (int i = 0; i < data->place_count; i++) {
        matern[i] =
            esp_covariance_of_settings(&p->covariance, query->x, &data->x[i * data->axes]);
    }
    for (int i = 0; i < data->count; i++) {
        const struct esp_training_point *point = &data->points[i];
        bool same = query->trial == point->trial && point->trial != ESP_NO_TRIAL;
        covariances[i] = esp_covariance_of_losses(
            &p->covariance, matern[point->place], query->h, point->h, same);
    }
    for (int t = 0; t < p->part_count; t++) {
        const struct esp_process_part *part = &p->part[t];
        means[t] = part->constant + mean_at(p, part->function, query->x) +
                   cblas_ddot(data->count, part->alpha, 1, covariances, 1);
    }
}

/* Moments and expected improvement of the mixture. `variance`: as a multiple of the process
 * variance of each part. */
static struct esp_prediction_w mix(const struct esp_gaussian_process *p,
                                   double incumbent,
                                   const double *means,
                                   double variance)
{
    double log_ei_max = -INFINITY, log_ei[ESP_MEANS_KEPT], first = 0, second = 0, sum = 0;
    for (int t = 0; t < p->part_count; t++) {
        const struct esp_process_part *part = &p->part[t];
        double mean = means[t], own = variance * part->variance, deviation = sqrt(own);
        first += part->weight * mean;
        second += part->weight * (own + mean * mean);
        log_ei[t] = log(part->weight) + log(deviation) +
                    esp_log_improvement((incumbent - mean) / deviation);
        log_ei_max = fmax(log_ei_max, log_ei[t]);
    }
    for (int t = 0; t < p->part_count; t++) {
        sum += exp(log_ei[t] - log_ei_max);
    }
    return (struct esp_prediction_w){.mean = first,
                                     .variance = fmax(second - first * first, 1e-20),
                                     .log_ei = log_ei_max + log(sum)};
}

void esp_gaussian_process_predict(const struct esp_gaussian_process *p,
                                  double incumbent,
                                  const struct esp_query *queries,
                                  int count,
                                  struct esp_prediction_w *out)
{
    int n = p->data->count;
    double *k = malloc(((size_t)n * (size_t)count + 1) * sizeof *k);
    double *matern = malloc((size_t)(p->data->place_count + 1) * sizeof *matern);
    double *means = malloc((size_t)(count * ESP_MEANS_KEPT + 1) * sizeof *means);
    assert(k && matern && means);
    for (int c = 0; c < count; c++) {
        relate(p, &queries[c], matern, &k[c * n], &means[c * ESP_MEANS_KEPT]);
    }
    if (n > 0) {
        solve_lower_columns(p, count, k);
    }
    for (int c = 0; c < count; c++) {
        const double *v = &k[c * n];
        double h = queries[c].h;
        double prior = esp_covariance_of_losses(&p->covariance, 1, h, h, true);
        double explained = cblas_ddot(n, v, 1, v, 1);
        double rest = 1 - cblas_ddot(n, v, 1, p->ones, 1);
        double of_constant = n > 0 ? rest * rest / p->ones_sum : 1;
        double variance = fmax(prior - explained, 1e-10) + of_constant;
        out[c] = mix(p, incumbent, &means[c * ESP_MEANS_KEPT], variance);
    }
    free(k);
    free(matern);
    free(means);
}
