/* Runs a scheduler on curves given as a function: what a core does, without one.
 *
 * `workers` trials are live at a time and take turns, one report each; every report is one unit
 * of tokens. What the scheduler decides is written down as words: "S3>9" start trial 3 until 9,
 * "C3>9" continue it, "R5=3" trial 5 repeats 3, "P3" pause, "X3" prune, "D3" discard, "A3"
 * spare as an audit, "audit C3>9" train it, "=3" complete, "END". Repeated folds are checked: a
 * question asked twice must be answered the same way. */
#ifndef TESTS_STOP_DRIVE_H
#define TESTS_STOP_DRIVE_H

#include "stop/scheduler.h"

#define DRIVE_TRIALS_MAX 4096
#define DRIVE_LOG_MAX (1 << 18)

struct drive {
    struct esp_scheduler *scheduler;
    double (*loss)(uint32_t trial, int64_t tokens, void *context);
    double (*another)(uint32_t trial,
                      void *context); /* what a repeat's seed adds; may be NULL */
    void *context;
    uint32_t run_cap, workers;
    int64_t horizon;
    int64_t limit; /* reports; 0: until the end */

    uint32_t count, live;
    int64_t spent;
    bool ended;
    char log[DRIVE_LOG_MAX];
    size_t log_size;
    uint32_t given_up, anew; /* times */
    struct esp_verdict last; /* the last that was not NONE */
    struct drive_trial {
        int64_t tokens, until;
        enum { DRIVE_LIVE, DRIVE_PAUSED, DRIVE_COMPLETE, DRIVE_PRUNED } state;
        bool held, spared, given_up;
        int64_t repeats; /* -1: a setting's first trial */
    } trials[DRIVE_TRIALS_MAX];
};

/* Fails the test when the study asks for a scheduler that cannot be had. */
void drive_open(struct drive *drive, const struct esp_study *study);
void drive_close(struct drive *drive);
/* Until END, or `limit` reports from now. */
void drive_run(struct drive *drive, int64_t limit);
/* A trial's, a repeat's too. */
double drive_loss(const struct drive *drive, uint32_t trial, int64_t tokens);
/* Everything that is live waits, as after SIGINT. */
void drive_interrupt(struct drive *drive);

/* A study with trainer.tokens = horizon, reports at every token, and one parameter in [0, 1),
 * drawn at random for each trial. */
struct esp_study *drive_study(enum esp_scheduler_type type, int64_t horizon);

#endif
