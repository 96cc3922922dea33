/* The writer's inside, shared by store.c, fold.c and load.c. */
#ifndef ESPALIER_STORE_INTERNAL_H
#define ESPALIER_STORE_INTERNAL_H

#include "database.h"
#include "event_text.h"
#include "store.h"

/* The writer's statements, prepared once; their SQL is in fold.c. */
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
    bool open;            /* a group is open */
    int broken;           /* 0, or the code that every call returns from now on */
    int wal_frames;       /* in the log after the last commit */
    int log_copied;       /* frames when copying it into the database was last tried */
    struct esp_text text; /* the event being written */
    sqlite3_stmt *sql[ESP_SQL_COUNT];
};

/* The steps of opening, shared with creating. NULL with `code` set; otherwise 0 or negative
 * errno with words. */
struct esp_store *esp_store_allocate(const char *dir, struct esp_error *error, int *code);
int esp_store_connect(struct esp_store *store, int flags, struct esp_error *error);
int esp_store_configure(struct esp_store *store,
                        const struct esp_store_options *options,
                        struct esp_error *error);
int esp_store_read_study(struct esp_store *store, struct esp_error *error);
int esp_store_prepare(struct esp_store *store, struct esp_error *error);

/* Prepares the statements. A SQLite result code. */
int esp_fold_prepare(struct esp_store *store);
void esp_fold_release(struct esp_store *store);

/* Writes one event: its own row and those that fold from it. A SQLite result code, or -EINVAL
 * (a field that cannot be kept), -ENOMEM. */
int esp_fold_event(struct esp_store *store, const struct esp_event *event);

/* The distribution of a parameter in Optuna's JSON. */
void esp_optuna_distribution(const struct esp_param *param, struct esp_text *text);

/* The columns of a curve point, in this order. */
#define ESP_REPORT_COLUMNS                                                                     \
    "trial, step, seq, attempt, tokens, device_seconds, value, train_loss, time_ms, "          \
    "sequence, waiting, measures"

/* Fills a REPORT from a row with those columns; measures are left empty, their number is
 * returned. */
int esp_report_row(sqlite3_stmt *row, struct esp_event *event);

/* A REAL column, NULL meaning NaN. */
double esp_column_real(sqlite3_stmt *row, int column);

/* Reads the measures of a point (statement: trial, step → metric, value by position). A SQLite
 * result code. */
int esp_measures_read(sqlite3_stmt *statement,
                      struct esp_event *event,
                      struct esp_decoded *memory);
#define ESP_MEASURES_SQL                                                                       \
    "SELECT metric, value FROM measure WHERE trial = ? AND step = ? ORDER BY position"

/* Fills an event from seq, time_ms, kind, trial, attempt, data. -EBADMSG, -ENOMEM. */
#define ESP_EVENT_COLUMNS "seq, time_ms, kind, trial, attempt, data"
int esp_event_row(sqlite3_stmt *row, struct esp_decoded *memory, struct esp_event *event);

#endif
