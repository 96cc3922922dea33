/* espalier set: changes run_cap, workers or a budget of a study. */
#include "../client/client.h"
#include "verb.h"

#include <espalier/live_setting.h>
#include <espalier/suggest.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTINGS_MAX 16

static int
read_setting(const char *text, char *name, struct esp_setting *out, struct esp_error *error)
{
    size_t length = strcspn(text, "=");
    if (text[length] != '=' || length >= ESP_NAME_MAX) {
        return esp_error_set(
            error, -1, "set: %s: expected NAME=VALUE, for example run_cap=40.", text);
    }
    snprintf(name, ESP_NAME_MAX, "%.*s", (int)length, text);
    int known = esp_live_setting_find(name);
    if (known < 0) {
        const char *names[ESP_LIVE_COUNT];
        for (int i = 0; i < ESP_LIVE_COUNT; i++) {
            names[i] = esp_live_settings[i].name;
        }
        const char *near = esp_suggest(name, names, ESP_LIVE_COUNT);
        return esp_error_set(
            error,
            -1,
            "set: \"%s\" cannot be changed%s%s%s The names are " ESP_LIVE_SETTING_NAMES ".",
            name,
            near ? "; did you mean \"" : ".",
            near ? near : "",
            near ? "\"?" : "");
    }
    char *end = NULL;
    double value = strtod(text + length + 1, &end);
    if (end == text + length + 1 || *end ||
        !esp_live_setting_allows((enum esp_live_setting)known, value)) {
        return esp_error_set(error, -1, "set: %s: %s.", text, esp_live_settings[known].rule);
    }
    *out = (struct esp_setting){
        .name = name,
        .value = {.type = ESP_VALUE_REAL, .real = value, .integer = (int64_t)value}};
    return 0;
}

static int set(const struct esp_arguments *arguments, struct esp_error *error)
{
    static char words[SETTINGS_MAX][ESP_NAME_MAX];
    struct esp_setting settings[SETTINGS_MAX];
    char answer[ESP_MESSAGE_TEXT_MAX];
    int count = arguments->operand_count - 1;
    for (int i = 0; i < count; i++) {
        if (read_setting(arguments->operands[1 + i], words[i], &settings[i], error) < 0) {
            return ESP_EXIT_USAGE;
        }
    }
    struct esp_command command = {
        .verb = ESP_VERB_SET,
        .settings = settings,
        .setting_count = (uint32_t)count,
    };
    if (esp_client_command(arguments->operands[0], &command, answer, error) < 0) {
        return ESP_EXIT_FAILURE;
    }
    fprintf(stderr, "espalier: %s\n", answer[0] ? answer : "done.");
    return ESP_EXIT_DONE;
}

const struct esp_cli_verb esp_cli_row_set = {
    .name = "set",
    .operands = "DIR NAME=VALUE…",
    .operand_min = 2,
    .operand_max = 16,
    .summary = "Change run_cap, workers or a budget of a study",
    .details = "The names are " ESP_LIVE_SETTING_NAMES
               ". The study may be running or not; a search that has "
               "ended continues with `espalier resume DIR`.\n"
               "  espalier set runs/quickstart run_cap=40 budget.hours=2",
    .main = set,
};
