/* The model of the loss at the horizon, for every setting: a Gaussian process over settings and
 * amount of training, with the scaling law as one of its possible means.
 *
 * Losses at different amounts of training are first projected to the horizon
 * (curve_projection.h). What remains is modelled as
 *
 *   z(i, t) = mean(x_i) + f(x_i) + g(x_i, t) + e_i(t) + noise
 *
 *   f  effect of the settings:               M(x, x')
 *   g  effect of the settings on the gain:   a·M(x, x')·min(h, h')²   0 at the horizon
 *   e  deviation of a single trial:          b·[i = j]·min(h, h')²    0 at the horizon
 *
 * with M Matérn-5/2, one length per axis, and h = log2(T/t)/6 the distance to the horizon T:
 * g and e are Brownian motions that run backwards from it, in the time h². (After projection,
 * the remaining gain of the better third of 17 recorded studies deviates by 8.2, 5.0, 3.6, 2.6,
 * 1.9, 1.4, 0.6 % of the final loss at 4, 8, 12, 20, 33, 50, 70 % of training: the variance
 * grows a little faster than h².) z is scaled by its spread and compressed above
 * (loss_scale.h).
 *
 * The mean is a mixture (mean_functions.h). The weight of each mean is its marginal likelihood
 * times its prior weight. Its process variance is integrated out (inverse gamma), and so is its
 * constant. Lengths, a, b and the noise are MAP estimates: `refit` computes them and `fitted`
 * sets them, so that they are recorded like any other decision.
 *
 * The files, each calling only earlier ones: curve_projection, loss_curves, mean_functions,
 * covariance, training_points, gaussian_process, posterior, hyperparameter_fit, acquisition,
 * surrogate. */
#ifndef ESPALIER_SEARCH_SURROGATE_H
#define ESPALIER_SEARCH_SURROGATE_H

#include "scaling_law.h"
#include "space.h"

struct esp_surrogate;

/* The study must outlive it. -ENOMEM. */
int esp_surrogate_create(const struct esp_study *study,
                         struct esp_surrogate **out,
                         struct esp_error *error);
void esp_surrogate_destroy(struct esp_surrogate *s);

/* Facts, as loss_curves.h takes them. */
void esp_surrogate_created(struct esp_surrogate *s, uint32_t trial, const double *values);
void esp_surrogate_observed(struct esp_surrogate *s,
                            uint32_t trial,
                            int64_t tokens,
                            double loss);
/* Its last loss is its final one. */
void esp_surrogate_completed(struct esp_surrogate *s, uint32_t trial);
/* It diverged or failed: as bad as can be. */
void esp_surrogate_failed(struct esp_surrogate *s, uint32_t trial);
/* It will report no more: stopped, pruned or discarded. */
void esp_surrogate_closed(struct esp_surrogate *s, uint32_t trial);

/* Writes new hyperparameters when a fit is due, and returns how many numbers; 0: none is due.
 * They are used once `fitted` got them. */
int esp_surrogate_refit(const struct esp_surrogate *s, double *numbers, int capacity);
void esp_surrogate_fitted(struct esp_surrogate *s, const double *numbers, int count);

const struct esp_space *esp_surrogate_space(const struct esp_surrogate *s);
const struct esp_scaling_law *esp_surrogate_law(const struct esp_surrogate *s);

/* esp_curve_projection_rate_adjusted of a trial's loss. */
double esp_surrogate_rate_adjusted_loss(const struct esp_surrogate *s,
                                        uint32_t trial,
                                        int64_t tokens,
                                        double loss);
/* esp_curve_projection_extrapolate of a trial's last loss; NaN: no loss yet. */
double esp_surrogate_extrapolated_loss(const struct esp_surrogate *s, uint32_t trial);

/* Predictions refresh a cached posterior, which is a function of the facts. */

struct esp_prediction {
    double mean, deviation; /* of the loss at the horizon; in loss units near the incumbent */
    double log_ei;          /* log expected improvement over the incumbent, in loss units */
};

/* For trials that have reported a loss; 128 at most. */
void esp_surrogate_predict_trials(const struct esp_surrogate *s,
                                  const uint32_t *trials,
                                  int count,
                                  struct esp_prediction *out);
/* The most promising settings for new trial `trial`, as drawn values (acquisition.h). */
struct esp_prediction
esp_surrogate_propose(const struct esp_surrogate *s, uint32_t trial, double *values);

#endif
