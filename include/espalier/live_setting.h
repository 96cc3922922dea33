/* Settings of a study that can be changed while it runs: one row each. SET commands name them,
 * CHANGED events record them, and resuming with an edited study file compares them. */
#ifndef ESPALIER_LIVE_SETTING_H
#define ESPALIER_LIVE_SETTING_H

#include <stdbool.h>

enum esp_live_setting {
    ESP_LIVE_RUN_CAP,       /* trials in total */
    ESP_LIVE_WORKERS,       /* trial processes */
    ESP_LIVE_BUDGET_TOKENS, /* tokens */
    ESP_LIVE_BUDGET_HOURS,  /* device hours */
    ESP_LIVE_BUDGET_USD,    /* US dollars */
    ESP_LIVE_COUNT
};

struct esp_live_setting_row {
    const char *name; /* recorded in ledgers: never changes */
    bool integer;
    double max;       /* the smallest value is 0 */
    const char *rule; /* the range in words, for messages */
};

extern const struct esp_live_setting_row esp_live_settings[ESP_LIVE_COUNT];

/* Their names as a list in words, for messages. */
#define ESP_LIVE_SETTING_NAMES "run_cap, workers, budget.tokens, budget.hours and budget.usd"

/* The setting with this name; -1: there is none. */
int esp_live_setting_find(const char *name);

/* Whether the setting may have this value, which may be any double. */
bool esp_live_setting_allows(enum esp_live_setting setting, double value);

#endif
