/* Trials and loss curves as rows for other programs.
 *
 * Rows of trials: trial, state, attempts, tokens, value, param.NAME for each parameter,
 * repeats, seed, created, started, ended, device_seconds, usd. `repeats` is the trial that this
 * one repeats with another seed. The times are UTC, as 2026-12-01T19:30:00.000Z; seconds and
 * dollars count all attempts. What is not known (a trial that repeats none or has not started,
 * no price) is an empty field in CSV and null in JSON. Rows of points: trial, step, tokens,
 * train_loss, val_loss, device_seconds.
 *
 * A format is one file with its functions (listed in meson.build), an `extern` below and one
 * row in export.c; `export --format`, its help and its completion are made from the rows. */
#ifndef ESPALIER_VIEW_EXPORT_H
#define ESPALIER_VIEW_EXPORT_H

#include "ledger.h"

/* Formats, and the NULL behind their names. */
#define ESP_EXPORT_FORMATS_MAX 8

struct esp_export_format {
    const char *name;
    /* Appended before the first row; NULL: nothing. */
    void (*begin_trials)(const struct esp_study *study, struct esp_buffer *out);
    void (*begin_points)(struct esp_buffer *out);
    /* One row. */
    void (*trial)(const struct esp_budget *price,
                  const struct esp_reader_trial *trial,
                  struct esp_buffer *out);
    void (*point)(const struct esp_event *report, struct esp_buffer *out);
    /* Appended after the last row; NULL: nothing. */
    void (*end_trials)(struct esp_buffer *out);
    void (*end_points)(struct esp_buffer *out);
};

extern const struct esp_export_format esp_export_csv, esp_export_jsonl;

/* Returns NULL for an unknown name. */
const struct esp_export_format *esp_export_format_find(const char *name);

/* The names of the formats, NULL-terminated. */
void esp_export_format_names(const char *names[ESP_EXPORT_FORMATS_MAX]);

/* Takes the next bytes. A negative result ends the export and is returned by it. */
typedef int esp_export_sink(void *context, const char *bytes, size_t size);

/* Writes all trials, or all points of all curves, to the sink while the ledger is read. */
int esp_export_trials(struct esp_ledger *ledger,
                      const struct esp_export_format *format,
                      esp_export_sink *sink,
                      void *context,
                      struct esp_error *error);
int esp_export_points(struct esp_ledger *ledger,
                      const struct esp_export_format *format,
                      esp_export_sink *sink,
                      void *context,
                      struct esp_error *error);

/* A trial's row as a JSON object, and only the members of the object. */
void esp_export_trial_json(const struct esp_budget *price,
                           const struct esp_reader_trial *trial,
                           struct esp_buffer *out);
void esp_export_trial_members(const struct esp_budget *price,
                              const struct esp_reader_trial *trial,
                              struct esp_buffer *out);

/* Appends the time in ISO 8601 (UTC); nothing at 0, a time that has not come. */
void esp_export_time(int64_t time_ms, struct esp_buffer *out);

#endif
