/* Where good values of well-known hyperparameters usually lie: the first trials in a space of
 * many dimensions are best drawn from there, since ranges are often decades wider than what
 * ever works.
 *
 * By name:
 *
 *   learning_rate, lr  near 3·10^-3, one σ being a decade: between Step Law's for a model of
 *                      10^9 parameters (3·10^-4; arXiv 2503.04715) and what models under a
 *                      million want (3·10^-2), and around Adam's default of 10^-3 (Kingma and
 *                      Ba, arXiv 1412.6980). Not with SGD, nor where not searched in octaves.
 *   l1, l2             penalties up to 10^-4 (He et al., arXiv 1512.03385) do little harm,
 *                      larger ones soon do
 *   weight_decay       decoupled: up to 0.1 (Brown et al., arXiv 2005.14165)
 *   dropout            up to 0.1 (Vaswani et al., arXiv 1706.03762)
 *
 * Only ranges that hold the usual value are drawn from in this way: one that leaves it out was
 * chosen by somebody who knew better. That a default is worth more than a uniform draw is what
 * PriorBand rests on (Mallik et al., arXiv 2306.12370). */
#ifndef ESPALIER_SEARCH_DEFAULT_PRIOR_H
#define ESPALIER_SEARCH_DEFAULT_PRIOR_H

#include "space.h"

struct esp_default_prior_axis {
    int axis;     /* of the space */
    bool most;    /* any value up to `at` is as good; otherwise it is the middle */
    double at;    /* a coordinate */
    double width; /* one σ around it, of `most` above it */
};

struct esp_default_prior {
    struct esp_default_prior_axis axes[ESP_PARAMS_MAX];
    int count;
};

/* None when the study's `prior` is none or a centre of the user's own. */
void esp_default_prior_make(struct esp_default_prior *usual, const struct esp_space *space);

/* By how many octaves Adam's learning rates must differ for their losses to: 5, however wide
 * the range (fits to the finished losses of seven studies of 1000 settings over 30 octaves, two
 * of them TaskSet's: 4 to 7). INFINITY: nothing is known of this axis, or `prior` is one of
 * those above. */
double esp_default_prior_length(const struct esp_space *space, int axis);

/* Drawn values from u in (0, 1) per axis of the space: usual ones where there are such, else
 * as esp_space_uniform. */
void esp_default_prior_draw(const struct esp_default_prior *usual,
                            const struct esp_space *space,
                            const double *u,
                            double *drawn);

#endif
