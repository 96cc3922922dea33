/* Projects a loss seen during training to the loss at the horizon.
 *
 * The training is divided at marks, half octaves apart: the last mark is the horizon, mark 0 is
 * six octaves before it. For the interval between two marks the curves of all trials give
 *
 *   loss' = loss + gain + slope·(loss − median) − |loss|·(effect of the learning rate)
 *
 * `gain` is the median change of the loss. `slope` widens or narrows the differences between
 * trials; it comes from least squares over the better half of the trials and is shrunk to 0
 * while few were seen. rate_effect.h describes the last term. A projection applies the
 * intervals that lie between a loss and the horizon, one after the other. */
#ifndef ESPALIER_SEARCH_CURVE_PROJECTION_H
#define ESPALIER_SEARCH_CURVE_PROJECTION_H

#include "quantile.h"
#include "rate_effect.h"

/* Half octaves of training, from 6 octaves before the horizon to the horizon: 6·2 + 1. */
#define ESP_MARKS 13
#define ESP_OCTAVES 6.0

struct esp_mark_interval {
    struct esp_quantile gain;     /* changes of the loss */
    struct esp_quantile loss;     /* losses at the first mark */
    struct esp_quantile log_rate; /* log rates (rate_effect.h) of the trials seen */
    double loss_min;              /* lowest loss at the first mark */
    double weight, xx, xy;        /* regression sums of the slope, with the medians of then */
};

struct esp_curve_projection {
    struct esp_rate_effect rate_effect;
    struct esp_rate_effect_fit rate_fit;
    struct esp_mark_interval intervals[ESP_MARKS]; /* from mark k to k + 1 */
    double horizon;                                /* tokens; 0: not known yet */
    bool ablated; /* losses are taken as seen (ESP_ABLATE_CURVE) */
};

void esp_curve_projection_init(struct esp_curve_projection *projection,
                               const struct esp_space *space);
void esp_curve_projection_release(struct esp_curve_projection *projection);

/* h of an amount of training: octaves that remain to the horizon, over ESP_OCTAVES, in [0, 1].
 */
double esp_curve_projection_h(const struct esp_curve_projection *projection, int64_t tokens);
/* The last mark at or before h. */
int esp_curve_projection_mark(double h);

/* Learns from a trial that reached `mark`. `losses`: its loss at each mark, NaN where it has
 * none; a change over several marks is shared out evenly. */
void esp_curve_projection_learn(struct esp_curve_projection *projection,
                                const float losses[ESP_MARKS],
                                int mark,
                                double log_rate);

/* The expected loss at the horizon of a trial with this loss at h and this log rate. */
double esp_curve_projection_project(const struct esp_curve_projection *projection,
                                    double loss,
                                    double h,
                                    double log_rate);
/* The loss plus the median gains from h to the horizon. Neither the settings nor the learning
 * rate count. */
double esp_curve_projection_extrapolate(const struct esp_curve_projection *projection,
                                        double loss,
                                        double h);
/* The loss less the expected effect of the learning rate from here to the horizon. Only the
 * prior of that effect is used, so that losses reported at different times compare. */
double esp_curve_projection_rate_adjusted(const struct esp_curve_projection *projection,
                                          double loss,
                                          int64_t tokens,
                                          double log_rate);

#endif
