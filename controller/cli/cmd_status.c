/* espalier status: the state of a study in a few lines, or as JSON. */
#include "../view/status.h"
#include "output.h"
#include "verb.h"

static int print_status(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct esp_status status = {0};
    struct esp_buffer out = {0};
    int code;
    int rc = esp_ledger_open(arguments->operands[0], &ledger, error);
    rc = rc < 0 ? rc : esp_status_read(&ledger, &status, error);
    if (rc < 0) {
        code = esp_exit_of(rc);
        goto out;
    }
    if (arguments->json) {
        esp_status_json(&status, &out);
    } else {
        esp_status_text(&status, &out);
    }
    code = esp_print(&out, error);
out:
    esp_buffer_release(&out);
    esp_status_release(&status);
    esp_ledger_close(&ledger);
    return code;
}

const struct esp_cli_verb esp_cli_row_status = {
    .name = "status",
    .operands = "DIR",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "Show the state, best setting and cost of a study",
    .options = {ESP_OPTION_JSON},
    .main = print_status,
};
