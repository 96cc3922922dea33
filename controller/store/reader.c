/* Opening a ledger to read, snapshots, the study and its totals. */
#include "reader.h"
#include "reader_internal.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int open_plain(struct esp_reader *reader)
{
    return sqlite3_open_v2(reader->path,
                           &reader->db,
                           SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                           NULL);
}

/* On a read-only disk SQLite cannot make the shared memory that WAL needs. When the log is
 * empty nobody writes, and the file alone is the ledger. */
static int open_immutable(struct esp_reader *reader)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789/._-";
    struct esp_text uri = {0};
    char escaped[8];
    esp_text_raw(&uri, "file:");
    for (const char *c = reader->path; *c; c++) {
        snprintf(escaped,
                 sizeof escaped,
                 strchr(plain, *c) ? "%c" : "%%%02x",
                 strchr(plain, *c) ? *c : (int)(unsigned char)*c);
        esp_text_raw(&uri, escaped);
    }
    esp_text_raw(&uri, "?immutable=1");
    int rc = uri.failed ? SQLITE_NOMEM
                        : sqlite3_open_v2(uri.data,
                                          &reader->db,
                                          SQLITE_OPEN_READONLY | SQLITE_OPEN_URI |
                                              SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                                          NULL);
    esp_text_release(&uri);
    return rc;
}

static bool log_is_empty(const struct esp_reader *reader)
{
    char path[ESP_DATABASE_PATH_MAX + 8];
    struct stat status;
    snprintf(path, sizeof path, "%s-wal", reader->path);
    return stat(path, &status) < 0 ? errno == ENOENT : status.st_size == 0;
}

static int
connect(struct esp_reader *reader, int (*open)(struct esp_reader *), struct esp_error *error)
{
    sqlite3_close(reader->db);
    reader->db = NULL;
    int rc = open(reader);
    if (rc != SQLITE_OK) {
        return esp_database_fail(reader->db, rc, reader->path, "open it", error);
    }
    sqlite3_busy_timeout(reader->db, ESP_DATABASE_BUSY_MS);
    sqlite3_db_config(reader->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_exec(reader->db, "PRAGMA cache_size = -4096", NULL, NULL, NULL);
    /* Format 1 differs in one column (reader_trials.c): an ended study needs no migration to be
     * looked at. */
    return esp_database_identify(reader->db, reader->path, &reader->unrepeated, error);
}

int esp_reader_open(const char *dir, struct esp_reader **out, struct esp_error *error)
{
    char path[ESP_DATABASE_PATH_MAX];
    struct stat status;
    int code = esp_database_path(dir, path, error);
    if (code < 0) {
        return code;
    }
    if (stat(path, &status) < 0) {
        code = -errno;
        return code == -ENOENT
                   ? esp_error_set(error, code, "%s: there is no study here (no study.db)", dir)
                   : esp_error_set(error, code, "%s: cannot be opened: %m", path);
    }
    struct esp_reader *reader = calloc(1, sizeof *reader);
    if (reader) {
        reader->dir = strdup(dir);
        reader->path = strdup(path);
    }
    if (!reader || !reader->dir || !reader->path) {
        esp_reader_close(reader);
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    code = connect(reader, open_plain, error);
    if ((code == -EACCES || code == -EROFS) && log_is_empty(reader)) {
        code = connect(reader, open_immutable, error);
    }
    if (code < 0) {
        esp_reader_close(reader);
        return code;
    }
    *out = reader;
    return 0;
}

void esp_reader_close(struct esp_reader *reader)
{
    if (!reader) {
        return;
    }
    sqlite3_close(reader->db);
    for (size_t i = 0; i < sizeof reader->text / sizeof reader->text[0]; i++) {
        esp_text_release(&reader->text[i]);
    }
    esp_decoded_release(&reader->memory);
    free(reader->dir);
    free(reader->path);
    free(reader);
}

int esp_reader_begin(struct esp_reader *reader, struct esp_error *error)
{
    if (reader->in_snapshot) {
        return 0;
    }
    int rc = sqlite3_exec(reader->db, "BEGIN", NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        return esp_database_fail(reader->db, rc, reader->path, "be read", error);
    }
    reader->in_snapshot = true;
    return 0;
}

void esp_reader_end(struct esp_reader *reader)
{
    if (reader->in_snapshot) {
        sqlite3_exec(reader->db, "ROLLBACK", NULL, NULL, NULL);
        reader->in_snapshot = false;
    }
}

int esp_reader_damaged(struct esp_reader *reader, struct esp_error *error)
{
    return esp_error_set(error,
                         -EBADMSG,
                         "%s: the ledger is damaged; move it aside and restore a backup",
                         reader->path);
}

int esp_reader_prepare(struct esp_reader *reader,
                       const char *sql,
                       sqlite3_stmt **statement,
                       struct esp_error *error)
{
    int rc = sqlite3_prepare_v2(reader->db, sql, -1, statement, NULL);
    return rc == SQLITE_OK ? 0
                           : esp_database_fail(reader->db, rc, reader->path, "be read", error);
}

int esp_reader_query(struct esp_reader *reader,
                     const char *sql,
                     const int64_t *bound,
                     int count,
                     esp_reader_row *row,
                     void *context,
                     struct esp_error *error)
{
    sqlite3_stmt *s = NULL;
    int code = esp_reader_prepare(reader, sql, &s, error);
    if (code < 0) {
        return code;
    }
    for (int i = 0; i < count; i++) {
        sqlite3_bind_int64(s, i + 1, bound[i]);
    }
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        code = row(context, s);
        if (code != 0) {
            break;
        }
    }
    if (code == 0 && rc != SQLITE_DONE) {
        code = esp_database_fail(reader->db, rc, reader->path, "be read", error);
    }
    sqlite3_finalize(s);
    return code;
}

struct study_query {
    struct esp_reader *reader;
    struct esp_reader_study *study;
    struct esp_error *error;
    int rows;
};

/* Copies a column, because the study's texts outlive the statement. */
static const char *keep(struct esp_reader *reader, int slot, sqlite3_stmt *row, int column)
{
    const char *value = (const char *)sqlite3_column_text(row, column);
    struct esp_text *text = &reader->text[slot];
    text->length = 0;
    esp_text_raw(text, value ? value : "");
    return text->failed ? "" : text->data;
}

static int study_row(void *context, sqlite3_stmt *row)
{
    struct study_query *query = context;
    struct esp_reader_study *study = query->study;
    query->rows++;
    if (esp_hex_read((const char *)sqlite3_column_text(row, 0), &study->nonce) < 0) {
        return esp_reader_damaged(query->reader, query->error);
    }
    study->name = keep(query->reader, 0, row, 1);
    study->metric = keep(query->reader, 1, row, 2);
    study->maximize = sqlite3_column_int(row, 3);
    study->source = keep(query->reader, 2, row, 4);
    study->base = keep(query->reader, 3, row, 5);
    study->file = keep(query->reader, 4, row, 6);
    study->created_by = keep(query->reader, 5, row, 7);
    study->created_ms = sqlite3_column_int64(row, 8);
    study->seq = (uint64_t)sqlite3_column_int64(row, 9);
    return 0;
}

/* OPENED and ENDED in order: the last of each counts. A controller that finds new work in a
 * search that had ended says so by an ENDED whose state is RUNNING; one that finds none leaves
 * the end as it was. */
static int life_row(void *context, sqlite3_stmt *row)
{
    struct study_query *query = context;
    struct esp_reader_study *study = query->study;
    struct esp_event event;
    if (esp_event_row(row, &query->reader->memory, &event) < 0) {
        return esp_reader_damaged(query->reader, query->error);
    }
    if (event.kind == ESP_EVENT_OPENED) {
        study->opened_ms = event.time_ms;
        study->incarnation = (uint64_t)event.number;
    }
    bool planned = study->state == ESP_STUDY_COMPLETE || study->state == ESP_STUDY_BUDGET;
    if (event.kind == ESP_EVENT_OPENED ? !planned : event.number == ESP_STUDY_RUNNING) {
        study->ended_ms = 0;
        study->score = NAN;
        study->exit_code = -1;
        study->state = ESP_STUDY_INTERRUPTED;
    } else if (event.kind == ESP_EVENT_ENDED) {
        study->ended_ms = event.time_ms;
        study->exit_code = (int)event.extra;
        study->score = event.flag ? event.real : NAN;
        study->scored = (enum esp_scored)event.code;
        study->state = (enum esp_study_state)event.number;
    }
    return 0;
}

static int read_study(struct study_query *query)
{
    int code = esp_reader_query(
        query->reader,
        "SELECT nonce, name, metric, goal = 'maximize', source, base, file, created_by, "
        "created_ms, (SELECT count(*) FROM event) + (SELECT count(*) FROM report) FROM study",
        NULL,
        0,
        study_row,
        query,
        query->error);
    if (code == 0 && query->rows != 1) {
        code = esp_reader_damaged(query->reader, query->error);
    }
    if (code == 0) {
        int64_t format;
        code = esp_database_begun_format(query->reader->db, &format);
        if (code < 0) {
            return esp_database_fail(query->reader->db,
                                     sqlite3_extended_errcode(query->reader->db),
                                     query->reader->path,
                                     "be read",
                                     query->error);
        }
        query->study->begun_format = (int)format;
    }
    if (code == 0) {
        code = esp_reader_query(query->reader,
                                "SELECT " ESP_EVENT_COLUMNS " FROM event WHERE seq IN ("
                                "(SELECT max(seq) FROM event WHERE kind = 'opened'), "
                                "(SELECT max(seq) FROM event WHERE kind = 'ended')) "
                                "ORDER BY seq",
                                NULL,
                                0,
                                life_row,
                                query,
                                query->error);
    }
    return code;
}

int esp_reader_study(struct esp_reader *reader,
                     struct esp_reader_study *study,
                     struct esp_error *error)
{
    struct study_query query = {.reader = reader, .study = study, .error = error};
    bool ours = !reader->in_snapshot;
    *study = (struct esp_reader_study){
        .exit_code = -1, .score = NAN, .state = ESP_STUDY_INTERRUPTED};
    /* The lock first: a controller that ends in between has recorded its end by then. */
    int alive = esp_store_locked(reader->dir, &study->pid);
    study->alive = alive > 0;
    int code = esp_reader_begin(reader, error);
    if (code == 0) {
        code = read_study(&query);
    }
    if (ours) {
        esp_reader_end(reader);
    }
    bool planned = study->state == ESP_STUDY_COMPLETE || study->state == ESP_STUDY_BUDGET;
    if (code == 0 && !planned) {
        study->state =
            study->alive && !study->ended_ms ? ESP_STUDY_RUNNING : ESP_STUDY_INTERRUPTED;
    }
    return code;
}

/* A program's trial has told no horizon yet. */
#define NO_HORIZON "horizon = 9223372036854775807"

/* Sums in two halves, which SQLite adds up without overflow, and one that stays at its end. */
#define HALVES(column) "sum((" column ") >> 32), sum((" column ") & 0xffffffff)"
#define SPENT HALVES("spent_tokens")
#define FULL_COST HALVES("iif(" NO_HORIZON ", 0, horizon)")

static int64_t add(int64_t sum, sqlite3_stmt *row, int column)
{
    __int128 total = ((__int128)sqlite3_column_int64(row, column) << 32) +
                     sqlite3_column_int64(row, column + 1) + sum;
    return total > INT64_MAX ? INT64_MAX : (int64_t)total;
}

struct totals_query {
    struct esp_reader_totals *totals;
    int64_t unknown; /* trials without a horizon */
};

static int totals_row(void *context, sqlite3_stmt *row)
{
    struct totals_query *query = context;
    struct esp_reader_totals *totals = query->totals;
    const char *word = (const char *)sqlite3_column_text(row, 0);
    int state = word ? esp_trial_state_parse(word) : -1;
    int64_t trials = sqlite3_column_int64(row, 1);
    if (state < 0) {
        return -EBADMSG;
    }
    totals->trials += trials;
    totals->by_state[state] += trials;
    totals->device_seconds += sqlite3_column_double(row, 2);
    totals->spent_tokens = add(totals->spent_tokens, row, 3);
    totals->full_cost_tokens = add(totals->full_cost_tokens, row, 5);
    query->unknown += sqlite3_column_int64(row, 7);
    return 0;
}

int esp_reader_totals(struct esp_reader *reader,
                      struct esp_reader_totals *totals,
                      struct esp_error *error)
{
    struct totals_query query = {.totals = totals};
    *totals = (struct esp_reader_totals){0};
    int code = esp_reader_query(
        reader,
        "SELECT state, count(*), sum(device_seconds), " SPENT ", " FULL_COST ", "
        "count(*) FILTER (WHERE " NO_HORIZON ") FROM trial GROUP BY state",
        NULL,
        0,
        totals_row,
        &query,
        error);
    if (query.unknown > 0) {
        totals->full_cost_tokens = 0;
    }
    return code == -EBADMSG ? esp_reader_damaged(reader, error) : code;
}

int esp_reader_changed(struct esp_reader *reader,
                       const char *name,
                       double *value,
                       struct esp_error *error)
{
    sqlite3_stmt *s = NULL;
    struct esp_event event;
    int code = esp_reader_prepare(reader,
                                  "SELECT " ESP_EVENT_COLUMNS " FROM event "
                                  "WHERE kind = 'changed' AND data ->> 'setting' = ? "
                                  "ORDER BY seq DESC LIMIT 1",
                                  &s,
                                  error);
    if (code < 0) {
        return code;
    }
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        code = esp_event_row(s, &reader->memory, &event) < 0 ? esp_reader_damaged(reader, error)
                                                             : 1;
        *value = code == 1 ? event.real : *value;
    } else if (rc != SQLITE_DONE) {
        code = esp_database_fail(reader->db, rc, reader->path, "be read", error);
    }
    sqlite3_finalize(s);
    return code;
}
