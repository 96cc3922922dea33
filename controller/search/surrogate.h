/* What is believed about every setting's loss at the horizon: a Gaussian process over settings
 * and amount of training, with the scaling law as one of its possible means.
 *
 * Losses at different amounts of training are made comparable first: how losses moved from mark
 * to mark (marks are half octaves of training), as a gain and a slope that widens or narrows
 * the differences, is applied to each, so that it reads as a projected final loss z. What
 * remains is modelled as
 *
 *   z(i, t) = mean(x_i) + f(x_i) + g(x_i, t) + e_i(t) + noise
 *
 *   f  settings:                     M(x, x')
 *   g  gain that depends on them:    a·M(x, x')·min(h, h')²   0 at the horizon
 *   e  a trial's own wandering:      b·[i = j]·min(h, h')²    0 at the horizon
 *
 * with M Matérn-5/2, one length per axis, and h = log2(T/t)/6 how far before the horizon it is:
 * two Brownian motions that run backwards from it, by a clock of h². (What is left of the
 * remaining gain of the better third of 17 recorded studies deviates by 8.2, 5.0, 3.6, 2.6,
 * 1.9, 1.4, 0.6 % of the final loss at 4, 8, 12, 20, 33, 50, 70 % of training: the variance
 * grows a little faster than h².) z is scaled by its spread and compressed above (a diverged
 * trial is as bad as the compression's end), so that one bad setting does not hide the
 * differences among good ones.
 *
 * The mean is a mixture: a constant, and the law's basin moved by each of a fixed set of
 * shifts, at full and half depth. The weight of each is its marginal likelihood times its prior
 * weight: evidence switches the law off, or moves it. The process variance of each is
 * integrated out (inverse gamma), the constant likewise; lengths, a, b and the noise are MAP
 * estimates that `refit` finds (NLopt) and `fitted` sets, so that they are recorded like any
 * other decision. */
#ifndef ESPALIER_SEARCH_SURROGATE_H
#define ESPALIER_SEARCH_SURROGATE_H

#include "scaling_law.h"
#include "space.h"

struct esp_surrogate;

int esp_surrogate_create(const struct esp_study *study,
                         struct esp_surrogate **out,
                         struct esp_error *error);
void esp_surrogate_destroy(struct esp_surrogate *s);

/* The folds. `horizon` 0: the study's. */
void esp_surrogate_created(struct esp_surrogate *s, uint32_t trial, const double *values);
void esp_surrogate_observed(struct esp_surrogate *s,
                            uint32_t trial,
                            int64_t tokens,
                            double loss);
/* Its last loss is its final one. */
void esp_surrogate_completed(struct esp_surrogate *s, uint32_t trial);
/* It diverged or failed: as bad as can be. */
void esp_surrogate_failed(struct esp_surrogate *s, uint32_t trial);
/* It will report no more (stopped, pruned, discarded). */
void esp_surrogate_closed(struct esp_surrogate *s, uint32_t trial);

int esp_surrogate_refit(const struct esp_surrogate *s, double *numbers, int capacity);
void esp_surrogate_fitted(struct esp_surrogate *s, const double *numbers, int count);

/* Questions. They refresh a cache that is a function of the folded state. */

struct esp_prediction {
    double mean, deviation; /* of the loss at the horizon, near the incumbent in loss units */
    double log_ei;          /* log expected improvement over the incumbent, in loss units */
};

/* The loss less what its trial still gains by its rate beyond one in the middle of the space:
 * comparable among trials that stand at the same amount of training. */
double esp_surrogate_rate_adjusted_loss(const struct esp_surrogate *s,
                                        uint32_t trial,
                                        int64_t tokens,
                                        double loss);

/* Where the trial's curve alone points: its last loss and what a middling trial gained from
 * there to the horizon. Neither settings nor the model have a say. NaN: no loss yet. */
double esp_surrogate_extrapolated_loss(const struct esp_surrogate *s, uint32_t trial);

const struct esp_space *esp_surrogate_space(const struct esp_surrogate *s);
const struct esp_scaling_law *esp_surrogate_law(const struct esp_surrogate *s);

/* The beliefs about trials that have told a loss, or about new settings (coordinates). */
void esp_surrogate_predict_trials(const struct esp_surrogate *s,
                                  const uint32_t *trials,
                                  int count,
                                  struct esp_prediction *out);
struct esp_prediction esp_surrogate_predict_at(const struct esp_surrogate *s, const double *x);
/* The share of the mixture that follows the law. */
double esp_surrogate_law_weight(const struct esp_surrogate *s);

/* The settings for new trial `trial` that promise the most; drawn values. */
struct esp_prediction
esp_surrogate_propose(const struct esp_surrogate *s, uint32_t trial, double *values);

#endif
