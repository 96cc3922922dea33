/* What the curves say about the loss at the horizon: a Gaussian process (gaussian_process.h)
 * conditioned on an active set of losses (training_points.h), and the incumbent that an
 * improvement is measured against. */
#ifndef ESPALIER_SEARCH_POSTERIOR_H
#define ESPALIER_SEARCH_POSTERIOR_H

#include "gaussian_process.h"

/* Trials without a report that get an assumed loss. */
#define ESP_PENDING_MAX 32

/* All zero at first; keeps its memory from call to call. */
struct esp_posterior {
    struct esp_training_points data;
    struct esp_loss_scale scale;
    struct esp_gaussian_process process;
    /* In w: the best loss at the horizon; before there is one, the lowest that is expected. */
    double incumbent;
};

/* Conditions on the curves; `curves` and `means` must outlive the use of the posterior.
 * `limit`: as esp_training_points_choose. `pending`: trials without a report count as if they
 * had reported what is expected of them, so that workers that ask at the same time get
 * different settings (kriging believer). -ENOMEM, -EDOM. */
int esp_posterior_make(struct esp_posterior *posterior,
                       const struct esp_loss_curves *curves,
                       const struct esp_mean_functions *means,
                       const struct esp_hyperparameters *hyper,
                       int limit,
                       bool pending);
void esp_posterior_release(struct esp_posterior *posterior);

void esp_posterior_predict(const struct esp_posterior *posterior,
                           const struct esp_query *queries,
                           int count,
                           struct esp_prediction_w *out);

#endif
