/* A table for people: columns as wide as what they hold, numbers to the right. */
#ifndef ESPALIER_VIEW_COLUMNS_H
#define ESPALIER_VIEW_COLUMNS_H

#include "buffer.h"

#include <espalier/limits.h>

#define ESP_COLUMNS_MAX (ESP_PARAMS_MAX + 16)

struct esp_columns {
    int column_count;
    bool right[ESP_COLUMNS_MAX];
    char **cells; /* row by row, the headings first; owned */
    size_t cell_count, capacity;
    bool failed;
};

void esp_columns_head(struct esp_columns *table, const char *heading, bool right);
/* Cells fill rows from the left; the text is copied. */
void esp_columns_add(struct esp_columns *table, const char *cell);
__attribute__((format(printf, 2, 3))) void
esp_columns_addf(struct esp_columns *table, const char *format, ...);

/* Appends the table's lines; columns that do not fit into `width` are left out from the right
 * (0: no limit). */
void esp_columns_print(const struct esp_columns *table,
                       int width,
                       bool color,
                       struct esp_buffer *out);
void esp_columns_release(struct esp_columns *table);

#endif
