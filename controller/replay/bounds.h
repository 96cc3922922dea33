/* What holds for a search on a table with censored trials, whatever their unrecorded losses
 * would have been.
 *
 * Up to `unknown_at` the search is exactly what it would have been (run.h). From then on the
 * losses that nobody recorded decide what the policy does, and a policy that learns may do
 * anything: no completion of the curves, neither the best nor the worst, gives a bound for all
 * of them (a rival that looks good half way draws training away from the true best). These do:
 *
 *   lower  the returned trial is as the exact search says; when that one is itself censored it
 *          may be as good as the record's best; and after `unknown_at` it may be, as soon as
 *          enough has been paid to complete any trial that could be better (`soonest`), or with
 *          the next payment while none is complete and the last values rank.
 *   upper  the returned trial is as the exact search says; a censored one may be as bad as one
 *          that diverged; and after `unknown_at` a complete returned trial stays at least as
 *          good, because it gives way to better ones alone, while any other may become one that
 *          diverged. For a policy that looks at no loss, with one worker, trials come in one
 *          fixed order whatever they show, and the run itself, in which a censored trial costs
 *          all that was left of it and brings nothing, is the tighter bound.
 *
 * At every cost, the true returned loss lies between the two, so the cost to stay within a
 * limit and the regret at a budget do as well; medians and means over seeds too. Taken for
 * granted: what was recorded repeats (the same seed gives the same curve; what failed fails
 * again); beyond its record a trial would have gone on at its pace in device seconds; and
 * "good" is counted against the record's best: a censored trial that would have beaten it
 * counts as its equal, and one worse than the worst complete trial as that one. */
#ifndef ESPALIER_REPLAY_BOUNDS_H
#define ESPALIER_REPLAY_BOUNDS_H

#include "run.h"

struct esp_bounds {
    struct esp_replay_result lower, upper; /* traces alone; nothing else is set */
};

/* 0 or -ENOMEM. */
int esp_bounds_make(const struct esp_table *table,
                    const struct esp_study *study,
                    const struct esp_replay_options *options,
                    const struct esp_replay_result *result,
                    struct esp_bounds *bounds);
void esp_bounds_release(struct esp_bounds *bounds);

#endif
