/* A repeat of a trial with another seed takes a trial number, but proposes nothing new:
 * samplers and schedulers, which count by trial, must not see it, or a grid would lose a point
 * and a Sobol sequence skip one. They count settings instead; this maps between the two.
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

/* Trial numbers are told in order: `trial` is above all earlier ones. */
void esp_setting_numbers_add_repeat(struct esp_setting_numbers *map, uint32_t trial);

bool esp_setting_numbers_is_repeat(const struct esp_setting_numbers *map, uint32_t trial);
/* The setting of a trial that is no repeat, and back. */
uint32_t esp_setting_numbers_to_setting(const struct esp_setting_numbers *map, uint32_t trial);
uint32_t esp_setting_numbers_to_trial(const struct esp_setting_numbers *map, uint32_t setting);

#endif
