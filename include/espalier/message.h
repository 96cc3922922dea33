/* Messages between controller, agents, trial processes and clients (DESIGN 4), as plain values.
 *
 * proto/codec turns them into protobuf and back; proto/transport carries them; the core reads
 * and writes them. Delivery is at least once, the effect exactly once: everything that may be
 * repeated carries a key (attempt and sequence, directive number, process key, command id).
 *
 * Pointers are borrowed: of a decoded message they live in the decoder's arena until it is
 * reset, of a message from the core until the outcome is reset. */
#ifndef ESPALIER_MESSAGE_H
#define ESPALIER_MESSAGE_H

#include <espalier/limits.h>
#include <espalier/trainer.h>
#include <stdbool.h>
#include <stdint.h>

#define ESP_PROTOCOL_VERSION 1

enum esp_role {
    ESP_ROLE_NONE,
    ESP_ROLE_AGENT,
    ESP_ROLE_TRIAL,
    ESP_ROLE_CLIENT,
};

/* Who a message comes from or goes to. AGENT: the agent's id; TRIAL: the process key; CLIENT: a
 * number that the router gives to a connection. */
struct esp_peer {
    enum esp_role role;
    uint64_t key;
};

enum esp_message_kind {
    ESP_MESSAGE_NONE,
    ESP_MESSAGE_HELLO,
    ESP_MESSAGE_WELCOME,
    ESP_MESSAGE_INTRODUCE, /* controller → a peer it does not know: say Hello */
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
    ESP_MESSAGE_EXITED_ACK, /* controller → agent, after COMMIT: forget that process */
    ESP_MESSAGE_DRAIN,
    ESP_MESSAGE_RETIRE, /* controller → agent: the study is over, leave */
    ESP_MESSAGE_COMMAND,
    ESP_MESSAGE_REPLY,
    ESP_MESSAGE_HEARTBEAT,
    ESP_MESSAGE_KIND_COUNT
};

/* An attempt that a trial process holds, told in its Hello. `acked` is the highest sequence
 * number it has seen acknowledged; what came later it keeps and sends again. */
struct esp_held {
    uint32_t trial;
    uint32_t attempt;
    uint64_t acked;
    uint64_t last; /* the highest sequence number it has used */
};

struct esp_hello {
    enum esp_role role;
    uint32_t protocol;
    uint64_t key;   /* agent id or process key; 0 for clients */
    uint64_t study; /* the study's nonce; 0 for clients. Another study's peer is refused */
    int64_t pid;
    const char *host;
    const char *device; /* "cpu", "cuda: NVIDIA H200", … */
    const char *version;
    uint32_t slots;      /* AGENT: trial processes it may run side by side */
    uint64_t *processes; /* AGENT: keys of the processes that live there now */
    uint32_t process_count;
    struct esp_held *held; /* TRIAL */
    uint32_t held_count;
};

struct esp_welcome {
    uint64_t incarnation; /* grows with every start of a controller of this study */
    uint32_t heartbeat_ms;
    uint32_t lease_ms;
    const char *refused; /* NULL, or why this peer may not take part: it exits */
};

/* How many members of a group the process can host, itself included; `bytes` each needs. */
struct esp_capacity {
    uint64_t group; /* 0: any */
    uint32_t members;
    uint64_t bytes;
};

enum esp_directive_action {
    ESP_DIRECT_CONTINUE, /* until `until` tokens, then wait */
    ESP_DIRECT_SAVE,     /* save now, go on */
    ESP_DIRECT_PAUSE,    /* save, release */
    ESP_DIRECT_STOP,     /* release; `keep` says whether to save first */
};

/* Stable lower-case words, "?" when out of range; -1 for an unknown word. */
const char *esp_directive_action_name(enum esp_directive_action action);
int esp_directive_action_parse(const char *name);

/* Numbered within an attempt; the latest wins, lower numbers are ignored. */
struct esp_directive {
    uint32_t number;
    enum esp_directive_action action;
    int64_t until; /* tokens */
    bool keep;     /* STOP: save a checkpoint before releasing */
};

struct esp_assign {
    uint32_t trial;
    uint32_t attempt;
    struct esp_setting *params; /* what was drawn */
    uint32_t param_count;
    const struct esp_trainer *trainer; /* built-in trainer; NULL for a program */
    const char *resume; /* checkpoint path relative to DIR, or NULL: from the start */
    uint64_t resume_hash;
    int64_t resume_tokens;
    uint64_t seed;                  /* used when the study does not search or set `seed` */
    int64_t horizon;                /* tokens */
    struct esp_directive directive; /* number 0 of this attempt: CONTINUE until */
};

/* STARTED, REPORT, SAVED, FAILED, RELEASED open with this. */
struct esp_attempt_key {
    uint32_t trial;
    uint32_t attempt;
    uint64_t sequence; /* dense from 1 within the attempt */
};

struct esp_measure {
    const char *name;
    double value;
};

struct esp_point {
    int64_t step;
    int64_t tokens;
    double
        device_seconds; /* of this trial, cumulative over attempts as the trainer counts it */
    double value;       /* the study's metric; may be NaN or infinite: diverged */
    double train_loss;  /* NaN: none */
    const struct esp_measure *measures;
    uint32_t measure_count;
};

struct esp_started {
    struct esp_attempt_key at;
    bool can_save;
    int64_t tokens;  /* where it stands after resuming */
    int64_t horizon; /* tokens at the last step of this trial: ≤ the study's */
    const char
        *fell_back; /* NULL, or why the named checkpoint was not used (damaged, missing) */
};

struct esp_report {
    struct esp_attempt_key at;
    const struct esp_point *points;
    uint32_t point_count;
    bool waiting;       /* `until` is reached: it waits for a directive */
    uint32_t directive; /* the highest directive number it has obeyed */
};

struct esp_saved {
    struct esp_attempt_key at;
    const char *path; /* relative to DIR */
    const char *host;
    int64_t step;
    int64_t tokens;
    uint64_t bytes;
    uint64_t hash;
    double device_seconds; /* the trial's clock there; 0: not told */
};

struct esp_failed {
    struct esp_attempt_key at;
    int32_t code;     /* negative errno */
    bool save_failed; /* a directive to save could not be obeyed; the attempt lives on */
    const char *text; /* what went wrong, for people */
};

struct esp_released {
    struct esp_attempt_key at; /* sequence 0 in the answer to Fenced */
};

struct esp_ack {
    uint32_t trial;
    uint32_t attempt;
    uint64_t sequence; /* everything up to here is on disk */
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
    uint32_t slot;      /* the agent pins the process to a core by it */
};

struct esp_kill {
    uint64_t key;
    bool now; /* SIGKILL at once; else SIGTERM, grace, SIGKILL */
};

struct esp_exited {
    uint64_t key;
    int32_t status;   /* exit status, or -1 */
    int32_t signal;   /* or 0 */
    bool asked;       /* a Kill of ours caused it */
    const char *tail; /* last lines of its log */
};

struct esp_drain {
    int64_t leaves_in_ms;
    const char *reason;
};

enum esp_verb {
    ESP_VERB_STOP,
    ESP_VERB_PAUSE,
    ESP_VERB_CONTINUE,
    ESP_VERB_EXTEND,
    ESP_VERB_ADD, /* enqueue a trial with given params */
    ESP_VERB_SET, /* settings: run_cap, workers, budget.tokens, budget.hours, budget.usd */
    ESP_VERB_NOTE,
    ESP_VERB_INTERRUPT, /* as SIGINT: save, leave, resumable */
    ESP_VERB_PING,
};

/* Stable lower-case words, "?" when out of range; -1 for an unknown word. */
const char *esp_verb_name(enum esp_verb verb);
int esp_verb_parse(const char *name);

struct esp_command {
    uint64_t id; /* random; a repeated id gets the recorded answer */
    enum esp_verb verb;
    uint32_t *trials;
    uint32_t trial_count;
    struct esp_setting *settings;
    uint32_t setting_count;
    const char *text; /* NOTE */
};

struct esp_reply {
    uint64_t id;
    int32_t code;   /* 0 or negative errno */
    uint32_t trial; /* the trial the code is about, when it is about one */
    const char *text;
};

struct esp_heartbeat {
    uint64_t progress; /* steps trained by this process: stalls show */
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
