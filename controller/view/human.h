/* Numbers as people read them, and the width of text on a terminal. */
#ifndef ESPALIER_VIEW_HUMAN_H
#define ESPALIER_VIEW_HUMAN_H

#include "buffer.h"

#include <espalier/trainer.h>

void esp_human_value(struct esp_buffer *text, const struct esp_value *value); /* 4 digits */
void esp_human_count(struct esp_buffer *text, double count);     /* 950, 1.25M, 20.3G */
void esp_human_seconds(struct esp_buffer *text, double seconds); /* 3.2 s, 4 min 10 s */

/* Terminal columns that a UTF-8 string takes, in the locale's character set. */
int esp_human_width(const char *string);

#endif
