#include <espalier/limits.h>
#include <espalier/live_setting.h>
#include <math.h>
#include <string.h>

/* A double holds whole numbers exactly up to here. */
#define TOKENS_MAX 0x1p53

const struct esp_live_setting_row esp_live_settings[ESP_LIVE_COUNT] = {
    [ESP_LIVE_RUN_CAP] = {"run_cap",
                          true,
                          ESP_TRIALS_MAX,
                          "run_cap must be a whole number of trials from 0 to 1048576"},
    [ESP_LIVE_WORKERS] = {"workers",
                          true,
                          ESP_PROCESSES_MAX,
                          "workers must be a whole number of processes from 0 to 4096"},
    [ESP_LIVE_BUDGET_TOKENS] = {"budget.tokens",
                                false,
                                TOKENS_MAX,
                                "budget.tokens must be a number of tokens from 0 to 9e15"},
    [ESP_LIVE_BUDGET_HOURS] = {"budget.hours",
                               false,
                               1e9,
                               "budget.hours must be a number of hours from 0 to 1e9"},
    [ESP_LIVE_BUDGET_USD] = {"budget.usd",
                             false,
                             1e12,
                             "budget.usd must be a number of dollars from 0 to 1e12"},
};

_Static_assert(ESP_TRIALS_MAX == 1048576 && ESP_PROCESSES_MAX == 4096, "as the rules say");

int esp_live_setting_find(const char *name)
{
    for (int i = 0; name && i < ESP_LIVE_COUNT; i++) {
        if (strcmp(name, esp_live_settings[i].name) == 0) {
            return i;
        }
    }
    return -1;
}

bool esp_live_setting_allows(enum esp_live_setting setting, double value)
{
    const struct esp_live_setting_row *row = &esp_live_settings[setting];
    return value >= 0 && value <= row->max && (!row->integer || value == floor(value));
}
