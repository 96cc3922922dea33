#include "recorded_study.h"

#include "recorded_path.h"
#include "store/reader.h"
#include "study/study.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct trial {
    double *drawn; /* [params] */
    enum esp_table_end end;
    int64_t horizon, tokens;
    int64_t recorded_tokens; /* of its furthest report, as the trial's row has it; -1: none */
    uint32_t points;
};

/* The study while it is read, with the study's trial numbers. */
struct record {
    const char *path;
    struct esp_study *study;
    struct trial *trials;
    uint32_t count, capacity;
    struct esp_table *table;
    uint32_t *rows; /* the table's row of each trial; UINT32_MAX: left out */
    size_t filled;  /* points */
    struct esp_error *error;
};

static int no_memory(struct record *record)
{
    return esp_error_set(record->error, -ENOMEM, "out of memory");
}

static int damaged(struct record *record, int64_t trial)
{
    return esp_error_set(record->error,
                         -EBADMSG,
                         "%s: the record of trial %lld contradicts the study: the ledger is "
                         "damaged; move it aside and restore a backup",
                         record->path,
                         (long long)trial);
}

/* Trials are created in order, without gaps. */
static int read_created(void *context, const struct esp_event *event)
{
    struct record *record = context;
    size_t params = (size_t)record->study->param_count;
    if (event->kind != ESP_EVENT_CREATED) {
        return 0;
    }
    if (event->trial != record->count || event->created.values.count != params) {
        return damaged(record, event->trial);
    }
    for (size_t i = 0; i < params; i++) {
        if (!esp_param_is_drawn(&record->study->params[i], event->created.values.data[i])) {
            return damaged(record, event->trial);
        }
    }
    if (record->count == record->capacity) {
        uint32_t capacity = record->capacity ? record->capacity * 2 : 64;
        struct trial *grown = realloc(record->trials, capacity * sizeof *grown);
        if (!grown) {
            return no_memory(record);
        }
        record->trials = grown;
        record->capacity = capacity;
    }
    struct trial *trial = &record->trials[record->count];
    *trial = (struct trial){.drawn = malloc(params * sizeof(double))};
    if (!trial->drawn) {
        return no_memory(record);
    }
    memcpy(trial->drawn, event->created.values.data, params * sizeof(double));
    record->count++;
    return 0;
}

static enum esp_table_end end_of(const struct esp_reader_trial *row)
{
    return row->cause == ESP_CAUSE_DIVERGED ? ESP_TABLE_DIVERGED
           : row->finished                  ? ESP_TABLE_COMPLETE
           : row->state == ESP_TRIAL_FAILED ? ESP_TABLE_FAILED
                                            : ESP_TABLE_CENSORED;
}

static int read_trial(void *context, const struct esp_reader_trial *row)
{
    struct record *record = context;
    if (row->trial < 0 || row->trial >= record->count) {
        return damaged(record, row->trial);
    }
    struct trial *trial = &record->trials[row->trial];
    trial->end = end_of(row);
    trial->horizon = row->horizon;
    trial->recorded_tokens = row->tokens;
    return 0;
}

/* A report before the first update, or with fewer tokens than one before, is not a point. */
static bool is_point(const struct record *record, const struct esp_event *event)
{
    return event->trial >= 0 && event->trial < record->count &&
           event->report.point.tokens > 0 &&
           event->report.point.tokens > record->trials[event->trial].tokens;
}

static int count_point(void *context, const struct esp_event *event)
{
    struct record *record = context;
    if (is_point(record, event)) {
        struct trial *trial = &record->trials[event->trial];
        trial->points++;
        trial->tokens = event->report.point.tokens;
    }
    return 0;
}

/* Device seconds must not fall. A later attempt that continued from a checkpoint may report
 * fewer; training that was repeated is then not counted twice. */
static int fill_point(void *context, const struct esp_event *event)
{
    struct record *record = context;
    struct esp_table *table = record->table;
    if (!is_point(record, event)) {
        return 0;
    }
    bool begins = record->trials[event->trial].tokens == 0;
    record->trials[event->trial].tokens = event->report.point.tokens;
    double loss = table->maximize ? -event->report.point.value : event->report.point.value;
    double seconds = event->report.point.device_seconds;
    if (!begins && !isnan(seconds)) {
        seconds = fmax(seconds, table->points[record->filled - 1].seconds);
    }
    table->points[record->filled++] = (struct esp_table_point){
        .tokens = event->report.point.tokens,
        .loss = isfinite(loss) ? loss : NAN,
        .seconds = seconds,
        .cost = event->report.point.tokens,
    };
    return 0;
}

/* Losses are compared at one horizon. A trial ends at its last whole update, so its horizon may
 * be below the study's by less than one update, which is less than half of the horizon. */
static int check_horizon(struct record *record, uint32_t number)
{
    int64_t whole = record->table->horizon, own = record->trials[number].horizon;
    if (own <= whole && own > whole - own) {
        return 0;
    }
    return esp_error_set(record->error,
                         -EINVAL,
                         "%s: trial %u trains to %lld tokens, but the study's horizon is "
                         "%lld: losses at different horizons cannot be compared; replay a "
                         "study whose trials have the same horizon",
                         record->path,
                         number,
                         (long long)own,
                         (long long)whole);
}

/* Choices that are numbers and span a factor of four are placed in octaves, as in
 * controller/search/space.h. */
static enum esp_table_scale scale_of(const struct esp_param *param)
{
    double low = INFINITY, high = 0;
    for (int i = 0; i < param->choice_count; i++) {
        const struct esp_value *value = &param->choices[i];
        if (value->type == ESP_VALUE_TEXT || value->type == ESP_VALUE_BOOLEAN ||
            !(value->real > 0)) {
            return ESP_TABLE_LINEAR;
        }
        low = fmin(low, value->real);
        high = fmax(high, value->real);
    }
    return high >= 4 * low ? ESP_TABLE_LOG : ESP_TABLE_LINEAR;
}

static int describe_param(struct record *record, int index)
{
    const struct esp_param *from = &record->study->params[index];
    struct esp_table_param *to = &record->table->params[index];
    snprintf(to->name, sizeof to->name, "%s", from->name);
    to->scale = scale_of(from);
    to->min = to->max = NAN;
    if (from->choice_count == 0) {
        return 0;
    }
    to->values = calloc((size_t)from->choice_count, sizeof *to->values);
    if (!to->values) {
        return no_memory(record);
    }
    to->min = INFINITY;
    to->max = -INFINITY;
    for (int i = 0; i < from->choice_count; i++) {
        struct esp_value value = from->choices[i];
        bool text = value.type == ESP_VALUE_TEXT;
        if (text) {
            value.text = strdup(value.text);
        }
        to->values[to->value_count++] = value;
        to->min = fmin(to->min, text ? i : value.real);
        to->max = fmax(to->max, text ? i : value.real);
    }
    return 0;
}

static int describe(struct record *record)
{
    struct esp_table *table = record->table;
    struct esp_study *study = record->study;
    snprintf(table->name, sizeof table->name, "%s", study->name);
    snprintf(table->metric, sizeof table->metric, "%s", study->metric);
    table->maximize = study->maximize;
    table->horizon = study->trainer.tokens;
    table->context = study->trainer.context;
    table->schedule = study->trainer.schedule;
    for (uint32_t t = 0; !study->abilities.horizon_known && t < record->count; t++) {
        if (record->trials[t].horizon > table->horizon) {
            table->horizon = record->trials[t].horizon;
        }
    }
    table->full = table->horizon;
    table->param_count = study->param_count;
    for (int i = 0; i < study->param_count; i++) {
        int rc = describe_param(record, i);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* The last point of a curve is the furthest report, on which the end of the trial depends. */
static int check_curves(struct record *record)
{
    for (uint32_t t = 0; t < record->count; t++) {
        const struct trial *trial = &record->trials[t];
        int64_t recorded = trial->recorded_tokens > 0 ? trial->recorded_tokens : 0;
        if (trial->tokens != recorded || trial->tokens > trial->horizon) {
            return damaged(record, t);
        }
    }
    return 0;
}

/* Gives every trial with a point a row. */
static int make_rows(struct record *record)
{
    struct esp_table *table = record->table;
    uint32_t rows = 0;
    size_t points = 0;
    record->rows = malloc(((size_t)record->count + 1) * sizeof *record->rows);
    if (!record->rows) {
        return no_memory(record);
    }
    for (uint32_t t = 0; t < record->count; t++) {
        record->rows[t] = record->trials[t].points > 0 ? rows++ : UINT32_MAX;
        points += record->trials[t].points;
    }
    if (rows == 0) {
        return esp_error_set(record->error,
                             -EINVAL,
                             "%s: no trial has reported yet, so there is nothing to replay; "
                             "continue the study with `espalier resume`",
                             record->path);
    }
    if (points > UINT32_MAX) {
        return esp_error_set(record->error, -EFBIG, "%s: too many reports", record->path);
    }
    int rc = esp_table_reserve(table, rows, record->error);
    table->points = calloc(points, sizeof *table->points);
    if (rc < 0 || !table->points) {
        return no_memory(record);
    }
    table->left_out = record->count - rows;
    size_t params = (size_t)table->param_count, first = 0;
    for (uint32_t t = 0; t < record->count; t++) {
        struct trial *trial = &record->trials[t];
        uint32_t row = record->rows[t];
        trial->tokens = 0; /* fill_point counts again */
        if (row == UINT32_MAX) {
            continue;
        }
        rc = check_horizon(record, t);
        if (rc < 0) {
            return rc;
        }
        table->first[row] = (uint32_t)first;
        first += trial->points;
        table->ends[row] = trial->end;
        table->horizons[row] = trial->horizon;
        table->censored += trial->end == ESP_TABLE_CENSORED;
        memcpy(&table->drawn[row * params], trial->drawn, params * sizeof(double));
        for (int i = 0; i < table->param_count; i++) {
            table->place[row * params + (size_t)i] = esp_table_place(table, i, trial->drawn[i]);
        }
    }
    table->first[rows] = (uint32_t)first;
    return 0;
}

/* A trial whose last loss is not finite counts as diverged, not as complete. */
static int finish(struct record *record)
{
    struct esp_table *table = record->table;
    uint32_t complete = 0;
    for (uint32_t row = 0; row < table->trial_count; row++) {
        const struct esp_table_point *last = &table->points[table->first[row + 1] - 1];
        if (table->ends[row] == ESP_TABLE_COMPLETE && !isfinite(last->loss)) {
            table->ends[row] = ESP_TABLE_DIVERGED;
        }
        complete += table->ends[row] == ESP_TABLE_COMPLETE;
    }
    if (complete == 0) {
        return esp_error_set(record->error,
                             -EINVAL,
                             "%s: none of its %u trials with reports has reached its horizon, "
                             "so there is no best loss to compare with; continue the study "
                             "with `espalier resume` until one has",
                             record->path,
                             table->trial_count);
    }
    return esp_table_find_best(table, record->error);
}

static int read_study(struct record *record, struct esp_reader *reader)
{
    struct esp_reader_study row;
    int rc = esp_reader_study(reader, &row, record->error);
    if (rc == 0) {
        rc = esp_study_read_text(row.source,
                                 row.file && row.file[0] ? row.file : "study",
                                 row.base,
                                 &record->study,
                                 NULL,
                                 record->error);
    }
    record->table->recorded = record->study;
    return rc;
}

static int read_snapshot(struct record *record, struct esp_reader *reader)
{
    int rc = read_study(record, reader);
    if (rc == 0) {
        rc = esp_reader_events(reader, 0, read_created, record, record->error);
    }
    if (rc == 0) {
        rc = esp_reader_trials(reader, read_trial, record, record->error);
    }
    if (rc == 0) {
        rc = esp_reader_curves(reader, -1, count_point, record, record->error);
    }
    if (rc == 0) {
        rc = check_curves(record);
    }
    if (rc == 0) {
        rc = describe(record);
    }
    if (rc == 0) {
        rc = make_rows(record);
    }
    if (rc == 0) {
        rc = esp_reader_curves(reader, -1, fill_point, record, record->error);
    }
    return rc == 0 ? finish(record) : rc;
}

int esp_recorded_study_read(const char *path, struct esp_table *table, struct esp_error *error)
{
    char folder[ESP_PATH_MAX];
    struct esp_reader *reader = NULL;
    memset(table, 0, sizeof *table);
    int rc = esp_recorded_path_folder(path, folder, error);
    if (rc < 0) {
        return rc;
    }
    snprintf(table->source, sizeof table->source, "%.4080s/%s", folder, ESP_RECORDED_LEDGER);
    struct record record = {.path = table->source, .table = table, .error = error};
    rc = esp_reader_open(folder, &reader, error);
    if (rc == 0) {
        rc = esp_reader_begin(reader, error);
    }
    if (rc == 0) {
        rc = read_snapshot(&record, reader);
        esp_reader_end(reader);
    }
    esp_reader_close(reader);
    for (uint32_t t = 0; t < record.count; t++) {
        free(record.trials[t].drawn);
    }
    free(record.trials);
    free(record.rows);
    if (rc < 0) {
        esp_table_release(table);
    }
    return rc;
}
