/* The table of an agent's trial processes: it starts, adopts, watches and ends them.
 *
 * Rules it keeps:
 *   - At most one process is started for a key, even if the agent is killed: the record
 *     (process_record.h) is on disk before the new process runs its program.
 *   - Processes lead their own sessions and survive the agent; opening the table adopts those
 *     of a previous agent.
 *   - The exit of a process is kept, on disk too, until esp_processes_forget. */
#ifndef ESPALIER_AGENT_PROCESSES_H
#define ESPALIER_AGENT_PROCESSES_H

#include "process_record.h"

#include <espalier/limits.h>
#include <stddef.h>

struct esp_processes;

struct esp_processes_options {
    const char *dir; /* absolute */
    const char *endpoint;
    const char *program; /* the trial program; NULL: espalier-trial in the folder of this one */
    uint64_t study;      /* nonce of the study */
    int64_t grace_ms;    /* between SIGTERM and SIGKILL */
};

/* One process of the table. */
struct esp_process {
    struct esp_process_record record; /* its `ended` is true after the exit */
    int pidfd;          /* readable after the exit; -1: exited, or it cannot be watched */
    bool child;         /* started by this agent, which can therefore read its exit status */
    bool watched;       /* its pidfd is in the agent's epoll set */
    bool reported;      /* its exit was sent on the current connection */
    int64_t kill_at_ms; /* time of the SIGKILL; 0: none is due */
};

/* Reads the records in DIR and adopts the living processes. The strings of the options are
 * borrowed until the table is closed. */
int esp_processes_open(const struct esp_processes_options *options,
                       struct esp_processes **out,
                       struct esp_error *error);
/* Closes the table. Its processes continue. */
void esp_processes_close(struct esp_processes *table);

/* Starts a process for `key`, unless one exists or existed. -errno: it cannot be started, and
 * an exited entry with status -1 was added; -ENOSPC: the table is full. */
int esp_processes_spawn(struct esp_processes *table,
                        uint64_t key,
                        const char *device,
                        uint32_t slot,
                        struct esp_error *error);

/* Sends SIGTERM, and after the grace period SIGKILL to the process group; `now`: SIGKILL at
 * once. A process that has exited is fine. -ENOENT: the key is not in the table. */
int esp_processes_kill(struct esp_processes *table, uint64_t key, bool now, int64_t now_ms);

/* Sends the SIGKILLs that are due; returns when the next one is (INT64_MAX: none). */
void esp_processes_expire(struct esp_processes *table, int64_t now_ms);
int64_t esp_processes_deadline(const struct esp_processes *table);

/* Records the exit of entry `index`, whose pidfd has become readable. */
void esp_processes_reap(struct esp_processes *table, size_t index);

/* Removes an exited entry, whose exit the controller has recorded. A living one stays. */
void esp_processes_forget(struct esp_processes *table, uint64_t key);

size_t esp_processes_count(const struct esp_processes *table);
size_t esp_processes_alive(const struct esp_processes *table);
struct esp_process *esp_processes_at(struct esp_processes *table, size_t index);

/* Reads the last lines of the log of `key`. */
void esp_processes_tail(const struct esp_processes *table,
                        uint64_t key,
                        char out[ESP_LOG_TAIL_MAX]);

#endif
