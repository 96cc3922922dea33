/* Private struct and helpers of the reader, shared by the reader*.c files. */
#ifndef ESPALIER_STORE_READER_INTERNAL_H
#define ESPALIER_STORE_READER_INTERNAL_H

#include "internal.h"
#include "reader.h"

struct esp_reader {
    sqlite3 *db;
    char *dir, *path;
    bool in_snapshot;
    bool lacks_repeats;      /* the ledger has format 1, without trial.repeats */
    struct esp_text text[6]; /* texts of the study row */
    struct esp_decoded memory;
};

/* Called for every row. A non-zero return ends the query and is returned by it. */
typedef int esp_reader_row(void *context, sqlite3_stmt *row);

/* Prepares `sql`, binds `count` integers, calls `row` for every row, and finalizes. */
int esp_reader_query(struct esp_reader *reader,
                     const char *sql,
                     const int64_t *bound,
                     int count,
                     esp_reader_row *row,
                     void *context,
                     struct esp_error *error);

/* Prepares a statement. 0 or as esp_database_fail. */
int esp_reader_prepare(struct esp_reader *reader,
                       const char *sql,
                       sqlite3_stmt **statement,
                       struct esp_error *error);

/* Sets "…: the ledger is damaged" and returns -EBADMSG. */
int esp_reader_damaged(struct esp_reader *reader, struct esp_error *error);

#endif
