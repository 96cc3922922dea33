#include "trial_status.h"

static const enum esp_trial_status statuses[ESP_TRIAL_STATE_COUNT] = {
    [ESP_TRIAL_QUEUED] = ESP_TRIAL_STATUS_QUEUED,
    [ESP_TRIAL_ASSIGNED] = ESP_TRIAL_STATUS_RUNNING,
    [ESP_TRIAL_RUNNING] = ESP_TRIAL_STATUS_RUNNING,
    [ESP_TRIAL_PAUSING] = ESP_TRIAL_STATUS_RUNNING,
    [ESP_TRIAL_PAUSED] = ESP_TRIAL_STATUS_PAUSED,
    [ESP_TRIAL_STOPPING] = ESP_TRIAL_STATUS_RUNNING,
    [ESP_TRIAL_COMPLETE] = ESP_TRIAL_STATUS_COMPLETE,
    [ESP_TRIAL_PRUNED] = ESP_TRIAL_STATUS_PRUNED,
    [ESP_TRIAL_STOPPED] = ESP_TRIAL_STATUS_STOPPED,
    [ESP_TRIAL_FAILED] = ESP_TRIAL_STATUS_FAILED,
};

static const char *const names[ESP_TRIAL_STATUS_COUNT] = {
    [ESP_TRIAL_STATUS_QUEUED] = "queued",
    [ESP_TRIAL_STATUS_RUNNING] = "running",
    [ESP_TRIAL_STATUS_PAUSED] = "paused",
    [ESP_TRIAL_STATUS_COMPLETE] = "complete",
    [ESP_TRIAL_STATUS_PRUNED] = "pruned",
    [ESP_TRIAL_STATUS_FAILED] = "failed",
    [ESP_TRIAL_STATUS_STOPPED] = "stopped",
};

enum esp_trial_status esp_trial_status_of(enum esp_trial_state state)
{
    return state < ESP_TRIAL_STATE_COUNT ? statuses[state] : ESP_TRIAL_STATUS_COUNT;
}

const char *esp_trial_status_name(enum esp_trial_status status)
{
    return status < ESP_TRIAL_STATUS_COUNT ? names[status] : "?";
}

const char *esp_trial_state_words(enum esp_trial_state state)
{
    return esp_trial_status_name(esp_trial_status_of(state));
}
