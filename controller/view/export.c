#include "export.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static const struct esp_export_format *const formats[] = {&esp_export_csv, &esp_export_jsonl};
#define FORMAT_COUNT (sizeof formats / sizeof formats[0])
_Static_assert(FORMAT_COUNT < ESP_EXPORT_FORMATS_MAX, "raise ESP_EXPORT_FORMATS_MAX");

/* Rows are collected to this size before the sink gets them. */
#define FLUSH_BYTES 65536

const struct esp_export_format *esp_export_format_find(const char *name)
{
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        if (strcmp(formats[i]->name, name) == 0) {
            return formats[i];
        }
    }
    return NULL;
}

void esp_export_format_names(const char *names[ESP_EXPORT_FORMATS_MAX])
{
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        names[i] = formats[i]->name;
    }
    names[FORMAT_COUNT] = NULL;
}

struct exporter {
    const struct esp_export_format *format;
    esp_export_sink *sink;
    void *context;
    const struct esp_budget *price;
    struct esp_buffer text;
};

static int flush(struct exporter *exporter, size_t at_least)
{
    if (exporter->text.failed) {
        return -ENOMEM;
    }
    if (exporter->text.size < at_least || exporter->text.size == 0) {
        return 0;
    }
    int rc = exporter->sink(exporter->context, exporter->text.data, exporter->text.size);
    esp_buffer_clear(&exporter->text);
    return rc;
}

static int add_trial(void *context, const struct esp_reader_trial *trial)
{
    struct exporter *exporter = context;
    exporter->format->trial(exporter->price, trial, &exporter->text);
    return flush(exporter, FLUSH_BYTES);
}

static int add_point(void *context, const struct esp_event *report)
{
    struct exporter *exporter = context;
    exporter->format->point(report, &exporter->text);
    return flush(exporter, FLUSH_BYTES);
}

static int finish(struct exporter *exporter, int rc, struct esp_error *error)
{
    rc = rc < 0 ? rc : flush(exporter, 0);
    if (rc == -ENOMEM) {
        esp_error_set(error, rc, "out of memory.");
    }
    esp_buffer_release(&exporter->text);
    return rc;
}

void esp_export_time(int64_t time_ms, struct esp_buffer *out)
{
    time_t seconds = time_ms / 1000;
    struct tm utc;
    char text[32];
    if (time_ms > 0 && gmtime_r(&seconds, &utc) &&
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc) > 0) {
        esp_buffer_addf(out, "%s.%03dZ", text, (int)(time_ms % 1000));
    }
}

int esp_export_trials(struct esp_ledger *ledger,
                      const struct esp_export_format *format,
                      esp_export_sink *sink,
                      void *context,
                      struct esp_error *error)
{
    struct exporter exporter = {
        .format = format, .sink = sink, .context = context, .price = &ledger->study->budget};
    if (format->begin_trials) {
        format->begin_trials(ledger->study, &exporter.text);
    }
    int rc = esp_reader_trials(ledger->reader, add_trial, &exporter, error);
    if (rc >= 0 && format->end_trials) {
        format->end_trials(&exporter.text);
    }
    return finish(&exporter, rc, error);
}

int esp_export_points(struct esp_ledger *ledger,
                      const struct esp_export_format *format,
                      esp_export_sink *sink,
                      void *context,
                      struct esp_error *error)
{
    struct exporter exporter = {.format = format, .sink = sink, .context = context};
    if (format->begin_points) {
        format->begin_points(&exporter.text);
    }
    int rc = esp_reader_curves(ledger->reader, -1, add_point, &exporter, error);
    if (rc >= 0 && format->end_points) {
        format->end_points(&exporter.text);
    }
    return finish(&exporter, rc, error);
}
