/* SET: settings of the study. */
#include "command.h"
#include "record.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

static struct esp_command_result refuse(int32_t code, const char *text)
{
    return (struct esp_command_result){code, 0, text};
}

/* A message about what is wrong with one setting, or NULL. */
static const char *setting_fault(const struct esp_setting *setting)
{
    static const struct {
        const char *name;
        bool integer;
        double max;
    } known[] = {{"run_cap", true, ESP_TRIALS_MAX},
                 {"workers", true, ESP_PROCESSES_MAX},
                 {"budget.tokens", false, 0x1p53},
                 {"budget.hours", false, 1e9},
                 {"budget.usd", false, 1e12}};
    const struct esp_value *value = &setting->value;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!setting->name || strcmp(setting->name, known[i].name) != 0) {
            continue;
        }
        if (value->type != ESP_VALUE_REAL && value->type != ESP_VALUE_INTEGER) {
            return "a setting's value is not a number";
        }
        if (!(value->real >= 0 && value->real <= known[i].max)) {
            return "a setting's value is out of range";
        }
        if (known[i].integer && value->real != floor(value->real)) {
            return "run_cap and workers are whole numbers";
        }
        return NULL;
    }
    return "settings are run_cap, workers, budget.tokens, budget.hours and budget.usd";
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
        struct esp_event event = esp_event_of(ESP_EVENT_CHANGED);
        event.changed = (struct esp_event_changed){.setting = c->settings[i].name,
                                                   .value = c->settings[i].value.real};
        esp_record(core, &event);
    }
    return refuse(0, NULL);
}
