#include "setting_numbers.h"

#include <assert.h>
#include <stdlib.h>

void esp_setting_numbers_release(struct esp_setting_numbers *map)
{
    free(map->repeats);
    *map = (struct esp_setting_numbers){0};
}

void esp_setting_numbers_add_repeat(struct esp_setting_numbers *map, uint32_t trial)
{
    assert(map->count == 0 || map->repeats[map->count - 1] < trial);
    if (map->count == map->capacity) {
        map->capacity = map->capacity ? map->capacity * 2 : 8;
        map->repeats = realloc(map->repeats, map->capacity * sizeof *map->repeats);
        assert(map->repeats);
    }
    map->repeats[map->count++] = trial;
}

/* Number of repeats with a number below `trial`. */
static uint32_t below(const struct esp_setting_numbers *map, uint32_t trial)
{
    uint32_t low = 0, high = map->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (map->repeats[middle] < trial) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool esp_setting_numbers_is_repeat(const struct esp_setting_numbers *map, uint32_t trial)
{
    uint32_t at = below(map, trial);
    return at < map->count && map->repeats[at] == trial;
}

uint32_t esp_setting_numbers_to_setting(const struct esp_setting_numbers *map, uint32_t trial)
{
    return trial - below(map, trial);
}

/* Repeat k comes before setting s when repeats[k] - k <= s; the left side grows with k. */
uint32_t esp_setting_numbers_to_trial(const struct esp_setting_numbers *map, uint32_t setting)
{
    uint32_t low = 0, high = map->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (map->repeats[middle] - middle <= setting) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return setting + low;
}
