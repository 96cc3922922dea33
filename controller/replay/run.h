/* One search on a table. The sampler proposes settings; the nearest trial of the table that is
 * not taken yet represents the proposal; the scheduler trains it to recorded points, and the
 * search pays for the training between them. Interfaces and order of calls are the
 * controller's.
 *
 * No loss is invented. When a censored trial is trained beyond its last recorded point, the
 * rest up to its horizon is paid at once and its slot is busy for as long. Then the trial ends
 * as if the user had stopped it, which neither sampler nor scheduler learns from. From then on
 * `best` may name it, with its last recorded loss. No trial can cost more, and none can return
 * less unless its loss would have risen. Up to the first such moment, `unknown_at`, the search
 * is exact; bounds.h says what holds after it. */
#ifndef ESPALIER_REPLAY_RUN_H
#define ESPALIER_REPLAY_RUN_H

#include "table.h"

struct esp_replay_step {
    int64_t spent;   /* so far, in the table's unit */
    uint32_t row;    /* the table's trial that `best` would name */
    double returned; /* esp_table_final_bound of that trial; infinity: diverged */
    bool complete;   /* it was trained to its horizon: only a better one can replace it */
};

struct esp_replay_result {
    struct esp_replay_step *trace;
    size_t trace_count, trace_capacity;
    uint64_t decisions;
    double *decision_us; /* [decisions]: time of each */
    size_t decision_capacity;
    uint32_t trials, complete;
    uint32_t discarded; /* trials that were pruned, or lost their checkpoint while paused */
    uint32_t diverged;
    bool best_killed; /* the table's best trial was among them */
    int64_t spent;
    /* The effect of censoring. */
    int64_t unknown_at;      /* spent when a trial first went beyond its record; -1: never */
    size_t exact;            /* steps of the trace before that; all of them if never */
    int64_t better_cost_min; /* least cost at which a trial that may beat the one returned at
                        `unknown_at` can be complete */
    uint32_t beyond;         /* trials that went beyond their record, each by one decision */
    int64_t beyond_spent;    /* cost of that */
    double score;            /* esp_scheduler_score at the end: of the best completed trial */
    double best_score; /* the same of the table's best, completed or not; 0: not started */
};

struct esp_replay_options {
    double budget;    /* full trainings */
    uint32_t workers; /* trials in training at the same time */
};

/* 0, -ENOMEM, or the error of creating sampler or scheduler. Release the result. */
int esp_replay_run(const struct esp_table *table,
                   const struct esp_study *study,
                   const struct esp_replay_options *options,
                   struct esp_replay_result *result,
                   struct esp_error *error);
void esp_replay_result_release(struct esp_replay_result *result);

#endif
