/* Writing a file so that a crash or a full disk at any moment leaves either the old file or the
 * new one: temp file, fsync, rename, fsync of the folder. */
#ifndef ESPALIER_TRIAL_DURABLE_H
#define ESPALIER_TRIAL_DURABLE_H

#include <espalier/error.h>
#include <espalier/limits.h>
#include <stddef.h>
#include <stdint.h>

struct esp_durable {
    int fd;
    const char *what;        /* the first word of errors: "checkpoint" */
    char path[ESP_PATH_MAX]; /* where it goes */
    char temp[ESP_PATH_MAX]; /* where it is meanwhile: PATH.tmp */
};

/* Creates PATH.tmp. `what` is borrowed. -ENAMETOOLONG; errno of open. */
int esp_durable_open(struct esp_durable *file,
                     const char *what,
                     const char *path,
                     struct esp_error *error);

/* -ENOSPC and other errno; the error says what to do about a full disk. */
int esp_durable_write(struct esp_durable *file,
                      const void *buffer,
                      size_t bytes,
                      uint64_t offset,
                      struct esp_error *error);

/* Puts the file in place of whatever is at PATH. */
int esp_durable_commit(struct esp_durable *file, struct esp_error *error);

/* Always called last: removes what was not committed. Nothing happens after a commit, or when
 * opening failed. */
void esp_durable_close(struct esp_durable *file);

#endif
