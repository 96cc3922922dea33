/* The writer's private struct and helpers, shared by the .c files of the writer. */
#ifndef ESPALIER_STORE_INTERNAL_H
#define ESPALIER_STORE_INTERNAL_H

#include "database.h"
#include "event_text.h"
#include "store.h"

/* Statements of the writer, prepared once when the ledger is opened. Their SQL is in
 * statements.c. */
enum esp_sql {
    ESP_SQL_BEGIN,
    ESP_SQL_COMMIT,
    ESP_SQL_EVENT,
    ESP_SQL_REPORT,
    ESP_SQL_MEASURE,
    ESP_SQL_ADVANCE,
    ESP_SQL_CREATED,
    ESP_SQL_PARAM,
    ESP_SQL_MOVED,
    ESP_SQL_ATTRIBUTE,
    ESP_SQL_STARTED,
    ESP_SQL_UNTIL,
    ESP_SQL_FAILED,
    ESP_SQL_SAVED,
    ESP_SQL_LATEST,
    ESP_SQL_DROPPED,
    ESP_SQL_WORKER,
    ESP_SQL_GRANTED,
    ESP_SQL_EXITED,
    ESP_SQL_NOTE,
    ESP_SQL_COUNT
};

struct esp_store {
    sqlite3 *db;
    char *dir, *path;
    const struct esp_study *study;
    uint64_t nonce;
    char *source, *base, *file;
    int64_t begun_format;
    uint64_t seq;       /* of the last event appended */
    uint64_t committed; /* of the last event that is on disk */
    uint64_t commits;
    bool open;            /* a group (an open transaction) exists */
    int broken;           /* 0, or the error code that every later call returns */
    int wal_frames;       /* frames in the write-ahead log after the last commit */
    int log_copied;       /* wal_frames at the last attempt to checkpoint the log */
    struct esp_text text; /* JSON of the event being written */
    sqlite3_stmt *sql[ESP_SQL_COUNT];
};

/* Steps that opening and creating share. esp_store_allocate returns NULL and sets `code` on
 * failure; the others return 0 or a negative errno and fill `error`. */
struct esp_store *esp_store_allocate(const char *dir, struct esp_error *error, int *code);
int esp_store_connect(struct esp_store *store, int flags, struct esp_error *error);
int esp_store_configure(struct esp_store *store,
                        const struct esp_store_options *options,
                        struct esp_error *error);
int esp_store_read_study(struct esp_store *store, struct esp_error *error);
int esp_store_prepare(struct esp_store *store, struct esp_error *error);

/* Prepares and finalizes the statements. Returns a SQLite result code. */
int esp_statements_prepare(struct esp_store *store);
void esp_statements_finalize(struct esp_store *store);

/* Writes one event and the rows of the other tables that it changes. Returns a SQLite result
 * code, -EINVAL (a field that the ledger cannot represent) or -ENOMEM. */
int esp_fold_event(struct esp_store *store, const struct esp_event *event);

/* Appends the distribution of a parameter as Optuna's JSON. `grid`: the study's method is grid,
 * whose values of a q_uniform parameter are min + k * q; other methods round to multiples of q.
 */
void esp_optuna_distribution(const struct esp_param *param, bool grid, struct esp_text *text);

/* Columns that esp_report_row reads, in this order. */
#define ESP_REPORT_COLUMNS                                                                     \
    "trial, step, seq, attempt, tokens, device_seconds, value, train_loss, time_ms, "          \
    "sequence, waiting, measures"

/* Fills a REPORT event from a row with those columns. Leaves its measures empty and returns
 * how many rows of `measure` belong to it. */
int esp_report_row(sqlite3_stmt *row, struct esp_event *event);

/* An INTEGER column, -1 for NULL. */
int64_t esp_column_id(sqlite3_stmt *row, int column);

/* A REAL column, NaN for NULL. */
double esp_column_real(sqlite3_stmt *row, int column);

/* Reads the measures of a point with a statement prepared from ESP_MEASURES_SQL. Their names
 * live in `memory`. Returns a SQLite result code. */
int esp_measures_read(sqlite3_stmt *statement,
                      struct esp_event *event,
                      struct esp_decoded *memory);
#define ESP_MEASURES_SQL                                                                       \
    "SELECT metric, value FROM measure WHERE trial = ? AND step = ? ORDER BY position"

/* Fills an event from a row with ESP_EVENT_COLUMNS. Its strings live in `memory`. -EBADMSG: the
 * row does not decode; -ENOMEM. */
#define ESP_EVENT_COLUMNS "seq, time_ms, kind, trial, attempt, data"
int esp_event_row(sqlite3_stmt *row, struct esp_decoded *memory, struct esp_event *event);

#endif
