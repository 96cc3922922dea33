/* The settings that have a trial, by their values: a hash table, so that a look-up does not
 * depend on the number of trials.
 *
 * Values are canonical (setting_space.h): equal settings have equal bits. Nothing is ever
 * listed in the order of the hashes. */
#ifndef ESPALIER_SEARCH_KNOWN_SETTINGS_H
#define ESPALIER_SEARCH_KNOWN_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

struct esp_known_settings {
    double *values;   /* [count, params] */
    uint32_t *trials; /* [count] the last trial with these values */
    uint32_t count, capacity;
    uint32_t *slots; /* [slot_count] 1 + index of a setting; 0: free */
    uint32_t slot_count;
};

void esp_known_settings_release(struct esp_known_settings *known);
/* Adds the setting of a trial, whose number is above all earlier ones; true: it is new. */
bool esp_known_settings_add(struct esp_known_settings *known,
                            int params,
                            const double *values,
                            uint32_t trial);
/* The last trial with these values; -1: none. */
int64_t esp_known_settings_find(const struct esp_known_settings *known,
                                int params,
                                const double *values);

#endif
