/* The covariance of two losses, as a multiple of the variance of f (surrogate.h, where gain is
 * called a, and wander b):
 *
 *   cov = M(x, x')·(1 + gain·min(h, h')²) + [same trial]·wander·min(h, h')²
 *
 * with M Matérn-5/2 over the coordinates of the settings, one length per axis. Nominal axes are
 * at distance 0 or 1. */
#ifndef ESPALIER_SEARCH_COVARIANCE_H
#define ESPALIER_SEARCH_COVARIANCE_H

#include "hyperparameters.h"

struct esp_covariance {
    const struct esp_space *space;
    double inverse_length[ESP_PARAMS_MAX];
    double gain, wander;
    double noise; /* of a report; added to the diagonal */
};

void esp_covariance_make(struct esp_covariance *covariance,
                         const struct esp_hyperparameters *hyper,
                         const struct esp_space *space);

/* M(x, y). */
double esp_covariance_of_settings(const struct esp_covariance *covariance,
                                  const double *x,
                                  const double *y);
/* The whole covariance from M and both h, without noise. */
double esp_covariance_of_losses(const struct esp_covariance *covariance,
                                double matern,
                                double h,
                                double other_h,
                                bool same_trial);

#endif
