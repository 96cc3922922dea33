/* Prints results as JSON lines, or as a table for people.
 *
 * JSON has one line per table and seed:
 *
 *   table, method, scheduler, prior, seed
 *   unit               "tokens" or "seconds": of every cost that is not in full trainings
 *   trace              [[spent, final loss of the returned trial], …]; a diverged loss is 1e30
 *   decisions          number of decisions
 *   decision_us        {p50, p99}: their times
 *   best_killed        whether the table's best trial was discarded (summary: share of seeds)
 *   trials             created (summary: the mean)
 *   discarded          of these (summary: the mean share)
 *   complete, diverged number of trials
 *   score              esp_scheduler_score, which the controller would record; null: no trial
 *                      is complete
 *   best_score         the same of the table's best trial; `--calibration` reads these
 *
 * then one `{"summary":…}` per table, with seeds, budget, full_training, best and
 *
 *   cost_to_within     {X: {median, reached}}: full trainings until the returned trial stays
 *                      within the share X of the best loss (rank20: at most the 20th best), and
 *                      the share of seeds that get there
 *   regret_at          {B: mean regret after B full trainings}
 *   calibration        {scores, needed, limit}, with --calibrate or --calibration; limit null:
 *                      too few scores, nothing was discarded
 *
 * On a recorded study with censored trials the keys above treat a trial that goes beyond its
 * record as stopped there, at the cost of its rest (run.h), and a censored returned trial
 * counts with its last loss. In addition there are:
 *
 *   censored           per seed {trials, spent, unknown_at}: trials that went beyond their
 *                      record, their cost there, and spent when that first happened (null:
 *                      never); summary {trials, of, left_out, decisions, spent}: censored
 *                      trials, all trials, trials without a report, and the mean shares of
 *                      decisions and of cost
 *   bounds             per seed {lower, upper}: traces; summary {cost_to_within: {X: {lower:
 *                      {median, reached}, upper: …}}, regret_at: {B: [lower, upper]},
 *                      returned: [lower, upper]} (bounds.h); `returned` is the loss of the
 *                      trial returned at the end, the mean over seeds; 1e30: for some seed it
 *                      is unbounded */
#ifndef ESPALIER_REPLAY_PRINT_H
#define ESPALIER_REPLAY_PRINT_H

#include "bounds.h"
#include "call.h"
#include "summary.h"

/* Results of all seeds on one table; the two bounds only if trials are censored. */
struct esp_replay_findings {
    struct esp_replay_summary run, lower, upper;
    int scores;   /* number that the searches were calibrated on; -1: not calibrated */
    double limit; /* of the discard score; infinity: nothing is discarded */
};

void esp_print_seed(const struct esp_table *table,
                    const struct esp_replay_call *call,
                    int seed,
                    const struct esp_replay_result *result,
                    const struct esp_bounds *bounds, /* NULL: nothing is censored */
                    const struct esp_replay_summary *summary);
void esp_print_summary(const struct esp_table *table,
                       const struct esp_replay_call *call,
                       struct esp_replay_findings *found);

void esp_print_header(const struct esp_replay_call *call);
void esp_print_rows(const struct esp_table *table,
                    const struct esp_replay_call *call,
                    struct esp_replay_findings *found);

#endif
