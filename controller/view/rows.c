#include "rows.h"

#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *copy_text(const char *text, bool *failed)
{
    if (!text) {
        return NULL;
    }
    char *copy = strdup(text);
    *failed |= !copy;
    return copy;
}

static int add_row(void *context, const struct esp_reader_trial *trial)
{
    struct esp_rows *rows = context;
    bool failed = false;
    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity ? 2 * rows->capacity : 64;
        struct esp_reader_trial *trials = realloc(rows->trials, capacity * sizeof *trials);
        if (!trials) {
            return -ENOMEM;
        }
        rows->trials = trials;
        rows->capacity = capacity;
    }
    struct esp_setting *params = calloc(trial->param_count + 1, sizeof *params);
    if (!params) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < trial->param_count; i++) {
        params[i] = trial->params[i];
        params[i].name = copy_text(params[i].name, &failed);
        params[i].value.text = params[i].value.type == ESP_VALUE_TEXT
                                   ? copy_text(params[i].value.text, &failed)
                                   : NULL;
    }
    struct esp_reader_trial *row = &rows->trials[rows->count++];
    *row = *trial;
    row->params = params;
    row->words = copy_text(trial->words, &failed);
    return failed ? -ENOMEM : 0;
}

int esp_rows_load(struct esp_reader *reader, struct esp_rows *rows, struct esp_error *error)
{
    return esp_reader_trials(reader, add_row, rows, error);
}

int esp_rows_best(struct esp_reader *reader,
                  int64_t limit,
                  struct esp_rows *rows,
                  struct esp_error *error)
{
    return esp_reader_best(reader, limit, add_row, rows, error);
}

int esp_rows_one(struct esp_reader *reader,
                 int64_t trial,
                 struct esp_rows *rows,
                 struct esp_error *error)
{
    return esp_reader_trial(reader, trial, add_row, rows, error);
}

int esp_rows_repeats(struct esp_reader *reader, struct esp_rows *rows, struct esp_error *error)
{
    return esp_reader_repeats(reader, add_row, rows, error);
}

void esp_rows_cut(struct esp_rows *rows, size_t count)
{
    for (size_t i = count; i < rows->count; i++) {
        for (uint32_t p = 0; p < rows->trials[i].param_count; p++) {
            free((char *)rows->trials[i].params[p].name);
            free((char *)rows->trials[i].params[p].value.text);
        }
        free((struct esp_setting *)rows->trials[i].params);
        free((char *)rows->trials[i].words);
    }
    rows->count = count < rows->count ? count : rows->count;
}

void esp_rows_release(struct esp_rows *rows)
{
    esp_rows_cut(rows, 0);
    free(rows->trials);
    *rows = (struct esp_rows){0};
}

void esp_rows_repeated(const struct esp_reader_trial *trial, struct esp_buffer *out)
{
    if (trial->repeats >= 0) {
        esp_buffer_addf(out,
                        "repeats #%lld with seed %lld",
                        (long long)trial->repeats,
                        (long long)trial->seed);
    }
}

void esp_rows_params_json(const struct esp_reader_trial *trial, struct esp_buffer *out)
{
    esp_buffer_add(out, "{");
    for (uint32_t i = 0; i < trial->param_count; i++) {
        esp_buffer_add(out, i ? "," : "");
        esp_json_string(out, trial->params[i].name);
        esp_buffer_add(out, ":");
        esp_json_value(out, &trial->params[i].value);
    }
    esp_buffer_add(out, "}");
}
