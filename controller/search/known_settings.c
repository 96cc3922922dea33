#include "known_settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 64
/* Slots per setting at least: half of them stay free. */
#define SLOTS_PER_SETTING 2

void esp_known_settings_release(struct esp_known_settings *known)
{
    free(known->values);
    free(known->trials);
    free(known->slots);
    *known = (struct esp_known_settings){0};
}

/* The finaliser of SplitMix64 (Steele et al., OOPSLA 2014) over the bits of each value. */
static uint64_t hash_of(int params, const double *values)
{
    uint64_t hash = 0;
    for (int i = 0; i < params; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        hash += bits + 0x9e3779b97f4a7c15u;
        hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
        hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
        hash ^= hash >> 31;
    }
    return hash;
}

/* The slot of these values, or the free one where they belong. */
static uint32_t
slot_of(const struct esp_known_settings *known, int params, const double *values)
{
    size_t width = (size_t)params;
    uint32_t mask = known->slot_count - 1;
    uint32_t slot = (uint32_t)hash_of(params, values) & mask;
    while (known->slots[slot] && memcmp(&known->values[(known->slots[slot] - 1) * width],
                                        values,
                                        width * sizeof *values) != 0) {
        slot = (slot + 1) & mask;
    }
    return slot;
}

static void grow(struct esp_known_settings *known, int params)
{
    uint32_t capacity = known->capacity ? known->capacity * 2 : CAPACITY_MIN;
    size_t width = (size_t)params;
    known->values = realloc(known->values, (capacity * width + 1) * sizeof *known->values);
    known->trials = realloc(known->trials, capacity * sizeof *known->trials);
    free(known->slots);
    known->slot_count = capacity * SLOTS_PER_SETTING;
    known->slots = calloc(known->slot_count, sizeof *known->slots);
    assert(known->values && known->trials && known->slots);
    known->capacity = capacity;
    for (uint32_t i = 0; i < known->count; i++) {
        known->slots[slot_of(known, params, &known->values[i * width])] = i + 1;
    }
}

bool esp_known_settings_add(struct esp_known_settings *known,
                            int params,
                            const double *values,
                            uint32_t trial)
{
    if (known->count == known->capacity) {
        grow(known, params);
    }
    uint32_t slot = slot_of(known, params, values);
    if (known->slots[slot]) {
        known->trials[known->slots[slot] - 1] = trial;
        return false;
    }
    memcpy(
        &known->values[known->count * (size_t)params], values, (size_t)params * sizeof *values);
    known->trials[known->count] = trial;
    known->slots[slot] = ++known->count;
    return true;
}

int64_t esp_known_settings_find(const struct esp_known_settings *known,
                                int params,
                                const double *values)
{
    if (known->count == 0) {
        return -1;
    }
    uint32_t at = known->slots[slot_of(known, params, values)];
    return at ? (int64_t)known->trials[at - 1] : -1;
}
