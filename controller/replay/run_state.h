/* The state of one replayed search, shared by run.c, run_record.c and run_trace.c. */
#ifndef ESPALIER_REPLAY_RUN_STATE_H
#define ESPALIER_REPLAY_RUN_STATE_H

#include "run.h"
#include "search/sampler.h"
#include "stop/discard.h"
#include "stop/scheduler.h"

enum run_trial_state {
    RUN_TRAINING,
    RUN_PAUSED,
    RUN_DISCARDED, /* its checkpoint is deleted at the stated risk; chosen again, it restarts */
    RUN_COMPLETE,
    RUN_ENDED, /* pruned, diverged, failed, or beyond its record */
};

struct run_trial {
    enum run_trial_state state;
    uint32_t row;  /* of the table */
    uint32_t next; /* index of its next point in the table */
    uint32_t
        unseen; /* first point not reported yet; earlier ones, trained again, are only paid */
    int64_t tokens, until; /* trained, and to be trained to */
    int64_t paid;          /* cost of its row's curve so far */
    int64_t clock;         /* when it reached its last point: cost since the search began */
    bool
        beyond; /* trained beyond its record; its cost is already charged; busy until `clock` */
    bool discarded; /* ever */
    double last;    /* last loss */
};

struct run {
    const struct esp_table *table;
    const struct esp_study *study;
    struct esp_sampler *sampler;
    struct esp_scheduler *scheduler;
    struct esp_replay_result *result;
    struct esp_discard hindsight; /* discard scores, with the table's best trial known */
    struct run_trial *trials;     /* at most one per row of the table */
    uint32_t count, workers;
    uint32_t *training; /* numbers of the trials in training, [training_count] */
    uint32_t training_count;
    bool *taken;                  /* rows that represent a trial */
    bool exhausted;               /* the sampler has nothing left to propose */
    bool ended;                   /* the search is over */
    int64_t spent, budget;        /* cost of all trials */
    int64_t now;                  /* workers pay at the same pace: cost of each so far */
    struct esp_setting_rank best; /* trial -1: none */
};

/* run_record.c: what is recorded of a trial, and what training costs. */

/* Whether the table has another point of a trial. */
bool esp_replay_has_point(const struct run *run, const struct run_trial *trial);
/* The trial in training that reaches its next point, or its end, first; `at`: when. */
uint32_t esp_replay_next_trial(const struct run *run, int64_t *at);
/* Pays for trials in training whose record is over; false: the budget does not allow it. */
bool esp_replay_pay_beyond(struct run *run);

/* run_trace.c: which trial the search would return. */

/* Adds a step to the result's trace, after `trial` changed. */
void esp_replay_trace_add(struct run *run, uint32_t trial);
/* The discard score that this search would have if it knew which of its trials is the table's
 * best, also when that one was paused and never completed; 0: it never had that trial. */
double esp_replay_hindsight_score(struct run *run);

#endif
