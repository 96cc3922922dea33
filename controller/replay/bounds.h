/* Bounds for a search on a table with censored trials, whatever their unrecorded losses are.
 *
 * Up to `unknown_at` the search is exact (run.h). After it the unrecorded losses decide what
 * the policy does, and a policy that learns may do anything. No completion of the curves,
 * neither the best nor the worst one, gives a bound for all of them: a rival that looks good
 * half way takes training away from the true best. The bounds are:
 *
 *   lower  The exact search, where a censored returned trial counts as good as the table's
 *          best. After `unknown_at` the returned trial may be that good as soon as the cost to
 *          complete any better trial is paid (`better_cost_min`); or at the next payment, while
 * no trial is complete and last losses are ranked. upper  The exact search, where a censored
 * returned trial counts with its last loss. After `unknown_at` a complete returned trial stays
 * at least as good, because only a better one replaces it; any other may be replaced by one
 * that diverges. A policy that uses no losses, with one worker, trains its trials in one fixed
 * order. For it the run itself, in which a censored trial costs its rest and returns nothing,
 * is a tighter bound.
 *
 * At every cost the true returned loss is between the two, and so are the cost to stay within a
 * limit, the regret at a budget, and their medians and means over seeds. Assumptions:
 *
 *   - Records repeat: the same trial has the same curve, and fails or diverges again.
 *   - A censored trial would not have ended worse than its record ended (upper).
 *   - It would have continued at its pace in device seconds (lower, with --cost seconds).
 *   - Losses are compared with the best complete trial of the record; a censored trial that
 *     would have beaten it counts as equal.
 *
 * Nothing is assumed about how good a censored trial might have become. In particular, it is
 * not assumed that it falls no further than recorded trials did from there: those that were
 * trained to their end are the ones that led early, and the trials that a scheduler dropped
 * wrongly are the ones that fall late. */
#ifndef ESPALIER_REPLAY_BOUNDS_H
#define ESPALIER_REPLAY_BOUNDS_H

#include "run.h"

struct esp_bounds {
    struct esp_replay_result lower, upper; /* only the traces are set */
};

/* -ENOMEM. Release the bounds. */
int esp_bounds_make(const struct esp_table *table,
                    const struct esp_study *study,
                    const struct esp_replay_options *options,
                    const struct esp_replay_result *result,
                    struct esp_bounds *bounds);
void esp_bounds_release(struct esp_bounds *bounds);

#endif
