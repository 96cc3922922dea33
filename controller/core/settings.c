/* Settings of a study that can be changed while it runs. */
#include "settings.h"

#include "money/price.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* Values that a member can hold exactly: int64_t is converted from a double. */
#define VALUE_MAX 0x1p53

static const struct esp_core_setting settings[] = {
    {"run_cap", true, ESP_TRIALS_MAX, 1, offsetof(struct esp_core, run_cap)},
    {"workers", true, ESP_PROCESSES_MAX, 1, offsetof(struct esp_core, workers)},
    {"budget.tokens", false, VALUE_MAX, 1, offsetof(struct esp_core, budget.tokens)},
    {"budget.hours",
     false,
     1e9,
     ESP_SECONDS_PER_HOUR,
     offsetof(struct esp_core, budget.seconds)},
    {"budget.usd", false, 1e12, 1, offsetof(struct esp_core, budget.usd)},
};

const struct esp_core_setting *esp_core_setting_find(const char *name)
{
    for (size_t i = 0; name && i < sizeof settings / sizeof settings[0]; i++) {
        if (strcmp(name, settings[i].name) == 0) {
            return &settings[i];
        }
    }
    return NULL;
}

void esp_core_setting_apply(struct esp_core *core,
                            const struct esp_core_setting *setting,
                            double value)
{
    assert(value > -VALUE_MAX && value < VALUE_MAX);
    void *member = (char *)core + setting->offset;
    if (setting->integer) {
        *(int64_t *)member = (int64_t)value;
    } else {
        *(double *)member = value * setting->scale;
    }
}
