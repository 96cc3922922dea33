/* A table for people: columns as wide as their widest cell, numbers aligned to the right. Rows
 * are never wrapped; columns that do not fit are left out and named below the table. */
#ifndef ESPALIER_VIEW_COLUMNS_H
#define ESPALIER_VIEW_COLUMNS_H

#include "buffer.h"

#include <espalier/limits.h>

#define ESP_COLUMNS_MAX (ESP_PARAMS_MAX + 16)

struct esp_columns {
    int column_count;
    bool right[ESP_COLUMNS_MAX];
    int rank[ESP_COLUMNS_MAX];
    char **cells; /* row by row, the headings first; owned */
    size_t cell_count, capacity;
    bool failed;
};

/* Adds a column, before any cell. Columns of a lower rank get their place first, and within a
 * rank those on the left. */
void esp_columns_head(struct esp_columns *table, const char *heading, bool right, int rank);
/* Adds a cell; cells fill the rows from left to right. The text is copied. */
void esp_columns_add(struct esp_columns *table, const char *cell);
__attribute__((format(printf, 2, 3))) void
esp_columns_addf(struct esp_columns *table, const char *format, ...);

/* Appends the lines of the table. Columns that do not fit into `width` are left out; a last
 * line names them and ends with `elsewhere`, the place that shows them. 0: no limit. The first
 * column is always shown. */
void esp_columns_print(const struct esp_columns *table,
                       int width,
                       const char *elsewhere,
                       bool color,
                       struct esp_buffer *out);
void esp_columns_release(struct esp_columns *table);

#endif
