/* Hyperparameters of the covariance (covariance.h), their defaults and their prior. All are
 * logarithms, so that any vector of numbers is admissible. */
#ifndef ESPALIER_SEARCH_HYPERPARAMETERS_H
#define ESPALIER_SEARCH_HYPERPARAMETERS_H

#include "space.h"

struct esp_hyperparameters {
    double length[ESP_PARAMS_MAX]; /* per axis, in coordinates */
    /* Variances as multiples of that of f: of g, of e, of a report's noise. */
    double gain, wander, noise;
};

#define ESP_HYPERPARAMETERS_MAX (ESP_PARAMS_MAX + 3)

void esp_hyperparameters_default(struct esp_hyperparameters *hyper,
                                 const struct esp_space *space);
double esp_hyperparameters_log_prior(const struct esp_hyperparameters *hyper,
                                     const struct esp_space *space);

/* As a vector: the lengths, then gain, wander, noise. */
int esp_hyperparameters_count(const struct esp_space *space);
void esp_hyperparameters_pack(const struct esp_hyperparameters *hyper,
                              const struct esp_space *space,
                              double *numbers);
void esp_hyperparameters_unpack(struct esp_hyperparameters *hyper,
                                const struct esp_space *space,
                                const double *numbers);
/* The box in which a fit looks. */
void esp_hyperparameters_bounds(const struct esp_space *space, double *lower, double *upper);

#endif
