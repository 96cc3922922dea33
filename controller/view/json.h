/* Values as JSON. */
#ifndef ESPALIER_VIEW_JSON_H
#define ESPALIER_VIEW_JSON_H

#include "buffer.h"

#include <espalier/trainer.h>

/* Appends a string of any bytes, quoted: control characters are escaped, and each byte that is
 * not UTF-8 becomes U+FFFD. NULL is null. */
void esp_json_string(struct esp_buffer *text, const char *string);

/* Appends a number with the fewest digits that read back as the same double. NaN and infinities
 * are null. */
void esp_json_real(struct esp_buffer *text, double value);

void esp_json_value(struct esp_buffer *text, const struct esp_value *value);

#endif
