/* Shared declarations of the corpus: data.c and data_load.c. */
#ifndef ESPALIER_TRIAL_DATA_PRIVATE_H
#define ESPALIER_TRIAL_DATA_PRIVATE_H

#include "data.h"

#include <stdbool.h>
#include <stddef.h>

/* One file. `position` is the number of tokens in the files before it. */
struct esp_data_segment {
    const uint8_t *tokens;
    int64_t position;
    int64_t count;
    void *map; /* NULL: copied into the block, or empty */
    size_t map_bytes;
};

struct esp_data {
    struct esp_corpus_files files;
    struct esp_data_segment *segments; /* [files.count] */
    uint8_t *block;                    /* when copied */
    bool copied;
    enum esp_corpus_dtype dtype;
    enum esp_corpus_kind kind;
    int64_t vocabulary;
    int64_t context;
    int64_t tokens;
    int64_t train_tokens;
};

/* data_load.c: copies or maps data->files, and sets segments, kind and tokens. `pattern` is for
 * errors. Fails like esp_data_open; esp_data_close releases what was loaded. */
int esp_data_load(struct esp_data *data, const char *pattern, struct esp_error *error);

#endif
