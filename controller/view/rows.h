/* Trials of a ledger as values that stay: the reader's rows live only inside its callbacks. */
#ifndef ESPALIER_VIEW_ROWS_H
#define ESPALIER_VIEW_ROWS_H

#include "../store/reader.h"
#include "buffer.h"

struct esp_rows {
    struct esp_reader_trial *trials; /* texts and params owned by the rows */
    size_t count, capacity;
};

/* All trials by number, the best first by their own value (limit 0: all of them; best.h ranks
 * by all seeds), or what esp_reader_repeats gives. */
int esp_rows_load(struct esp_reader *reader, struct esp_rows *rows, struct esp_error *error);
int esp_rows_best(struct esp_reader *reader,
                  int64_t limit,
                  struct esp_rows *rows,
                  struct esp_error *error);
/* The one trial; -ENOENT. */
int esp_rows_one(struct esp_reader *reader,
                 int64_t trial,
                 struct esp_rows *rows,
                 struct esp_error *error);
int esp_rows_repeats(struct esp_reader *reader, struct esp_rows *rows, struct esp_error *error);
void esp_rows_release(struct esp_rows *rows);
/* Releases all but the first `count`. */
void esp_rows_cut(struct esp_rows *rows, size_t count);

/* "repeats #7 with seed 2", or nothing. */
void esp_rows_repeated(const struct esp_reader_trial *trial, struct esp_buffer *out);

/* {"name":value,…} */
void esp_rows_params_json(const struct esp_reader_trial *trial, struct esp_buffer *out);

#endif
