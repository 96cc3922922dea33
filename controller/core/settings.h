/* Settings of a study that can be changed while it runs. */
#ifndef ESPALIER_CORE_SETTINGS_H
#define ESPALIER_CORE_SETTINGS_H

#include "state.h"

struct esp_core_setting {
    const char *name;
    bool integer;
    double max;    /* the largest value that a command may set; the smallest is 0 */
    double scale;  /* of the member: 1, or seconds per hour */
    size_t offset; /* of the member in struct esp_core: int64_t when integer, else double */
};

/* NULL: there is no such setting. */
const struct esp_core_setting *esp_core_setting_find(const char *name);

void esp_core_setting_apply(struct esp_core *core,
                            const struct esp_core_setting *setting,
                            double value);

#endif
