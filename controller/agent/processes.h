/* The agent's trial processes: started, adopted, watched, ended.
 *
 * Rules it keeps:
 *   - A key is started at most once, across deaths of the agent: its record (record.h) is on
 *     disk before the new process runs its program.
 *   - Processes lead their own sessions and outlive the agent; opening the table adopts those
 *     that a predecessor left.
 *   - How a process ended is kept, on disk too, until `esp_processes_forget`. */
#ifndef ESPALIER_AGENT_PROCESSES_H
#define ESPALIER_AGENT_PROCESSES_H

#include "process_record.h"

#include <espalier/limits.h>
#include <stddef.h>

struct esp_processes;

struct esp_processes_options {
    const char *dir; /* absolute */
    const char *endpoint;
    const char *program; /* the trial program; NULL: espalier-trial beside this program */
    uint64_t study;      /* its nonce */
    int64_t grace_ms;    /* between SIGTERM and SIGKILL */
};

/* One process as the agent sees it. */
struct esp_process {
    struct esp_process_record record; /* .ended: no longer there */
    int pidfd;          /* readable once it has ended; -1: ended, or not watchable */
    bool child;         /* started by this agent, so that its status can be had */
    bool watched;       /* the agent's loop waits on its pidfd */
    bool told;          /* its end was sent on the present connection */
    int64_t kill_at_ms; /* SIGKILL is due; 0: not */
};

/* Reads the table in DIR and adopts what lives. Options' strings are borrowed. */
int esp_processes_open(const struct esp_processes_options *options,
                       struct esp_processes **out,
                       struct esp_error *error);
/* Leaves the processes as they are. */
void esp_processes_close(struct esp_processes *table);

/* Starts a process for `key`; nothing happens when there is, or was, one. -errno when it could
 * not be started: an ended entry with status -1 then exists. */
int esp_processes_spawn(struct esp_processes *table,
                        uint64_t key,
                        const char *device,
                        uint32_t slot,
                        struct esp_error *error);

/* SIGTERM, and SIGKILL to its process group when the grace is over; `now`: SIGKILL at once.
 * -ENOENT for a key that is not in the table; fine for an ended one. */
int esp_processes_kill(struct esp_processes *table, uint64_t key, bool now, int64_t now_ms);

/* The SIGKILLs that are due, and when the next is (INT64_MAX: none). */
void esp_processes_expire(struct esp_processes *table, int64_t now_ms);
int64_t esp_processes_deadline(const struct esp_processes *table);

/* After the pidfd of entry `index` became readable: takes its status. */
void esp_processes_reap(struct esp_processes *table, size_t index);

/* The controller has recorded the end of `key`; a live one is not forgotten. */
void esp_processes_forget(struct esp_processes *table, uint64_t key);

size_t esp_processes_count(const struct esp_processes *table);
size_t esp_processes_alive(const struct esp_processes *table);
struct esp_process *esp_processes_at(struct esp_processes *table, size_t index);

/* The last lines of the log of `key`. */
void esp_processes_tail(const struct esp_processes *table,
                        uint64_t key,
                        char out[ESP_LOG_TAIL_MAX]);

#endif
