/* A deterministic simulation around the shipped core and the shipped store: simulated trials,
 * agents, hosts, network, clock and disk, all drawn from one seed.
 *
 *   world ─┬─ queue        events to come: a heap by time, then by order of creation
 *          ├─ controller   core and store in the loop's order: append, COMMIT, effects
 *          ├─ hosts        an agent that may crash and return, and its trial processes
 *          ├─ links        a connection per peer: delay, loss, duplicates, late messages
 *          ├─ disk         checkpoints by path; a ledger that cannot grow for a while
 *          └─ shadow       committed events and sent reports, for the invariants
 *
 * A violated invariant ends the seed with a message. The simulation makes no assertions of its
 * own about the core. */
#ifndef ESPALIER_SIM_H
#define ESPALIER_SIM_H

#include <espalier/event.h>
#include <espalier/study.h>

#include "controller/core/core.h"
#include "controller/core/running_clock.h"
#include "controller/stop/discard.h"
#include "controller/store/store.h"

#define SIM_HOSTS_MAX 2
#define SIM_PROCESSES_MAX 512
#define SIM_MEMBERS_MAX 4
#define SIM_TRIALS_MAX 64
#define SIM_LINKS_MAX 1024
#define SIM_CHECKPOINTS_MAX 8192
#define SIM_KEPT_MAX 512
#define SIM_SCORES_MAX 4 /* of finished studies; one suffices for a risk of a half */

struct world;

/* Bytes of one encoded message. */
struct sim_bytes {
    uint8_t *data;
    size_t length;
};

enum sim_occasion {
    SIM_DELIVER_UP,    /* a message reaches the controller */
    SIM_DELIVER_DOWN,  /* a message reaches a peer */
    SIM_PROCESS_TRAIN, /* a process has finished a piece of training */
    SIM_PROCESS_BEAT,  /* heartbeat and lease of a process */
    SIM_PROCESS_STARTED,
    SIM_PROCESS_ENDS, /* after SIGTERM, when it has saved */
    SIM_AGENT_BEAT,
    SIM_AGENT_START,
    SIM_CONTROLLER_TICK,
    SIM_CONTROLLER_FLUSH,
    SIM_CONTROLLER_START,
    SIM_DISK_ROOM,
    SIM_FAULT,
    SIM_FAULTS_END,
    SIM_CLIENT,
};

struct sim_event {
    int64_t at;
    uint64_t order;
    enum sim_occasion occasion;
    uint64_t who; /* process index, host, link */
    uint64_t generation;
    struct sim_bytes bytes;
};

/* The connection of one peer to the controller. `epoch` grows when it breaks. Messages of an
 * older epoch are lost or arrive late. */
struct sim_link {
    struct esp_peer peer;
    uint64_t epoch;
    bool up;
    int64_t last_up,
        last_down; /* arrival of the newest message each way: order within a link */
};

struct sim_kept {
    uint64_t sequence;
    struct sim_bytes bytes;
};

/* An attempt in a trial process. It is kept until all its messages are acknowledged. */
struct sim_member {
    bool used, training, released, stale;
    uint32_t trial, attempt;
    struct esp_trainer trainer;
    int64_t step, steps, until, horizon;
    int64_t reported_step, saved_step;
    double device_seconds;
    bool waiting, started, diverges;
    uint32_t directive;
    uint64_t sequence, acked;
    struct sim_kept kept[SIM_KEPT_MAX];
    int kept_count;
};

struct sim_process {
    bool alive, dying, asked; /* asked: the controller had it killed */
    uint64_t key;
    int host;
    int link;
    uint64_t generation; /* of its pending events */
    bool welcomed;
    int64_t heard_ms, lease_ms;
    int64_t pid;
    bool busy;
    struct sim_member members[SIM_MEMBERS_MAX];
    uint32_t newest[SIM_TRIALS_MAX]; /* highest attempt assigned, by trial: an older Assign is a
                                        repeat */
    int crash_after;                 /* pieces of training until it crashes; -1: never */
};

/* An exit that the agent reports until it is acknowledged. */
struct sim_exit {
    uint64_t key;
    int status, signal;
    bool asked, used;
};

struct sim_host {
    bool up, agent_up;
    uint64_t agent_id;
    int link;
    uint64_t generation;
    int slots;
    bool welcomed, retiring;
    struct sim_exit exits[SIM_PROCESSES_MAX];
};

struct sim_checkpoint {
    bool exists, damaged;
    bool discarded; /* its trial was discarded: no attempt may start from it */
    uint32_t trial;
    int64_t step, tokens;
    double device_seconds;
    char path[64];
};

/* A report that was sent, for the check of its acknowledgement. */
struct sim_sent {
    uint32_t trial, attempt;
    uint64_t sequence;
    int64_t step;
    double value;
};

struct sim_row {
    uint32_t trial, attempt;
    int64_t step;
    double value;
};

/* Discarding of one trial, for the checks in discards.c. */
struct sim_discard_state {
    int64_t horizon;
    int64_t setting;               /* its index among settings; -1: a repeat */
    int mark;                      /* the highest one passed; -1: none */
    float loss[ESP_DISCARD_MARKS]; /* at each mark; NaN: none */
    bool held, spared;
    bool decided;   /* the verdict is recorded, the transition is not */
    bool discarded; /* and not started afresh since */
    bool afresh;    /* started afresh, and nothing saved since */
    bool diverged;
};

struct sim_shadow_trial {
    bool exists;
    uint32_t attempt; /* of the last grant */
    bool live;        /* that attempt has not ended */
    uint64_t process;
    enum esp_trial_state state;
    int64_t last_step;
    bool saved;       /* since it was directed to pause, or at its position */
    int64_t position; /* the step of its last report or resumption */
    int crashes;      /* attempts in a row that crashed without a new report */
};

struct sim_shadow {
    struct sim_sent *sent;
    size_t sent_count, sent_capacity;
    struct sim_row *rows;
    size_t row_count, row_capacity;
    struct sim_shadow_trial trials[SIM_TRIALS_MAX];
    uint64_t event_hash;
    uint64_t seq;
    struct sim_discard_state discards[SIM_TRIALS_MAX];
    bool calibrated, opened;
    double limit; /* settings that may be better than a trial; infinity: none is discarded */
    int64_t settings;
    int complete;
    bool ended_held; /* the last run ended because only trials that the user paused are left */
    bool audit_continued;
};

struct sim_controller {
    bool up, stopped; /* stopped: it has finished and may be started again */
    struct esp_core *core;
    struct esp_store *store;
    struct esp_outcome outcome;
    bool flush_due, disk_full;
    struct esp_running_clock clock;
    int64_t asleep_until;
    uint64_t generation;
    int64_t tick_at;
    /* connected peers, as the router knows them */
    struct {
        struct esp_peer peer;
        uint64_t epoch;
    } known[SIM_LINKS_MAX];
    int known_count;
};

struct sim_options {
    bool verbose;
    const char *folder; /* for ledgers; the caller removes it */
};

struct world {
    uint64_t seed, drawn;
    struct sim_options options;
    int64_t now;
    uint64_t order;
    struct sim_event *queue;
    size_t queue_count, queue_capacity;
    struct esp_study *study;
    char folder[256];
    struct sim_controller controller;
    struct sim_host hosts[SIM_HOSTS_MAX];
    int host_count;
    struct sim_process *processes; /* SIM_PROCESSES_MAX */
    int process_count;
    struct sim_link links[SIM_LINKS_MAX];
    int link_count;
    struct sim_checkpoint *checkpoints;
    int checkpoint_count;
    struct sim_shadow shadow;
    bool faults, commands, tagged, exact;
    bool ties;   /* settings hardly differ, so that some are within seed noise */
    bool budget; /* the study has a budget */
    bool risky;  /* trials are discarded at a stated risk */
    bool signals, partitions, naps; /* many faults of this kind alone */
    double loss, duplication, late;
    int64_t delay_ms;
    int64_t piece_ms; /* the longest piece of training */
    int fault_budget;
    bool checkpoints_full;
    bool finished;
    int exit_code;
    int starts;
    uint64_t command_id;
    char violation[512];
    void *codec;
};

/* world.c */
uint64_t sim_draw(struct world *w);
int64_t sim_range(struct world *w, int64_t from, int64_t to); /* inclusive */
bool sim_chance(struct world *w, double probability);
void sim_later(struct world *w,
               int64_t delay,
               enum sim_occasion occasion,
               uint64_t who,
               uint64_t generation);
__attribute__((format(printf, 2, 3))) void sim_log(struct world *w, const char *format, ...);
__attribute__((format(printf, 2, 3))) void
sim_violate(struct world *w, const char *format, ...);
/* Runs one seed: 0, or 1 with the violation printed. */
int sim_run(uint64_t seed, const struct sim_options *options);

/* network.c: messages in transit, in their shipped encoding */
int sim_link_open(struct world *w, enum esp_role role, uint64_t key);
void sim_link_break(struct world *w, int link);
void sim_link_restore(struct world *w, int link);
void sim_send_up(struct world *w, int link, const struct esp_message *message);
void sim_send_down(struct world *w, int link, const struct esp_message *message);
void sim_deliver_up(struct world *w, const struct sim_event *event);
void sim_deliver_down(struct world *w, const struct sim_event *event);
struct sim_bytes sim_pack(struct world *w, const struct esp_message *message);
void sim_send_packed_up(struct world *w, int link, struct sim_bytes bytes);
void sim_network_release(struct world *w);

/* controller.c */
int sim_controller_create(struct world *w);
void sim_controller_start(struct world *w);
void sim_controller_crash(struct world *w);
void sim_controller_sleep(struct world *w, int64_t length);
bool sim_controller_asleep(const struct world *w);
void sim_controller_input(struct world *w, const struct esp_input *input);
void sim_controller_message(struct world *w,
                            int link,
                            uint64_t epoch,
                            const struct esp_message *message);
void sim_controller_flush(struct world *w);
void sim_controller_tick(struct world *w, uint64_t generation);
void sim_controller_room(struct world *w);
void sim_controller_release(struct world *w);
/* Folds the whole ledger into the new core and compares it with the shadow. */
int sim_controller_fold(struct world *w);
/* A violation when the live core differs from one folded from the ledger. */
void sim_controller_compare(struct world *w);

/* process.c */
int sim_process_spawn(struct world *w, int host, uint64_t key);
void sim_process_message(struct world *w, int process, const struct esp_message *message);
void sim_process_train(struct world *w, int process, uint64_t generation);
void sim_process_beat(struct world *w, int process, uint64_t generation);
void sim_process_term(struct world *w, int process);
void sim_process_exit(struct world *w, int process, int status, int signal, bool asked);
double sim_curve(const struct world *w,
                 const struct esp_trainer *trainer,
                 int64_t step,
                 uint32_t attempt);
bool sim_curve_diverges(const struct world *w, const struct esp_trainer *trainer);
int64_t sim_next_report(const struct esp_trainer *trainer, int64_t step);

/* host.c */
void sim_agent_start(struct world *w, int host);
void sim_agent_crash(struct world *w, int host);
void sim_host_crash(struct world *w, int host);
void sim_agent_message(struct world *w, int host, const struct esp_message *message);
void sim_agent_beat(struct world *w, int host, uint64_t generation);
void sim_agent_exited(
    struct world *w, int host, uint64_t key, int status, int signal, bool asked);
int sim_process_by_key(struct world *w, uint64_t key);

/* faults.c */
void sim_faults_begin(struct world *w);
void sim_fault(struct world *w);
void sim_client(struct world *w);
void sim_repair(struct world *w, uint64_t who, uint64_t generation);
void sim_faults_end(struct world *w);

/* check.c */
void sim_check_commit(struct world *w, const struct esp_outcome *outcome);
void sim_check_ack(struct world *w, const struct esp_ack *ack);
void sim_check_assign(struct world *w, const struct esp_assign *assign);
void sim_check_drop(struct world *w, const char *path);
void sim_check_loaded(struct world *w, uint64_t events, uint64_t hash, uint64_t seq);
uint64_t sim_event_hash(uint64_t hash, const struct esp_event *event);
void sim_check_end(struct world *w);
void sim_record_sent(struct world *w,
                     uint32_t trial,
                     uint32_t attempt,
                     uint64_t sequence,
                     int64_t step,
                     double value);

/* discards.c: discarding at a stated risk, called by sim_check_commit */
void sim_discards_commit(struct world *w, const struct esp_event *event);
void sim_discards_end(struct world *w);
bool sim_is_audit(uint64_t study_seed, uint64_t setting);

#endif
