/* A Gaussian process conditioned on given losses (Rasmussen and Williams, algorithm 2.1), for
 * every mean function at once: they share the factor. Losses are in w (loss_scale.h).
 *
 * With K = L·Lᵀ over the points, r_m = w − mean_m(X), and one = 1:
 *   c_m = (1ᵀK⁻¹r)/(1ᵀK⁻¹1), the constant, integrated out over a flat prior
 *   q_m = r̃ᵀK⁻¹r̃ with r̃ = r − c
 *   log p_m = −½ log|K| − ½ log(1ᵀK⁻¹1) − (a + (n−1)/2)·log(b_m + q_m/2) + a·log b_m
 *   the process variance is (b_m + q_m/2)/(a + (n−1)/2 − ½)
 * (inverse gamma prior with shape a and scale b_m: the law's residual is small, the constant's
 * is as large as the spread of the losses). */
#ifndef ESPALIER_SEARCH_GAUSSIAN_PROCESS_H
#define ESPALIER_SEARCH_GAUSSIAN_PROCESS_H

#include "covariance.h"
#include "mean_functions.h"
#include "training_points.h"

/* Mean functions that predictions use: those with most of the weight. */
#define ESP_MEANS_KEPT 12

/* One component of the mixture over mean functions. */
struct esp_process_part {
    struct esp_mean_function function;
    double weight; /* posterior probability; those of all parts sum to 1 */
    double constant;
    double variance; /* of the process */
    double *alpha;   /* K⁻¹·(r − c), [points] */
};

/* All zero at first; keeps its memory from one conditioning to the next. */
struct esp_gaussian_process {
    const struct esp_training_points *data;
    const struct esp_mean_functions *means;
    struct esp_mean_units units;
    struct esp_covariance covariance;
    double *factor; /* L, [points, points], lower, column-major */
    double *ones;   /* L⁻¹·1 */
    double ones_sum;
    struct esp_process_part part[ESP_MEANS_KEPT];
    int part_count;
    /* The only means that are weighed (esp_gaussian_process_fix_means); 0: all. */
    struct esp_mean_function fixed[ESP_MEANS_KEPT];
    int fixed_count;
    double law_weight; /* share of the mixture that follows the law */
    double evidence;   /* log marginal likelihood of the mixture */
};

/* Conditions on the losses `w`, one per point. Where K is singular, the noise is raised until
 * it is regular. `data`, `means` and `space` must outlive the use of the process. -ENOMEM;
 * -EDOM: K stays singular. */
int esp_gaussian_process_condition(struct esp_gaussian_process *process,
                                   const struct esp_training_points *data,
                                   const double *w,
                                   const struct esp_mean_functions *means,
                                   const struct esp_mean_units *units,
                                   const struct esp_hyperparameters *hyper,
                                   const struct esp_space *space);
void esp_gaussian_process_release(struct esp_gaussian_process *process);

/* From now on conditioning weighs only the present parts: a twentieth of the cost. */
void esp_gaussian_process_fix_means(struct esp_gaussian_process *process);

struct esp_query {
    const double *x; /* coordinates, [axes] */
    double h;
    uint32_t trial; /* ESP_NO_TRIAL: a new one */
};
/* Mean and variance in w, and log expected improvement over the incumbent. */
struct esp_prediction_w {
    double mean, variance, log_ei;
};
void esp_gaussian_process_predict(const struct esp_gaussian_process *process,
                                  double incumbent,
                                  const struct esp_query *queries,
                                  int count,
                                  struct esp_prediction_w *out);

#endif
