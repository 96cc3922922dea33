/* espalier best: the best trials, best first. */
#include "commands.h"
#include "results.h"
#include "term.h"

#define BEST_DEFAULT 5

static void add_json(const struct esp_rows *rows, struct esp_buffer *out)
{
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
        esp_buffer_add(out, "}");
    }
    esp_buffer_add(out, "]\n");
}

int esp_cmd_best(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct esp_rows rows = {0};
    struct esp_buffer out = {0};
    int code;
    int64_t limit = arguments->count > 0 ? arguments->count : BEST_DEFAULT;
    int rc = esp_ledger_open(arguments->operands[0], &ledger, error);
    rc = rc < 0 ? rc : esp_rows_best(ledger.reader, limit, &rows, error);
    if (rc < 0) {
        code = esp_exit_of(rc);
        goto out;
    }
    if (arguments->json) {
        add_json(&rows, &out);
    } else if (rows.count > 0) {
        int width = esp_term_width(stdout);
        esp_results_table(&ledger, &rows, width, esp_term_color(stdout), &out);
    }
    code = esp_print(&out, error);
    if (code == 0 && rows.count == 0) {
        esp_error_set(error, 0, "no trial has a finite value yet.");
        code = ESP_EXIT_NO_TRIAL;
    }
out:
    esp_buffer_release(&out);
    esp_rows_release(&rows);
    esp_ledger_close(&ledger);
    return code;
}
