/* espalier best: the best trials, best first. */
#include "../system/terminal.h"
#include "../view/best.h"
#include "../view/results.h"
#include "../view/ties.h"
#include "output.h"
#include "verb.h"

#define BEST_DEFAULT 5

/* `value` is the named trial's own, as `ls` has it. Of a setting with repeats also `mean`, by
 * which it ranks, `seeds`, how many trainings are behind it, and `spread`, their standard
 * deviation. */
static void add_seeds(const struct esp_seeds *seeds, struct esp_buffer *out)
{
    if (seeds->count > 1) {
        esp_buffer_addf(out, ",\"seeds\":%u,\"mean\":", seeds->count);
        esp_buffer_json_real(out, seeds->mean);
        esp_buffer_add(out, ",\"spread\":");
        esp_buffer_json_real(out, esp_seeds_spread(seeds));
    }
}

static void add_json(const struct esp_best *best, struct esp_buffer *out)
{
    const struct esp_rows *rows = &best->rows;
    esp_buffer_add(out, "[");
    for (size_t i = 0; i < rows->count; i++) {
        const struct esp_reader_trial *trial = &rows->trials[i];
        esp_buffer_addf(
            out, "%s{\"trial\":%lld,\"value\":", i ? ",\n " : "", (long long)trial->trial);
        esp_buffer_json_real(out, trial->value);
        esp_buffer_addf(out,
                        ",\"tokens\":%lld,\"params\":",
                        (long long)(trial->tokens > 0 ? trial->tokens : 0));
        esp_rows_params_json(trial, out);
        add_seeds(&best->seeds[i], out);
        esp_buffer_add(out, "}");
    }
    esp_buffer_add(out, "]\n");
}

static int print_best(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct esp_best best = {0};
    struct esp_buffer out = {0};
    struct esp_tie tie = {0};
    struct esp_reader_totals totals;
    int code;
    int64_t limit = arguments->count > 0 ? arguments->count : BEST_DEFAULT;
    int rc = esp_ledger_open(arguments->operands[0], &ledger, error);
    rc = rc < 0 ? rc : esp_best_load(&ledger, limit, &best, error);
    rc = rc < 0 ? rc : esp_reader_totals(ledger.reader, &totals, error);
    rc = rc < 0 ? rc : esp_tie_load(&ledger, &totals, &tie, error);
    if (rc < 0) {
        code = esp_exit_of(rc);
        goto out;
    }
    if (arguments->json) {
        add_json(&best, &out);
    } else if (best.rows.count > 0) {
        int width = esp_terminal_width(stdout);
        esp_results_table(&ledger, &best.rows, &best, width, esp_terminal_color(stdout), &out);
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
