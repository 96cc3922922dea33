/* Runs a scheduler, in place of the core, on curves given as a function.
 *
 * `workers` trials are live at a time and take turns, one report each; every report is one
 * token. The scheduler's decisions are logged as text: "S3>9" start trial 3 until 9, "C3>9"
 * continue it, "R5=3" trial 5 repeats 3, "P3" pause, "X3" prune, "D3" discard, "A3" spare for
 * an audit, "audit C3>9" train it, "=3" complete, "END". Every question is asked twice and must
 * get the same answer. */
#ifndef TESTS_STOP_DRIVE_H
#define TESTS_STOP_DRIVE_H

#include "stop/scheduler.h"

#define DRIVE_TRIALS_MAX 4096
#define DRIVE_LOG_MAX (1 << 18)

struct drive {
    struct esp_scheduler *scheduler;
    double (*loss)(uint32_t trial, int64_t tokens, void *context);
    double (*another)(uint32_t trial, void *context); /* added to a repeat's loss; or NULL */
    void *context;
    uint32_t run_cap, workers;
    int64_t horizon;
    int64_t limit; /* reports; 0: until the end */

    uint32_t count, live;
    int64_t spent;
    bool ended;
    char log[DRIVE_LOG_MAX];
    size_t log_size;
    uint32_t discarded,
        restarted;           /* numbers of discards, and of discarded trials begun again */
    struct esp_verdict last; /* the last verdict that was not NONE */
    struct drive_trial {
        int64_t tokens, until;
        enum { DRIVE_LIVE, DRIVE_PAUSED, DRIVE_COMPLETE, DRIVE_PRUNED } state;
        bool held, spared, discarded;
        int64_t repeats; /* -1: a setting's first trial */
    } trials[DRIVE_TRIALS_MAX];
};

/* Fails the test when the scheduler cannot be created. */
void drive_open(struct drive *drive, const struct esp_study *study);
void drive_close(struct drive *drive);
/* Runs until END, or for `limit` reports. */
void drive_run(struct drive *drive, int64_t limit);
/* Loss of a trial, which may be a repeat. */
double drive_loss(const struct drive *drive, uint32_t trial, int64_t tokens);
/* Pauses all live trials, as SIGINT does. */
void drive_interrupt(struct drive *drive);

/* A study with trainer.tokens = horizon, reports at every token, and one parameter in [0, 1),
 * drawn at random for each trial. */
struct esp_study *drive_study(enum esp_scheduler_type type, int64_t horizon);

#endif
