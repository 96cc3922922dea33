/* `early_terminate` as a section of the study file, from the registry of schedulers. */
#ifndef CONTROLLER_STUDY_STOPPING_SECTION_H
#define CONTROLLER_STUDY_STOPPING_SECTION_H

#include "../stop/registry.h"
#include "../stop/stopping_keys.h"

#include <espalier/study_section.h>

struct esp_stopping_section {
    struct esp_key_section section;
    struct esp_key keys[ESP_SECTION_KEYS_MAX];  /* `type`, then esp_stopping_keys */
    const char *words[ESP_SCHEDULER_NAMES_MAX]; /* of `type`; NULL-terminated */
    /* The first scheduler of each word. */
    const struct esp_scheduler_row *rows[ESP_SCHEDULER_NAMES_MAX];
};

/* Fills it in; pointers in it point into it, so it must not be copied. */
void esp_stopping_section_init(struct esp_stopping_section *out);

#endif
