/* What a trial still gains beyond others because of its learning rate.
 *
 * At first a higher rate is ahead: the loss falls with the sum of the rates so far, and a lower
 * one has yet to catch up. Then small rates lead, and the high ones win while the rate falls.
 * With ρ = log2(η / B^0.4), how high up the ridge of good settings a trial trains (Step Law's
 * optima run along η ∝ B^0.43), s(t) its schedule as a share of the peak, and t in shares of
 * the horizon T, the loss still to be gained from t to T is modelled as
 *
 *   G(t) + L·ρ·(κ·√(s(t) − s(T)) − λ·(700/N)·(1/t − 1))
 *
 * with L the loss at t, N the updates to T (catching up is a matter of updates, not of shares:
 * it is over early in a long training; an unknown N has none) and one G for all trials of a
 * study, found from their curves, as are κ and λ, shares of the loss per octave. Seen on the
 * better third of 17 recorded studies (studies/tables has eight of them; 0.03 to 0.3 M
 * parameters, 25 reports; adamw and sgd, cosine, linear, wsd, constant and inverse square
 * root): the mean regression of the remaining gain, as a share of L, on ρ is -0.027, -0.008,
 * 0.001, 0.008, 0.010, 0.010, 0.006 at 4, 8, 12, 20, 33, 50, 75 % of training; κ and λ together
 * leave less than half of what κ alone leaves of these. √s and not s itself: on two of them the
 * regression divided by √Δs stayed level from 20 % to 92 %. In kind the terms are S2 and S1 of
 * Tissue et al. 2024 (arXiv 2408.11029), whose own form needs the annealing to have been seen.
 *
 * The schedule is the study's; one whose type, decay or floor is searched is not known here. */
#ifndef ESPALIER_SEARCH_RATE_EFFECT_H
#define ESPALIER_SEARCH_RATE_EFFECT_H

#include "space.h"

struct esp_rate_effect {
    bool active;
    int rate_axis, batch_axis; /* -1: not searched */
    double middle;             /* ρ in the middle of the space: ρ is told relative to it */
    double lag;                /* 700 over a middling trial's updates to T, at most 2 */
    const struct esp_trainer *trainer;
};

/* Inactive when the rate is not searched in octaves, or it is not known how it goes on. */
void esp_rate_effect_make(struct esp_rate_effect *anneal, const struct esp_space *space);

/* √(s(t) − s(T)) at a share of the horizon in [0, 1]; during warm-up as at its end. */
double esp_rate_effect_annealing_left(const struct esp_rate_effect *anneal, double share);

/* ρ of a place, in octaves above the middle of the space; 0 when inactive. */
double esp_rate_effect_log_rate(const struct esp_rate_effect *anneal, const double *x);

/* What goes by between two shares of the horizon, times ρ, and 700/N for the lag: within four
 * octaves either way, for rates further down lag by no more. */
struct esp_rate_effect_span {
    double annealed, lag;
};
struct esp_rate_effect_span esp_rate_effect_between(const struct esp_rate_effect *anneal,
                                                    double height,
                                                    double from,
                                                    double to);

/* κ and λ by least squares, with a prior worth a few trials. All 0: nothing seen. */
struct esp_rate_effect_fit {
    double xx, xz, zz, xy, zy; /* x annealed, z lag, y fall */
};
/* `fall`: by how much more the loss fell than a middling trial's, as a share of it. */
void esp_rate_effect_learn(struct esp_rate_effect_fit *seen,
                           struct esp_rate_effect_span stretch,
                           double fall);
/* The fall that is expected, as a share of the loss. */
double esp_rate_effect_decrease(const struct esp_rate_effect_fit *seen,
                                struct esp_rate_effect_span stretch);

#endif
