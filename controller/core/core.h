/* The decision core: a study's state as a fold of events, and what follows from it.
 *
 * Pure: no clock, I/O, threads, global state, libc randomness or text formatting. One core
 * serves `espalier run`, the simulator and resuming.
 *
 *   live:    step(input, now) → events (already folded into the core) and effects
 *            The caller appends the events, commits, and only then performs the effects. When
 *            the commit fails it drops the effects and rebuilds the core from the ledger.
 *   resume:  apply(event) for every recorded event and report in seq order, then step(START)
 *
 * Folded state is what `apply` makes of events. Volatile state (connections, deadlines,
 * messages that were sent) is initialised after a start. Effects that are still outstanding are
 * sent again when their peer says Hello. */
#ifndef ESPALIER_CORE_CORE_H
#define ESPALIER_CORE_CORE_H

#include <espalier/event.h>
#include <espalier/study.h>

struct esp_core;

enum esp_input_kind {
    ESP_INPUT_START,       /* after loading: a controller begins its incarnation */
    ESP_INPUT_TICK,        /* time has passed (see esp_core_deadline), and no message waits */
    ESP_INPUT_MESSAGE,     /* from `peer` */
    ESP_INPUT_MALFORMED,   /* invalid bytes from `peer`; text names the fault */
    ESP_INPUT_GONE,        /* the connection of `peer` is dead: a send failed */
    ESP_INPUT_INTERRUPT,   /* first signal: save everything, then exit; can be resumed */
    ESP_INPUT_TERMINATE,   /* second signal: end now, still resumable */
    ESP_INPUT_STORE_FULL,  /* the ledger could not grow: grant nothing */
    ESP_INPUT_STORE_ROOM,  /* the ledger can grow again */
    ESP_INPUT_CALIBRATION, /* before the first START: scores of finished studies */
};

struct esp_input {
    enum esp_input_kind kind;
    int64_t time_ms; /* wall clock, only copied into events */
    struct esp_peer peer;
    const struct esp_message *message;
    const char *text; /* START: the software's version; MALFORMED */
    const double *
        scores; /* CALIBRATION: of score_count comparable studies, of examined_count examined */
    uint32_t score_count, examined_count;
};

enum esp_effect_kind {
    ESP_EFFECT_SEND,   /* message to peer */
    ESP_EFFECT_DROP,   /* delete checkpoint files (path, relative to DIR) */
    ESP_EFFECT_FINISH, /* the shutdown is complete: exit with exit_code */
};

struct esp_effect {
    enum esp_effect_kind kind;
    struct esp_peer peer;
    struct esp_message message;
    const char *path;
    int exit_code;
};

/* The events and effects of one or more steps, in order. Strings and arrays that they point to
 * are in the outcome, the core or the study, and valid until the next reset, which keeps the
 * memory for reuse. */
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
    uint64_t nonce;  /* a random number of the study, kept in the ledger */
    int64_t workers; /* --workers; 0: as the study says, else what the agents offer */
    int64_t heartbeat_ms, lease_ms, margin_ms, grace_ms, quarantine_ms,
        answer_ms; /* 0: limits.h */
};

/* -ENOTSUP or -EINVAL with a message when the study's method or scheduler is not available. The
 * study must outlive the core. */
int esp_core_create(const struct esp_study *study,
                    const struct esp_core_options *options,
                    struct esp_core **out,
                    struct esp_error *error);
void esp_core_destroy(struct esp_core *core);

/* Folds one recorded event. -EPROTO when it contradicts the state: the ledger was not written
 * by this program. */
int esp_core_apply(struct esp_core *core,
                   const struct esp_event *event,
                   struct esp_error *error);

/* Takes one input at `now_ms` of the running clock (running_clock.h) and appends to `outcome`.
 * Deadlines are judged by TICK alone: give it when every message that waits has been taken, so
 * that nobody whose message is there counts as silent. Several steps may share an outcome that
 * is committed as one batch. Never fails because of what peers send; -ENOMEM only.
 *
 * Before START a core takes events to fold and two kinds of input: the calibration, once and
 * only before the first start, and commands of clients: settings that changed with the study
 * file (SET run_cap, …), or a trial to continue in an ended study, so that START finds work.
 * Other input before START is ignored. */
int esp_core_step(struct esp_core *core,
                  const struct esp_input *input,
                  int64_t now_ms,
                  struct esp_outcome *outcome);

/* Why a Hello of `peer` is refused, a constant; NULL: it is accepted. Ask before the connection
 * is bound to the peer: what a refused connection sends must not count as the peer's. Before
 * START and after the end NULL: the core ignores the Hello. */
const char *esp_core_refuses(const struct esp_core *core,
                             const struct esp_peer *peer,
                             const struct esp_hello *hello);

/* When the next TICK is needed, running ms; INT64_MAX: never. */
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
    double value;         /* of the study's metric there */
    double device_seconds;
    int64_t spent_tokens;      /* of all attempts, retrained tokens included */
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
    /* The setting that ranks first over all its seeds (stop/seeds.h), named by its first trial;
     * the value is that trial's own. -1: none. */
    int64_t best_trial;
    double best_value;
    enum esp_study_state state;
    int exit_code; /* enum esp_exit, once state is a planned end */
    int64_t run_cap, workers;
    struct esp_budget budget; /* as changed */
    bool calibrated;          /* the discard calibration is recorded */
    uint32_t calibration;     /* their number */
    double discard_limit; /* a paused trial is discarded when more trials than this are better
                             at its mark; infinity: never */
};

struct esp_core_totals esp_core_totals(const struct esp_core *core);

/* A hash of the folded state, to compare a live core with a loaded one. */
uint64_t esp_core_digest(const struct esp_core *core);

#endif
