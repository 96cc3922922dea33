#include "columns.h"

#include "human.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void esp_columns_head(struct esp_columns *table, const char *heading, bool right, int rank)
{
    assert(table->cell_count == (size_t)table->column_count);
    assert(table->column_count < ESP_COLUMNS_MAX);
    table->rank[table->column_count] = rank;
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

/* The columns of one table, each with its width and whether it is shown. */
struct layout {
    int widths[ESP_COLUMNS_MAX];
    bool shown[ESP_COLUMNS_MAX];
    int last, hidden_count;
};

/* The first column that has no place yet, by rank; -1: none is left. */
static int next_column(const struct esp_columns *table, const bool *seen)
{
    int next = -1;
    for (int c = 0; c < table->column_count; c++) {
        if (!seen[c] && (next < 0 || table->rank[c] < table->rank[next])) {
            next = c;
        }
    }
    return next;
}

static struct layout lay_out(const struct esp_columns *table, size_t rows, int width)
{
    struct layout layout = {0};
    bool seen[ESP_COLUMNS_MAX] = {0};
    int total = 0;
    for (int c = 0; c < table->column_count; c++) {
        for (size_t r = 0; r < rows; r++) {
            int w = esp_human_width(cell_at(table, r, c));
            layout.widths[c] = w > layout.widths[c] ? w : layout.widths[c];
        }
    }
    seen[0] = layout.shown[0] = true;
    total = layout.widths[0];
    for (int c = next_column(table, seen); c >= 0; c = next_column(table, seen)) {
        int more = 2 + layout.widths[c];
        seen[c] = true;
        layout.shown[c] = width <= 0 || total + more <= width;
        layout.hidden_count += !layout.shown[c];
        layout.last = layout.shown[c] && c > layout.last ? c : layout.last;
        total += layout.shown[c] ? more : 0;
    }
    return layout;
}

static void add_row(const struct esp_columns *table,
                    const struct layout *layout,
                    size_t row,
                    struct esp_buffer *out)
{
    for (int c = 0; c <= layout->last; c++) {
        const char *cell = cell_at(table, row, c);
        int pad = layout->widths[c] - esp_human_width(cell);
        if (!layout->shown[c]) {
            continue;
        }
        esp_buffer_addf(out, "%s", c ? "  " : "");
        if (table->right[c]) {
            esp_buffer_addf(out, "%*s%s", pad, "", cell);
        } else {
            esp_buffer_addf(out, "%s%*s", cell, c == layout->last ? 0 : pad, "");
        }
    }
}

/* Columns that " and 80 more" takes. */
#define MORE_COLUMNS 12

/* "hidden: tokens, state and 3 more (ELSEWHERE)", as many names as fit into the line. */
static void add_hidden(const struct esp_columns *table,
                       const struct layout *layout,
                       int width,
                       const char *elsewhere,
                       struct esp_buffer *out)
{
    int used = esp_human_width("hidden:  ()") + esp_human_width(elsewhere), named = 0;
    esp_buffer_add(out, "hidden: ");
    for (int c = 0; c < table->column_count; c++) {
        const char *name = cell_at(table, 0, c);
        int more = esp_human_width(name) + (named ? 2 : 0);
        bool is_last = named + 1 == layout->hidden_count;
        if (layout->shown[c]) {
            continue;
        }
        if (used + more + (is_last ? 0 : MORE_COLUMNS) > width) {
            break;
        }
        esp_buffer_addf(out, "%s%s", named ? ", " : "", name);
        used += more;
        named++;
    }
    if (named == 0) {
        esp_buffer_addf(
            out, "%d column%s", layout->hidden_count, layout->hidden_count == 1 ? "" : "s");
    } else if (named < layout->hidden_count) {
        esp_buffer_addf(out, " and %d more", layout->hidden_count - named);
    }
    esp_buffer_addf(out, " (%s)\n", elsewhere);
}

void esp_columns_print(const struct esp_columns *table,
                       int width,
                       const char *elsewhere,
                       bool color,
                       struct esp_buffer *out)
{
    if (table->column_count == 0) {
        return;
    }
    size_t rows =
        (table->cell_count + (size_t)table->column_count - 1) / (size_t)table->column_count;
    struct layout layout = lay_out(table, rows, width);
    for (size_t r = 0; r < rows; r++) {
        if (r == 0 && color) {
            esp_buffer_add(out, "\033[1m");
        }
        add_row(table, &layout, r, out);
        esp_buffer_add(out, r == 0 && color ? "\033[0m\n" : "\n");
    }
    if (layout.hidden_count > 0) {
        add_hidden(table, &layout, width, elsewhere, out);
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
