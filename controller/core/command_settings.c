/* SET: settings of the study. */
#include "command.h"
#include "record.h"
#include "settings.h"

#include <assert.h>
#include <errno.h>

static struct esp_command_result refuse(int32_t code, const char *text)
{
    return (struct esp_command_result){code, 0, text};
}

/* The fault of one setting, or NULL. */
static const char *setting_fault(const struct esp_setting *setting)
{
    int known = esp_live_setting_find(setting->name);
    const struct esp_value *value = &setting->value;
    if (known < 0) {
        return "settings are " ESP_LIVE_SETTING_NAMES;
    }
    if (value->type != ESP_VALUE_REAL && value->type != ESP_VALUE_INTEGER) {
        return "a setting's value is not a number";
    }
    return esp_live_setting_allows((enum esp_live_setting)known, value->real)
               ? NULL
               : esp_live_settings[known].rule;
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
        if (esp_live_setting_find(c->settings[i].name) == ESP_LIVE_BUDGET_USD &&
            !(core->budget.price_per_hour > 0)) {
            return refuse(-EINVAL, "budget.usd needs budget.price_per_hour in the study");
        }
    }
    for (uint32_t i = 0; i < c->setting_count; i++) {
        esp_record_changed(core, c->settings[i].name, c->settings[i].value.real);
    }
    return refuse(0, NULL);
}
