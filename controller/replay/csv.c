#include "csv.h"

#include <errno.h>
#include <espalier/regular_file.h>
#include <stdlib.h>
#include <string.h>

void esp_csv_release(struct esp_csv *csv)
{
    free(csv->name);
    free(csv->text);
    free(csv->cells);
    free(csv->lines);
    memset(csv, 0, sizeof *csv);
}

static int read_file(struct esp_csv *csv, const char *path, struct esp_error *error)
{
    int rc = 0;
    long size;
    int fd = esp_regular_file_open(path, O_RDONLY, NULL);
    if (fd < 0) {
        return esp_error_set(error, fd, "%s: %s", path, esp_regular_file_reason(fd));
    }
    FILE *file = fdopen(fd, "rb");
    if (!file) {
        close(fd);
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    if (fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0) {
        rc = esp_error_set(error, -errno, "%s: %s", path, strerror(errno));
        goto out;
    }
    if (size > ESP_CSV_BYTES_MAX) {
        rc = esp_error_set(error, -EFBIG, "%s: larger than %d bytes", path, ESP_CSV_BYTES_MAX);
        goto out;
    }
    rewind(file);
    csv->text = malloc((size_t)size + 1);
    csv->name = strdup(path);
    if (!csv->text || !csv->name) {
        rc = esp_error_set(error, -ENOMEM, "out of memory");
        goto out;
    }
    if (fread(csv->text, 1, (size_t)size, file) != (size_t)size) {
        rc = esp_error_set(error, -EIO, "%s: cannot be read to its end", path);
        goto out;
    }
    csv->text[size] = 0;
    if (strlen(csv->text) != (size_t)size) {
        rc = esp_error_set(error, -EINVAL, "%s: not a text file", path);
    }
out:
    fclose(file);
    return rc;
}

/* Cuts a line at its commas; returns how many cells it had. */
static size_t cut(char *line, char **cells, size_t max)
{
    size_t count = 0;
    for (char *rest = line; rest;) {
        char *cell = strsep(&rest, ",");
        while (*cell == ' ') {
            cell++;
        }
        size_t length = strlen(cell);
        while (length > 0 && strchr(" \r", cell[length - 1])) {
            cell[--length] = 0;
        }
        if (count < max) {
            cells[count] = cell;
        }
        count++;
    }
    return count;
}

static int split_rows(struct esp_csv *csv, struct esp_error *error)
{
    size_t capacity = 0;
    int line_number = 0;
    char *cells[ESP_CSV_COLUMNS_MAX];
    for (char *rest = csv->text; rest;) {
        char *line = strsep(&rest, "\n");
        line_number++;
        if (line[strspn(line, " \r")] == 0) {
            continue;
        }
        size_t count = cut(line, cells, ESP_CSV_COLUMNS_MAX);
        if (csv->columns == 0) {
            if (count > ESP_CSV_COLUMNS_MAX) {
                return esp_error_set(error,
                                     -EINVAL,
                                     "%s:%d: %zu columns; at most %d are read",
                                     csv->name,
                                     line_number,
                                     count,
                                     ESP_CSV_COLUMNS_MAX);
            }
            csv->columns = count;
            memcpy(csv->header, cells, count * sizeof *cells);
            continue;
        }
        if (count != csv->columns) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "%s:%d: %zu cells where the header has %zu",
                                 csv->name,
                                 line_number,
                                 count,
                                 csv->columns);
        }
        if (csv->rows == capacity) {
            capacity = capacity ? capacity * 2 : 256;
            char **grown = realloc(csv->cells, capacity * csv->columns * sizeof *grown);
            csv->cells = grown ? grown : csv->cells;
            int *lines = realloc(csv->lines, capacity * sizeof *lines);
            csv->lines = lines ? lines : csv->lines;
            if (!grown || !lines) {
                return esp_error_set(error, -ENOMEM, "out of memory");
            }
        }
        memcpy(csv->cells + csv->rows * csv->columns, cells, count * sizeof *cells);
        csv->lines[csv->rows++] = line_number;
    }
    if (csv->rows == 0) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s: %s",
                             csv->name,
                             csv->columns ? "no rows below the header" : "the file is empty");
    }
    return 0;
}

int esp_csv_read(const char *path, struct esp_csv *csv, struct esp_error *error)
{
    memset(csv, 0, sizeof *csv);
    int rc = read_file(csv, path, error);
    if (rc == 0) {
        rc = split_rows(csv, error);
    }
    if (rc < 0) {
        esp_csv_release(csv);
    }
    return rc;
}

int esp_csv_column(const struct esp_csv *csv, const char *name)
{
    for (size_t i = 0; i < csv->columns; i++) {
        if (strcmp(csv->header[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

const char *esp_csv_cell(const struct esp_csv *csv, size_t row, int column)
{
    return csv->cells[row * csv->columns + (size_t)column];
}

int esp_csv_number(
    const struct esp_csv *csv, size_t row, int column, double *out, struct esp_error *error)
{
    const char *cell = esp_csv_cell(csv, row, column);
    char *end;
    double number = strtod(cell, &end);
    if (end == cell || *end) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s:%d: %s is \"%.40s\", not a number",
                             csv->name,
                             csv->lines[row],
                             csv->header[column],
                             cell);
    }
    *out = number;
    return 0;
}
