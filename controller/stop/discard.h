/* Discarding paused trials for good, at a stated risk.
 *
 * Pausing is reversible, so any rule may do it. A checkpoint is deleted only by a rule that was
 * calibrated on finished studies (split conformal prediction; Vovk et al., "Algorithmic
 * Learning in a Random World", 2005). For a trial i and a mark r (half octaves of training),
 * s(i, r) is the number of trials with a lower loss there. The score of a finished study is M =
 * max over r of s(b, r), where b is the best of the trials that reached the horizon. With K
 * scores, q is the ⌈(K + 1)(1 − risk)⌉-th smallest, and a paused trial is discarded when s(i,
 * r) > q at its highest mark. Below K = ⌈1/risk⌉ − 1 scores q does not exist, and nothing is
 * discarded.
 *
 * The guarantee: for a study that is exchangeable with those K (exchangeable.h), and b the best
 * trial of the study as it would have gone without discards, P(b is ever discarded) ≤ risk.
 *
 * The argument, and what it requires. Call the study without discards P (it only pauses) and
 * its score M. The K scores must be scores of P too, because the M of another policy is another
 * quantity. Exchangeability then gives P(M > q) ≤ risk. In P, s(i, r) only grows, so if b were
 * discarded at any time, M > q. It remains to show that the real study makes the decisions of
 * P, although it discards:
 *
 *   - The scheduler and the sampler do not learn that a trial was discarded: it stays among the
 *     paused trials, and its losses among those of the rivals. Every decision is that of P.
 *   - A discarded trial that is chosen again, because P would have continued it, begins again
 *     from the start: with the same seed and data it gets to where it was, at the price of
 *     training that part twice. So a wrong decision costs training, not the trial. (If it were
 *     lost instead, others would train in its place, trials would meet rivals that they did not
 *     meet in P, s could be larger than in P, and neither the guarantee nor the study's own
 * score would hold.)
 *   - Nothing is discarded before a trial is complete: until then any trial may be the best
 * one.
 *
 * The argument does not depend on which trial b is, only on b being determined by P. It is the
 * best setting by all its seeds (setting_rank.h), and s counts first seeds: a repeat is
 * nobody's rival and is never discarded. Repeats are trained before the audit, so P has the
 * same ones. (Scores that were recorded when b was the best single seed are another quantity
 * where a study may have repeats, and are not used: controller/loop/calibration.h.)
 *
 * So a study's score is that of P whether it discarded trials or not, and later studies
 * calibrate on both alike. Training a part twice counts against a budget, which may begin
 * repeats, and end a study, earlier than in P; and seconds are spent in another order. Both are
 * treated as noise.
 *
 * A study that ends without a complete trial has no b and no score and is left out: given that
 * there is one, those that have one are exchangeable. What a person does (stops, holds,
 * continues, adds) is outside the guarantee, as are studies that differ in kind
 * (exchangeable.h).
 *
 * Audits. One in twenty of the trials that would be discarded, drawn by (study seed, trial)
 * alone, is kept and stays paused. When nothing is left to do for a slot, one of them
 * (scheduler_decide.c), the first by number, is trained to its horizon: about one in twenty was
 * drawn, and one per study limits the price to a full training. Over several studies this shows
 * how often a trial that would have been discarded would have been the best, also where the
 * scheduler would not have chosen it again. The audit is not part of P: the rule ends when it
 * is continued, and the score is the larger of P's and of the one after it. If the audited
 * trial turns out the best, its own s, which is above q, is the score, and later studies
 * discard less.
 */
#ifndef ESPALIER_STOP_DISCARD_H
#define ESPALIER_STOP_DISCARD_H

#include "search/loss_ranking.h"

#include <espalier/event.h>
#include <espalier/study.h>

#define ESP_DISCARD_MARKS                                                                      \
    25 /* 24 half octaves before the horizon (12 octaves), and the horizon */
#define ESP_AUDIT_EVERY 20

struct esp_discard_trial {
    int64_t horizon;
    int mark;                      /* highest mark reached; -1: none */
    float loss[ESP_DISCARD_MARKS]; /* by mark; NaN: none */
    bool paused;                   /* and not held by the user */
    bool spared;                   /* kept for an audit */
    bool discarded;                /* by this rule */
};

struct esp_discard {
    double risk;
    uint64_t seed; /* the study's: decides which trials are audits */
    int studies;   /* K */
    double limit;  /* q; infinity: nothing is discarded */
    int64_t audit; /* trial that is audited; -1: none yet */
    double score_before_audit;
    struct esp_discard_trial *trials;
    uint32_t count, capacity;
    struct esp_loss_ranking all[ESP_DISCARD_MARKS];
    struct esp_loss_ranking paused[ESP_DISCARD_MARKS]; /* by highest mark, without audits */
    struct esp_loss_ranking audits;                    /* that are paused, by number */
    int64_t best;                                      /* complete trial; -1: none */
};

/* Number of scores that a limit needs: ⌈1/risk⌉ − 1; 0 for a risk of 0. */
int esp_discard_needed(double risk);
/* The ⌈(K + 1)(1 − risk)⌉-th smallest of K scores; infinity when K is too small. */
double esp_discard_limit(const double *scores, int count, double risk);

void esp_discard_init(struct esp_discard *d, const struct esp_study *study);
void esp_discard_release(struct esp_discard *d);
/* Sets the scores that the study is calibrated on. Call once, before its first trial. */
void esp_discard_calibrated(struct esp_discard *d, const double *scores, int count);
void esp_discard_created(struct esp_discard *d, uint32_t trial, int64_t horizon);
void esp_discard_observed(struct esp_discard *d, uint32_t trial, int64_t tokens, double loss);
/* The trial is paused and not held, or no longer. */
void esp_discard_set_paused(struct esp_discard *d, uint32_t trial, bool waits);
/* This complete trial is the best one now. */
void esp_discard_set_best(struct esp_discard *d, uint32_t trial);
/* A verdict was recorded: a discard, a trial spared for an audit, an audit, or a new start. */
void esp_discard_decided(struct esp_discard *d, const struct esp_verdict *verdict);

/* DISCARD of a paused trial, or SPARE of one that is kept for an audit, or NONE. The reason
 * has: rung = the mark, value and rank there, threshold = q, expected = the risk, cost = K. */
struct esp_verdict esp_discard_next(const struct esp_discard *d);
/* CONTINUE of the audited trial to its horizon while it is paused, or NONE. */
struct esp_verdict esp_discard_audit(const struct esp_discard *d);
/* Score of this study, for later ones; NaN while no trial is complete. */
double esp_discard_score(const struct esp_discard *d);

#endif
