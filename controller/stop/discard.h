/* Giving paused trials up for good, at a stated risk.
 *
 * Pausing is reversible, so any rule may do it. A checkpoint is deleted only under a rule that
 * was calibrated on finished studies (split conformal prediction; Vovk et al., "Algorithmic
 * Learning in a Random World", 2005). For a trial i and a mark r (half octaves of training),
 * s(i, r) is how many trials had a lower loss there. The score of a finished study is
 * M = max over r of s(b, r) for b, the best of those that reached the horizon. With K scores, q
 * is the ⌈(K + 1)(1 − risk)⌉-th smallest, and a paused trial is given up when s(i, r) > q at
 * its highest mark. Below K = ⌈1/risk⌉ − 1 scores q does not exist, and nothing is given up.
 *
 * What is promised: for a study that is exchangeable with those K, and b the best trial of the
 * study as it would have gone had nothing been given up, P(b is ever given up) ≤ risk.
 *
 * Why, and what has to be kept for it. Call the study without giving up P (it only pauses) and
 * its score M. The K scores must be scores of P too, because M of another policy is another
 * quantity: exchangeability then says P(M > q) ≤ risk. In P, s(i, r) only grows, so if b were
 * given up at any time, M > q. It remains that the real study is P, although it gives up:
 *
 *   - Whoever decides (scheduler and sampler) is not told that a trial was given up: it stays
 *     among the paused, its losses among the rivals. Every decision is that of P.
 *   - A trial that was given up and is chosen again, because P would have trained it on, begins
 *     anew: with the same seed and data it passes where it stood, for the price of training
 *     that part twice. So a wrong decision costs training, not the trial. (Were it lost
 *     instead, others would train in its place, trials would meet rivals that they did not meet
 *     in P, s could be larger than in P, and neither the promise nor the study's own score
 *     would hold.)
 *   - Nothing is given up before a trial is complete: until then any trial may be the best
 *     there is to show.
 *
 * Which trial b is, nothing of this asks: it has only to be told from what P does. It is the
 * setting that `best` names, ranked by all its seeds (repeat.h), and s counts first seeds: a
 * repeat is nobody's rival and is never given up. Repeats are trained before the audit, so P
 * has the same ones. (Scores that were recorded when b was the best single seed are of another
 * quantity where a study may have repeats, and are not taken: controller/loop/calibration.h.)
 *
 * So a study's score is that of P whether it gave trials up or not, and later studies calibrate
 * on both alike. What is twice trained counts against a budget, which may begin repeats, and
 * end a study, earlier than in P; and seconds are spent in another order. Both are taken for
 * noise.
 *
 * A study that ends without a complete trial has no b and no score, and is left out: given that
 * there is one, those that have one are exchangeable. What a person does in between (stops,
 * holds, continues, adds) is outside the promise, as are studies that differ in kind:
 * controller/loop/calibration.h says which are taken.
 *
 * Audits. One in twenty of those that would be given up, drawn by (study seed, trial) alone, is
 * spared and stays paused. When nothing is left to do for a slot, one of them (scheduler.c),
 * the first by number, is trained to its horizon: about one in twenty was drawn, and one for
 * each study bounds the price to a full training. Together the studies so tell how often a
 * trial that would have been given up would have been the best, also where the scheduler would
 * not have chosen it again. The audit is beyond P: the rule ends when it is continued, and the
 * score is the larger of P's and of what is known after it; if it turns out the best, its own
 * s, which is above q, is the score, and later studies give up less.
 */
#ifndef ESPALIER_STOP_DISCARD_H
#define ESPALIER_STOP_DISCARD_H

#include "search/loss_ranking.h"

#include <espalier/event.h>
#include <espalier/study.h>

#define ESP_DISCARD_MARKS 25 /* half octaves: 12 before the horizon, and the horizon */
#define ESP_AUDIT_EVERY 20

struct esp_discard_trial {
    int64_t horizon;
    int mark;                      /* the highest; -1: none */
    float loss[ESP_DISCARD_MARKS]; /* NaN: none there */
    bool paused;
    bool spared;   /* an audit */
    bool given_up; /* under the rule */
};

struct esp_discard {
    double risk;
    uint64_t seed; /* of the study: who is an audit */
    int studies;   /* K */
    double limit;  /* q; infinity: nothing is given up */
    int64_t audit; /* which is trained, beyond what the scheduler wants; -1: none yet */
    double before; /* the score before that */
    struct esp_discard_trial *trials;
    uint32_t count, capacity;
    struct esp_loss_ranking all[ESP_DISCARD_MARKS];
    struct esp_loss_ranking paused[ESP_DISCARD_MARKS]; /* at their highest mark; no audits */
    struct esp_loss_ranking audits;                    /* paused ones, by number */
    int64_t best;                                      /* complete; -1: none */
};

/* Scores that a limit needs to exist: ⌈1/risk⌉ − 1; 0 for a risk of 0. */
int esp_discard_needed(double risk);
/* The ⌈(K + 1)(1 − risk)⌉-th smallest of K scores; infinity when K is too small. */
double esp_discard_limit(const double *scores, int count, double risk);

void esp_discard_init(struct esp_discard *d, const struct esp_study *study);
void esp_discard_release(struct esp_discard *d);
/* The scores that the study goes by, told once, before its first trial. */
void esp_discard_calibrated(struct esp_discard *d, const double *scores, int count);
void esp_discard_created(struct esp_discard *d, uint32_t trial, int64_t horizon);
void esp_discard_observed(struct esp_discard *d, uint32_t trial, int64_t tokens, double loss);
/* Now waits and is not held; or no longer does. */
void esp_discard_waits(struct esp_discard *d, uint32_t trial, bool waits);
/* Of those that are complete this one ranks first now. */
void esp_discard_leads(struct esp_discard *d, uint32_t trial);
/* A verdict was recorded: given up, spared, an audit goes on, or begun anew. */
void esp_discard_decided(struct esp_discard *d, const struct esp_verdict *verdict);

/* A paused trial to be given up (DISCARD) or left as an audit (SPARE), with the numbers: rung =
 * mark, value and rank there, threshold = q, expected = the risk, cost = K. Or NONE. */
struct esp_verdict esp_discard_next(const struct esp_discard *d);
/* The audit that is trained to its horizon: CONTINUE while it waits, or NONE. */
struct esp_verdict esp_discard_audit(const struct esp_discard *d);
/* This study's score, for later ones; NaN while no trial is complete. */
double esp_discard_score(const struct esp_discard *d);

#endif
