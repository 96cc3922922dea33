/* The seven states of a trial that people and --json see. A trial that is assigned, pausing or
 * stopping counts as running; one that the user holds counts as paused. */
#ifndef ESPALIER_VIEW_TRIAL_STATUS_H
#define ESPALIER_VIEW_TRIAL_STATUS_H

#include <espalier/event.h>

/* In the order in which counts are shown. */
enum esp_trial_status {
    ESP_TRIAL_STATUS_QUEUED,
    ESP_TRIAL_STATUS_RUNNING,
    ESP_TRIAL_STATUS_PAUSED,
    ESP_TRIAL_STATUS_COMPLETE,
    ESP_TRIAL_STATUS_PRUNED,
    ESP_TRIAL_STATUS_FAILED,
    ESP_TRIAL_STATUS_STOPPED,
    ESP_TRIAL_STATUS_COUNT,
};

enum esp_trial_status esp_trial_status_of(enum esp_trial_state state);

/* "running" and the like: stable words, used in --json and exports. */
const char *esp_trial_status_name(enum esp_trial_status status);

/* The name of a state's status. */
const char *esp_trial_state_words(enum esp_trial_state state);

#endif
