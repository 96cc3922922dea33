/* Planted bugs: switches of the test build that prove the tests bite.
 *
 * With -Dplants=true, ESPALIER_PLANT=NAME in the environment makes ESP_PLANT("NAME") true, and
 * the code there does the wrong thing. In every other build it is the constant false, and the
 * compiler drops the branch. */
#ifndef ESPALIER_PLANT_H
#define ESPALIER_PLANT_H

#include <stdbool.h>

#ifdef ESP_PLANTS
#include <stdlib.h>
#include <string.h>

static inline bool esp_plant(const char *name)
{
    static const char *planted;
    if (!planted) {
        const char *value = getenv("ESPALIER_PLANT");
        planted = value ? value : "";
    }
    return strcmp(planted, name) == 0;
}
#define ESP_PLANT(name) esp_plant(name)
#else
#define ESP_PLANT(name) false
#endif

#endif
