/* The core's state: the structures that the files of this folder share.
 *
 * Each member is either folded from events or volatile. A folded member changes only in fold.c
 * and the files that it calls, has the same value in a core that was loaded from the ledger,
 * and is part of the digest. A volatile member is initialised after a start; nothing that is
 * recorded may depend on how it came to its value.
 *
 * The files form layers that call each other one way; ARCHITECTURE.md shows them. */
#ifndef ESPALIER_CORE_STATE_H
#define ESPALIER_CORE_STATE_H

#include "core.h"
#include "list.h"
#include "search/sampler.h"
#include "stop/scheduler.h"
#include "timer.h"
#include "trial_fsm.h"

#include <espalier/limits.h>

/* Checkpoints kept of a live trial: the newest, and one to fall back to. */
#define ESP_CHECKPOINTS_KEPT 2

/* Folded. */
struct esp_checkpoint {
    uint64_t id; /* the SAVED event's seq; 0: none */
    uint32_t attempt;
    int64_t step, tokens;
    double seconds; /* device seconds of the trial when it was saved */
    uint64_t hash;
    bool damaged; /* an attempt could not start from it */
    char *path;   /* owned */
};

struct esp_trial {
    /* Folded from events. */
    enum esp_trial_state state;
    enum esp_cause cause;
    bool held;        /* paused by the user */
    bool hold_wanted; /* the user paused it before it had started */
    bool can_save;
    bool isolated; /* its process crashed with several trials: it runs alone until it reports */
    bool progressed;          /* this attempt has brought a new report */
    bool excused;             /* the loss of this attempt does not count as fruitless */
    bool saved;               /* the checkpoint that PAUSING waits for is recorded */
    bool discarded_at_risk;   /* when it is chosen again it starts afresh */
    enum esp_rule pause_rule; /* of the last pause */
    uint32_t attempt;
    uint32_t fruitless; /* attempts in a row without a new report */
    uint32_t repeats;   /* the trial whose settings it repeats; ESP_NO_INDEX: none */
    uint64_t seed;
    uint64_t group;             /* of its settings: trials of one group can share a process */
    uint64_t process;           /* while live; 0: none */
    uint64_t recorded_sequence; /* highest sequence of the attempt that an event carries */
    int64_t horizon;            /* tokens, as created; a program's own, once it is known */
    int64_t attempt_horizon;    /* as the attempt's process computed it */
    int64_t until;              /* tokens to train to before the next decision */
    int64_t step, tokens;       /* of the furthest recorded report; -1: none */
    double value, first_value;  /* metric at the furthest and at the first report; NaN: none */
    int64_t attempt_tokens;     /* position of the attempt in its latest report or checkpoint */
    double attempt_seconds;     /* device seconds there */
    int64_t spent_tokens;       /* all attempts, retrained tokens included */
    double spent_seconds;
    struct esp_directive directive;                          /* the latest */
    struct esp_checkpoint checkpoints[ESP_CHECKPOINTS_KEPT]; /* the newest first */
    struct esp_link link; /* in the queue, or in its process's list */

    /* Volatile. */
    uint64_t taken_sequence; /* highest sequence of the attempt that was handled */
    int64_t reached_tokens;  /* highest tokens that the attempt reported, retrained or new */
    bool unconfirmed;        /* its process said Hello without naming the attempt */
    int64_t due_ms;          /* when the wait in its present state ends */
    size_t ack_effect;       /* index of its Ack among the outcome's effects */
    uint32_t timer;          /* place in the heap */
};

enum esp_process_class {
    ESP_PROCESS_STARTING, /* requested, has not said Hello */
    ESP_PROCESS_UP,       /* within its lease */
    ESP_PROCESS_LOST,     /* silent for longer than lease and margin */
    ESP_PROCESS_EXITED,
    ESP_PROCESS_CLASS_COUNT
};

struct esp_trial_process {
    /* Folded from events. */
    uint64_t key;
    uint64_t agent;
    uint32_t slot;
    bool exited;
    struct esp_list hosted;     /* trials that are live in it */
    struct esp_link alive_link; /* in the list of processes that have not exited */

    /* Volatile. */
    enum esp_process_class class;
    bool connected;
    bool greeted;       /* it has said Hello to this incarnation */
    bool exit_reported; /* its agent was asked to report its exit again */
    bool unlisted; /* its agent's last Hello did not list it, and the agent is asked again */
    bool killing;  /* a Kill was sent, or waits for the agent to connect */
    bool kill_now; /* with SIGKILL */
    int64_t heard_ms, sent_ms;
    int64_t due_ms; /* when a Kill that had no effect becomes SIGKILL */
    uint64_t capacity_group;
    uint32_t capacity;
    struct esp_fenced *fenced; /* attempts it must release before it gets another; owned */
    uint32_t fenced_count;
    struct esp_link available_link; /* in the list of processes with a free slot */
    uint32_t timer;
};

struct esp_agent {
    /* Folded from events. */
    uint64_t id;
    uint32_t slots;
    char host[ESP_NAME_MAX];
    char device[ESP_NAME_MAX];
    int device_class; /* index into the core's device_names */

    /* Volatile. */
    bool connected, draining;
    int64_t heard_ms;
    uint32_t timer;
};

/* Folded: the recorded answer to a command. */
struct esp_answer {
    uint64_t id; /* 0: a free place of the table */
    int32_t code;
    uint32_t trial;
    char *text; /* owned; may be NULL */
};

enum esp_mode {
    ESP_MODE_LOADED,    /* before START: events are folded, commands may change settings */
    ESP_MODE_RUN,       /* the search */
    ESP_MODE_INTERRUPT, /* saving everything, resumable */
    ESP_MODE_BUDGET,    /* the same because a budget is spent; a planned end */
    ESP_MODE_END,       /* the search is over; live trials stop */
    ESP_MODE_CLOSING,   /* processes are being ended */
    ESP_MODE_DONE,
};

struct esp_core {
    const struct esp_study *study;
    struct esp_core_options options; /* zeros replaced by limits.h */
    struct esp_sampler *sampler;     /* folded, by its own functions */
    struct esp_scheduler *scheduler; /* likewise */

    /* Folded from events. */
    uint64_t seq, incarnation;
    struct esp_trial *trials;
    double *values; /* [trial_count, param_count] */
    uint32_t trial_count, trial_capacity;
    uint32_t by_state[ESP_TRIAL_STATE_COUNT];
    struct esp_list queue; /* QUEUED trials, the longest waiting first */
    struct esp_trial_process *processes;
    uint32_t process_count, process_capacity;
    struct esp_list alive; /* processes that have not exited */
    struct esp_agent *agents;
    uint32_t agent_count, agent_capacity;
    /* Device classes: the names that agents gave, in order of their first appearance. */
    char device_names[ESP_DEVICE_CLASSES_MAX][ESP_NAME_MAX];
    int device_count;
    struct esp_answer *answers; /* hash table */
    uint32_t answer_count, answer_capacity;
    int64_t run_cap, workers;
    struct esp_budget budget;
    int64_t spent_tokens;
    double spent_seconds;
    uint32_t finite_trials;        /* trials with a finite value at their furthest report */
    bool ever_reported;            /* some trial has reported */
    uint32_t consecutive_failures; /* trials that failed in a row since the study was opened */
    char last_failure[ESP_MESSAGE_TEXT_MAX]; /* the last failed trial's explanation */
    enum esp_study_state state;
    int exit_code;
    /* Recorded with the last end; NONE: the search goes on, or an older version ended it. */
    enum esp_end_reason ended;
    bool calibrated;      /* the discard calibration is recorded */
    uint32_t calibration; /* number of its scores */

    /* Volatile. */
    enum esp_mode mode;
    int pending_exit_code;          /* when the shutdown is complete */
    enum esp_end_reason end_reason; /* once the search ends: TARGET, EXHAUSTED, HELD, or NONE */
    bool kills_sent;
    bool store_full;
    /* The scheduler's state is a fold: after the same event it has the same answer. The seq at
     * which it had nothing for a free slot, and nothing to discard. */
    uint64_t idle_seq, no_discard_seq;
    uint32_t exhausted_trial; /* the sampler had no proposal for it; ESP_NO_INDEX: none */
    uint32_t early_exits;     /* processes in a row that never said Hello */
    uint32_t protocol_faults;
    int64_t shutdown_due_ms; /* when exits are no longer waited for */
    int64_t disk_due_ms; /* no grants before this time, after a checkpoint did not fit on the
                            disk */
    int64_t disk_backoff_ms;
    struct esp_list available; /* processes with a free place, the least recently used first */
    uint32_t class_count[ESP_PROCESS_CLASS_COUNT];
    struct esp_timers timers;
    uint32_t timer; /* the core's own */

    /* Of the present step. */
    int64_t now_ms, time_ms;
    struct esp_outcome *outcome; /* NULL outside esp_core_step */
    int failure;                 /* 0 or -ENOMEM */
    uint32_t answering_trial; /* trial whose message is handled: its Ack carries directives */
};

#endif
