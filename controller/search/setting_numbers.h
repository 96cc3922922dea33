/* Trial numbers and setting numbers.
 *
 * A repeat of a trial with another seed takes a trial number, but has no new settings. Samplers
 * and schedulers count by trial and must not see repeats: a grid would lose a point, and a
 * Sobol sequence would skip one. They count settings instead; this maps between the two.
 *
 *   trials    0 1 2 3 4r 5r 6      (r: a repeat)
 *   settings  0 1 2 3       4
 *
 * A lookup costs a logarithm of the number of repeats. */
#ifndef ESPALIER_SEARCH_SETTING_NUMBERS_H
#define ESPALIER_SEARCH_SETTING_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

struct esp_setting_numbers {
    uint32_t *repeats; /* trial numbers, ascending */
    uint32_t count, capacity;
};

void esp_setting_numbers_release(struct esp_setting_numbers *map);

/* Repeats are added in order: `trial` is above all earlier ones. */
void esp_setting_numbers_add_repeat(struct esp_setting_numbers *map, uint32_t trial);

bool esp_setting_numbers_is_repeat(const struct esp_setting_numbers *map, uint32_t trial);
/* The setting of a trial that is not a repeat, and the reverse. */
uint32_t esp_setting_numbers_to_setting(const struct esp_setting_numbers *map, uint32_t trial);
uint32_t esp_setting_numbers_to_trial(const struct esp_setting_numbers *map, uint32_t setting);

#endif
