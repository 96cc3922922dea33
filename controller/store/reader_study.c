/* The study row, the state that it is in, totals over trials, and changed settings. */
#include "reader_internal.h"
#include <errno.h>
#include <math.h>

struct study_query {
    struct esp_reader *reader;
    struct esp_reader_study *study;
    struct esp_error *error;
    int rows;
};

/* Copies a column, because the texts of the study outlive the statement. */
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

/* Called for the last OPENED and the last ENDED event, in order. A controller that finds new
 * work in a finished search records an ENDED event with state RUNNING. A controller that finds
 * none leaves the recorded end unchanged. */
static int lifecycle_row(void *context, sqlite3_stmt *row)
{
    struct study_query *query = context;
    struct esp_reader_study *study = query->study;
    struct esp_event event;
    if (esp_event_row(row, &query->reader->memory, &event) < 0) {
        return esp_reader_damaged(query->reader, query->error);
    }
    if (event.kind == ESP_EVENT_OPENED) {
        study->opened_ms = event.time_ms;
        study->incarnation = event.opened.incarnation;
    }
    bool planned = study->state == ESP_STUDY_COMPLETE || study->state == ESP_STUDY_BUDGET;
    if (event.kind == ESP_EVENT_OPENED ? !planned : event.ended.state == ESP_STUDY_RUNNING) {
        study->ended_ms = 0;
        study->score = NAN;
        study->remedy = (struct esp_tie_remedy){0};
        study->exit_code = -1;
        study->reason = event.kind == ESP_EVENT_ENDED ? event.ended.reason : ESP_END_NONE;
        study->state = ESP_STUDY_INTERRUPTED;
    } else if (event.kind == ESP_EVENT_ENDED) {
        study->ended_ms = event.time_ms;
        study->exit_code = event.ended.exit_code;
        study->score = event.ended.scored ? event.ended.score : NAN;
        study->scored = event.ended.scored_by;
        study->remedy = event.ended.remedy;
        study->reason = event.ended.reason;
        study->state = event.ended.state;
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
                                lifecycle_row,
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
    bool began_here = !reader->in_snapshot;
    *study = (struct esp_reader_study){
        .exit_code = -1, .score = NAN, .state = ESP_STUDY_INTERRUPTED};
    /* The lock is tested first: if the controller exits in between, its end is recorded by
     * then. */
    int alive = esp_store_locked(reader->dir, &study->pid);
    study->alive = alive > 0;
    int code = esp_reader_begin(reader, error);
    if (code == 0) {
        code = read_study(&query);
    }
    if (began_here) {
        esp_reader_end(reader);
    }
    bool planned = study->state == ESP_STUDY_COMPLETE || study->state == ESP_STUDY_BUDGET;
    if (code == 0 && !planned) {
        study->state =
            study->alive && !study->ended_ms ? ESP_STUDY_RUNNING : ESP_STUDY_INTERRUPTED;
        if (study->state == ESP_STUDY_INTERRUPTED && study->reason == ESP_END_NONE) {
            study->reason = ESP_END_INTERRUPTED;
        }
    }
    return code;
}

/* The horizon of a program's trial before it has reported one. */
#define NO_HORIZON "horizon = 9223372036854775807"

/* Sums the high and the low 32 bits apart, because sum() fails on 64-bit overflow. `add` joins
 * the halves and saturates at INT64_MAX. */
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
        *value = code == 1 ? event.changed.value : *value;
    } else if (rc != SQLITE_DONE) {
        code = esp_database_fail(reader->db, rc, reader->path, "be read", error);
    }
    sqlite3_finalize(s);
    return code;
}
