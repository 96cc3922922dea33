/* espalier note: adds a note to a trial or to the study. */
#include "../client/client.h"
#include "verb.h"

#include <stdio.h>
#include <string.h>

static int add_note(const struct esp_arguments *arguments, struct esp_error *error)
{
    char answer[ESP_MESSAGE_TEXT_MAX];
    bool on_trial = arguments->operand_count == 3;
    const char *text = arguments->operands[on_trial ? 2 : 1];
    int64_t number = 0;
    if (on_trial && esp_arguments_trial(arguments->operands[1], &number, error) < 0) {
        return ESP_EXIT_USAGE;
    }
    if (strlen(text) == 0 || strlen(text) >= ESP_MESSAGE_TEXT_MAX) {
        esp_error_set(
            error, 0, "note: the text must have 1 to %d bytes.", ESP_MESSAGE_TEXT_MAX - 1);
        return ESP_EXIT_USAGE;
    }
    uint32_t trial = (uint32_t)number;
    struct esp_command command = {
        .verb = ESP_VERB_NOTE,
        .trials = &trial,
        .trial_count = on_trial ? 1 : 0,
        .text = text,
    };
    if (esp_client_command(arguments->operands[0], &command, answer, error) < 0) {
        return ESP_EXIT_FAILURE;
    }
    fprintf(stderr, "espalier: note added.\n");
    return ESP_EXIT_DONE;
}

const struct esp_cli_verb esp_cli_row_note = {
    .name = "note",
    .operands = "DIR [TRIAL] TEXT",
    .operand_min = 2,
    .operand_max = 3,
    .summary = "Add a note to a trial, or to the study",
    .details = "`espalier show` prints the notes of a trial.",
    .main = add_note,
};
