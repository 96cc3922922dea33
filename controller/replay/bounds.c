#include "bounds.h"

#include "policy.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_known(const struct esp_table *table, uint32_t row)
{
    return table->ends[row] != ESP_TABLE_CENSORED;
}

static void add(struct esp_replay_result *side, int64_t spent, uint32_t row, double returned)
{
    side->trace[side->trace_count++] =
        (struct esp_replay_step){.spent = spent, .row = row, .returned = returned};
}

int esp_bounds_make(const struct esp_table *table,
                    const struct esp_study *study,
                    const struct esp_replay_options *options,
                    const struct esp_replay_result *result,
                    struct esp_bounds *bounds)
{
    struct esp_replay_result *lower = &bounds->lower, *upper = &bounds->upper;
    double best = esp_table_final(table, table->best);
    bool unknown = result->unknown_at >= 0;
    bool in_order = options->workers == 1 && esp_policy_is_blind(study);
    memset(bounds, 0, sizeof *bounds);
    lower->trace = calloc(result->exact + 1, sizeof *lower->trace);
    upper->trace = calloc(result->trace_count + 1, sizeof *upper->trace);
    if (!lower->trace || !upper->trace) {
        esp_bounds_release(bounds);
        return -ENOMEM;
    }
    for (size_t i = 0; i < result->exact; i++) {
        const struct esp_replay_step *step = &result->trace[i];
        add(lower, step->spent, step->row, is_known(table, step->row) ? step->returned : best);
        add(upper, step->spent, step->row, step->returned);
    }
    for (size_t i = result->exact; in_order && i < result->trace_count; i++) {
        const struct esp_replay_step *step = &result->trace[i];
        add(upper, step->spent, step->row, step->returned);
    }
    if (!unknown) {
        return 0;
    }
    bool complete = result->exact > 0 && result->trace[result->exact - 1].complete;
    int64_t next = result->unknown_at + 1;
    int64_t from = complete ? result->better_cost_min : next;
    double budget = options->budget * (double)table->full;
    if ((double)from <= budget) {
        add(lower, from, table->best, best);
    }
    if (!in_order && !complete && (double)next <= budget) {
        add(upper, next, table->best, INFINITY);
    }
    return 0;
}

void esp_bounds_release(struct esp_bounds *bounds)
{
    esp_replay_result_release(&bounds->lower);
    esp_replay_result_release(&bounds->upper);
}
