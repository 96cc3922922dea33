#include "cost_unit.h"
#include "run_state.h"

#include <math.h>

bool esp_replay_has_point(const struct run *run, const struct run_trial *trial)
{
    return trial->next < run->table->first[trial->row + 1];
}

uint32_t esp_replay_next_trial(const struct run *run, int64_t *at)
{
    uint32_t trial = run->training[0];
    *at = INT64_MAX;
    for (uint32_t i = 0; i < run->training_count; i++) {
        const struct run_trial *t = &run->trials[run->training[i]];
        int64_t when = t->clock + (t->beyond ? 0 : run->table->points[t->next].cost - t->paid);
        if (when < *at || (when == *at && run->training[i] < trial)) {
            *at = when;
            trial = run->training[i];
        }
    }
    return trial;
}

/* Whether a row may end with a lower loss than `best`. */
static bool may_beat(const struct esp_table *table, uint32_t row, double best)
{
    return table->ends[row] == ESP_TABLE_CENSORED || esp_table_final(table, row) < best;
}

/* The least cost from now on before a trial that may beat the returned one is complete. */
static int64_t rest_min_of(const struct run *run)
{
    const struct esp_table *table = run->table;
    double best = run->best.at_horizon ? run->trials[run->best.trial].last : INFINITY;
    int64_t rest_min = INT64_MAX;
    for (uint32_t i = 0; i < run->count; i++) {
        const struct run_trial *t = &run->trials[i];
        bool open =
            t->state == RUN_TRAINING || t->state == RUN_PAUSED || t->state == RUN_DISCARDED;
        if (open && may_beat(table, t->row, best)) {
            int64_t rest = esp_table_rest(table, t->row, t->next);
            rest_min = rest < rest_min ? rest : rest_min;
        }
    }
    for (uint32_t row = 0; row < table->trial_count; row++) {
        if (!run->taken[row] && may_beat(table, row, best)) {
            int64_t rest = esp_table_rest(table, row, table->first[row]);
            rest_min = rest < rest_min ? rest : rest_min;
        }
    }
    return rest_min;
}

bool esp_replay_pay_beyond(struct run *run)
{
    struct esp_replay_result *r = run->result;
    for (uint32_t i = 0; i < run->training_count; i++) {
        struct run_trial *t = &run->trials[run->training[i]];
        if (t->beyond || esp_replay_has_point(run, t)) {
            continue;
        }
        int64_t rest = esp_table_rest(run->table, t->row, t->next);
        if (r->unknown_at < 0) {
            int64_t rest_min = rest_min_of(run);
            r->unknown_at = run->spent;
            r->exact = r->trace_count;
            r->better_cost_min = run->spent + (rest_min > 0 ? rest_min : 1);
        }
        r->beyond++;
        if (run->spent + rest > run->budget) {
            return false;
        }
        run->spent += rest;
        r->beyond_spent += rest;
        t->beyond = true;
        t->clock += rest;
    }
    return true;
}
