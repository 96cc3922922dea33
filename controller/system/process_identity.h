/* The identity of a process. Pids are reused, so a process is identified by its pid, its start
 * time since boot, and the id of the boot. */
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

/* Reads the identity of an existing process. A zombie exists too, and sets `*zombie`
 * (nullable). -ESRCH: there is no such process. */
int esp_process_identity_read(pid_t pid, struct esp_process_identity *out, bool *zombie);

/* Opens a pidfd of exactly this process. -ESRCH: it has ended (a zombie counts as ended), or
 * the pid belongs to another process now. The fd is opened before the identities are compared,
 * so that the pid cannot be reused in between. */
int esp_process_identity_open(const struct esp_process_identity *identity);

#endif
