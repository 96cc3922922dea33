/* What the learning-rate schedule still owes a trial.
 *
 * Losses fall further while the rate falls, and the more so the higher it was: small rates lead
 * early, high ones win after annealing. With ρ = log2(η / B^0.4), how high up the ridge of good
 * settings a trial trains (Step Law's optima run along η ∝ B^0.43), and s(t) its schedule as a
 * share of the peak, the loss still to be gained from t to the horizon T is modelled as
 *
 *   G(t) + κ·ρ·√(s(t) − s(T))
 *
 * with one G for all trials of a study, found from their curves. √ and not s itself: on 55
 * settings of a cosine and 90 of a wsd schedule (0.1 and 0.3 M parameters) the regression of
 * the remaining gain on ln η divided by √Δs stayed between 0.060 and 0.078, and 0.024 and 0.041
 * nats, from 20 % to 92 % of training (at 12 %: 0.077 and 0.014). In kind this is the
 * S2 term of Tissue et al. 2024 (arXiv 2408.11029), whose own form needs the annealing to have
 * been seen.
 *
 * The schedule is the study's; one whose type, decay or floor is searched is not known here. */
#ifndef ESPALIER_SEARCH_ANNEAL_H
#define ESPALIER_SEARCH_ANNEAL_H

#include "space.h"

struct esp_anneal {
    bool active;
    int rate_axis, batch_axis; /* -1: not searched */
    double middle;             /* ρ in the middle of the space: ρ is told relative to it */
    const struct esp_trainer *trainer;
};

/* Inactive when the rate is not searched in octaves, or never falls, or it is not known how. */
void esp_anneal_make(struct esp_anneal *anneal, const struct esp_space *space);

/* √(s(t) − s(T)) at a share of the horizon in [0, 1]; during warm-up as at its end. */
double esp_anneal_left(const struct esp_anneal *anneal, double share);

/* ρ of a place, in octaves above the middle of the space; 0 when inactive. */
double esp_anneal_height(const struct esp_anneal *anneal, const double *x);

#endif
