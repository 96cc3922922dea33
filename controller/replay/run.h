/* One search on a table: the sampler proposes, the table's nearest trial not yet taken stands
 * for the proposal, the scheduler trains it to any recorded point and pays what lies between.
 * The same interfaces, the same order of calls as in the controller.
 *
 * No loss is made up. When a censored trial is sent beyond its last recorded point, all that
 * was left of it up to its horizon is paid at once, its slot is busy for as long, and then it
 * ends as if the user had stopped it, which sampler and scheduler hold neither for nor against
 * it. `best` may name it from then on, with the loss that it last had. One cannot pay more for
 * a trial, nor, unless it would have got worse, get less. Up to the first such moment,
 * `unknown_at`, the search is exactly what it would have been; what holds for sure beyond it is
 * in bounds.h. */
#ifndef ESPALIER_REPLAY_RUN_H
#define ESPALIER_REPLAY_RUN_H

#include "table.h"

struct esp_replay_step {
    int64_t spent;   /* in the table's unit, after a payment */
    uint32_t row;    /* the table's trial that `best` would name then */
    double returned; /* its last loss in the table, as promised; infinity: diverged */
    bool complete;   /* it has been trained to its horizon: it can only give way to a better */
};

struct esp_replay_result {
    struct esp_replay_step *trace;
    size_t trace_count, trace_capacity;
    uint64_t decisions;
    double *decision_us; /* each question's time */
    size_t decision_capacity;
    uint32_t trials, complete;
    uint32_t discarded; /* given up: pruned, or while paused (which may begin anew) */
    uint32_t diverged;
    bool best_killed; /* the table's best was given up */
    int64_t spent;
    /* What censoring touched. */
    int64_t unknown_at;   /* spent when first a trial went beyond its record; -1: never */
    size_t exact;         /* steps of the trace before that; all when it never came */
    int64_t soonest;      /* the least that is spent before any trial can be complete that might
                             be better than the one returned at `unknown_at` */
    uint32_t beyond;      /* trials that did; as many decisions sent them there */
    int64_t beyond_spent; /* what was paid for it */
    double score;         /* esp_scheduler_score at the end: of the best that was completed */
    double best_score;    /* the same of the table's best, completed or not; 0: never started */
};

struct esp_replay_options {
    double budget;    /* full trainings */
    uint32_t workers; /* trials that train at once */
};

/* 0, or what creating sampler and scheduler fails with. */
int esp_replay_run(const struct esp_table *table,
                   const struct esp_study *study,
                   const struct esp_replay_options *options,
                   struct esp_replay_result *result,
                   struct esp_error *error);
void esp_replay_result_release(struct esp_replay_result *result);

#endif
