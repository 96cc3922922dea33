/* SET: settings of the study. */
#include "command.h"
#include "record.h"
#include "settings.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

static struct esp_command_result refuse(int32_t code, const char *text)
{
    return (struct esp_command_result){code, 0, text};
}

/* The fault of one setting, or NULL. */
static const char *setting_fault(const struct esp_setting *setting)
{
    const struct esp_core_setting *known = esp_core_setting_find(setting->name);
    const struct esp_value *value = &setting->value;
    if (!known) {
        return "settings are run_cap, workers, budget.tokens, budget.hours and budget.usd";
    }
    if (value->type != ESP_VALUE_REAL && value->type != ESP_VALUE_INTEGER) {
        return "a setting's value is not a number";
    }
    if (!(value->real >= 0 && value->real <= known->max)) {
        return "a setting's value is out of range";
    }
    if (known->integer && value->real != floor(value->real)) {
        return "run_cap and workers are whole numbers";
    }
    return NULL;
}

struct esp_command_result esp_command_set(struct esp_core *core, const struct esp_command *c)
{
    if (c->setting_count == 0) {
        return refuse(-EINVAL, "no setting is named");
    }
    for (uint32_t i = 0; i < c->setting_count; i++) {
        const char *fault = setting_fault(&c->settings[i]);
        if (fault) {
            return refuse(-EINVAL, fault);
        }
        if (strcmp(c->settings[i].name, "budget.usd") == 0 &&
            !(core->budget.price_per_hour > 0)) {
            return refuse(-EINVAL, "a budget in usd needs budget.price_per_hour in the study");
        }
    }
    for (uint32_t i = 0; i < c->setting_count; i++) {
        esp_record_changed(core, c->settings[i].name, c->settings[i].value.real);
    }
    return refuse(0, NULL);
}
