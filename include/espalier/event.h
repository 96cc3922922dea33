/* The facts of a study: what the core records, the ledger keeps, and resuming folds again.
 *
 * One struct with a kind; which members a kind uses is said at the kind. `seq` orders events
 * and report rows together, without gaps, from 1. Strings are borrowed until the outcome that
 * carries the event is reset, or, while loading, until the callback returns. */
#ifndef ESPALIER_EVENT_H
#define ESPALIER_EVENT_H

#include <espalier/message.h>

enum esp_trial_state {
    ESP_TRIAL_QUEUED,
    ESP_TRIAL_ASSIGNED,
    ESP_TRIAL_RUNNING,
    ESP_TRIAL_PAUSING,
    ESP_TRIAL_PAUSED,
    ESP_TRIAL_STOPPING,
    ESP_TRIAL_COMPLETE,
    ESP_TRIAL_PRUNED,
    ESP_TRIAL_STOPPED,
    ESP_TRIAL_FAILED,
    ESP_TRIAL_STATE_COUNT
};

/* Why a trial is STOPPING, or how it ended. The first cause wins. */
enum esp_cause {
    ESP_CAUSE_NONE,
    ESP_CAUSE_COMPLETE,
    ESP_CAUSE_PRUNED,
    ESP_CAUSE_DIVERGED,
    ESP_CAUSE_STOPPED,
    ESP_CAUSE_FAILED,
    ESP_CAUSE_LOST,
    ESP_CAUSE_COUNT
};

/* What moves a trial: the rows of the table in controller/core/trial_fsm.c. */
enum esp_trigger {
    ESP_TRIGGER_GRANT,
    ESP_TRIGGER_STARTED,
    ESP_TRIGGER_NO_ANSWER,
    ESP_TRIGGER_PAUSE, /* the scheduler's verdict, or an interrupt */
    ESP_TRIGGER_HOLD,  /* the user pauses: only the user continues it */
    ESP_TRIGGER_PRUNE,
    ESP_TRIGGER_DIVERGED,
    ESP_TRIGGER_HORIZON,
    ESP_TRIGGER_SAVE_FAILED, /* or grace over while PAUSING */
    ESP_TRIGGER_CONTINUE,    /* the scheduler's choice */
    ESP_TRIGGER_RESUME,      /* the user continues it */
    ESP_TRIGGER_DISCARD,
    ESP_TRIGGER_STOP,  /* the user stops it */
    ESP_TRIGGER_ERROR, /* the trainer reports one */
    ESP_TRIGGER_LOST,  /* process died, lease lapsed */
    ESP_TRIGGER_GRACE_OVER,
    ESP_TRIGGER_RELEASED, /* Released, exit confirmed, or for lost: lease and margin over */
    ESP_TRIGGER_COUNT
};

/* The rule behind a verdict: numbers and names, no prose (controller/view writes the
 * sentences).
 */
enum esp_rule {
    ESP_RULE_NONE,
    ESP_RULE_HORIZON, /* nothing to decide: trained to the end */
    ESP_RULE_NEW,     /* a new trial was the best use of a free slot */
    ESP_RULE_ASHA_PROMOTE,
    ESP_RULE_ASHA_WAIT, /* at its rung, not (yet) in the top 1/eta */
    ESP_RULE_ASHA_STOP, /* stopping form */
    ESP_RULE_MEDIAN,
    ESP_RULE_PERCENTILE,
    ESP_RULE_HALVING,
    ESP_RULE_HYPERBAND,
    ESP_RULE_WANDB_HYPERBAND,
    ESP_RULE_PASHA,
    ESP_RULE_CUT,
    ESP_RULE_PATIENCE,
    ESP_RULE_THRESHOLD,
    ESP_RULE_TARGET, /* metric.target reached: the study ends */
    ESP_RULE_FREEZE_THAW,
    ESP_RULE_STARTUP,    /* freeze-thaw's first trials: halving by adjusted losses */
    ESP_RULE_LEADER,     /* freeze-thaw's share for the curve that points lowest */
    ESP_RULE_CALIBRATED, /* discarding under the stated risk: rung = the half octave, threshold
                            = how many may be better there, expected = the risk, cost = the
                            number of finished studies; CONTINUE: an audit, to its horizon */
    ESP_RULE_DIVERGED,
    ESP_RULE_INTERRUPT,
    ESP_RULE_RESTART, /* continued because the study was picked up again */
    ESP_RULE_STUDY_END,
    ESP_RULE_USER,
    ESP_RULE_BUDGET,
    ESP_RULE_SEED_NOISE, /* a tie that the seed alone may have made: trained with another one */
    ESP_RULE_COUNT
};

#define ESP_RIVALS_MAX 4

/* NaN and -1 stand for "does not apply". */
struct esp_reason {
    enum esp_rule rule;
    int32_t rung; /* 0 is the lowest */
    int64_t at;   /* tokens at which values were compared */
    int32_t rank; /* 1 is the best, among `of` */
    int32_t of;
    double value;        /* this trial's: a loss, recorded as the study's metric reads */
    double threshold;    /* what it was held against, likewise */
    double expected;     /* expected improvement, or predicted loss at the horizon */
    double cost;         /* tokens that remain to its horizon */
    double cost_seconds; /* the same in device seconds as predicted for the device, which it was
                            weighed with; NaN: nothing was known, `cost` was */
    int32_t
        rivals[ESP_RIVALS_MAX]; /* trials it was compared with, the nearest first; -1: none */
};

enum esp_verdict_action {
    ESP_VERDICT_NONE,
    ESP_VERDICT_CONTINUE, /* until `until` */
    ESP_VERDICT_PAUSE,
    ESP_VERDICT_PRUNE,
    ESP_VERDICT_START,   /* a new trial, until `until` */
    ESP_VERDICT_DISCARD, /* a paused trial is given up */
    ESP_VERDICT_END,     /* the whole study is done */
    ESP_VERDICT_REPEAT,  /* a new trial with the settings of `trial` and another seed */
    ESP_VERDICT_SPARE,   /* would be given up, and is left paused as an audit */
};

struct esp_verdict {
    enum esp_verdict_action action;
    int64_t trial; /* -1: none */
    int64_t until; /* tokens */
    struct esp_reason reason;
};

enum esp_study_state {
    ESP_STUDY_RUNNING,
    ESP_STUDY_INTERRUPTED, /* no live controller and no planned end */
    ESP_STUDY_COMPLETE,
    ESP_STUDY_BUDGET,
};

/* Which trial a study's score is of. */
enum esp_scored {
    ESP_SCORED_SINGLE, /* the best single seed: recorded before repeats counted */
    ESP_SCORED_SEEDS,  /* the setting that ranks first over all its seeds */
};

enum esp_event_kind {
    ESP_EVENT_NONE,
    ESP_EVENT_OPENED,  /* a controller started: number = incarnation, text = version */
    ESP_EVENT_ENDED,   /* number = enum esp_study_state, extra = exit code; RUNNING: the ended
                          study goes on (a raised run_cap or budget, a trial continued); flag =
                          it has a score for later studies (controller/stop/discard.h): real;
                          code = enum esp_scored, whose */
    ESP_EVENT_CHANGED, /* text = setting's name ("run_cap", …), real = new value */
    ESP_EVENT_CREATED, /* trial, values[], number = horizon tokens, verdict.reason; extra =
                          seed; verdict.action = REPEAT: it repeats verdict.trial, else NONE */
    ESP_EVENT_VERDICT, /* verdict */
    ESP_EVENT_MOVED,   /* trial, attempt, trigger, from, to, cause; process = the attempt's;
                          GRANT: number = until, extra = tokens resumed from (-1: start); LOST,
                          NO_ANSWER, SAVE_FAILED: flag = it does not count as fruitless; text =
                          words, if any */
    ESP_EVENT_STARTED_AT, /* trial, attempt, number = tokens it stands at, extra = its own
                             horizon; flag = can_save; text = why it fell back, or NULL */
    ESP_EVENT_REPORT,     /* trial, attempt, point; flag = waiting */
    ESP_EVENT_SAVED,      /* trial, attempt, saved */
    ESP_EVENT_DROPPED,    /* trial, number = checkpoint id (the SAVED event's seq) */
    ESP_EVENT_DIRECTED,   /* trial, attempt, directive */
    ESP_EVENT_FAILED,     /* trial, attempt, number = code, text = words; flag = only a save
                             failed, the attempt lives on */
    ESP_EVENT_AGENT,      /* process = agent id, number = slots, text = host, text2 = device */
    ESP_EVENT_SPAWNED,    /* process = key, number = agent id, extra = slot; for a known key:
                             another agent has it now */
    ESP_EVENT_EXITED,   /* process = key, number = status, extra = signal, flag = asked, text =
                           tail */
    ESP_EVENT_COMMAND,  /* number = id, extra = verb, trial (-1), code, text = answer */
    ESP_EVENT_NOTE,     /* trial (-1: study), text */
    ESP_EVENT_PROTOCOL, /* trial, attempt, trigger, from: a pair that is not in the table;
                           process; text names a malformed message's fault */
    ESP_EVENT_FIT,      /* values[]: a sampler's or scheduler's refit, number = which */
    ESP_EVENT_CALIBRATED, /* values[]: the scores of finished studies that this one goes by,
                             number = finished studies that were looked at */
    ESP_EVENT_KIND_COUNT
};

struct esp_event {
    uint64_t seq;
    int64_t time_ms; /* wall clock, Unix epoch; for people, never for decisions */
    enum esp_event_kind kind;
    int64_t trial; /* -1: none */
    uint32_t attempt;
    uint64_t sequence; /* of the attempt's message that caused it; 0: none */
    uint64_t process;
    enum esp_trigger trigger;
    enum esp_trial_state from, to;
    enum esp_cause cause;
    int64_t number, extra;
    int32_t code;
    bool flag;
    double real;
    struct esp_verdict verdict;
    struct esp_directive directive;
    struct esp_point point;
    struct esp_saved saved;
    const double *values;
    uint32_t value_count;
    const char *text, *text2;
};

/* Stable lower-case words for ledgers, --json and people; "?" when out of range. */
const char *esp_event_kind_name(enum esp_event_kind kind);
const char *esp_trial_state_name(enum esp_trial_state state); /* "QUEUED", … */
const char *esp_cause_name(enum esp_cause cause);
const char *esp_trigger_name(enum esp_trigger trigger);
const char *esp_rule_name(enum esp_rule rule);
const char *esp_verdict_action_name(enum esp_verdict_action action);
const char *esp_study_state_name(enum esp_study_state state);

/* The inverse of the above; -1 for an unknown word. */
int esp_event_kind_parse(const char *name);
int esp_trial_state_parse(const char *name);
int esp_cause_parse(const char *name);
int esp_trigger_parse(const char *name);
int esp_rule_parse(const char *name);
int esp_verdict_action_parse(const char *name);
int esp_study_state_parse(const char *name);

#endif
