/* Shared declarations of reading a checkpoint: checkpoint_read.c and checkpoint_header.c. */
#ifndef ESPALIER_TRIAL_CHECKPOINT_PRIVATE_H
#define ESPALIER_TRIAL_CHECKPOINT_PRIVATE_H

#include "checkpoint_format.h"

#include <espalier/limits.h>

struct esp_checkpoint {
    int fd;
    char path[ESP_PATH_MAX];
    struct esp_checkpoint_state state;
    struct checkpoint_row *rows; /* [tensor_count] */
    int tensor_count;
    uint64_t bytes;
    uint64_t hash;
};

/* Sets the error, prefixed with the file's path, and returns `code`. */
__attribute__((format(printf, 4, 5))) int esp_checkpoint_refuse(
    struct esp_error *error, int code, const char *path, const char *format, ...);

/* checkpoint_header.c: checks the beginning of the header, which contains its length. */
int esp_checkpoint_check_start(const struct esp_checkpoint *c,
                               const struct checkpoint_fixed *fixed,
                               struct esp_error *error);

/* Verifies the header's checksum, and sets state, rows and hash from its fixed->header_bytes
 * bytes. */
int esp_checkpoint_take_header(struct esp_checkpoint *c,
                               const struct checkpoint_fixed *fixed,
                               const uint8_t *header,
                               struct esp_error *error);

#endif
