/* Who a process is, beyond its pid: pids are used again, so a process is known by its pid, its
 * start time since boot, and the boot. */
#ifndef ESPALIER_AGENT_IDENTITY_H
#define ESPALIER_AGENT_IDENTITY_H

#include <espalier/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" and its NUL. */
#define ESP_BOOT_ID_SIZE 37

struct esp_identity {
    pid_t pid;
    uint64_t start; /* field 22 of /proc/PID/stat: clock ticks after boot */
    char boot[ESP_BOOT_ID_SIZE];
};

/* Of a process that exists now (zombies too: `*zombie`, nullable). -ESRCH when there is none.
 */
int esp_identity_read(pid_t pid, struct esp_identity *out, bool *zombie);

/* A pidfd of that very process; -ESRCH when it has ended (a zombie counts as ended) or the pid
 * is another's by now. The fd is taken before the comparison, so no reuse can slip between. */
int esp_identity_open(const struct esp_identity *identity);

/* The durable random id of DIR's agent on this host, made at the first call in
 * DIR/agent/id-HOST. Never 0. */
int esp_identity_agent(const char *dir, uint64_t *id, struct esp_error *error);

/* 64 random bits, never 0. */
uint64_t esp_identity_random(void);

#endif
