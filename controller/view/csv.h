/* Fields of CSV (RFC 4180): quoted where they hold a comma, a quote or a line end. */
#ifndef ESPALIER_VIEW_CSV_H
#define ESPALIER_VIEW_CSV_H

#include "buffer.h"

#include <espalier/trainer.h>

void esp_csv_string(struct esp_buffer *text, const char *string); /* NULL: an empty field */
/* As esp_json_real; NaN is an empty field, infinities are inf and -inf. */
void esp_csv_real(struct esp_buffer *text, double value);
void esp_csv_value(struct esp_buffer *text, const struct esp_value *value);

#endif
