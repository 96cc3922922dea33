/* espalier ls: every trial, one row each. */
#include "../system/terminal.h"
#include "../view/export.h"
#include "../view/trials_table.h"
#include "output.h"
#include "verb.h"

static int list_trials(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct esp_rows rows = {0};
    struct esp_buffer out = {0};
    int code;
    int rc = esp_ledger_open(arguments->operands[0], &ledger, error);
    rc = rc < 0 ? rc : esp_rows_load(ledger.reader, &rows, error);
    if (rc < 0) {
        code = esp_exit_of(rc);
        goto out;
    }
    if (arguments->json) {
        esp_buffer_add(&out, "[");
        for (size_t i = 0; i < rows.count; i++) {
            esp_buffer_add(&out, i ? ",\n " : "");
            esp_export_trial_json(&ledger.study->budget, &rows.trials[i], &out);
        }
        esp_buffer_add(&out, "]\n");
    } else {
        int width = esp_terminal_width(stdout);
        esp_trials_table(&ledger, &rows, NULL, width, esp_terminal_color(stdout), &out);
    }
    code = esp_print(&out, error);
out:
    esp_buffer_release(&out);
    esp_rows_release(&rows);
    esp_ledger_close(&ledger);
    return code;
}

const struct esp_cli_verb esp_cli_row_ls = {
    .name = "ls",
    .operands = "DIR",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "List all trials, one per row",
    .options = {ESP_OPTION_JSON},
    .main = list_trials,
};
