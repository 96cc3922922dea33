/* Reads a ledger, also while a controller is writing it: for status, ls, best, show, why,
 * watch, export and replay.
 *
 * The file is opened read-only, so a reader cannot disturb the writer. Each query takes its own
 * snapshot and releases it before it returns, because the write-ahead log grows while a reader
 * holds a snapshot. Queries between `esp_reader_begin` and `esp_reader_end` share one snapshot.
 * An interrupted creation, a busy file and a closed ledger on a read-only file system are
 * handled here.
 *
 * Rows passed to a callback, and their texts, are valid until it returns. A non-zero return
 * stops the query and is returned by it. A callback must not start a query. Errors are those
 * of `esp_store_open`, and -EBUSY after waiting five seconds. */
#ifndef ESPALIER_STORE_READER_H
#define ESPALIER_STORE_READER_H

#include <espalier/event.h>
#include <sys/types.h>

struct esp_reader;

int esp_reader_open(const char *dir, struct esp_reader **out, struct esp_error *error);
void esp_reader_close(struct esp_reader *reader); /* takes NULL */

int esp_reader_begin(struct esp_reader *reader, struct esp_error *error);
void esp_reader_end(struct esp_reader *reader);

/* The study and its state. Texts are valid until the next esp_reader_study call on this reader,
 * or until it is closed. */
struct esp_reader_study {
    const char *name, *metric;
    bool maximize;
    const char *source, *base, *file; /* as passed to esp_store_create */
    const char *created_by;           /* version of espalier */
    uint64_t nonce;
    int begun_format; /* ledger format when the study was created */
    int64_t created_ms;
    uint64_t seq; /* of the last event or report */
    uint64_t incarnation;
    int64_t opened_ms; /* of the last OPENED; 0: none */
    int64_t ended_ms;  /* of the ENDED after it; 0: none */
    int exit_code;     /* ENDED's; -1: none */
    /* Why it ended; NONE while it runs, and in ledgers from before it was recorded. */
    enum esp_end_reason reason;
    double score; /* recorded at a planned end for later studies; NaN: none */
    enum esp_scored scored;
    struct esp_tie_remedy remedy; /* recorded at a planned end; all 0: none */
    bool alive;                   /* a controller holds DIR/lock now */
    pid_t pid;                    /* pid of that controller, or 0 */
    /* RUNNING: alive and not ended; COMPLETE or BUDGET: that end is recorded; otherwise
     * INTERRUPTED. */
    enum esp_study_state state;
};
int esp_reader_study(struct esp_reader *reader,
                     struct esp_reader_study *study,
                     struct esp_error *error);

struct esp_reader_totals {
    int64_t trials;
    int64_t by_state[ESP_TRIAL_STATE_COUNT];
    int64_t spent_tokens;     /* over all attempts, repeated training included */
    double device_seconds;    /* likewise */
    int64_t full_cost_tokens; /* cost if every trial had run to its horizon; 0: some horizon
                                 is unknown */
};
int esp_reader_totals(struct esp_reader *reader,
                      struct esp_reader_totals *totals,
                      struct esp_error *error);

/* Stores the latest value of a setting changed by CHANGED events in `value`. Returns 1, or 0
 * when the setting was never changed. */
int esp_reader_changed(struct esp_reader *reader,
                       const char *name,
                       double *value,
                       struct esp_error *error);

typedef int esp_reader_each_event(void *context, const struct esp_event *event);

/* Events of the calibrated rule, in order: CALIBRATED, the verdicts of the rule, and the
 * transitions by which a discarded trial is queued again. */
int esp_reader_calibrated(struct esp_reader *reader,
                          esp_reader_each_event *each,
                          void *context,
                          struct esp_error *error);

struct esp_reader_trial {
    int64_t trial;
    enum esp_trial_state state;
    enum esp_cause cause;
    bool held;
    uint32_t attempts;
    int64_t horizon; /* tokens at its last step, as reported by the trainer once started */
    int64_t until;   /* tokens it may train to now; 0: never assigned */
    int64_t seed;
    int64_t repeats;      /* trial that it repeats with another seed; -1: none */
    int64_t step, tokens; /* of the furthest recorded report; -1: none */
    double value;         /* of that report; NaN: none, or diverged */
    double train_loss;
    double device_seconds;                    /* over all attempts */
    int64_t spent_tokens;                     /* over all attempts */
    bool finished;                            /* its furthest report is at its horizon */
    int64_t checkpoint;                       /* id of its latest kept checkpoint; -1: none */
    int64_t created_ms, started_ms, ended_ms; /* 0: not yet */
    const char *words;                        /* message of the last failure, or NULL */
    const struct esp_setting *params;         /* in the study's order */
    uint32_t param_count;
};
typedef int esp_reader_each_trial(void *context, const struct esp_reader_trial *trial);

/* All trials, ordered by number. */
int esp_reader_trials(struct esp_reader *reader,
                      esp_reader_each_trial *each,
                      void *context,
                      struct esp_error *error);

/* One trial. -ENOENT: there is no trial with that number. */
int esp_reader_trial(struct esp_reader *reader,
                     int64_t trial,
                     esp_reader_each_trial *each,
                     void *context,
                     struct esp_error *error);

/* At most `limit` trials (0: all), best first: trials that reached their horizon or the
 * target, ordered by the value there, or all trials ordered by their last value while none has.
 * Non-finite values and repeats are left out. Equal values are ordered by trial number. */
int esp_reader_best(struct esp_reader *reader,
                    int64_t limit,
                    esp_reader_each_trial *each,
                    void *context,
                    struct esp_error *error);

/* The trials that the user paused (PAUSED and held), ordered by number. */
int esp_reader_held(struct esp_reader *reader,
                    esp_reader_each_trial *each,
                    void *context,
                    struct esp_error *error);

/* Every repeat and every trial that has one, ordered by number. Empty in most studies. */
int esp_reader_repeats(struct esp_reader *reader,
                       esp_reader_each_trial *each,
                       void *context,
                       struct esp_error *error);

/* Curve points of one trial, or of all trials (-1), ordered by trial and step, as REPORT
 * events. */
int esp_reader_curves(struct esp_reader *reader,
                      int64_t trial,
                      esp_reader_each_event *each,
                      void *context,
                      struct esp_error *error);

/* Events of one trial in order, without its reports: verdicts with their reasons, transitions,
 * saves, failures (for `show` and `why`). */
int esp_reader_history(struct esp_reader *reader,
                       int64_t trial,
                       esp_reader_each_event *each,
                       void *context,
                       struct esp_error *error);

/* Events after `seq`, without reports, in order (`watch` follows with it). */
int esp_reader_events(struct esp_reader *reader,
                      uint64_t seq,
                      esp_reader_each_event *each,
                      void *context,
                      struct esp_error *error);

/* The last `count` events, oldest first, without reports. */
int esp_reader_tail(struct esp_reader *reader,
                    int64_t count,
                    esp_reader_each_event *each,
                    void *context,
                    struct esp_error *error);

struct esp_reader_note {
    int64_t time_ms;
    int64_t trial; /* -1: the study */
    const char *text;
};
typedef int esp_reader_each_note(void *context, const struct esp_reader_note *note);
int esp_reader_notes(struct esp_reader *reader,
                     esp_reader_each_note *each,
                     void *context,
                     struct esp_error *error);

struct esp_reader_checkpoint {
    int64_t id; /* seq of its SAVED event */
    int64_t trial;
    uint32_t attempt;
    int64_t saved_ms;
    struct esp_saved saved;
};
typedef int esp_reader_each_checkpoint(void *context,
                                       const struct esp_reader_checkpoint *checkpoint);
/* Checkpoints that were not dropped, of one trial or of all trials (-1), the latest first
 * within a trial. */
int esp_reader_checkpoints(struct esp_reader *reader,
                           int64_t trial,
                           esp_reader_each_checkpoint *each,
                           void *context,
                           struct esp_error *error);

struct esp_reader_worker {
    uint64_t key;
    bool is_agent;
    uint64_t agent; /* of a trial process: the agent that started it */
    int64_t slot;   /* of a trial process: its slot; of an agent: its number of slots */
    const char *host, *device;
    int64_t since_ms;
    bool exited;
    int64_t exited_ms;
    int32_t status, signal;
    bool asked;       /* the controller had asked it to exit */
    const char *tail; /* last lines of its log, or NULL */
    int64_t trial;    /* last trial assigned to it; -1: none */
};
typedef int esp_reader_each_worker(void *context, const struct esp_reader_worker *worker);
/* Agents and trial processes in the order of their first appearance. */
int esp_reader_workers(struct esp_reader *reader,
                       esp_reader_each_worker *each,
                       void *context,
                       struct esp_error *error);

#endif
