/* The readers' inside, shared by reader.c, reader_trials.c and reader_events.c. */
#ifndef ESPALIER_STORE_READER_INTERNAL_H
#define ESPALIER_STORE_READER_INTERNAL_H

#include "internal.h"
#include "reader.h"

struct esp_reader {
    sqlite3 *db;
    char *dir, *path;
    bool in_snapshot;
    bool unrepeated;         /* of format 1, which knew no repeats */
    struct esp_text text[6]; /* of the study row */
    struct esp_decoded memory;
};

/* What runs for every row: non-zero ends the query and is returned. */
typedef int esp_reader_row(void *context, sqlite3_stmt *row);

/* Prepares `sql`, binds `count` integers, runs `row` for every row, finalizes. */
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

/* "…: the ledger is damaged", -EBADMSG. */
int esp_reader_damaged(struct esp_reader *reader, struct esp_error *error);

#endif
