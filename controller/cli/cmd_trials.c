/* espalier stop, pause, continue and extend: commands on trials, sent to the controller or
 * recorded for the next one. */
#include "../client/client.h"
#include "../view/human.h"
#include "../view/ledger.h"
#include "../view/rows.h"
#include "output.h"
#include "verb.h"

#include <stdio.h>
#include <string.h>

/* Prints until how many tokens each continued trial trains now. */
static int
print_until(const char *dir, const uint32_t *trials, uint32_t count, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct esp_buffer words = {0};
    int rc = esp_ledger_open(dir, &ledger, error);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        struct esp_rows rows = {0};
        rc = esp_rows_one(ledger.reader, trials[i], &rows, error);
        if (rc == 0 && rows.trials[0].until > 0) {
            esp_buffer_addf(&words, "espalier: #%u trains until ", (unsigned)trials[i]);
            esp_human_count(&words, (double)rows.trials[0].until);
            esp_buffer_add(&words, " tokens\n");
        }
        esp_rows_release(&rows);
    }
    fputs(esp_buffer_get(&words), stderr);
    esp_buffer_release(&words);
    esp_ledger_close(&ledger);
    return rc < 0 ? esp_exit_of(rc) : ESP_EXIT_DONE;
}

static int send_command(const struct esp_arguments *arguments,
                        enum esp_command_verb verb,
                        struct esp_error *error)
{
    uint32_t trials[ESP_COMMAND_TRIALS_MAX];
    char answer[ESP_MESSAGE_TEXT_MAX];
    int count = arguments->operand_count - 1;
    for (int i = 0; i < count; i++) {
        int64_t trial;
        if (esp_arguments_trial(arguments->operands[1 + i], &trial, error) < 0) {
            return ESP_EXIT_USAGE;
        }
        trials[i] = (uint32_t)trial;
    }
    struct esp_setting tokens = {
        .name = "tokens",
        .value = {.type = ESP_VALUE_INTEGER,
                  .integer = arguments->tokens,
                  .real = (double)arguments->tokens},
    };
    struct esp_command command = {
        .verb = verb,
        .trials = trials,
        .trial_count = (uint32_t)count,
        .settings = arguments->tokens > 0 ? &tokens : NULL,
        .setting_count = arguments->tokens > 0 ? 1 : 0,
    };
    if (esp_client_command(arguments->operands[0], &command, answer, error) < 0) {
        return ESP_EXIT_FAILURE;
    }
    fprintf(stderr, "espalier: %s\n", answer[0] ? answer : "done.");
    if (command.verb == ESP_VERB_CONTINUE) {
        return print_until(arguments->operands[0], trials, command.trial_count, error);
    }
    return ESP_EXIT_DONE;
}

static int run_stop(const struct esp_arguments *arguments, struct esp_error *error)
{
    return send_command(arguments, ESP_VERB_STOP, error);
}

const struct esp_cli_verb esp_cli_row_stop = {
    .name = "stop",
    .operands = "DIR TRIAL…",
    .operand_min = 2,
    .operand_max = 1 + ESP_COMMAND_TRIALS_MAX,
    .summary = "Stop trials, keeping their values and checkpoints",
    .details = "The search does not train them further; `espalier continue` does.",
    .main = run_stop,
};

static int run_pause(const struct esp_arguments *arguments, struct esp_error *error)
{
    return send_command(arguments, ESP_VERB_PAUSE, error);
}

const struct esp_cli_verb esp_cli_row_pause = {
    .name = "pause",
    .operands = "DIR TRIAL…",
    .operand_min = 2,
    .operand_max = 1 + ESP_COMMAND_TRIALS_MAX,
    .summary = "Pause trials until you continue them",
    .details = "A checkpoint is saved first. The search does not continue these "
               "trials by itself; `espalier continue` does.",
    .main = run_pause,
};

static int run_continue(const struct esp_arguments *arguments, struct esp_error *error)
{
    return send_command(arguments, ESP_VERB_CONTINUE, error);
}

const struct esp_cli_verb esp_cli_row_continue = {
    .name = "continue",
    .operands = "DIR TRIAL…",
    .operand_min = 2,
    .operand_max = 1 + ESP_COMMAND_TRIALS_MAX,
    .summary = "Continue trials that were paused, stopped or pruned",
    .details = "Training continues from the last checkpoint of each trial.",
    .main = run_continue,
};

static int run_extend(const struct esp_arguments *arguments, struct esp_error *error)
{
    return send_command(arguments, ESP_VERB_EXTEND, error);
}

const struct esp_cli_verb esp_cli_row_extend = {
    .name = "extend",
    .operands = "DIR TRIAL…",
    .operand_min = 2,
    .operand_max = 1 + ESP_COMMAND_TRIALS_MAX,
    .summary = "Train trials beyond their horizon (not supported yet)",
    .details = "Not supported yet: the controller refuses it.",
    .options = {ESP_OPTION_HORIZON},
    .main = run_extend,
};
