#include "covariance.h"

#include <math.h>

/* Keeps the factorisation regular where the noise is estimated as 0. */
#define JITTER 1e-8

void esp_covariance_make(struct esp_covariance *covariance,
                         const struct esp_hyperparameters *hyper,
                         const struct esp_space *space)
{
    covariance->space = space;
    for (int a = 0; a < space->count; a++) {
        covariance->inverse_length[a] = exp(-hyper->length[a]);
    }
    covariance->gain = exp(hyper->gain);
    covariance->wander = exp(hyper->wander);
    covariance->noise = exp(hyper->noise) + JITTER;
}

double esp_covariance_of_settings(const struct esp_covariance *covariance,
                                  const double *x,
                                  const double *y)
{
    double squared = 0;
    for (int a = 0; a < covariance->space->count; a++) {
        double inverse = covariance->inverse_length[a];
        double d = covariance->space->axes[a].kind == ESP_AXIS_NOMINAL
                       ? (x[a] == y[a] ? 0 : 1) * inverse
                       : (x[a] - y[a]) * inverse;
        squared += d * d;
    }
    double r = sqrt(5 * squared);
    return (1 + r + r * r / 3) * exp(-r);
}

double esp_covariance_of_losses(const struct esp_covariance *covariance,
                                double matern,
                                double h,
                                double other_h,
                                bool same_trial)
{
    double least = fmin(h, other_h), common = least * least;
    return matern * (1 + covariance->gain * common) +
           (same_trial ? covariance->wander * common : 0);
}
