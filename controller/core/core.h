/* The decision core (DESIGN 2, 3): a study's state as a fold of events, and what follows from
 * it.
 *
 * Pure: no clock, I/O, threads, global state, libc randomness or text formatting. One core
 * serves `espalier run`, the simulator and resuming.
 *
 *   live:    step(input, now) → events (already folded into the core) and effects
 *            the caller appends the events, commits, and only then performs the effects;
 *            when the commit fails it drops the effects and rebuilds the core from the ledger
 *   resume:  apply(event) for every recorded event and report in seq order, then step(START)
 *
 * Durable state is what `apply` folds. Volatile state (who is connected, deadlines, what was
 * sent to whom) is made anew after a start; effects that are still outstanding are sent again
 * when their peer says Hello. */
#ifndef ESPALIER_CORE_CORE_H
#define ESPALIER_CORE_CORE_H

#include <espalier/event.h>
#include <espalier/study.h>

struct esp_core;

enum esp_input_kind {
    ESP_INPUT_START,       /* after loading: a controller begins its incarnation */
    ESP_INPUT_TICK,        /* time has passed (see esp_core_deadline) */
    ESP_INPUT_MESSAGE,     /* from `peer` */
    ESP_INPUT_MALFORMED,   /* `peer` sent something that is no message: text says what */
    ESP_INPUT_GONE,        /* the connection of `peer` is known to be dead (send refused) */
    ESP_INPUT_INTERRUPT,   /* first signal: save everything, leave, resumable */
    ESP_INPUT_TERMINATE,   /* second signal: end now, still resumable */
    ESP_INPUT_STORE_FULL,  /* the ledger could not grow: assign nothing */
    ESP_INPUT_STORE_ROOM,  /* it can again */
    ESP_INPUT_CALIBRATION, /* before the first START: scores of finished studies */
};

struct esp_input {
    enum esp_input_kind kind;
    int64_t time_ms; /* wall clock, only copied into events */
    struct esp_peer peer;
    const struct esp_message *message;
    const char *text; /* START: the software's version; MALFORMED */
    const double
        *scores; /* CALIBRATION: of the score_count comparable among looked_at studies */
    uint32_t score_count, looked_at;
};

enum esp_effect_kind {
    ESP_EFFECT_SEND,   /* message to peer */
    ESP_EFFECT_DROP,   /* delete checkpoint files (path, relative to DIR) */
    ESP_EFFECT_FINISH, /* everything has ended: leave with exit_code */
};

struct esp_effect {
    enum esp_effect_kind kind;
    struct esp_peer peer;
    struct esp_message message;
    const char *path;
    int exit_code;
};

/* What one or more steps brought, in order. Reused: reset keeps the memory. Strings and arrays
 * that events and effects point to live in it (or in the core, or the study), until the next
 * reset. */
struct esp_outcome {
    struct esp_event *events;
    size_t event_count, event_capacity;
    struct esp_effect *effects;
    size_t effect_count, effect_capacity;
    void *arena;
};

void esp_outcome_init(struct esp_outcome *outcome);
void esp_outcome_reset(struct esp_outcome *outcome);
void esp_outcome_release(struct esp_outcome *outcome);

struct esp_core_options {
    uint64_t nonce;  /* the study's, random, kept in the ledger */
    int64_t workers; /* --workers; 0: the study's, or what the agents offer */
    int64_t heartbeat_ms, lease_ms, margin_ms, grace_ms, quarantine_ms,
        answer_ms; /* 0: limits.h */
};

/* -ENOTSUP or -EINVAL with words when the study's method or scheduler cannot be had. The study
 * must outlive the core. */
int esp_core_create(const struct esp_study *study,
                    const struct esp_core_options *options,
                    struct esp_core **out,
                    struct esp_error *error);
void esp_core_destroy(struct esp_core *core);

/* Folds one recorded event. -EPROTO when it contradicts the state: the ledger is not one of
 * ours. */
int esp_core_apply(struct esp_core *core,
                   const struct esp_event *event,
                   struct esp_error *error);

/* Before START a core takes events to fold and, as inputs, the calibration (once, before it has
 * ever started; else it is ignored) and commands of clients: settings that
 * changed with the study file (SET run_cap, …) or a trial to continue in a study that had
 * ended; START then finds that there is work again. Anything else is ignored until START.
 *
 * Takes one input at monotonic `now_ms`; appends to `outcome`. Several steps may share an
 * outcome that is committed as one batch. Never fails for what peers say; -ENOMEM only. */
int esp_core_step(struct esp_core *core,
                  const struct esp_input *input,
                  int64_t now_ms,
                  struct esp_outcome *outcome);

/* When the next TICK is needed, monotonic ms; INT64_MAX: never. */
int64_t esp_core_deadline(const struct esp_core *core);

/* Queries. */

struct esp_trial_view {
    uint32_t trial;
    enum esp_trial_state state;
    enum esp_cause cause;
    bool held;
    uint32_t attempt;
    uint32_t fruitless; /* attempts in a row without a new report */
    uint64_t process;   /* 0: none */
    int64_t horizon, until;
    int64_t step, tokens; /* of the last recorded report; -1: none */
    double value;         /* there, as the study's metric */
    double device_seconds;
    int64_t spent_tokens;      /* all attempts, retrained ones included */
    int64_t checkpoint_tokens; /* -1: none */
    int64_t repeats; /* the trial whose settings it repeats with another seed; -1: none */
    uint64_t seed;
    const double *values;
};

uint32_t esp_core_trial_count(const struct esp_core *core);
struct esp_trial_view esp_core_trial(const struct esp_core *core, uint32_t trial);

struct esp_core_totals {
    uint64_t seq; /* of the last event */
    uint64_t incarnation;
    uint32_t by_state[ESP_TRIAL_STATE_COUNT];
    int64_t spent_tokens;
    double device_seconds;
    /* A setting stands for all of its seeds (stop/seeds.h), and is named by its first trial;
     * the value is that trial's own. -1: none. */
    int64_t best_trial;
    double best_value;
    enum esp_study_state state;
    int exit_code; /* enum esp_exit, once state is a planned end */
    int64_t run_cap, workers;
    struct esp_budget budget; /* as changed */
    bool calibrated;          /* it is recorded what discards go by … */
    uint32_t calibration;     /* … that many finished studies */
    double discard_limit;     /* how many may be better at a mark; infinity: none is given up */
};

struct esp_core_totals esp_core_totals(const struct esp_core *core);

/* A hash of the durable state: live state equals replayed state (tests, and resume in debug).
 */
uint64_t esp_core_digest(const struct esp_core *core);

#endif
