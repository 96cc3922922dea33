/* espalier stop, pause, continue and extend: commands on trials, sent to the controller or
 * recorded for the next one. */
#include "../client/client.h"
#include "../view/change.h"
#include "../view/ledger.h"
#include "../view/rows.h"
#include "output.h"
#include "verb.h"

#include <errno.h>
#include <stdio.h>

/* Appends the rows of trials; one that does not exist is left out. */
static int read_trials(const char *dir,
                       const struct esp_command *command,
                       struct esp_ledger *ledger,
                       struct esp_rows *rows,
                       struct esp_error *error)
{
    int rc = esp_ledger_open(dir, ledger, error);
    for (uint32_t i = 0; rc == 0 && i < command->trial_count; i++) {
        rc = esp_rows_one(ledger->reader, command->trials[i], rows, error);
        rc = rc == -ENOENT ? 0 : rc;
    }
    return rc;
}

/* Prints what became of each trial since `before`, the same trials in the same order. */
static int print_changes(const char *dir,
                         const struct esp_command *command,
                         const struct esp_rows *before,
                         struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct esp_rows after = {0};
    struct esp_buffer words = {0};
    int rc = read_trials(dir, command, &ledger, &after, error);
    for (size_t i = 0; rc == 0 && i < after.count; i++) {
        bool known = i < before->count && before->trials[i].trial == after.trials[i].trial;
        esp_buffer_add(&words, "espalier: ");
        esp_change_words(&ledger, known ? &before->trials[i] : NULL, &after.trials[i], &words);
        esp_buffer_add(&words, "\n");
    }
    fputs(esp_buffer_get(&words), stderr);
    esp_buffer_release(&words);
    esp_rows_release(&after);
    esp_ledger_close(&ledger);
    return rc;
}

/* Sends the command and prints what became of its trials. Where one of several was refused, the
 * others were not: they are printed too. */
static int send_and_print(const char *dir, struct esp_command *command, struct esp_error *error)
{
    char answer[ESP_MESSAGE_TEXT_MAX];
    struct esp_ledger ledger = {0};
    struct esp_rows before = {0};
    int code = ESP_EXIT_DONE;
    int rc = read_trials(dir, command, &ledger, &before, error);
    if (rc < 0) {
        code = esp_exit_of(rc);
    } else if (esp_client_command(dir, command, answer, error) < 0) {
        code = ESP_EXIT_FAILURE;
        if (command->trial_count > 1) {
            print_changes(dir, command, &before, NULL);
        }
    } else {
        rc = print_changes(dir, command, &before, error);
        code = rc < 0 ? esp_exit_of(rc) : ESP_EXIT_DONE;
        if (answer[0]) {
            fprintf(stderr, "espalier: %s\n", answer);
        }
    }
    esp_rows_release(&before);
    esp_ledger_close(&ledger);
    return code;
}

static int send_command(const struct esp_arguments *arguments,
                        enum esp_command_verb verb,
                        struct esp_error *error)
{
    uint32_t trials[ESP_COMMAND_TRIALS_MAX];
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
    return send_and_print(arguments->operands[0], &command, error);
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
