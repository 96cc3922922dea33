/* Where the core keeps the settings that can be changed while a study runs. */
#ifndef ESPALIER_CORE_SETTINGS_H
#define ESPALIER_CORE_SETTINGS_H

#include "state.h"

#include <espalier/live_setting.h>

/* Sets a value that esp_live_setting_allows, or one of an older ledger. */
void esp_core_setting_apply(struct esp_core *core, enum esp_live_setting setting, double value);

#endif
