/* The files behind a data pattern: `*`, `?`, `[…]` as glob(3), `**` for any number of folders.
 */
#ifndef ESPALIER_TRIAL_DATA_FILES_H
#define ESPALIER_TRIAL_DATA_FILES_H

#include <espalier/error.h>
#include <stddef.h>

/* 2^20 paths of about 100 bytes: 100 MiB at most. */
#define ESP_DATA_FILES_MAX (1 << 20)

/* Folders deeper than this are not entered by `**`. */
#define ESP_DATA_DEPTH_MAX 64

struct esp_data_files {
    char **paths; /* sorted by strcmp, no doubles, regular files only */
    size_t count;
};

/* -ENOENT: nothing matches; -EISDIR: the pattern names a folder; -E2BIG; -ENOMEM. A pattern
 * that exists as a file is that file, even when its name holds wildcards. */
int esp_data_files_find(const char *pattern,
                        struct esp_data_files *files,
                        struct esp_error *error);
void esp_data_files_release(struct esp_data_files *files);

#endif
