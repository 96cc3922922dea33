/* What follows from a trainer's abilities alone. */
#include <espalier/study.h>

const char *esp_progress_name(enum esp_progress_unit unit)
{
    static const char *const names[] = {
        [ESP_PROGRESS_UNKNOWN] = "units",
        [ESP_PROGRESS_TOKENS] = "tokens",
        [ESP_PROGRESS_STEPS] = "steps",
        [ESP_PROGRESS_EPOCHS] = "epochs",
    };

    return names[unit];
}

enum esp_scheduler_type esp_study_scheduler(const struct esp_study *study)
{
    if (study->stopping.type != ESP_SCHEDULER_DEFAULT) {
        return study->stopping.type;
    }
    return study->abilities.can_save && study->abilities.horizon_known
               ? ESP_SCHEDULER_FREEZE_THAW
               : ESP_SCHEDULER_NONE;
}
