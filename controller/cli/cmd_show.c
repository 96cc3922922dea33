/* espalier show: one trial in full. */
#include "../view/detail.h"
#include "output.h"
#include "verb.h"

static int show(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct esp_buffer out = {0};
    int64_t trial = -1;
    int rc = esp_arguments_trial(arguments->operands[1], &trial, error);
    rc = rc < 0 ? rc : esp_ledger_open(arguments->operands[0], &ledger, error);
    if (rc == 0) {
        rc = arguments->json ? esp_detail_json(&ledger, trial, &out, error)
                             : esp_detail_text(&ledger, trial, &out, error);
    }
    int code = rc < 0 ? esp_exit_of(rc) : esp_print(&out, error);
    esp_buffer_release(&out);
    esp_ledger_close(&ledger);
    return code;
}

const struct esp_cli_verb esp_cli_row_show = {
    .name = "show",
    .operands = "DIR TRIAL",
    .operand_min = 2,
    .operand_max = 2,
    .summary = "Show one trial: settings, history, checkpoints, failures, notes",
    .options = {ESP_OPTION_JSON},
    .main = show,
};
