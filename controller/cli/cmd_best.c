/* espalier best: the best settings, best first. */
#include "../system/terminal.h"
#include "../view/best.h"
#include "../view/ties.h"
#include "../view/trials_table.h"
#include "output.h"
#include "verb.h"

static int print_best(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct esp_best best = {0};
    struct esp_buffer out = {0};
    struct esp_tie tie = {0};
    struct esp_reader_totals totals;
    int code;
    int rc = esp_ledger_open(arguments->operands[0], &ledger, error);
    rc = rc < 0 ? rc : esp_best_load(&ledger, arguments->count, &best, error);
    rc = rc < 0 ? rc : esp_reader_totals(ledger.reader, &totals, error);
    rc = rc < 0 ? rc : esp_tie_load(&ledger, &totals, &tie, error);
    if (rc < 0) {
        code = esp_exit_of(rc);
        goto out;
    }
    if (arguments->json) {
        esp_best_json(&best, &out);
    } else if (best.rows.count > 0) {
        int width = esp_terminal_width(stdout);
        esp_trials_table(&ledger, &best.rows, &best, width, esp_terminal_color(stdout), &out);
        esp_tie_words(&tie, arguments->operands[0], &ledger, &out);
    }
    code = esp_print(&out, error);
    if (code == 0 && best.rows.count == 0) {
        esp_error_set(error, 0, "no trial has a finite value yet.");
        code = ESP_EXIT_NO_TRIAL;
    }
out:
    esp_buffer_release(&out);
    esp_best_release(&best);
    esp_ledger_close(&ledger);
    return code;
}

const struct esp_cli_verb esp_cli_row_best = {
    .name = "best",
    .operands = "DIR",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "List the best settings of a study",
    .details = "Settings whose training reached the horizon are ranked by the "
               "value there, the best first; a setting that was trained with "
               "several seeds is ranked by the mean. Before any trial has reached "
               "the horizon, all trials are ranked by their last value.\n"
               "\n"
               "Settings that differ from the best one by less than seed noise are "
               "named below the table.\n"
               "\n"
               "The exit code is 3 while no trial has a value.",
    .options = {ESP_OPTION_NUMBER, ESP_OPTION_JSON},
    .main = print_best,
};
