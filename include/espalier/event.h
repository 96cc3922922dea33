/* The facts of a study: the core records them, the ledger keeps them, and resuming folds them
 * again.
 *
 * An event is a tagged union: `kind` names the valid member. `seq` orders events and report
 * rows together, without gaps, from 1. Strings and arrays are borrowed until the outcome that
 * carries the event is reset, or, while loading, until the callback returns. */
#ifndef ESPALIER_EVENT_H
#define ESPALIER_EVENT_H

#include <espalier/end_reason.h>
#include <espalier/message.h>
#include <math.h>
#include <stddef.h>

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

/* Why a trial is STOPPING, or how it ended. */
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

/* What changes a trial's state: the triggers of the table in controller/core/trial_fsm.c. */
enum esp_trigger {
    ESP_TRIGGER_GRANT,
    ESP_TRIGGER_STARTED,
    ESP_TRIGGER_NO_ANSWER,
    ESP_TRIGGER_PAUSE, /* the scheduler's verdict, or an interrupt */
    ESP_TRIGGER_HOLD,  /* the user pauses it, and only the user continues it */
    ESP_TRIGGER_PRUNE,
    ESP_TRIGGER_DIVERGED,
    ESP_TRIGGER_HORIZON,
    ESP_TRIGGER_SAVE_FAILED, /* or the grace period ended while PAUSING */
    ESP_TRIGGER_CONTINUE,    /* the scheduler continues it */
    ESP_TRIGGER_RESUME,      /* the user continues it */
    ESP_TRIGGER_DISCARD,
    ESP_TRIGGER_STOP,  /* the user stops it */
    ESP_TRIGGER_ERROR, /* the trainer reports one */
    ESP_TRIGGER_LOST,  /* its process died, or the lease ended */
    ESP_TRIGGER_GRACE_OVER,
    ESP_TRIGGER_RELEASED, /* Released, its process's exit, or the end of lease and margin */
    ESP_TRIGGER_TARGET,   /* it has reached metric.target, and the search ends */
    ESP_TRIGGER_COUNT
};

/* The rule behind a verdict. controller/view turns it into sentences. */
enum esp_rule {
    ESP_RULE_NONE,
    ESP_RULE_HORIZON, /* trained to its horizon */
    ESP_RULE_NEW,     /* a new trial was the best use of a free slot */
    ESP_RULE_ASHA_PROMOTE,
    ESP_RULE_ASHA_WAIT, /* not among the best 1/eta of its rung, so far */
    ESP_RULE_ASHA_STOP, /* the same in the variant that stops trials */
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
    ESP_RULE_STARTUP,    /* freeze-thaw's first trials: successive halving by adjusted losses */
    ESP_RULE_LEADER,     /* freeze-thaw's share of training for the lowest predicted loss */
    ESP_RULE_CALIBRATED, /* discarded at the stated risk: rung = the half octave, threshold =
                            trials that may be better there, expected = the risk, cost = the
                            number of finished studies; CONTINUE: an audit, to its horizon */
    ESP_RULE_DIVERGED,
    ESP_RULE_INTERRUPT,
    ESP_RULE_RESTART, /* continued when the study was resumed, or paused to leave a host */
    ESP_RULE_STUDY_END,
    ESP_RULE_USER,
    ESP_RULE_BUDGET,
    ESP_RULE_SEED_NOISE, /* within seed noise of the best: trained with another seed */
    ESP_RULE_EXHAUSTED,  /* the search ends: every setting has a trial */
    ESP_RULE_COUNT
};

#define ESP_RIVALS_MAX 4

/* NaN and -1 mean "does not apply". */
struct esp_reason {
    enum esp_rule rule;
    int32_t rung; /* 0 is the lowest */
    int64_t at;   /* tokens at which values were compared */
    int32_t rank; /* 1 is the best, among `of` */
    int32_t of;
    double value;        /* the trial's loss; in a recorded event the study's metric */
    double threshold;    /* what it was compared with, likewise */
    double expected;     /* expected improvement, or predicted loss at the horizon */
    double cost;         /* tokens that remain to its horizon */
    double cost_seconds; /* predicted device seconds for them, which decided; NaN: there was no
                            prediction, and `cost` decided */
    int32_t
        rivals[ESP_RIVALS_MAX]; /* trials it was compared with, the nearest first; -1: none */
};

/* A reason without numbers. */
static inline struct esp_reason esp_reason_none(enum esp_rule rule)
{
    struct esp_reason reason = {.rule = rule,
                                .rung = -1,
                                .at = -1,
                                .rank = -1,
                                .of = -1,
                                .value = NAN,
                                .threshold = NAN,
                                .expected = NAN,
                                .cost = NAN,
                                .cost_seconds = NAN};
    for (int i = 0; i < ESP_RIVALS_MAX; i++) {
        reason.rivals[i] = -1;
    }
    return reason;
}

enum esp_verdict_action {
    ESP_VERDICT_NONE,
    ESP_VERDICT_CONTINUE, /* until `until` */
    ESP_VERDICT_PAUSE,
    ESP_VERDICT_PRUNE,
    ESP_VERDICT_START,   /* a new trial, until `until` */
    ESP_VERDICT_DISCARD, /* a paused trial is discarded */
    ESP_VERDICT_END,     /* the search is over */
    ESP_VERDICT_REPEAT,  /* a new trial with the settings of `trial` and another seed */
    ESP_VERDICT_SPARE,   /* would be discarded, but stays paused as an audit */
};

struct esp_verdict {
    enum esp_verdict_action action;
    int64_t trial; /* -1: none */
    int64_t until; /* tokens */
    struct esp_reason reason;
};

enum esp_study_state {
    ESP_STUDY_RUNNING,
    ESP_STUDY_INTERRUPTED, /* no controller runs, and no planned end is recorded */
    ESP_STUDY_COMPLETE,
    ESP_STUDY_BUDGET,
    ESP_STUDY_STATE_COUNT
};

/* The trial or setting that a study's recorded score belongs to. */
enum esp_scored {
    ESP_SCORED_SINGLE, /* the best single seed: ledgers from before repeats counted */
    ESP_SCORED_SEEDS,  /* the setting that ranks first over all its seeds */
};

enum esp_event_kind {
    ESP_EVENT_NONE,
    ESP_EVENT_OPENED,
    ESP_EVENT_ENDED,
    ESP_EVENT_CHANGED,
    ESP_EVENT_CREATED,
    ESP_EVENT_VERDICT,
    ESP_EVENT_MOVED,
    ESP_EVENT_STARTED_AT,
    ESP_EVENT_REPORT,
    ESP_EVENT_SAVED,
    ESP_EVENT_DROPPED,
    ESP_EVENT_DIRECTED,
    ESP_EVENT_FAILED,
    ESP_EVENT_AGENT,
    ESP_EVENT_SPAWNED,
    ESP_EVENT_EXITED,
    ESP_EVENT_COMMAND,
    ESP_EVENT_NOTE,
    ESP_EVENT_PROTOCOL,
    ESP_EVENT_FIT,
    ESP_EVENT_CALIBRATED,
    ESP_EVENT_SPENT,
    ESP_EVENT_KIND_COUNT
};

/* An array of doubles that an event carries. */
struct esp_reals {
    const double *data;
    uint32_t count;
};

/* A controller started. */
struct esp_event_opened {
    uint64_t incarnation; /* grows by one with every start */
    const char *version;  /* of the software */
};

/* Limits under which a study whose budget is spent would first train the settings that tie with
 * further seeds. All 0: nothing ties, the settings have had their seeds, or something else
 * would come first. */
struct esp_tie_remedy {
    double run_cap;
    double tokens, seconds, usd; /* of the budget; usd 0: no price is known */
};

/* The study's state changed: it ended, or (RUNNING) an ended study goes on because a limit was
 * raised or a trial continued. RUNNING with the reason HELD: the controller ended because
 * nothing but trials that the user paused was left. */
struct esp_event_ended {
    enum esp_study_state state;
    int32_t exit_code;
    bool scored; /* `score` is valid, for later studies (controller/stop/discard.h) */
    enum esp_scored scored_by;
    double score;
    struct esp_tie_remedy remedy;
    enum esp_end_reason reason; /* NONE in ledgers from before it was recorded */
};

/* A setting of the study was changed. */
struct esp_event_changed {
    const char *setting; /* "run_cap", "workers", "budget.tokens", … */
    double value;
};

struct esp_event_created {
    int64_t horizon; /* tokens */
    int64_t seed;
    int64_t repeats; /* the trial whose settings it repeats with another seed; -1: none */
    struct esp_reals values;  /* one per parameter, as drawn */
    struct esp_reason reason; /* why the sampler proposed it */
};

/* A trial changed state. */
struct esp_event_moved {
    uint64_t process; /* the attempt's process */
    enum esp_trigger trigger;
    enum esp_trial_state from, to;
    enum esp_cause cause;
    int64_t until;        /* GRANT: tokens to train to */
    int64_t resumed_from; /* GRANT: tokens of the checkpoint it starts from; -1: the start */
    bool excused;         /* LOST, NO_ANSWER, SAVE_FAILED: does not count as fruitless */
    const char *text;     /* the peer's explanation; NULL: none */
};

/* An attempt began to train. */
struct esp_event_started {
    int64_t tokens;  /* where it begins */
    int64_t horizon; /* as the trial process computes it, tokens */
    bool can_save;
    const char *fell_back; /* why the named checkpoint was not used; NULL: it was */
};

struct esp_event_report {
    struct esp_point point;
    bool waiting; /* the attempt waits for a directive */
};

/* An attempt has trained steps again that have their points: nothing but their cost is new. */
struct esp_event_spent {
    int64_t tokens;        /* the attempt's position */
    double device_seconds; /* there */
};

/* A checkpoint is no longer kept. */
struct esp_event_dropped {
    uint64_t checkpoint; /* the seq of its SAVED event */
};

struct esp_event_failed {
    int32_t code;     /* negative errno */
    bool save_failed; /* only a save failed: the attempt goes on */
    const char *text; /* the peer's explanation */
};

/* An agent is new, or its slots, host or device have changed. */
struct esp_event_agent {
    uint64_t id;
    uint32_t slots;
    const char *host, *device;
};

/* A trial process was requested from an agent. For a known key: it belongs to another agent of
 * its host from now on. */
struct esp_event_spawned {
    uint64_t process;
    uint64_t agent;
    uint32_t slot;
};

struct esp_event_exited {
    uint64_t process;
    int32_t status;   /* exit status, or -1 */
    int32_t signal;   /* or 0 */
    bool asked;       /* the controller had asked for it */
    const char *tail; /* last lines of its log */
};

/* The answer to a client's command. The event's trial is the one that the answer is about. */
struct esp_event_command {
    uint64_t id;
    enum esp_command_verb verb;
    int32_t code; /* 0 or negative errno */
    const char *answer;
};

struct esp_event_note {
    const char *text;
};

/* A peer sent something that the protocol does not allow at that point. */
struct esp_event_protocol {
    uint64_t process;          /* the peer's key */
    enum esp_trigger trigger;  /* always 0; kept for the ledger's format */
    enum esp_trial_state from; /* the trial's state, when a trial is concerned */
    const char *fault;
};

enum esp_fitted {
    ESP_FITTED_SAMPLER,
    ESP_FITTED_SCHEDULER,
};

/* A model was refitted. */
struct esp_event_fit {
    enum esp_fitted which;
    struct esp_reals values; /* what the model's owner needs to restore the fit */
};

/* The scores of finished studies that this study discards by. */
struct esp_event_calibrated {
    int64_t examined_count; /* finished studies that were read */
    struct esp_reals scores;
};

/* A tagged union: the member that belongs to `kind` is valid. */
struct esp_event {
    uint64_t seq;
    int64_t time_ms; /* wall clock, Unix epoch; for people, never for decisions */
    enum esp_event_kind kind;
    uint32_t attempt;
    int64_t trial;     /* -1: none. VERDICT: the verdict's trial */
    uint64_t sequence; /* of the attempt's message that caused it; 0: none */
    union {
        struct esp_event_opened opened;
        struct esp_event_ended ended;
        struct esp_event_changed changed;
        struct esp_event_created created;
        struct esp_verdict verdict;
        struct esp_event_moved moved;
        struct esp_event_started started; /* STARTED_AT */
        struct esp_event_report report;
        struct esp_saved saved;
        struct esp_event_dropped dropped;
        struct esp_directive directive; /* DIRECTED */
        struct esp_event_failed failed;
        struct esp_event_agent agent;
        struct esp_event_spawned spawned;
        struct esp_event_exited exited;
        struct esp_event_command command;
        struct esp_event_note note;
        struct esp_event_protocol protocol;
        struct esp_event_fit fit;
        struct esp_event_calibrated calibrated;
        struct esp_event_spent spent;
    };
};

/* The text that an event carries for people: a message, an explanation, a name. NULL: none. */
const char *esp_event_text(const struct esp_event *event);

/* A string member of an event: where its pointer is kept, and its largest size with the NUL. */
struct esp_event_string {
    const char **at;
    size_t size_max;
};

#define ESP_EVENT_STRINGS_MAX 2

/* What an event points to, for copying events: its strings (their number is returned) and its
 * array of doubles (NULL: its kind has none). A report's measures are not among them. */
int esp_event_strings(struct esp_event *event,
                      struct esp_event_string out[ESP_EVENT_STRINGS_MAX]);
struct esp_reals *esp_event_reals(struct esp_event *event);

/* Stable words for ledgers, --json and people; "?" when out of range. */
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
