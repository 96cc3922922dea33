/* A table for people: columns as wide as what they hold, numbers to the right. */
#ifndef ESPALIER_CLI_TABLE_H
#define ESPALIER_CLI_TABLE_H

#include "text.h"

#define ESP_TABLE_COLUMNS_MAX (ESP_PARAMS_MAX + 16)

struct esp_table {
    int column_count;
    bool right[ESP_TABLE_COLUMNS_MAX];
    char **cells; /* row by row, the headings first; owned */
    size_t cell_count, capacity;
    bool failed;
};

void esp_table_column(struct esp_table *table, const char *heading, bool right);
/* Cells fill rows from the left; the text is copied. */
void esp_table_add(struct esp_table *table, const char *cell);
__attribute__((format(printf, 2, 3))) void
esp_table_addf(struct esp_table *table, const char *format, ...);

/* Appends the table's lines; columns that do not fit into `width` are left out from the right
 * (0: no limit). */
void esp_table_print(const struct esp_table *table,
                     int width,
                     bool color,
                     struct esp_text *out);
void esp_table_release(struct esp_table *table);

#endif
