/* espalier watch: a table that updates while the study changes. */
#include "../system/terminal.h"
#include "../view/overview.h"
#include "../watch/live.h"
#include "output.h"
#include "verb.h"

static int watch(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct esp_buffer text = {0};
    int code;
    int rc = esp_ledger_open(arguments->operands[0], &ledger, error);
    if (rc == 0 && esp_terminal_is(stdout) && !arguments->once) {
        rc = esp_live_run(&ledger, (int64_t)(arguments->interval * 1000), error);
    } else if (rc == 0) {
        rc = esp_overview_text(
            &ledger, esp_terminal_width(stdout), 0, esp_terminal_color(stdout), &text, error);
    }
    code = rc < 0 ? esp_exit_of(rc) : esp_print(&text, error);
    esp_buffer_release(&text);
    esp_ledger_close(&ledger);
    return code;
}

const struct esp_cli_verb esp_cli_row_watch = {
    .name = "watch",
    .operands = "DIR",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "Follow a study in a table that updates until you press q",
    .details = "If stdout is not a terminal, the table is printed once.",
    .options = {ESP_OPTION_INTERVAL, ESP_OPTION_ONCE},
    .main = watch,
};
