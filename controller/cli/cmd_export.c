/* espalier export: trials or curves for other programs. */
#include "../view/export.h"
#include "output.h"
#include "verb.h"

#include <assert.h>
#include <errno.h>

/* Where the rows go. A failed write ends the export, and its exit code is kept. */
struct output {
    struct esp_error *error;
    int code;
};

static int write_rows(void *context, const char *bytes, size_t size)
{
    struct output *output = context;
    output->code = esp_print_bytes(bytes, size, output->error);
    return output->code == ESP_EXIT_DONE ? 0 : -EPIPE;
}

static int export_rows(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct output output = {.error = error};
    const struct esp_export_format *format = esp_export_format_find(arguments->format);
    assert(format); /* one of the option's choices */
    int rc = esp_ledger_open(arguments->operands[0], &ledger, error);
    if (rc == 0) {
        rc = arguments->curves ? esp_export_points(&ledger, format, write_rows, &output, error)
                               : esp_export_trials(&ledger, format, write_rows, &output, error);
    }
    esp_ledger_close(&ledger);
    return output.code != ESP_EXIT_DONE ? output.code
           : rc < 0                     ? esp_exit_of(rc)
                                        : ESP_EXIT_DONE;
}

const struct esp_cli_verb esp_cli_row_export = {
    .name = "export",
    .operands = "DIR",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "Write all trials, or all loss curves, for other programs (--format)",
    .details =
        "The rows of trials have the columns trial, state, attempts, "
        "tokens, value, param.NAME for each parameter, repeats, seed, created, started, "
        "ended, device_seconds and usd. `repeats` is the trial that this one repeats with "
        "another seed; it is empty for the first trial of a setting. The times are in UTC. "
        "device_seconds and usd count all attempts; usd is empty unless the budget has "
        "price_per_hour.\n"
        "\n"
        "The rows of curves (--curves) have the columns trial, step, "
        "tokens, train_loss, val_loss and device_seconds.",
    .options = {ESP_OPTION_FORMAT, ESP_OPTION_CURVES},
    .main = export_rows,
};
