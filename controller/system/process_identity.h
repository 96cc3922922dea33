/* Who a process is, beyond its pid: pids are used again, so a process is known by its pid, its
 * start time since boot, and the boot. */
#ifndef CONTROLLER_SYSTEM_PROCESS_IDENTITY_H
#define CONTROLLER_SYSTEM_PROCESS_IDENTITY_H

#include <espalier/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" and its NUL. */
#define ESP_BOOT_ID_SIZE 37

struct esp_process_identity {
    pid_t pid;
    uint64_t start; /* field 22 of /proc/PID/stat: clock ticks after boot */
    char boot[ESP_BOOT_ID_SIZE];
};

/* Of a process that exists now (zombies too: `*zombie`, nullable). -ESRCH when there is none.
 */
int esp_process_identity_read(pid_t pid, struct esp_process_identity *out, bool *zombie);

/* A pidfd of that very process; -ESRCH when it has ended (a zombie counts as ended) or the pid
 * is another's by now. The fd is taken before the comparison, so no reuse can slip between. */
int esp_process_identity_open(const struct esp_process_identity *identity);

#endif
