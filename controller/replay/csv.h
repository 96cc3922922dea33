/* Comma-separated files as the tables of recorded trainings use them: numbers and words, one
 * header line, no quoting. Rows and columns count from 0, lines of the file from 1. */
#ifndef ESPALIER_REPLAY_CSV_H
#define ESPALIER_REPLAY_CSV_H

#include <espalier/error.h>
#include <stddef.h>
#include <stdint.h>

/* The largest public table (1000 trials × 51 epochs × 4 columns) is 1.2 MB. */
#define ESP_CSV_BYTES_MAX (256 * 1024 * 1024)
#define ESP_CSV_COLUMNS_MAX 128

struct esp_csv {
    char *name; /* of the file */
    char *text;
    char **cells; /* rows × columns */
    size_t rows, columns;
    char *header[ESP_CSV_COLUMNS_MAX];
    int *lines; /* [rows]: line of each row in the file */
};

/* -EINVAL names file, line and fault: a row with a wrong number of cells, no header, no rows.
 * Release with esp_csv_release. */
int esp_csv_read(const char *path, struct esp_csv *csv, struct esp_error *error);
void esp_csv_release(struct esp_csv *csv);

/* The column of that name; -1: none. */
int esp_csv_column(const struct esp_csv *csv, const char *name);
const char *esp_csv_cell(const struct esp_csv *csv, size_t row, int column);
/* A cell as a number: inf and nan are numbers. -EINVAL names file, line, column and value. */
int esp_csv_number(
    const struct esp_csv *csv, size_t row, int column, double *out, struct esp_error *error);

#endif
