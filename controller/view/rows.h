/* Trials of a ledger as values that outlive the reader's callbacks. */
#ifndef ESPALIER_VIEW_ROWS_H
#define ESPALIER_VIEW_ROWS_H

#include "../store/reader.h"
#include "buffer.h"

struct esp_rows {
    struct esp_reader_trial *trials; /* texts and params owned by the rows */
    size_t count, capacity;
};

/* Each call appends copies of trials; the first failure is returned.
 * All trials, ordered by number. */
int esp_rows_load(struct esp_reader *reader, struct esp_rows *rows, struct esp_error *error);
/* The best `limit` trials by their own value, 0 for all; best.h ranks by all seeds. */
int esp_rows_best(struct esp_reader *reader,
                  int64_t limit,
                  struct esp_rows *rows,
                  struct esp_error *error);
/* One trial. -ENOENT. */
int esp_rows_one(struct esp_reader *reader,
                 int64_t trial,
                 struct esp_rows *rows,
                 struct esp_error *error);
/* Repeats and the trials that they repeat (esp_reader_repeats). */
int esp_rows_repeats(struct esp_reader *reader, struct esp_rows *rows, struct esp_error *error);
void esp_rows_release(struct esp_rows *rows);
/* Keeps the first `count` trials and releases the others. */
void esp_rows_cut(struct esp_rows *rows, size_t count);

/* Appends "repeats #7 with seed 2"; nothing for a trial that repeats none. */
void esp_rows_repeated(const struct esp_reader_trial *trial, struct esp_buffer *out);

/* Appends {"name":value,…}. */
void esp_rows_params_json(const struct esp_reader_trial *trial, struct esp_buffer *out);

#endif
