/* Queries for curves, events, notes, checkpoints and workers. */
#include "reader_internal.h"
#include <errno.h>

struct event_query {
    struct esp_reader *reader;
    sqlite3_stmt *measures;
    esp_reader_each_event *each;
    void *context;
    struct esp_error *error;
};

static int report_row(void *context, sqlite3_stmt *row)
{
    struct event_query *query = context;
    struct esp_reader *reader = query->reader;
    struct esp_event event;
    if (esp_report_row(row, &event) > 0) {
        int rc = esp_measures_read(query->measures, &event, &reader->memory);
        if (rc != SQLITE_OK) {
            return esp_database_fail(reader->db, rc, reader->path, "be read", query->error);
        }
    }
    return query->each(query->context, &event);
}

static int event_row(void *context, sqlite3_stmt *row)
{
    struct event_query *query = context;
    struct esp_event event;
    int code = esp_event_row(row, &query->reader->memory, &event);
    if (code == -EBADMSG) {
        return esp_reader_damaged(query->reader, query->error);
    }
    return code < 0 ? esp_error_set(query->error, code, "out of memory")
                    : query->each(query->context, &event);
}

int esp_reader_curves(struct esp_reader *reader,
                      int64_t trial,
                      esp_reader_each_event *each,
                      void *context,
                      struct esp_error *error)
{
    struct event_query query = {
        .reader = reader, .each = each, .context = context, .error = error};
    bool began_here = !reader->in_snapshot;
    int code = esp_reader_begin(reader, error);
    if (code == 0) {
        code = esp_reader_prepare(reader, ESP_MEASURES_SQL, &query.measures, error);
    }
    if (code == 0 && trial < 0) {
        code = esp_reader_query(reader,
                                "SELECT " ESP_REPORT_COLUMNS " FROM report "
                                "ORDER BY trial, step",
                                NULL,
                                0,
                                report_row,
                                &query,
                                error);
    } else if (code == 0) {
        code = esp_reader_query(reader,
                                "SELECT " ESP_REPORT_COLUMNS " FROM report WHERE trial = ? "
                                "ORDER BY step",
                                &trial,
                                1,
                                report_row,
                                &query,
                                error);
    }
    sqlite3_finalize(query.measures);
    if (began_here) {
        esp_reader_end(reader);
    }
    return code;
}

int esp_reader_history(struct esp_reader *reader,
                       int64_t trial,
                       esp_reader_each_event *each,
                       void *context,
                       struct esp_error *error)
{
    struct event_query query = {
        .reader = reader, .each = each, .context = context, .error = error};
    return esp_reader_query(reader,
                            "SELECT " ESP_EVENT_COLUMNS " FROM event WHERE trial = ? "
                            "AND kind <> 'report' ORDER BY seq",
                            &trial,
                            1,
                            event_row,
                            &query,
                            error);
}

/* LIKE on the JSON text is much cheaper than extracting the key from every event. */
int esp_reader_calibrated(struct esp_reader *reader,
                          esp_reader_each_event *each,
                          void *context,
                          struct esp_error *error)
{
    struct event_query query = {
        .reader = reader, .each = each, .context = context, .error = error};
    return esp_reader_query(
        reader,
        "SELECT " ESP_EVENT_COLUMNS " FROM event WHERE kind = 'calibrated' "
        "OR (kind = 'verdict' AND data LIKE '%\"rule\":\"calibrated\"%') "
        "OR (kind = 'moved' AND data LIKE '%\"from\":\"PRUNED\"%') ORDER BY seq",
        NULL,
        0,
        event_row,
        &query,
        error);
}

int esp_reader_events(struct esp_reader *reader,
                      uint64_t seq,
                      esp_reader_each_event *each,
                      void *context,
                      struct esp_error *error)
{
    struct event_query query = {
        .reader = reader, .each = each, .context = context, .error = error};
    int64_t after = (int64_t)seq;
    return esp_reader_query(reader,
                            "SELECT " ESP_EVENT_COLUMNS " FROM event WHERE seq > ? "
                            "AND kind <> 'report' ORDER BY seq",
                            &after,
                            1,
                            event_row,
                            &query,
                            error);
}

int esp_reader_tail(struct esp_reader *reader,
                    int64_t count,
                    esp_reader_each_event *each,
                    void *context,
                    struct esp_error *error)
{
    struct event_query query = {
        .reader = reader, .each = each, .context = context, .error = error};
    return esp_reader_query(reader,
                            "SELECT * FROM (SELECT " ESP_EVENT_COLUMNS " FROM event "
                            "WHERE kind <> 'report' ORDER BY seq DESC LIMIT max(?, 0)) "
                            "ORDER BY seq",
                            &count,
                            1,
                            event_row,
                            &query,
                            error);
}

struct note_query {
    esp_reader_each_note *each;
    void *context;
};

static int note_row(void *context, sqlite3_stmt *row)
{
    struct note_query *query = context;
    struct esp_reader_note note = {.time_ms = sqlite3_column_int64(row, 0),
                                   .trial = esp_column_id(row, 1),
                                   .text = (const char *)sqlite3_column_text(row, 2)};
    return query->each(query->context, &note);
}

int esp_reader_notes(struct esp_reader *reader,
                     esp_reader_each_note *each,
                     void *context,
                     struct esp_error *error)
{
    struct note_query query = {each, context};
    return esp_reader_query(reader,
                            "SELECT time_ms, trial, text FROM note ORDER BY id",
                            NULL,
                            0,
                            note_row,
                            &query,
                            error);
}

struct checkpoint_query {
    struct esp_reader *reader;
    esp_reader_each_checkpoint *each;
    void *context;
    struct esp_error *error;
};

static int checkpoint_row(void *context, sqlite3_stmt *row)
{
    struct checkpoint_query *query = context;
    struct esp_reader_checkpoint checkpoint = {
        .id = sqlite3_column_int64(row, 0),
        .trial = sqlite3_column_int64(row, 1),
        .attempt = (uint32_t)sqlite3_column_int64(row, 2),
        .saved_ms = sqlite3_column_int64(row, 9),
        .saved = {.step = sqlite3_column_int64(row, 3),
                  .tokens = sqlite3_column_int64(row, 4),
                  .bytes = (uint64_t)sqlite3_column_int64(row, 5),
                  .host = (const char *)sqlite3_column_text(row, 7),
                  .path = (const char *)sqlite3_column_text(row, 8)}};
    checkpoint.saved.at.trial = (uint32_t)checkpoint.trial;
    checkpoint.saved.at.attempt = checkpoint.attempt;
    if (esp_hex_read((const char *)sqlite3_column_text(row, 6), &checkpoint.saved.hash) < 0) {
        return esp_reader_damaged(query->reader, query->error);
    }
    return query->each(query->context, &checkpoint);
}

int esp_reader_checkpoints(struct esp_reader *reader,
                           int64_t trial,
                           esp_reader_each_checkpoint *each,
                           void *context,
                           struct esp_error *error)
{
    struct checkpoint_query query = {reader, each, context, error};
    return esp_reader_query(reader,
                            "SELECT id, trial, attempt, step, tokens, bytes, hash, host, path, "
                            "saved_ms FROM checkpoint WHERE dropped_ms IS NULL "
                            "AND (?1 < 0 OR trial = ?1) ORDER BY trial, id DESC",
                            &trial,
                            1,
                            checkpoint_row,
                            &query,
                            error);
}

struct worker_query {
    struct esp_reader *reader;
    esp_reader_each_worker *each;
    void *context;
    struct esp_error *error;
};

static int worker_row(void *context, sqlite3_stmt *row)
{
    struct worker_query *query = context;
    struct esp_reader_worker worker = {
        .is_agent = sqlite3_column_int(row, 1),
        .slot = sqlite3_column_int64(row, 3),
        .host = (const char *)sqlite3_column_text(row, 4),
        .device = (const char *)sqlite3_column_text(row, 5),
        .since_ms = sqlite3_column_int64(row, 6),
        .trial = esp_column_id(row, 7),
        .exited = sqlite3_column_type(row, 8) != SQLITE_NULL,
        .exited_ms = sqlite3_column_int64(row, 8),
        .status = (int32_t)sqlite3_column_int64(row, 9),
        .signal = (int32_t)sqlite3_column_int64(row, 10),
        .asked = sqlite3_column_int(row, 11),
        .tail = (const char *)sqlite3_column_text(row, 12),
    };
    const char *agent = (const char *)sqlite3_column_text(row, 2);
    if (esp_hex_read((const char *)sqlite3_column_text(row, 0), &worker.key) < 0 ||
        (agent && esp_hex_read(agent, &worker.agent) < 0)) {
        return esp_reader_damaged(query->reader, query->error);
    }
    return query->each(query->context, &worker);
}

int esp_reader_workers(struct esp_reader *reader,
                       esp_reader_each_worker *each,
                       void *context,
                       struct esp_error *error)
{
    struct worker_query query = {reader, each, context, error};
    return esp_reader_query(reader,
                            "SELECT key, role = 'agent', agent, slot, host, device, since_ms, "
                            "trial, exited_ms, status, signal, asked, tail FROM worker "
                            "ORDER BY id",
                            NULL,
                            0,
                            worker_row,
                            &query,
                            error);
}
