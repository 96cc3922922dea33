/* Giving paused trials up for good, at a stated risk.
 *
 * Pausing is reversible, so any rule may do it. A checkpoint is deleted only under a rule that
 * was calibrated on finished studies (split conformal prediction). For a trial i and a mark r
 * (half octaves of training), s(i, r) is how many trials had a lower loss there. The score of a
 * finished study is M = max over r of s(b, r) for b, its best trial at the horizon. With K
 * scores, q is the ⌈(K + 1)(1 − risk)⌉-th smallest, and a paused trial is discarded when
 * s(i, r) > q at its highest mark. s only grows while a study runs, and is largest at its end;
 * so for exchangeable studies P(the eventual best is ever discarded) ≤ risk. Below
 * K = ⌈1/risk⌉ − 1 scores q does not exist, and nothing is discarded.
 *
 * One discard in twenty, chosen by number, is spared as an audit: it stays paused, so that a
 * later score can tell when the rule has gone wrong. */
#ifndef ESPALIER_STOP_DISCARD_H
#define ESPALIER_STOP_DISCARD_H

#include "search/ranking.h"

#include <espalier/event.h>
#include <espalier/study.h>

#define ESP_DISCARD_MARKS 25 /* half octaves: 12 before the horizon, and the horizon */
#define ESP_AUDIT_EVERY 20

struct esp_discard_trial {
    int64_t horizon;
    int mark;                      /* the highest; -1: none */
    float loss[ESP_DISCARD_MARKS]; /* NaN: none there */
    bool paused;
};

struct esp_discard {
    double risk;
    double limit; /* q; infinity: nothing is discarded */
    struct esp_discard_trial *trials;
    uint32_t count, capacity;
    struct esp_ranking all[ESP_DISCARD_MARKS];
    struct esp_ranking paused[ESP_DISCARD_MARKS]; /* at their highest mark */
    int64_t best;                                 /* complete; -1: none */
    double best_loss;
};

/* The ⌈(K + 1)(1 − risk)⌉-th smallest of K scores; infinity when K is too small. */
double esp_discard_limit(const double *scores, int count, double risk);

void esp_discard_init(struct esp_discard *d, const struct esp_stopping *stopping);
void esp_discard_release(struct esp_discard *d);
void esp_discard_created(struct esp_discard *d, uint32_t trial, int64_t horizon);
void esp_discard_observed(struct esp_discard *d, uint32_t trial, int64_t tokens, double loss);
/* Now waits and is not held; or no longer does. */
void esp_discard_waits(struct esp_discard *d, uint32_t trial, bool waits);
void esp_discard_completed(struct esp_discard *d, uint32_t trial);

/* A paused trial to be given up, with the numbers, or NONE. */
struct esp_verdict esp_discard_next(const struct esp_discard *d);
/* This study's score, for later ones; NaN while no trial is complete. */
double esp_discard_score(const struct esp_discard *d);

#endif
