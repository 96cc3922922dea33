/* The scaling-law prior: where the best learning rate and batch size should lie, and how the
 * loss rises around it.
 *
 * Step Law (arXiv 2503.04715): η = 1.79·N^-0.713·D^0.307, B = 0.58·D^0.571 tokens, with N
 * non-embedding parameters and D tokens. Around it, in octaves u = log2(η/η*), v = log2(B/B*),
 * the loss rises by 0.30u² - 0.26uv + 0.29v² per cent. A `center` of the user's own rises by
 * 0.30 per cent times the squared distance, in units of `width` over 0.75 octaves.
 *
 * Without either there is still a shape to expect: losses over numbers that are searched in
 * good faith look like a bowl with its bottom somewhere in the range. `generic` says so: the
 * optimum anywhere, the rise in units of the losses' own spread. */
#ifndef ESPALIER_SEARCH_SCALING_LAW_H
#define ESPALIER_SEARCH_SCALING_LAW_H

#include "space.h"

struct esp_scaling_law {
    bool active;
    bool matched;              /* the set-up is like the one it was measured on */
    bool generic;              /* no law: a bowl somewhere */
    int axes[ESP_PARAMS_MAX];  /* the space's axes that it speaks of */
    double at[ESP_PARAMS_MAX]; /* its optimum there, as coordinates */
    int count;
    double curvature[ESP_PARAMS_MAX]; /* per cent per unit squared */
    double cross;                     /* between the first two; 0 otherwise */
    double width[ESP_PARAMS_MAX];     /* one σ of where the optimum lies */
};

/* Inactive when the study wants none, searches none of its parameters, or its model is unknown.
 */
void esp_scaling_law_make(struct esp_scaling_law *law, const struct esp_space *space);

/* Whether it says where the optimum is: active, and not generic. */
bool esp_scaling_law_is_known(const struct esp_scaling_law *law);

/* Per cent above the optimum, when that is moved by `shift` (one number per axis of the law).
 */
double
esp_scaling_law_rise(const struct esp_scaling_law *law, const double *x, const double *shift);

#endif
