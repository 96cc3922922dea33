#include "settings.h"

#include "money/price.h"

#include <assert.h>

void esp_core_setting_apply(struct esp_core *core, enum esp_live_setting setting, double value)
{
    assert(value > -0x1p53 && value <= 0x1p53); /* int64_t holds it exactly */
    switch (setting) {
    case ESP_LIVE_RUN_CAP:
        core->run_cap = (int64_t)value;
        break;
    case ESP_LIVE_WORKERS:
        core->workers = (int64_t)value;
        break;
    case ESP_LIVE_BUDGET_TOKENS:
        core->budget.tokens = value;
        break;
    case ESP_LIVE_BUDGET_HOURS:
        core->budget.seconds = value * ESP_SECONDS_PER_HOUR;
        break;
    case ESP_LIVE_BUDGET_USD:
        core->budget.usd = value;
        break;
    case ESP_LIVE_COUNT:
        assert(false);
    }
}
