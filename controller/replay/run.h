/* One search on a table: the sampler proposes, the table's nearest trial not yet taken stands
 * for the proposal, the scheduler trains it to any recorded point and pays the tokens between.
 * The same interfaces, the same order of calls as in the controller. */
#ifndef ESPALIER_REPLAY_RUN_H
#define ESPALIER_REPLAY_RUN_H

#include "table.h"

struct esp_replay_step {
    int64_t spent;   /* tokens, after a payment */
    uint32_t row;    /* the table's trial that `best` would name then */
    double returned; /* its last loss in the table; infinity: diverged */
};

struct esp_replay_result {
    struct esp_replay_step *trace;
    size_t trace_count, trace_capacity;
    uint64_t decisions;
    double *decision_us; /* each question's time */
    size_t decision_capacity;
    uint32_t trials, complete, diverged;
    uint32_t pruned;  /* given up for good by the scheduler, not for a loss that diverged */
    bool best_killed; /* the table's best was given up for good */
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
