/* Results as JSON lines, or as a table for people.
 *
 * A line per table and seed, then `{"summary":…}` (DESIGN 9). Beside the keys named there:
 *
 *   unit               "tokens" or "seconds": of every cost that is not in full trainings
 *   trials             created (summary: the mean)
 *   discarded          given up (summary: the mean share of those created)
 *   complete, diverged how many
 *   score              esp_scheduler_score: what the controller would keep; null: no trial was
 *                      completed
 *   best_score         the same of the table's best trial: what `--calibration` takes
 *   calibration        {scores, needed, limit}: with --calibrate or --calibration; limit null:
 *                      too few scores, nothing was discarded
 *
 * and over a recorded study with censored trials, where the ordinary keys take a trial that
 * is sent beyond its record as stopped there, at the cost of all that was left of it (run.h),
 * and a censored returned trial as what it last was:
 *
 *   censored           per seed {trials, spent, unknown_at}: how many were sent beyond, what
 *                      was paid for it, spent when that first happened (null: never); summary
 *                      {trials, of, left_out, decisions, spent}: censored trials of so many,
 *                      trials without any report, and the mean shares of decisions and of cost
 *   bounds             per seed {lower, upper}: traces; summary {cost_to_within: {X: {lower:
 *                      {median, reached}, upper: …}}, regret_at: {B: [lower, upper]},
 *                      returned: [lower, upper]} (bounds.h); returned is the final trial's
 *                      loss, the mean over seeds; 1e30: of a seed it may be any */
#ifndef ESPALIER_REPLAY_PRINT_H
#define ESPALIER_REPLAY_PRINT_H

#include "bounds.h"
#include "call.h"
#include "summary.h"

/* What the seeds of one table say; the two bounds only where trials are censored. */
struct esp_replay_found {
    struct esp_replay_summary run, lower, upper;
    int scores;   /* that it was calibrated on; -1: not at all */
    double limit; /* infinity: nothing is discarded */
};

void esp_print_seed(const struct esp_table *table,
                    const struct esp_replay_call *call,
                    int seed,
                    const struct esp_replay_result *result,
                    const struct esp_bounds *bounds, /* NULL: nothing is censored */
                    const struct esp_replay_summary *summary);
void esp_print_summary(const struct esp_table *table,
                       const struct esp_replay_call *call,
                       struct esp_replay_found *found);

void esp_print_header(const struct esp_replay_call *call);
void esp_print_rows(const struct esp_table *table,
                    const struct esp_replay_call *call,
                    struct esp_replay_found *found);

#endif
