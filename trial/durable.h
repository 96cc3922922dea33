/* Writes a file so that a crash or a full disk at any moment leaves either the old file or the
 * new one: temporary file, fsync, rename, fsync of the folder. */
#ifndef ESPALIER_TRIAL_DURABLE_H
#define ESPALIER_TRIAL_DURABLE_H

#include <espalier/error.h>
#include <espalier/limits.h>
#include <stddef.h>
#include <stdint.h>

struct esp_durable {
    int fd;
    const char *what;        /* first word of error messages: "checkpoint" */
    char path[ESP_PATH_MAX]; /* final path */
    char temp[ESP_PATH_MAX]; /* path until the commit: PATH.tmp */
};

/* Creates PATH.tmp. `what` is borrowed. -ENAMETOOLONG; errno of open. */
int esp_durable_open(struct esp_durable *file,
                     const char *what,
                     const char *path,
                     struct esp_error *error);

/* -ENOSPC and other errno; the error advises what to do about a full disk. */
int esp_durable_write(struct esp_durable *file,
                      const void *buffer,
                      size_t bytes,
                      uint64_t offset,
                      struct esp_error *error);

/* Moves the file to PATH, replacing an older one. */
int esp_durable_commit(struct esp_durable *file, struct esp_error *error);

/* Must always be called last: removes a file that was not committed. Does nothing after a
 * commit or after a failed open. */
void esp_durable_close(struct esp_durable *file);

#endif
