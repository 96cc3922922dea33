#include "run_state.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* Ranks one seed of each setting as `best` does. */
static struct esp_setting_rank rank_of(const struct run *run, uint32_t trial, bool at_horizon)
{
    return esp_setting_rank_of(trial, at_horizon, run->trials[trial].last, NULL, 0);
}

static struct esp_setting_rank find_best_partial(const struct run *run)
{
    struct esp_setting_rank best = {.trial = -1};
    for (uint32_t i = 0; i < run->count; i++) {
        const struct run_trial *t = &run->trials[i];
        struct esp_setting_rank rank = rank_of(run, i, false);
        if (t->tokens > 0 && isfinite(t->last) &&
            (best.trial < 0 || esp_setting_ranks_before(&rank, &best))) {
            best = rank;
        }
    }
    return best;
}

/* Call when a trial has a new loss or has ended. A trial that was paid for to its horizon
 * counts with its last recorded loss. */
static void update_best(struct run *run, uint32_t trial)
{
    const struct run_trial *t = &run->trials[trial];
    bool paid = t->state == RUN_COMPLETE || (t->state == RUN_ENDED && t->beyond);
    struct esp_setting_rank rank = rank_of(run, trial, true);
    if (paid && isfinite(t->last) &&
        (run->best.trial < 0 || esp_setting_ranks_before(&rank, &run->best))) {
        run->best = rank;
    }
    if (!run->best.at_horizon) {
        run->best = find_best_partial(run);
    }
}

void esp_replay_trace_add(struct run *run, uint32_t trial)
{
    struct esp_replay_result *r = run->result;
    update_best(run, trial);
    int64_t best = run->best.trial;
    uint32_t row = run->trials[best >= 0 ? best : trial].row;
    if (r->trace_count == r->trace_capacity) {
        r->trace_capacity = r->trace_capacity ? r->trace_capacity * 2 : 256;
        r->trace = realloc(r->trace, r->trace_capacity * sizeof *r->trace);
        assert(r->trace);
    }
    r->trace[r->trace_count++] =
        (struct esp_replay_step){.spent = run->spent,
                                 .row = row,
                                 .returned = esp_table_final_bound(run->table, row),
                                 .complete = run->best.at_horizon};
}

double esp_replay_hindsight_score(struct run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        const struct run_trial *t = &run->trials[i];
        if (t->row == run->table->best && t->unseen > run->table->first[t->row]) {
            esp_discard_set_best(&run->hindsight, i);
            return esp_discard_score(&run->hindsight);
        }
    }
    return 0;
}
