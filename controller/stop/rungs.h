/* The rungs of successive halving: rung k is at min·eta^k tokens, the last one at the trial's
 * horizon.
 *
 * Trials of different batch sizes have slightly different horizons, and a loss is reported at
 * the first step at or beyond a mark. So a trial has reached rung k once its recorded tokens
 * are at least min(level k, its horizon), and its value there is the first loss reported from
 * then on. */
#ifndef ESPALIER_STOP_RUNGS_H
#define ESPALIER_STOP_RUNGS_H

#include "search/loss_ranking.h"

#include <espalier/event.h>
#include <espalier/study.h>

/* eta = 2 from one token to 2^62 makes 63 rungs, and the horizon is one more. */
#define ESP_RUNGS_MAX 64

struct esp_rungs {
    int64_t level[ESP_RUNGS_MAX]; /* tokens, ascending; the last is INT64_MAX: the horizon */
    int count;
    double eta;
};

/* Sets the rungs from early_terminate's eta, min and max. Without min the first rung is at
 * max / eta^3, but no less than a report interval; without a known horizon either, at one
 * token. -EINVAL: eta is not above 1, or min not below
 * the last rung. */
int esp_rungs_make(struct esp_rungs *rungs,
                   const struct esp_study *study,
                   struct esp_error *error);

/* Tokens between the reports of the built-in trainer; 1 for a program, whose interval is
 * unknown.
 */
int64_t esp_report_interval(const struct esp_study *study);
/* Upper bound of the trials' horizons; 0: unknown before a trial reports its own. */
int64_t esp_study_horizon(const struct esp_study *study);

/* Tokens that a trial with this horizon needs to reach a rung. */
int64_t esp_rungs_target(const struct esp_rungs *rungs, int rung, int64_t horizon);
/* The highest rung reached with these tokens; -1: none. */
int esp_rungs_reached(const struct esp_rungs *rungs, int64_t tokens, int64_t horizon);
/* The rung of a trial's horizon. */
int esp_rungs_top(const struct esp_rungs *rungs, int64_t horizon);

/* ⌊n / eta⌋. */
uint32_t esp_rungs_share(uint32_t n, double eta);

/* Sets rank, count, value, threshold (the worst loss among the first `kept`; NaN: none) and the
 * nearest rivals of (loss, trial), which is in the ranking. */
void esp_reason_rank(struct esp_reason *reason,
                     const struct esp_loss_ranking *ranking,
                     double loss,
                     uint32_t trial,
                     uint32_t kept);

#endif
