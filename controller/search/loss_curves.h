/* What is known of every trial: its settings, its losses at the marks of curve_projection.h,
 * how it ended. A fold of the calls below; each costs a logarithm of the number of trials. */
#ifndef ESPALIER_SEARCH_LOSS_CURVES_H
#define ESPALIER_SEARCH_LOSS_CURVES_H

#include "curve_projection.h"
#include "loss_ranking.h"
#include "space.h"

enum esp_curve_state {
    ESP_CURVE_OPEN,
    ESP_CURVE_COMPLETE, /* the last loss is the final one */
    ESP_CURVE_FAILED,   /* diverged or failed: as bad as can be */
    ESP_CURVE_CLOSED,   /* stopped, pruned or discarded: no more reports */
};

struct esp_loss_curve {
    enum esp_curve_state state;
    int mark;              /* highest mark with a loss; -1: none */
    float loss[ESP_MARKS]; /* first loss at each mark; NaN: none */
    float h[ESP_MARKS];    /* h of that report */
    double last, last_h;   /* last finite loss (NaN: none) and its h */
    double log_rate;       /* rate_effect.h's ρ */
};

struct esp_loss_curves {
    struct esp_space space;
    struct esp_curve_projection projection;
    struct esp_loss_curve *trials;
    double *places; /* [trials, axes], coordinates of space.h */
    uint32_t count, capacity;
    uint32_t observed_count;                    /* trials with a finite loss */
    struct esp_loss_ranking at_mark[ESP_MARKS]; /* trials by their highest mark */
    struct esp_loss_ranking failed;
    struct esp_loss_ranking unreported; /* open trials without a loss, by number */
};

void esp_loss_curves_init(struct esp_loss_curves *curves, const struct esp_study *study);
void esp_loss_curves_release(struct esp_loss_curves *curves);

/* Trials are created in the order of their numbers. `values`: drawn values. */
void esp_loss_curves_created(struct esp_loss_curves *curves,
                             uint32_t trial,
                             const double *values);
void esp_loss_curves_observed(struct esp_loss_curves *curves,
                              uint32_t trial,
                              int64_t tokens,
                              double loss);
void esp_loss_curves_completed(struct esp_loss_curves *curves, uint32_t trial);
void esp_loss_curves_failed(struct esp_loss_curves *curves, uint32_t trial);
void esp_loss_curves_closed(struct esp_loss_curves *curves, uint32_t trial);

/* A trial's coordinates, [axes]. */
const double *esp_loss_curves_place(const struct esp_loss_curves *curves, uint32_t trial);

#endif
