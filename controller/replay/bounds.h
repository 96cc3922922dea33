/* What holds for a search on a table with censored trials, whatever their unrecorded losses
 * would have been.
 *
 * Up to `unknown_at` the search is exactly what it would have been (run.h). From then on the
 * losses that nobody recorded decide what the policy does, and a policy that learns may do
 * anything: no completion of the curves, neither the best nor the worst, gives a bound for all
 * of them (a rival that looks good half way draws training away from the true best). These do:
 *
 *   lower  The exact search, with a returned trial that is itself censored taken for as good as
 *          the record's best. After `unknown_at` the returned trial may be that good as soon as
 *          enough has been paid to complete any trial that could be better (`soonest`), or with
 *          the next payment while none is complete and the last values rank.
 *   upper  The exact search, with a censored returned trial taken for what it last was. After
 *          `unknown_at` a complete returned trial stays at least as good, because it gives way
 *          to better ones alone; any other may give way to one that diverges. For a policy that
 *          looks at no loss, with one worker, trials come in one fixed order whatever they
 *          show, and the run itself, in which a censored trial costs all that was left of it
 *          and brings nothing, is the tighter bound.
 *
 * At every cost, the true returned loss lies between the two; so do the cost to stay within a
 * limit, the regret at a budget, and their medians and means over seeds. Taken for granted:
 *
 *   - What was recorded repeats: the same trial has the same curve, and what failed or diverged
 *     does so again.
 *   - A censored trial would not have ended worse than it stood when its record ended (upper).
 *   - It would have gone on at its pace in device seconds (lower, with --cost seconds).
 *   - Losses are counted against the record's best complete trial; a censored one that would
 *     have beaten it counts as its equal.
 *
 * Nothing is assumed about how good a censored trial might have become: least of all that it
 * falls no further than recorded trials did from where it stands. Those that were trained to
 * their end are the ones that led early; what a scheduler dropped wrongly is what falls late.
 */
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
