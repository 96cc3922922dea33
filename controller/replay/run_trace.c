#include "run_state.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* The trial with the lowest last loss, before any is complete. */
static int64_t find_best_partial(const struct run *run)
{
    int64_t best = -1;
    for (uint32_t i = 0; i < run->count; i++) {
        const struct run_trial *t = &run->trials[i];
        if (t->tokens > 0 && isfinite(t->last) &&
            (best < 0 || t->last < run->trials[best].last)) {
            best = i;
        }
    }
    return best;
}

/* `best` ranks trials at their horizon by the loss there; before there are any, all trials by
 * their last loss. A trial that was paid for to its horizon counts with its last recorded
 * loss. */
static void update_best(struct run *run, uint32_t trial)
{
    const struct run_trial *t = &run->trials[trial];
    bool paid = t->state == RUN_COMPLETE || (t->state == RUN_ENDED && t->beyond);
    if (paid && isfinite(t->last) &&
        (run->best_complete < 0 || t->last < run->trials[run->best_complete].last)) {
        run->best_complete = trial;
    }
    if (run->best_complete < 0) {
        run->best_partial = find_best_partial(run);
    }
}

void esp_replay_trace_add(struct run *run, uint32_t trial)
{
    struct esp_replay_result *r = run->result;
    update_best(run, trial);
    int64_t best = run->best_complete >= 0 ? run->best_complete : run->best_partial;
    uint32_t row = run->trials[best >= 0 ? best : trial].row;
    if (r->trace_count == r->trace_capacity) {
        r->trace_capacity = r->trace_capacity ? r->trace_capacity * 2 : 256;
        r->trace = realloc(r->trace, r->trace_capacity * sizeof *r->trace);
        assert(r->trace);
    }
    r->trace[r->trace_count++] =
        (struct esp_replay_step){.spent = run->spent,
                                 .row = row,
                                 .returned = esp_table_promised(run->table, row),
                                 .complete = run->best_complete >= 0};
}

double esp_replay_hindsight_score(struct run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        const struct run_trial *t = &run->trials[i];
        if (t->row == run->table->best && t->unseen > run->table->first[t->row]) {
            esp_discard_leads(&run->hindsight, i);
            return esp_discard_score(&run->hindsight);
        }
    }
    return 0;
}
