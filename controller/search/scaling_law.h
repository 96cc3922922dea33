/* The scaling-law prior: the expected optimum of learning rate and batch size, and how the loss
 * rises around it.
 *
 * Step Law (arXiv 2503.04715): η = 1.79·N^-0.713·D^0.307, B = 0.58·D^0.571 tokens, with N
 * non-embedding parameters and D tokens. Around it, in octaves u = log2(η/η*), v = log2(B/B*),
 * the loss rises by 0.30u² - 0.26uv + 0.29v² per cent. Around a `center` that the user gives it
 * rises by 0.30 per cent times the squared distance, in units of `width` / 0.75 octaves.
 *
 * Without either, losses are still expected to look like a bowl whose bottom is somewhere in
 * the searched range (`generic`): the optimum may be anywhere, and the rise is in units of the
 * spread of the losses. */
#ifndef ESPALIER_SEARCH_SCALING_LAW_H
#define ESPALIER_SEARCH_SCALING_LAW_H

#include "space.h"

struct esp_scaling_law {
    bool active;
    bool matched;              /* the model is like those that the law was measured on */
    bool generic;              /* no law: a bowl somewhere in the range */
    int axes[ESP_PARAMS_MAX];  /* axes of the space that it describes, [count] */
    double at[ESP_PARAMS_MAX]; /* coordinates of the optimum, [count] */
    int count;
    double curvature[ESP_PARAMS_MAX]; /* per cent per unit squared */
    double cross;                     /* between the first two; 0 otherwise */
    double width[ESP_PARAMS_MAX];     /* standard deviation of the optimum */
};

/* The prior of the study, or a generic bowl where that is none or does not apply: it searches
 * neither learning rate nor batch size in octaves, or its model is unknown. Inactive with
 * ESP_ABLATE_PRIOR, and instead of a generic bowl over more than four axes. */
void esp_scaling_law_make(struct esp_scaling_law *law, const struct esp_space *space);

/* Whether an optimum is expected at a place: active, and not generic. */
bool esp_scaling_law_is_known(const struct esp_scaling_law *law);

/* Rise above the optimum in per cent, with the optimum moved by `shift` (one number per axis of
 * the law; NULL: not moved). A generic bowl's is in spreads of the losses. */
double
esp_scaling_law_rise(const struct esp_scaling_law *law, const double *x, const double *shift);

#endif
