/* The possible means of the Gaussian process: a constant, and the basin of the scaling law
 * (scaling_law.h), moved by each of a fixed set of shifts, at full and at half depth.
 *
 * gaussian_process.h weighs each by its marginal likelihood times the prior weight given here,
 * so that the losses seen switch the law off or move it. */
#ifndef ESPALIER_SEARCH_MEAN_FUNCTIONS_H
#define ESPALIER_SEARCH_MEAN_FUNCTIONS_H

#include "loss_scale.h"
#include "scaling_law.h"

#define ESP_SHIFTS 128
#define ESP_DEPTHS 2
#define ESP_MEANS_MAX (1 + ESP_SHIFTS * ESP_DEPTHS)

struct esp_mean_functions {
    struct esp_scaling_law law;
    double shift[ESP_SHIFTS][ESP_PARAMS_MAX]; /* of the law's optimum, per axis of the law */
    double shift_log_prior[ESP_SHIFTS];
};

struct esp_mean_function {
    int shift;    /* -1: the constant */
    double depth; /* factor on the basin */
};

/* What depends on the scale of the losses (loss_scale.h); all in w. */
struct esp_mean_units {
    double law;               /* 1 % of the best loss: the unit of the law's rise */
    double law_residual;      /* prior standard deviation around the law */
    double constant_residual; /* and around the constant */
    double constant_share;    /* prior weight of the constant when there is a law */
};

void esp_mean_functions_make(struct esp_mean_functions *means, const struct esp_space *space);
struct esp_mean_units esp_mean_units_make(const struct esp_mean_functions *means,
                                          const struct esp_loss_scale *scale);

/* Functions 0 to count − 1; the constant is the first, and the only one without a law. */
int esp_mean_functions_count(const struct esp_mean_functions *means);
struct esp_mean_function esp_mean_function_at(int index);

/* Value at coordinates x, in w; the constant's is 0. */
double esp_mean_function_value(const struct esp_mean_functions *means,
                               const struct esp_mean_units *units,
                               struct esp_mean_function function,
                               const double *x);
double esp_mean_function_log_prior(const struct esp_mean_functions *means,
                                   const struct esp_mean_units *units,
                                   struct esp_mean_function function);

#endif
