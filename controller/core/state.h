/* The core's state, for the files of this folder.
 *
 * Durable members are what `apply` folds and the digest covers. Volatile ones are made anew
 * after a start, and nothing that is recorded may depend on how they came about. */
#ifndef ESPALIER_CORE_STATE_H
#define ESPALIER_CORE_STATE_H

#include "core.h"
#include "search/sampler.h"
#include "stop/scheduler.h"
#include "timer.h"
#include "trial_fsm.h"

#include <espalier/limits.h>
#include <math.h>

#define ESP_NOWHERE UINT32_MAX

/* A doubly linked list through array indices: order is history, never an address. */
struct esp_link {
    uint32_t before, after;
    bool listed;
};

struct esp_list {
    uint32_t first, last, count;
};

/* Checkpoints kept of a live trial: the newest, and one to fall back to. */
#define ESP_CHECKPOINTS_KEPT 2

struct esp_checkpoint {
    uint64_t id; /* the SAVED event's seq; 0: none */
    uint32_t attempt;
    int64_t step, tokens;
    double seconds; /* the trial's clock there */
    uint64_t hash;
    bool damaged; /* an attempt could not start from it */
    char *path;   /* owned */
};

struct esp_trial {
    /* durable */
    enum esp_trial_state state;
    enum esp_cause cause;
    bool held;        /* paused by the user */
    bool hold_wanted; /* the user paused it before it had started */
    bool can_save;
    bool alone;    /* its process crashed among others: it runs alone until it reports */
    bool brought;  /* this attempt has brought a new report */
    bool excused;  /* the loss of this attempt does not count */
    bool saved;    /* the checkpoint that PAUSING waits for is recorded */
    bool given_up; /* under the calibrated rule, which whoever decides is not told: when it is
                      chosen again it begins anew */
    enum esp_rule pause_rule; /* of the last pause */
    uint32_t attempt, fruitless;
    uint32_t repeats; /* the trial whose settings it repeats; ESP_NOWHERE: none */
    uint64_t seed;
    uint64_t group;    /* of its settings: who can share a process with it */
    uint64_t process;  /* while live; 0: none */
    uint64_t recorded; /* the attempt's highest sequence that an event carries */
    int64_t horizon;   /* as created; a program's is what it said */
    int64_t attempt_horizon;
    int64_t until;
    int64_t step, tokens; /* the furthest recorded report; -1: none */
    double value, first_value;
    int64_t at_tokens; /* where the attempt stands, as far as recorded */
    double at_seconds;
    int64_t spent_tokens;
    double spent_seconds;
    struct esp_directive directive;
    struct esp_checkpoint checkpoints[ESP_CHECKPOINTS_KEPT]; /* the newest first */
    struct esp_link link; /* in the queue, or among those its process hosts */
    /* volatile */
    uint64_t sequence; /* the attempt's highest that was taken */
    int64_t stood;     /* the furthest tokens it has told, trained again or new */
    bool doubted;      /* its process said Hello without it */
    int64_t due;       /* when patience with its present state ends */
    size_t acked_at;   /* where in the outcome its Ack lies */
    uint32_t timer;    /* place in the heap */
};

enum esp_process_class {
    ESP_PROCESS_STARTING, /* spawned, has not been heard */
    ESP_PROCESS_UP,       /* has been heard, or may be: it has its lease */
    ESP_PROCESS_LOST,     /* silent beyond lease and margin */
    ESP_PROCESS_EXITED,
    ESP_PROCESS_CLASS_COUNT
};

struct esp_trial_process {
    /* durable */
    uint64_t key;
    uint64_t agent;
    uint32_t slot;
    bool exited;
    struct esp_list hosted;
    struct esp_link alive_link; /* among those that have not exited */
    /* volatile */
    enum esp_process_class class;
    bool connected;
    bool seen;        /* it has said Hello to this incarnation */
    bool missed;      /* its agent's last Hello did not list it, and is asked again */
    bool killing;     /* a Kill of ours is out, or waits for the agent */
    bool killing_now; /* with SIGKILL */
    int64_t heard, sent;
    int64_t due;
    uint64_t capacity_group;
    uint32_t capacity;
    struct esp_fenced *stale; /* attempts it must let go before it gets another; owned */
    uint32_t stale_count;
    struct esp_link open_link; /* among those with a free place */
    uint32_t timer;
};

struct esp_agent {
    /* durable */
    uint64_t id;
    uint32_t slots;
    char host[ESP_NAME_MAX];
    char device[ESP_NAME_MAX];
    int device_class; /* index into the core's device_names */
    /* volatile */
    bool connected, draining;
    int64_t heard;
    uint32_t timer;
};

struct esp_answer {
    uint64_t id; /* 0: a free place of the table */
    int32_t code;
    uint32_t trial;
    char *text; /* owned; may be NULL */
};

/* What the controller is about. */
enum esp_mode {
    ESP_MODE_LOADED,    /* before START: folding, and commands that change settings */
    ESP_MODE_RUN,       /* the search */
    ESP_MODE_INTERRUPT, /* saving everything, to leave resumable */
    ESP_MODE_BUDGET,    /* the same because a budget is spent; a planned end */
    ESP_MODE_END,       /* the search is over; what is live stops */
    ESP_MODE_DEPART,    /* processes are being ended */
    ESP_MODE_DONE,
};

struct esp_core {
    const struct esp_study *study;
    struct esp_core_options options; /* zeros replaced by limits.h */
    struct esp_sampler *sampler;
    struct esp_scheduler *scheduler;

    /* durable */
    uint64_t seq, incarnation;
    struct esp_trial *trials;
    double *values; /* [trial_count, param_count] */
    uint32_t trial_count, trial_capacity;
    uint32_t by_state[ESP_TRIAL_STATE_COUNT];
    struct esp_list queue; /* QUEUED, the longest waiting first */
    struct esp_trial_process *processes;
    uint32_t process_count, process_capacity;
    struct esp_list alive; /* processes that have not exited */
    struct esp_agent *agents;
    uint32_t agent_count, agent_capacity;
    /* Classes of devices: the names that agents gave, in order of their first appearance. */
    char device_names[ESP_DEVICE_CLASSES_MAX][ESP_NAME_MAX];
    int device_count;
    struct esp_answer *answers;
    uint32_t answer_count, answer_capacity;
    int64_t run_cap, workers;
    struct esp_budget budget;
    int64_t spent_tokens;
    double spent_seconds;
    uint32_t finite_trials; /* trials with a finite value at their furthest report */
    bool reported;          /* some trial has once */
    uint32_t failed;        /* trials in a row since it was opened */
    char complaint[ESP_MESSAGE_TEXT_MAX]; /* what the last of them said */
    enum esp_study_state state;
    int exit_code;
    bool calibrated;      /* what discards go by is recorded */
    uint32_t calibration; /* finished studies of it */

    /* volatile */
    enum esp_mode mode;
    int leave_code;
    bool kills_sent;
    bool store_full;
    /* The scheduler's state is a fold: after the same event it has the same answer. The seq at
     * which it had nothing for a free slot, and nothing to discard. */
    uint64_t idle_at, kept_at;
    uint32_t exhausted_at; /* the sampler had no proposal for this trial; ESP_NOWHERE */
    uint32_t stillborn;    /* processes in a row that never said Hello */
    uint32_t protocol_faults;
    int64_t leave_due;
    int64_t disk_due; /* checkpoints found no room: nothing is granted before */
    int64_t disk_backoff_ms;
    struct esp_list open;
    uint32_t class_count[ESP_PROCESS_CLASS_COUNT];
    struct esp_timers timers;
    uint32_t timer; /* the core's own */

    /* of the present step */
    int64_t now, time_ms;
    struct esp_outcome *outcome;
    int failure;        /* -ENOMEM */
    uint32_t answering; /* trial whose message is being handled: its Ack carries directives */
};

/* list.c. Which link of an index a list goes through: */
enum esp_list_of {
    ESP_LIST_TRIALS,
    ESP_LIST_ALIVE,
    ESP_LIST_OPEN,
};
void esp_list_init(struct esp_list *list);
void esp_list_push(struct esp_core *core,
                   enum esp_list_of of,
                   struct esp_list *list,
                   uint32_t index);
void esp_list_remove(struct esp_core *core,
                     enum esp_list_of of,
                     struct esp_list *list,
                     uint32_t index);
uint32_t esp_list_next(const struct esp_core *core,
                       enum esp_list_of of,
                       uint32_t index); /* or NOWHERE */

/* grow.c: room for one more in an array that doubles; 0 or -ENOMEM. */
int esp_grow(void **array, uint32_t *capacity, uint32_t needed, size_t size);

/* trial.c */
static inline uint32_t esp_trial_index(const struct esp_core *core, const struct esp_trial *t)
{
    return (uint32_t)(t - core->trials);
}
static inline struct esp_trial *esp_trial_at(struct esp_core *core, uint32_t index)
{
    return &core->trials[index];
}
unsigned esp_trial_guards(const struct esp_trial *trial);
/* The checkpoint to resume from, or NULL. */
const struct esp_checkpoint *esp_trial_checkpoint(const struct esp_trial *trial);
/* The settings that this trial trains with; false when its values do not fit the trainer. */
bool esp_trial_settings(const struct esp_core *core,
                        const double *values,
                        struct esp_trainer *out);
uint32_t esp_core_live(const struct esp_core *core);

/* process.c */
uint64_t esp_process_key(const struct esp_core *core, uint32_t index);
struct esp_trial_process *esp_process_find(const struct esp_core *core, uint64_t key);
static inline uint32_t esp_process_index(const struct esp_core *core,
                                         const struct esp_trial_process *p)
{
    return (uint32_t)(p - core->processes);
}
void esp_process_classify(struct esp_core *core,
                          struct esp_trial_process *p,
                          enum esp_process_class class);
/* Puts it on or off the list of those with a free place. */
void esp_process_refresh(struct esp_core *core, struct esp_trial_process *p);
bool esp_process_fits(const struct esp_core *core,
                      const struct esp_trial_process *p,
                      const struct esp_trial *trial);
void esp_process_watch(struct esp_core *core, struct esp_trial_process *p);
/* Beyond lease and margin: it has ended by itself, as far as promises go. */
bool esp_process_silent(const struct esp_core *core, const struct esp_trial_process *p);
void esp_process_kill(struct esp_core *core, struct esp_trial_process *p, bool now);
/* Its attempts are over: they are lost, and with `confirmed` released as well. */
void esp_process_abandon(struct esp_core *core,
                         struct esp_trial_process *p,
                         bool excused,
                         bool confirmed);
void esp_process_lapsed(struct esp_core *core, struct esp_trial_process *p);
void esp_process_gone(struct esp_core *core, struct esp_trial_process *p);
void esp_process_stale(struct esp_core *core,
                       struct esp_trial_process *p,
                       uint32_t trial,
                       uint32_t attempt);
void esp_process_let_go(struct esp_core *core,
                        struct esp_trial_process *p,
                        uint32_t trial,
                        uint32_t attempt);

/* process_table.c */
struct esp_agent *esp_agent_find(const struct esp_core *core, uint64_t id);
uint32_t esp_agents_slots(const struct esp_core *core);
/* An agent with a free slot, and that slot; NULL: none. */
struct esp_agent *esp_agent_with_room(struct esp_core *core, uint32_t *slot);
void esp_agent_silent(struct esp_core *core, struct esp_agent *agent);
/* The class of the device that a process trains on; and of the one that is given work next. */
int esp_device_of(const struct esp_core *core, uint64_t process);
int esp_device_next(struct esp_core *core);

/* record.c: events happen here: numbered, folded, appended to the outcome. */
struct esp_event esp_event_of(enum esp_event_kind kind);
struct esp_reason esp_reason_none(enum esp_rule rule);
void esp_record(struct esp_core *core, struct esp_event *event);
void esp_record_verdict(struct esp_core *core, const struct esp_verdict *verdict);
void esp_record_protocol(struct esp_core *core,
                         struct esp_peer peer,
                         int64_t trial,
                         uint32_t attempt,
                         uint64_t sequence,
                         const char *fault);

/* outcome.c */
void *esp_outcome_keep(struct esp_outcome *outcome, const void *data, size_t size);
const char *esp_outcome_text(struct esp_outcome *outcome, const char *text, size_t max);
int esp_outcome_event(struct esp_outcome *outcome, const struct esp_event *event);
int esp_outcome_effect(struct esp_outcome *outcome, const struct esp_effect *effect);

/* effects.c: effects that follow from the state. */
void esp_send(struct esp_core *core, struct esp_peer peer, const struct esp_message *message);
void esp_send_assign(struct esp_core *core, struct esp_trial *trial);
void esp_send_ack(struct esp_core *core, struct esp_trial *trial);
void esp_send_direct(struct esp_core *core, struct esp_trial *trial);
void esp_send_fenced(struct esp_core *core,
                     struct esp_trial_process *p,
                     uint32_t trial,
                     uint32_t attempt);
void esp_send_spawn(struct esp_core *core, struct esp_trial_process *p);
void esp_send_kill(struct esp_core *core, struct esp_trial_process *p);
void esp_send_simple(struct esp_core *core, struct esp_peer peer, enum esp_message_kind kind);
void esp_drop_checkpoint(struct esp_core *core, struct esp_trial *trial, int which);

/* transition.c */
struct esp_move {
    enum esp_trigger trigger;
    uint64_t sequence; /* of the message that caused it */
    uint64_t process;  /* GRANT */
    const char *text;
    bool excused; /* LOST and the like: it does not count */
};
/* Whether the table has the pair; then it is recorded and its effect is on its way. */
bool esp_trial_move(struct esp_core *core,
                    struct esp_trial *trial,
                    const struct esp_move *move);
bool esp_trial_trigger(struct esp_core *core,
                       struct esp_trial *trial,
                       enum esp_trigger trigger);
void esp_trial_direct(struct esp_core *core,
                      struct esp_trial *trial,
                      enum esp_directive_action action,
                      int64_t until,
                      bool keep);
void esp_trial_watch(struct esp_core *core, struct esp_trial *trial);
void esp_trial_due(struct esp_core *core, struct esp_trial *trial);
/* The core's own verdicts: go on as before an interruption; pause (USER: hold). */
void esp_trial_restart(struct esp_core *core, struct esp_trial *trial);
void esp_trial_pause(struct esp_core *core, struct esp_trial *trial, enum esp_rule rule);
/* The attempt is lost: and nothing of it is left when `confirmed`. */
void esp_trial_lose(struct esp_core *core,
                    struct esp_trial *trial,
                    bool excused,
                    bool confirmed);

/* attempt.c: what a trial process says of an attempt. */
void esp_attempt_message(struct esp_core *core,
                         struct esp_trial_process *p,
                         const struct esp_message *message);

/* report.c */
void esp_take_report(struct esp_core *core, struct esp_trial *t, const struct esp_report *r);
/* After a start or a report: diverged, at its horizon, or a question to the scheduler. */
void esp_trial_judge(struct esp_core *core, struct esp_trial *t, bool waiting);
bool esp_value_diverged(const struct esp_core *core, const struct esp_trial *t, double value);

/* hello.c */
void esp_hello(struct esp_core *core, struct esp_peer peer, const struct esp_hello *hello);

/* lose.c */
void esp_process_exited(struct esp_core *core,
                        struct esp_trial_process *p,
                        const struct esp_exited *exited);
void esp_process_stillborn(struct esp_core *core);
void esp_exited(struct esp_core *core,
                struct esp_agent *agent,
                const struct esp_exited *exited);
void esp_drain(struct esp_core *core, struct esp_agent *agent);

/* ask.c */
void esp_settle(struct esp_core *core);
/* A slot of a device class as it is now. */
struct esp_slot_view esp_slot_view(const struct esp_core *core, int device);
/* The answer to "a slot is free" as things are. */
struct esp_verdict esp_ask_slot(struct esp_core *core);
/* Records the trial and where it is sent first. */
void esp_create_trial(struct esp_core *core,
                      const double *values,
                      const struct esp_reason *reason,
                      struct esp_verdict *start);
/* Records a trial with the settings of verdict->trial and its next seed. */
void esp_repeat_trial(struct esp_core *core, const struct esp_verdict *verdict);
/* Whether the sampler has a proposal for the next trial; values and reason when it has. */
bool esp_propose(struct esp_core *core, double *values, struct esp_reason *reason);
/* Nothing runs and nothing can be launched: the search or its budget is at its end. */
void esp_nothing_left(struct esp_core *core, const struct esp_verdict *verdict);

/* fold_transition.c */
void esp_keep_failure(struct esp_core *core, const char *words);

/* ask.c: every trial fails before it says anything, so that more would, too. */
bool esp_all_fail(const struct esp_core *core);

/* deadlines.c: deadlines that are over. */
void esp_expire(struct esp_core *core);

/* spawn.c: processes beyond the workers that are wanted. Idle ones are ended at once, busy ones
 * when their trial is done: nothing new is granted meanwhile. */
uint32_t esp_processes_surplus(const struct esp_core *core);
void esp_end_surplus(struct esp_core *core);
void esp_plan_processes(struct esp_core *core);

/* budget.c */
bool esp_budget_spent(const struct esp_core *core);     /* truly */
bool esp_budget_committed(const struct esp_core *core); /* by what is live: launch nothing */
/* What of it is left beyond what is live, in trainings that it pays to their end. */
struct esp_trainings esp_budget_trainings(const struct esp_core *core);

/* shutdown.c */
void esp_begin(struct esp_core *core, const char *version);
void esp_interrupt(struct esp_core *core, enum esp_mode mode, int exit_code);
void esp_terminate(struct esp_core *core);
void esp_end(struct esp_core *core, const struct esp_verdict *verdict);
/* A trial has started, or been found live, while leaving. False: nothing special. */
bool esp_leave_trial(struct esp_core *core, struct esp_trial *trial);
void esp_leave_settle(struct esp_core *core);

/* command.c, command_trials.c, command_settings.c */
void esp_command(struct esp_core *core,
                 struct esp_peer peer,
                 const struct esp_command *command);
const struct esp_answer *esp_answer_find(const struct esp_core *core, uint64_t id);
int esp_answer_keep(
    struct esp_core *core, uint64_t id, int32_t code, uint32_t trial, const char *text);
struct esp_said {
    int32_t code;
    uint32_t trial;
    const char *text; /* a constant */
};
struct esp_said esp_command_trial(struct esp_core *core, enum esp_verb verb, uint32_t trial);
struct esp_said esp_command_set(struct esp_core *core, const struct esp_command *command);
struct esp_said esp_command_add(struct esp_core *core, const struct esp_command *command);

/* fold.c, fold_trial.c, fold_process.c: the fold. */
int esp_fold(struct esp_core *core, const struct esp_event *event, struct esp_error *error);
int esp_fold_trial(struct esp_core *core,
                   const struct esp_event *event,
                   struct esp_error *error);
int esp_fold_process(struct esp_core *core,
                     const struct esp_event *event,
                     struct esp_error *error);
int esp_fold_moved(struct esp_core *core,
                   const struct esp_event *event,
                   struct esp_error *error);

/* A recorded metric as samplers and schedulers want it: smaller is better. */
static inline double esp_loss(const struct esp_core *core, double value)
{
    return core->study->maximize ? -value : value;
}

#endif
