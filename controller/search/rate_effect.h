/* How much more, or less, a trial's loss still falls because of its learning rate.
 *
 * At first a higher rate is ahead: the loss falls with the sum of the rates so far, and lower
 * rates catch up later. Then low rates lead, and high rates win while the schedule anneals the
 * rate. With
 *
 *   ρ = log2(η / B^0.4)   the log rate: log2 of the learning rate η, adjusted for the batch
 *                         size B, since Step Law's optima lie along η ∝ B^0.43
 *   s(t)                  the schedule as a share of the peak rate
 *   t                     training, as a share of the horizon T
 *   N                     updates up to T; catching up depends on updates, not on shares, so it
 *                         is over early in a long training
 *
 * the decrease that remains from t to T is modelled as
 *
 *   G(t) + L·ρ·(κ·√(s(t) − s(T)) − λ·(700/N)·(1/t − 1))
 *
 * with L the loss at t and one G for all trials of a study, which curve_projection.h learns
 * together with κ and λ, shares of the loss per octave. The second term is 0 where N is
 * unknown.
 *
 * Source: the better third of 17 recorded studies (studies/tables has eight of them; 0.03 to
 * 0.3 M parameters, 25 reports; adamw and sgd; cosine, linear, wsd, constant and inverse square
 * root). The mean regression of the remaining decrease, as a share of L, on ρ is -0.027,
 * -0.008, 0.001, 0.008, 0.010, 0.010, 0.006 at 4, 8, 12, 20, 33, 50, 75 % of training; κ and λ
 * together leave less than half of what κ alone leaves of these. √s and not s: on two of them
 * the regression divided by √Δs stayed level from 20 % to 92 %. The two terms are like S2 and
 * S1 of Tissue et al. 2024 (arXiv 2408.11029), whose law needs losses from the annealing.
 *
 * The schedule is the study's. Where its type, decay or floor is searched, the effect is
 * inactive. */
#ifndef ESPALIER_SEARCH_RATE_EFFECT_H
#define ESPALIER_SEARCH_RATE_EFFECT_H

#include "space.h"

struct esp_rate_effect {
    bool active;
    int rate_axis, batch_axis; /* -1: not searched */
    double middle;             /* ρ in the middle of the space */
    double lag;                /* 700/N with the middle batch size, at most 2 */
    const struct esp_trainer *trainer;
};

/* Inactive when the learning rate is not searched in octaves, or its schedule is unknown. */
void esp_rate_effect_make(struct esp_rate_effect *effect, const struct esp_space *space);

/* √(s(t) − s(T)) at a share of the horizon in [0, 1]; during warm-up the value at its end. */
double esp_rate_effect_annealing_left(const struct esp_rate_effect *effect, double share);

/* ρ of a place, in octaves above the middle of the space; 0 when inactive. */
double esp_rate_effect_log_rate(const struct esp_rate_effect *effect, const double *x);

/* The factors of κ and −λ between two shares of the horizon, for one log rate. The lag of a
 * rate more than four octaves from the middle is that at four octaves. */
struct esp_rate_effect_span {
    double annealed, lag;
};
struct esp_rate_effect_span esp_rate_effect_between(const struct esp_rate_effect *effect,
                                                    double log_rate,
                                                    double from,
                                                    double to);

/* Sums for κ and λ by least squares, with a prior worth a few trials. All 0: the prior. */
struct esp_rate_effect_fit {
    double xx, xz, zz, xy, zy; /* x annealed, z lag, y decrease */
};
/* `decrease`: of the loss, in excess of the median trial's, as a share of the loss. */
void esp_rate_effect_learn(struct esp_rate_effect_fit *fit,
                           struct esp_rate_effect_span span,
                           double decrease);
/* The expected decrease in excess of the median trial's, as a share of the loss. */
double esp_rate_effect_decrease(const struct esp_rate_effect_fit *fit,
                                struct esp_rate_effect_span span);

#endif
