/* The ladder of successive halving: rung k stands at min·eta^k tokens, the last one at a
 * trial's own horizon.
 *
 * Trials of different batch sizes have slightly different horizons, and every loss is reported
 * at the first step at or beyond a mark. So a trial is at rung k once its recorded tokens reach
 * min(level k, its horizon), and its value there is the first one reported from then on. */
#ifndef ESPALIER_STOP_RUNGS_H
#define ESPALIER_STOP_RUNGS_H

#include "search/loss_ranking.h"

#include <espalier/event.h>
#include <espalier/study.h>

/* eta = 2 from one token to 2^62 makes 63 rungs, and the horizon is one more. */
#define ESP_RUNGS_MAX 64

struct esp_rungs {
    int64_t level[ESP_RUNGS_MAX]; /* growing; the last is INT64_MAX: the horizon */
    int count;
    double eta;
};

/* From early_terminate's eta, min and max. `lowest` (when the file gives no min): a horizon
 * that is known makes it horizon / eta^3, but no less than the interval between reports; one
 * that is not makes it one unit. -EINVAL: nothing could ever be compared. */
int esp_rungs_make(struct esp_rungs *rungs,
                   const struct esp_study *study,
                   struct esp_error *error);

/* Tokens between the reports of the built-in trainer; 1 for a program. */
int64_t esp_report_interval(const struct esp_study *study);
/* Every trial's horizon or a little more; 0: not known before a trial says it. */
int64_t esp_study_horizon(const struct esp_study *study);

/* Where a trial with this horizon is sent to reach rung `rung`. */
int64_t esp_rungs_target(const struct esp_rungs *rungs, int rung, int64_t horizon);
/* The highest rung that tokens reach; -1: none. */
int esp_rungs_reached(const struct esp_rungs *rungs, int64_t tokens, int64_t horizon);
/* The rung of a trial's horizon. */
int esp_rungs_top(const struct esp_rungs *rungs, int64_t horizon);

/* ⌊n / eta⌋. */
uint32_t esp_rungs_share(uint32_t n, double eta);

/* Rank, count, value, threshold (the worst loss within the first `kept`; NaN when none is) and
 * the nearest rivals of (loss, trial), which is in the ranking. */
void esp_reason_rank(struct esp_reason *reason,
                     const struct esp_loss_ranking *ranking,
                     double loss,
                     uint32_t trial,
                     uint32_t kept);

#endif
