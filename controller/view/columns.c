#include "columns.h"

#include "human.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void esp_columns_head(struct esp_columns *table, const char *heading, bool right)
{
    assert(table->cell_count == (size_t)table->column_count);
    assert(table->column_count < ESP_COLUMNS_MAX);
    table->right[table->column_count++] = right;
    esp_columns_add(table, heading);
}

void esp_columns_add(struct esp_columns *table, const char *cell)
{
    if (table->cell_count == table->capacity) {
        size_t capacity = table->capacity ? 2 * table->capacity : 64;
        char **cells = realloc(table->cells, capacity * sizeof *cells);
        if (!cells) {
            table->failed = true;
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    char *copy = strdup(cell);
    table->failed |= !copy;
    /* A line end inside a cell would break its row. */
    for (char *p = copy; p && *p; p++) {
        *p = *p == '\n' || *p == '\r' || *p == '\t' ? ' ' : *p;
    }
    table->cells[table->cell_count++] = copy;
}

void esp_columns_addf(struct esp_columns *table, const char *format, ...)
{
    char cell[512];
    va_list args;
    va_start(args, format);
    vsnprintf(cell, sizeof cell, format, args);
    va_end(args);
    esp_columns_add(table, cell);
}

static const char *cell_at(const struct esp_columns *table, size_t row, int column)
{
    size_t index = row * (size_t)table->column_count + (size_t)column;
    const char *cell = index < table->cell_count ? table->cells[index] : NULL;
    return cell ? cell : "";
}

void esp_columns_print(const struct esp_columns *table,
                       int width,
                       bool color,
                       struct esp_buffer *out)
{
    if (table->column_count == 0) {
        return;
    }
    size_t rows =
        (table->cell_count + (size_t)table->column_count - 1) / (size_t)table->column_count;
    int widths[ESP_COLUMNS_MAX] = {0}, total = 0, shown = 0;
    for (int c = 0; c < table->column_count; c++) {
        for (size_t r = 0; r < rows; r++) {
            int w = esp_human_width(cell_at(table, r, c));
            widths[c] = w > widths[c] ? w : widths[c];
        }
        total += widths[c] + (c ? 2 : 0);
        if (width > 0 && total > width && c > 0) {
            break;
        }
        shown = c + 1;
    }
    for (size_t r = 0; r < rows; r++) {
        if (r == 0 && color) {
            esp_buffer_add(out, "\033[1m");
        }
        for (int c = 0; c < shown; c++) {
            const char *cell = cell_at(table, r, c);
            int pad = widths[c] - esp_human_width(cell);
            esp_buffer_addf(out, "%s", c ? "  " : "");
            if (table->right[c]) {
                esp_buffer_addf(out, "%*s%s", pad, "", cell);
            } else {
                esp_buffer_addf(out, "%s%*s", cell, c == shown - 1 ? 0 : pad, "");
            }
        }
        esp_buffer_add(out, r == 0 && color ? "\033[0m\n" : "\n");
    }
}

void esp_columns_release(struct esp_columns *table)
{
    for (size_t i = 0; i < table->cell_count; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
    *table = (struct esp_columns){0};
}
