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
