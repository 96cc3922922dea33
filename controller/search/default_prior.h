/* Default priors: the distribution of good values of well-known hyperparameters. The first
 * trials in a space of many dimensions are drawn from them, since ranges are often decades
 * wider than what works.
 *
 * By name:
 *
 *   learning_rate, lr  near 3·10^-3, with a σ of one decade: between Step Law's for a model of
 *                      10^9 parameters (3·10^-4; arXiv 2503.04715) and the best for models
 *                      under a million (3·10^-2), and around Adam's default of 10^-3 (Kingma
 *                      and Ba, arXiv 1412.6980). Not with SGD, and only if searched in octaves.
 *   l1, l2             penalties up to 10^-4 (He et al., arXiv 1512.03385) do little harm,
 *                      larger ones do
 *   weight_decay       decoupled: up to 0.1 (Brown et al., arXiv 2005.14165)
 *   dropout            up to 0.1 (Vaswani et al., arXiv 1706.03762)
 *
 * A range without the default value has no default prior: the user who chose it knows more.
 * PriorBand also samples around defaults (Mallik et al., arXiv 2306.12370). */
#ifndef ESPALIER_SEARCH_DEFAULT_PRIOR_H
#define ESPALIER_SEARCH_DEFAULT_PRIOR_H

#include "space.h"

struct esp_default_prior_axis {
    int axis;         /* of the space */
    bool upper_limit; /* all values up to `at` are equally good; otherwise `at` is the middle */
    double at;        /* a coordinate */
    double width;     /* standard deviation around `at`; of an upper limit: above it */
};

struct esp_default_prior {
    struct esp_default_prior_axis axes[ESP_PARAMS_MAX];
    int count;
};

/* No axes when the study's `prior` is none or a centre. */
void esp_default_prior_make(struct esp_default_prior *prior, const struct esp_space *space);

/* Correlation length of the loss over Adam's learning rates: 5 octaves, whatever the range
 * (fits to the final losses of seven studies of 1000 settings over 30 octaves, two of them
 * TaskSet's, gave 4 to 7). INFINITY: unknown for this axis, or `prior` is none or a centre. */
double esp_default_prior_length(const struct esp_space *space, int axis);

/* Drawn values from u in (0, 1) per axis of the space: by the default prior where an axis has
 * one, else as esp_space_uniform. */
void esp_default_prior_draw(const struct esp_default_prior *prior,
                            const struct esp_space *space,
                            const double *u,
                            double *drawn);

#endif
