/* espalier export: trials or curves for other programs, written as they are read. */
#include "../view/export.h"
#include "../view/ledger.h"
#include "output.h"
#include "verb.h"

#include <errno.h>
#include <string.h>

/* Rows gather to this size before they are written. */
#define FLUSH_BYTES 65536

struct writer {
    struct esp_buffer text;
    struct esp_error *error;
    bool jsonl;
    int code;
};

static int flush_rows(struct writer *writer, size_t at_least)
{
    if (writer->text.size < at_least && !writer->text.failed) {
        return 0;
    }
    writer->code = esp_print(&writer->text, writer->error);
    esp_buffer_clear(&writer->text);
    return writer->code == 0 ? 0 : -EPIPE;
}

static int write_trial(void *context, const struct esp_reader_trial *trial)
{
    struct writer *writer = context;
    if (writer->jsonl) {
        esp_export_trial_json(trial, &writer->text);
        esp_buffer_add(&writer->text, "\n");
    } else {
        esp_export_trial_csv(trial, &writer->text);
    }
    return flush_rows(writer, FLUSH_BYTES);
}

static int write_point(void *context, const struct esp_event *report)
{
    struct writer *writer = context;
    if (writer->jsonl) {
        esp_export_point_json(report, &writer->text);
    } else {
        esp_export_point_csv(report, &writer->text);
    }
    return flush_rows(writer, FLUSH_BYTES);
}

static int export_rows(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct writer writer = {.error = error, .jsonl = strcmp(arguments->format, "jsonl") == 0};
    int rc = esp_ledger_open(arguments->operands[0], &ledger, error);
    if (rc < 0) {
        return esp_exit_of(rc);
    }
    if (arguments->curves) {
        if (!writer.jsonl) {
            esp_export_point_heading(&writer.text);
        }
        rc = esp_reader_curves(ledger.reader, -1, write_point, &writer, error);
    } else {
        if (!writer.jsonl) {
            esp_export_trial_heading(ledger.study, &writer.text);
        }
        rc = esp_reader_trials(ledger.reader, write_trial, &writer, error);
    }
    if (rc == 0) {
        flush_rows(&writer, 0);
    }
    esp_buffer_release(&writer.text);
    esp_ledger_close(&ledger);
    return writer.code != 0 ? writer.code : rc < 0 ? esp_exit_of(rc) : ESP_EXIT_DONE;
}

const struct esp_cli_verb esp_cli_row_export = {
    .name = "export",
    .operands = "DIR",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "Write all trials, or all loss curves, as CSV or JSON lines",
    .details = "The rows of trials have the columns trial, state, attempts, "
               "tokens, value, param.NAME for each parameter, repeats and seed. "
               "`repeats` is the trial whose settings this one repeats with "
               "another seed; it is empty for the first trial of a setting.\n"
               "\n"
               "The rows of curves (--curves) have the columns trial, step, "
               "tokens, train_loss, val_loss and device_seconds.",
    .options = {ESP_OPTION_FORMAT, ESP_OPTION_CURVES},
    .main = export_rows,
};
