/* The memory of an outcome (struct esp_outcome in core.h): its events, its effects and an arena
 * for what they point to. */
#ifndef ESPALIER_CORE_OUTCOME_H
#define ESPALIER_CORE_OUTCOME_H

#include "core.h"

/* A copy of `size` bytes (of uninitialised memory when `data` is NULL) that lives as long as
 * the outcome; NULL: out of memory. */
void *esp_outcome_keep(struct esp_outcome *outcome, const void *data, size_t size);

/* A copy of at most `size_max` - 1 bytes of text; NULL for NULL or when out of memory. */
const char *esp_outcome_text(struct esp_outcome *outcome, const char *text, size_t size_max);

/* Append; 0 or -ENOMEM. */
int esp_outcome_event(struct esp_outcome *outcome, const struct esp_event *event);
int esp_outcome_effect(struct esp_outcome *outcome, const struct esp_effect *effect);

#endif
