/* Reading a ledger while a controller may be writing it: status, ls, best, show, why, watch,
 * export, replay.
 *
 * Opens `mode=ro` and never writes, so it cannot disturb the writer. Every query is a snapshot
 * of its own and ends it before it returns, because a reader that stays in one makes the
 * write-ahead log grow; between `esp_reader_begin` and `esp_reader_end` several queries see the
 * same snapshot. A cut-off creation, a busy file and a ledger that is closed on a read-only
 * disk are dealt with here.
 *
 * Rows given to a callback, with their text, live until it returns; a non-zero return stops the
 * query and is returned. Queries must not be started from inside a callback. Errors are
 * those of `esp_store_open`; -EBUSY after five seconds of waiting. */
#ifndef ESPALIER_STORE_READER_H
#define ESPALIER_STORE_READER_H

#include <espalier/event.h>
#include <sys/types.h>

struct esp_reader;

int esp_reader_open(const char *dir, struct esp_reader **out, struct esp_error *error);
void esp_reader_close(struct esp_reader *reader); /* takes NULL */

int esp_reader_begin(struct esp_reader *reader, struct esp_error *error);
void esp_reader_end(struct esp_reader *reader);

/* The study and how it stands. Text lives until the next call with this reader, or its close.
 */
struct esp_reader_study {
    const char *name, *metric;
    bool maximize;
    const char *source, *base, *file; /* as given to esp_store_create */
    const char *created_by;           /* version of espalier */
    uint64_t nonce;
    int begun_format; /* of the ledger when the study was begun */
    int64_t created_ms;
    uint64_t seq; /* of the last event or report */
    uint64_t incarnation;
    int64_t opened_ms; /* of the last OPENED; 0: none */
    int64_t ended_ms;  /* of the ENDED after it; 0: none */
    int exit_code;     /* ENDED's; -1: none */
    double score;      /* of a planned end, for later studies; NaN: none */
    enum esp_scored scored;
    bool alive; /* a controller holds DIR now */
    pid_t pid;  /* its pid, or 0 */
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
    int64_t spent_tokens;     /* all attempts, what was trained again included */
    double device_seconds;    /* likewise */
    int64_t full_cost_tokens; /* if every trial had run to its horizon; 0: one has none */
};
int esp_reader_totals(struct esp_reader *reader,
                      struct esp_reader_totals *totals,
                      struct esp_error *error);

/* Settings changed by CHANGED events: the latest value of `name` into `value`: 1, or 0 when it
 * was never changed. */
int esp_reader_changed(struct esp_reader *reader,
                       const char *name,
                       double *value,
                       struct esp_error *error);

typedef int esp_reader_each_event(void *context, const struct esp_event *event);

/* What was decided under the calibrated rule: the CALIBRATED event, verdicts of the rule, and
 * moves by which a trial that was given up begins anew, in order. */
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
    int64_t horizon; /* tokens at its last step: the trainer's own once it has told it */
    int64_t until;   /* tokens it may train to now; 0: never assigned */
    int64_t seed;
    int64_t repeats;      /* the trial whose settings it has with another seed; -1: none */
    int64_t step, tokens; /* the furthest recorded report; -1: none */
    double value;         /* there; NaN: none, or diverged */
    double train_loss;
    double device_seconds;                    /* spent, over all attempts */
    int64_t spent_tokens;                     /* over all attempts */
    bool finished;                            /* its furthest report is at its horizon */
    int64_t checkpoint;                       /* id of its latest kept checkpoint; -1: none */
    int64_t created_ms, started_ms, ended_ms; /* 0: not yet */
    const char *words;                        /* the last failure's, or NULL */
    const struct esp_setting *params;         /* in the study's order */
    uint32_t param_count;
};
typedef int esp_reader_each_trial(void *context, const struct esp_reader_trial *trial);

/* All trials by number. */
int esp_reader_trials(struct esp_reader *reader,
                      esp_reader_each_trial *each,
                      void *context,
                      struct esp_error *error);

/* One trial; -ENOENT: there is none of that number. */
int esp_reader_trial(struct esp_reader *reader,
                     int64_t trial,
                     esp_reader_each_trial *each,
                     void *context,
                     struct esp_error *error);

/* The best first, at most `limit` (0: all): trials that reached their horizon by the value
 * there; while there are none, all trials by their last value. Non-finite values are left out,
 * and repeats, which stand for no setting of their own; equal values go to the lower number. */
int esp_reader_best(struct esp_reader *reader,
                    int64_t limit,
                    esp_reader_each_trial *each,
                    void *context,
                    struct esp_error *error);

/* What repeats say of their settings: every repeat and every trial that has one, by number, as
 * `esp_reader_trials` would give them. None in most studies. */
int esp_reader_repeats(struct esp_reader *reader,
                       esp_reader_each_trial *each,
                       void *context,
                       struct esp_error *error);

/* Curve points by trial and step: of one trial, or of all (-1). The event is a REPORT with
 * every member that the row has. */
int esp_reader_curves(struct esp_reader *reader,
                      int64_t trial,
                      esp_reader_each_event *each,
                      void *context,
                      struct esp_error *error);

/* The events of one trial in order, without its reports: verdicts with their reasons, moves,
 * saves, failures (`show`, `why`). */
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
/* Kept checkpoints (not DROPPED) of one trial, or of all (-1), the latest of a trial first. */
int esp_reader_checkpoints(struct esp_reader *reader,
                           int64_t trial,
                           esp_reader_each_checkpoint *each,
                           void *context,
                           struct esp_error *error);

struct esp_reader_worker {
    uint64_t key;
    bool is_agent;
    uint64_t agent; /* of a trial process: who started it */
    int64_t slot;   /* of a trial process; of an agent how many */
    const char *host, *device;
    int64_t since_ms;
    bool exited;
    int64_t exited_ms;
    int32_t status, signal;
    bool asked;
    const char *tail; /* its log's last lines, or NULL */
    int64_t trial;    /* the last trial granted to it; -1: none */
};
typedef int esp_reader_each_worker(void *context, const struct esp_reader_worker *worker);
/* Agents and trial processes in the order they came. */
int esp_reader_workers(struct esp_reader *reader,
                       esp_reader_each_worker *each,
                       void *context,
                       struct esp_error *error);

#endif
