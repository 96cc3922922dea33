/* Messages between controller, agents, trial processes and clients, as plain values.
 *
 * proto/ encodes and decodes them, proto/transport sends and receives them, and the core reads
 * and makes them. A message is delivered at least once and has its effect exactly once:
 * everything that may be repeated carries a key (attempt and sequence number, directive number,
 * process key, or command id).
 *
 * Pointers are borrowed. Those of a decoded message are valid until the next decode, those of a
 * message from the core until the outcome is reset. */
#ifndef ESPALIER_MESSAGE_H
#define ESPALIER_MESSAGE_H

#include <espalier/limits.h>
#include <espalier/trainer.h>
#include <stdbool.h>
#include <stdint.h>

#define ESP_PROTOCOL_VERSION 1

/* Environment variables that hold the process key of a trial process, and the nonce of the
 * study (for an agent too), in decimal. They are secrets: whoever knows them can speak as the
 * process. */
#define ESP_ENV_KEY "ESPALIER_PROCESS_KEY"
#define ESP_ENV_STUDY "ESPALIER_STUDY_NONCE"

enum esp_role {
    ESP_ROLE_NONE,
    ESP_ROLE_AGENT,
    ESP_ROLE_TRIAL,
    ESP_ROLE_CLIENT,
};

/* The sender or receiver of a message. `key` is an AGENT's id, the process key of a TRIAL, or
 * the number that the router assigned to the connection of a CLIENT. */
struct esp_peer {
    enum esp_role role;
    uint64_t key;
};

enum esp_message_kind {
    ESP_MESSAGE_NONE,
    ESP_MESSAGE_HELLO,
    ESP_MESSAGE_WELCOME,
    ESP_MESSAGE_INTRODUCE, /* controller → unknown peer: send a Hello */
    ESP_MESSAGE_CAPACITY,
    ESP_MESSAGE_ASSIGN,
    ESP_MESSAGE_STARTED,
    ESP_MESSAGE_REPORT,
    ESP_MESSAGE_SAVED,
    ESP_MESSAGE_FAILED,
    ESP_MESSAGE_RELEASED,
    ESP_MESSAGE_ACK,
    ESP_MESSAGE_DIRECT,
    ESP_MESSAGE_FENCED,
    ESP_MESSAGE_SPAWN,
    ESP_MESSAGE_KILL,
    ESP_MESSAGE_EXITED,
    ESP_MESSAGE_EXITED_ACK, /* controller → agent: the exit is recorded */
    ESP_MESSAGE_DRAIN,
    ESP_MESSAGE_RETIRE, /* controller → agent: the study has ended, exit */
    ESP_MESSAGE_COMMAND,
    ESP_MESSAGE_REPLY,
    ESP_MESSAGE_HEARTBEAT,
    ESP_MESSAGE_KIND_COUNT
};

/* An attempt that a trial process holds, listed in its Hello. The process still has the
 * messages after `acked` and sends them again. */
struct esp_held {
    uint32_t trial;
    uint32_t attempt;
    uint64_t acked; /* the highest sequence number acknowledged */
    uint64_t last;  /* the highest sequence number used */
};

struct esp_hello {
    enum esp_role role;
    uint32_t protocol;
    uint64_t key; /* agent id or process key; 0 for clients */
    uint64_t
        study; /* nonce of the study, 0 for clients; the controller of another study refuses */
    int64_t pid;
    const char *host;
    const char *device; /* "cpu", "cuda: NVIDIA H200", … */
    const char *version;
    uint32_t slots;      /* AGENT: number of trial processes that it may run at once */
    uint64_t *processes; /* AGENT: keys of its processes */
    uint32_t process_count;
    struct esp_held *held; /* TRIAL: its attempts */
    uint32_t held_count;
};

struct esp_welcome {
    uint64_t incarnation; /* number of times that a controller of this study was started */
    uint32_t heartbeat_ms;
    uint32_t lease_ms;
    const char *refused; /* NULL, or why the peer is refused; it must exit */
};

/* How many members of a group a trial process can host in total. */
struct esp_capacity {
    uint64_t group; /* esp_trainer_group; 0: any group */
    uint32_t members;
    uint64_t bytes; /* memory per member */
};

enum esp_directive_action {
    ESP_DIRECT_CONTINUE, /* train until `until` tokens, then wait */
    ESP_DIRECT_SAVE,     /* save now and continue */
    ESP_DIRECT_PAUSE,    /* save, then release */
    ESP_DIRECT_STOP,     /* release, after saving if `keep` is set */
};

/* Stable lower-case words, "?" when out of range; -1 for an unknown word. */
const char *esp_directive_action_name(enum esp_directive_action action);
int esp_directive_action_parse(const char *name);

/* An instruction to a trial process, numbered within the attempt. The highest number applies;
 * lower ones are ignored. */
struct esp_directive {
    uint32_t number;
    enum esp_directive_action action;
    int64_t until; /* tokens */
    bool keep;     /* STOP: save a checkpoint before releasing */
};

/* An attempt at a trial for a trial process. */
struct esp_assign {
    uint32_t trial;
    uint32_t attempt;
    struct esp_setting *params; /* the trial's parameters */
    uint32_t param_count;
    const struct esp_trainer *trainer; /* the built-in trainer; NULL for a program */
    const char *resume; /* path of the checkpoint relative to DIR; NULL: from the start */
    uint64_t resume_hash;
    int64_t resume_tokens;
    uint64_t seed;                  /* used when the study does not search or set `seed` */
    int64_t horizon;                /* tokens */
    struct esp_directive directive; /* number 0 of this attempt: a CONTINUE */
};

/* The first member of STARTED, REPORT, SAVED, FAILED and RELEASED. */
struct esp_attempt_key {
    uint32_t trial;
    uint32_t attempt;
    uint64_t sequence; /* 1, 2, 3, … within the attempt */
};

struct esp_measure {
    const char *name;
    double value;
};

struct esp_point {
    int64_t step;
    int64_t tokens;
    double device_seconds; /* of this trial, summed over its attempts by the trainer */
    double value;          /* the study's metric; NaN or infinite: the trial diverged */
    double train_loss;     /* NaN: none */
    const struct esp_measure *measures;
    uint32_t measure_count;
};

struct esp_started {
    struct esp_attempt_key at;
    bool can_save;
    int64_t tokens;  /* trained before, after resuming from a checkpoint */
    int64_t horizon; /* tokens at the last step of this trial; at most the study's horizon */
    const char
        *fell_back; /* NULL, or why the assigned checkpoint was not used (damaged, missing) */
};

struct esp_report {
    struct esp_attempt_key at;
    const struct esp_point *points;
    uint32_t point_count;
    bool waiting;       /* `until` is reached, and the process waits for a directive */
    uint32_t directive; /* number of the last directive that was carried out */
};

struct esp_saved {
    struct esp_attempt_key at;
    const char *path; /* relative to DIR */
    const char *host;
    int64_t step;
    int64_t tokens;
    uint64_t bytes;
    uint64_t hash;
    double device_seconds; /* device seconds of the trial up to this checkpoint; 0: unknown */
};

struct esp_failed {
    struct esp_attempt_key at;
    int32_t code;     /* negative errno */
    bool save_failed; /* the checkpoint could not be saved, and the attempt continues */
    const char *text; /* what went wrong, for people */
};

struct esp_released {
    struct esp_attempt_key at; /* sequence number 0 in the answer to Fenced */
};

struct esp_ack {
    uint32_t trial;
    uint32_t attempt;
    uint64_t sequence; /* all messages up to this number are on disk */
    struct esp_directive directive;
};

struct esp_direct {
    uint32_t trial;
    uint32_t attempt;
    struct esp_directive directive;
};

struct esp_fenced {
    uint32_t trial;
    uint32_t attempt;
};

struct esp_spawn {
    uint64_t key;
    const char *device; /* "cpu", "cuda:UUID" */
    uint32_t slot;      /* determines the core that the process is bound to */
};

struct esp_kill {
    uint64_t key;
    bool now; /* true: SIGKILL; false: SIGTERM, and SIGKILL after the grace period */
};

struct esp_exited {
    uint64_t key;
    int32_t status;   /* exit status; -1: ended by a signal, or unknown */
    int32_t signal;   /* signal that ended it; 0: none or unknown */
    bool asked;       /* a Kill was received for it */
    const char *tail; /* last lines of its log */
};

struct esp_drain {
    int64_t leaves_in_ms;
    const char *reason;
};

enum esp_command_verb {
    ESP_VERB_STOP,
    ESP_VERB_PAUSE,
    ESP_VERB_CONTINUE,
    ESP_VERB_EXTEND,
    ESP_VERB_ADD, /* enqueue a trial with the given parameters */
    ESP_VERB_SET, /* settings: run_cap, workers, budget.tokens, budget.hours, budget.usd */
    ESP_VERB_NOTE,
    ESP_VERB_INTERRUPT, /* as SIGINT: save checkpoints and stop; the study can be resumed */
    ESP_VERB_PING,
};

/* Stable lower-case words, "?" when out of range; -1 for an unknown word. */
const char *esp_command_verb_name(enum esp_command_verb verb);
int esp_command_verb_parse(const char *name);

struct esp_command {
    uint64_t id; /* random; a command with a recorded id gets the recorded answer again */
    enum esp_command_verb verb;
    uint32_t *trials;
    uint32_t trial_count;
    struct esp_setting *settings;
    uint32_t setting_count;
    const char *text; /* NOTE */
};

struct esp_reply {
    uint64_t id;
    int32_t code;   /* 0 or negative errno */
    uint32_t trial; /* the trial that `code` concerns, if it concerns one */
    const char *text;
};

struct esp_heartbeat {
    uint64_t
        progress; /* counter of the work done by the process; it shows when training hangs */
};

struct esp_message {
    enum esp_message_kind kind;
    union {
        struct esp_hello hello;
        struct esp_welcome welcome;
        struct esp_capacity capacity;
        struct esp_assign assign;
        struct esp_started started;
        struct esp_report report;
        struct esp_saved saved;
        struct esp_failed failed;
        struct esp_released released;
        struct esp_ack ack;
        struct esp_direct direct;
        struct esp_fenced fenced;
        struct esp_spawn spawn;
        struct esp_kill kill;
        struct esp_exited exited;
        struct esp_exited exited_ack; /* key only */
        struct esp_drain drain;
        struct esp_command command;
        struct esp_reply reply;
        struct esp_heartbeat heartbeat;
    };
};

#endif
