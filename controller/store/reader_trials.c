/* Queries for trials: all of them, one, the best, repeats. */
#include "reader_internal.h"
#include <errno.h>
#include <math.h>
#include <string.h>

#define COLUMNS                                                                                \
    "trial, state, cause, held, attempts, horizon, until, seed, step, tokens, value, "         \
    "train_loss, device_seconds, spent_tokens, checkpoint, created_ms, started_ms, ended_ms, " \
    "words, "

#define FINITE "abs(value) <= 1.7976931348623157e308"

struct trial_query {
    struct esp_reader *reader;
    sqlite3_stmt *params; /* selects the parameters of one trial, by position */
    struct esp_text text; /* names and texts that the settings point to */
    struct esp_setting settings[ESP_PARAMS_MAX];
    size_t names[ESP_PARAMS_MAX], texts[ESP_PARAMS_MAX]; /* offsets in `text` */
    esp_reader_each_trial *each;
    void *context;
    struct esp_error *error;
    int64_t rows;
};

/* Appends the text of a column and a NUL. Returns its offset. */
static size_t put_text(struct esp_text *text, sqlite3_stmt *row, int column)
{
    size_t at = text->length;
    const char *value = (const char *)sqlite3_column_text(row, column);
    esp_text_raw(text, value ? value : "");
    text->length += !text->failed;
    return at;
}

static enum esp_value_type type_of(const char *word)
{
    return !word                          ? ESP_VALUE_TEXT
           : strcmp(word, "real") == 0    ? ESP_VALUE_REAL
           : strcmp(word, "integer") == 0 ? ESP_VALUE_INTEGER
           : strcmp(word, "boolean") == 0 ? ESP_VALUE_BOOLEAN
                                          : ESP_VALUE_TEXT;
}

/* Reads the parameters of one trial. Pointers are set last, because the text may move while it
 * grows. */
static int read_params(struct trial_query *query, struct esp_reader_trial *trial)
{
    sqlite3_stmt *s = query->params;
    uint32_t count = 0;
    int rc;
    query->text.length = 0;
    sqlite3_bind_int64(s, 1, trial->trial);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW && count < ESP_PARAMS_MAX) {
        struct esp_value *value = &query->settings[count].value;
        *value = (struct esp_value){.type = type_of((const char *)sqlite3_column_text(s, 2)),
                                    .real = sqlite3_column_double(s, 1),
                                    .integer = sqlite3_column_int64(s, 1)};
        query->names[count] = put_text(&query->text, s, 0);
        query->texts[count] = put_text(&query->text, s, 1);
        count++;
    }
    sqlite3_reset(s);
    if (query->text.failed) {
        return esp_error_set(query->error, -ENOMEM, "out of memory");
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
        return esp_database_fail(
            query->reader->db, rc, query->reader->path, "be read", query->error);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct esp_setting *setting = &query->settings[i];
        setting->name = query->text.data + query->names[i];
        setting->value.text =
            setting->value.type == ESP_VALUE_TEXT ? query->text.data + query->texts[i] : NULL;
    }
    trial->params = query->settings;
    trial->param_count = count;
    return 0;
}

static int trial_row(void *context, sqlite3_stmt *row)
{
    struct trial_query *query = context;
    const char *state_word = (const char *)sqlite3_column_text(row, 1);
    const char *cause_word = (const char *)sqlite3_column_text(row, 2);
    int state = state_word ? esp_trial_state_parse(state_word) : -1;
    int cause = cause_word ? esp_cause_parse(cause_word) : -1;
    query->rows++;
    if (state < 0 || cause < 0) {
        return esp_reader_damaged(query->reader, query->error);
    }
    struct esp_reader_trial trial = {
        .trial = sqlite3_column_int64(row, 0),
        .state = (enum esp_trial_state)state,
        .cause = (enum esp_cause)cause,
        .held = sqlite3_column_int(row, 3),
        .attempts = (uint32_t)sqlite3_column_int64(row, 4),
        .horizon = sqlite3_column_int64(row, 5),
        .until = sqlite3_column_int64(row, 6),
        .seed = sqlite3_column_int64(row, 7),
        .step = esp_column_id(row, 8),
        .tokens = esp_column_id(row, 9),
        .value = esp_column_real(row, 10),
        .train_loss = esp_column_real(row, 11),
        .device_seconds = sqlite3_column_double(row, 12),
        .spent_tokens = sqlite3_column_int64(row, 13),
        .checkpoint = esp_column_id(row, 14),
        .created_ms = sqlite3_column_int64(row, 15),
        .started_ms = sqlite3_column_int64(row, 16),
        .ended_ms = sqlite3_column_int64(row, 17),
        .words = (const char *)sqlite3_column_text(row, 18),
        .repeats = esp_column_id(row, 19),
    };
    trial.finished = trial.tokens >= 0 && trial.tokens >= trial.horizon;
    int code = read_params(query, &trial);
    return code < 0 ? code : query->each(query->context, &trial);
}

/* Selects trials. `rest` is the SQL after the FROM clause. */
static int run(struct trial_query *query, const char *rest, const int64_t *bound, int count)
{
    struct esp_reader *reader = query->reader;
    char sql[1024];
    snprintf(sql,
             sizeof sql,
             "SELECT " COLUMNS "repeats FROM %s %s",
             reader->lacks_repeats ? "(SELECT *, NULL AS repeats FROM trial)" : "trial",
             rest);
    bool began_here = !reader->in_snapshot;
    int code = esp_reader_begin(reader, query->error);
    if (code == 0) {
        code = esp_reader_prepare(
            reader,
            "SELECT name, value, type FROM param WHERE trial = ? ORDER BY position",
            &query->params,
            query->error);
    }
    if (code == 0) {
        code = esp_reader_query(reader, sql, bound, count, trial_row, query, query->error);
    }
    sqlite3_finalize(query->params);
    esp_text_release(&query->text);
    if (began_here) {
        esp_reader_end(reader);
    }
    return code;
}

int esp_reader_trials(struct esp_reader *reader,
                      esp_reader_each_trial *each,
                      void *context,
                      struct esp_error *error)
{
    struct trial_query query = {
        .reader = reader, .each = each, .context = context, .error = error};
    return run(&query, "ORDER BY trial", NULL, 0);
}

int esp_reader_trial(struct esp_reader *reader,
                     int64_t trial,
                     esp_reader_each_trial *each,
                     void *context,
                     struct esp_error *error)
{
    struct trial_query query = {
        .reader = reader, .each = each, .context = context, .error = error};
    int code = run(&query, "WHERE trial = ?", &trial, 1);
    if (code == 0 && query.rows == 0) {
        return esp_error_set(error,
                             -ENOENT,
                             "%s: there is no trial %lld (see `espalier ls %s`)",
                             reader->dir,
                             (long long)trial,
                             reader->dir);
    }
    return code;
}

/* A trial that reached the target is complete below its horizon. */
#define ENDED "(tokens >= horizon OR state = 'COMPLETE')"

int esp_reader_best(struct esp_reader *reader,
                    int64_t limit,
                    esp_reader_each_trial *each,
                    void *context,
                    struct esp_error *error)
{
    struct trial_query query = {
        .reader = reader, .each = each, .context = context, .error = error};
    int64_t rows_max = limit > 0 ? limit : -1;
    return run(&query,
               "WHERE repeats IS NULL AND " FINITE " AND (" ENDED " OR NOT "
               "EXISTS (SELECT 1 FROM trial WHERE " FINITE " AND " ENDED ")) "
               "ORDER BY iif((SELECT goal = 'maximize' FROM study), -value, value), trial "
               "LIMIT ?",
               &rows_max,
               1);
}

int esp_reader_held(struct esp_reader *reader,
                    esp_reader_each_trial *each,
                    void *context,
                    struct esp_error *error)
{
    struct trial_query query = {
        .reader = reader, .each = each, .context = context, .error = error};
    return run(&query, "WHERE state = 'PAUSED' AND held ORDER BY trial", NULL, 0);
}

int esp_reader_repeats(struct esp_reader *reader,
                       esp_reader_each_trial *each,
                       void *context,
                       struct esp_error *error)
{
    struct trial_query query = {
        .reader = reader, .each = each, .context = context, .error = error};
    if (reader->lacks_repeats) {
        return 0;
    }
    return run(&query,
               "WHERE repeats IS NOT NULL OR trial IN (SELECT repeats FROM trial) "
               "ORDER BY trial",
               NULL,
               0);
}
