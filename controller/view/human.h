/* Numbers as people read them, and the width of text on a terminal. */
#ifndef ESPALIER_VIEW_HUMAN_H
#define ESPALIER_VIEW_HUMAN_H

#include "buffer.h"

#include <espalier/trainer.h>

void esp_human_value(struct esp_buffer *text, const struct esp_value *value); /* 4 digits */
void esp_human_count(struct esp_buffer *text, double count);     /* 950, 1.25M, 20.3G */
void esp_human_seconds(struct esp_buffer *text, double seconds); /* 3.2 s, 4 min 10 s */

/* Appends words with line breaks so that no line is longer than `width`, unless a word is. The
 * first line continues one that has `column` columns; the others are indented. Ends with a line
 * break. */
void esp_human_wrapped(
    struct esp_buffer *text, const char *words, int column, int indent, int width);

/* Terminal columns that a UTF-8 string takes, in the locale's character set. */
int esp_human_width(const char *string);

#endif
