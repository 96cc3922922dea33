#include "table_csv.h"

#include "csv.h"
#include "table_scale.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The index of the value that a cell holds; -1: none of them. */
static int find_value(const struct esp_table_param *param, const char *cell)
{
    char *end;
    double number = strtod(cell, &end);
    bool numeric = end != cell && !*end;
    for (int i = 0; i < param->value_count; i++) {
        const struct esp_value *v = &param->values[i];
        if (v->type == ESP_VALUE_TEXT
                ? strcmp(v->text, cell) == 0
                : numeric && fabs(v->real - number) <= 1e-9 * fabs(v->real)) {
            return i;
        }
    }
    return -1;
}

/* One cell of a parameter's column: the drawn value, and the number that represents it. */
static int read_cell(const struct esp_table_param *param,
                     const struct esp_csv *csv,
                     size_t row,
                     int column,
                     double *drawn,
                     double *number,
                     struct esp_error *error)
{
    const char *cell = esp_csv_cell(csv, row, column);
    if (param->values) {
        int at = find_value(param, cell);
        if (at < 0) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "%s:%d: %s is \"%.40s\", which is not among its values",
                                 csv->name,
                                 csv->lines[row],
                                 param->name,
                                 cell);
        }
        *drawn = at;
        *number = esp_table_param_number(param, at);
    } else {
        int rc = esp_csv_number(csv, row, column, number, error);
        if (rc < 0) {
            return rc;
        }
        *drawn = param->scale == ESP_TABLE_LOG1M ? 1 - *number : *number;
    }
    enum esp_table_scale scale = esp_table_param_scale(param);
    if (!isfinite(*number) || !isfinite(esp_table_on_scale(scale, *number))) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s:%d: %s is %g, which a %s scale does not include",
                             csv->name,
                             csv->lines[row],
                             param->name,
                             *number,
                             esp_table_scale_names[scale]);
    }
    return 0;
}

/* The range of the description, or else that of the numbers. */
static int close_range(const struct esp_table *table,
                       struct esp_table_param *param,
                       double low,
                       double high,
                       struct esp_error *error)
{
    bool ranged = !param->values;
    param->min = ranged && !isnan(param->min) ? param->min : low;
    param->max = ranged && !isnan(param->max) ? param->max : high;
    bool bad = ranged && (!isfinite(esp_table_on_scale(param->scale, param->min)) ||
                          !isfinite(esp_table_on_scale(param->scale, param->max)) ||
                          !isfinite(param->min) || !isfinite(param->max));
    if (param->min > param->max || bad) {
        return esp_error_set(error,
                             -EINVAL,
                             "table %s: parameter \"%s\" has no valid range: %g to %g",
                             table->name,
                             param->name,
                             param->min,
                             param->max);
    }
    return 0;
}

/* Drawn values, places and range of one parameter. `numbers`: room for one per row. */
static int read_column(struct esp_table *table,
                       const struct esp_csv *csv,
                       int index,
                       double *numbers,
                       struct esp_error *error)
{
    struct esp_table_param *param = &table->params[index];
    size_t params = (size_t)table->param_count;
    int column = esp_csv_column(csv, param->name);
    if (column < 0) {
        return esp_error_set(
            error, -EINVAL, "%s: no column for parameter \"%s\"", csv->name, param->name);
    }
    double low = INFINITY, high = -INFINITY;
    for (size_t row = 0; row < csv->rows; row++) {
        double *drawn = &table->drawn[row * params + (size_t)index];
        int rc = read_cell(param, csv, row, column, drawn, &numbers[row], error);
        if (rc < 0) {
            return rc;
        }
        low = numbers[row] < low ? numbers[row] : low;
        high = numbers[row] > high ? numbers[row] : high;
    }
    int rc = close_range(table, param, low, high, error);
    enum esp_table_scale scale = esp_table_param_scale(param);
    for (size_t row = 0; row < csv->rows && rc == 0; row++) {
        table->place[row * params + (size_t)index] =
            esp_table_share(scale, param->min, param->max, numbers[row]);
    }
    return rc;
}

/* The column "trial" must count from 0. */
static int check_numbers(const struct esp_csv *csv, struct esp_error *error)
{
    int column = esp_csv_column(csv, "trial");
    if (column < 0) {
        return esp_error_set(error, -EINVAL, "%s: no column \"trial\"", csv->name);
    }
    for (size_t row = 0; row < csv->rows; row++) {
        double number;
        int rc = esp_csv_number(csv, row, column, &number, error);
        if (rc == 0 && number != (double)row) {
            rc = esp_error_set(error,
                               -EINVAL,
                               "%s:%d: trial %g where %zu is next: number them from 0",
                               csv->name,
                               csv->lines[row],
                               number,
                               row);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int esp_table_read_trials(struct esp_table *table, const char *path, struct esp_error *error)
{
    struct esp_csv csv;
    double *numbers = NULL;
    int rc = esp_csv_read(path, &csv, error);
    if (rc < 0) {
        return rc;
    }
    if (csv.rows > ESP_TRIALS_MAX) {
        rc = esp_error_set(error,
                           -EINVAL,
                           "%s: %zu trials; at most %d are read",
                           path,
                           csv.rows,
                           ESP_TRIALS_MAX);
        goto out;
    }
    rc = check_numbers(&csv, error);
    if (rc < 0) {
        goto out;
    }
    rc = esp_table_reserve(table, (uint32_t)csv.rows, error);
    numbers = calloc(csv.rows, sizeof *numbers);
    if (rc < 0 || !numbers) {
        rc = esp_error_set(error, -ENOMEM, "out of memory");
        goto out;
    }
    for (int i = 0; i < table->param_count && rc == 0; i++) {
        rc = read_column(table, &csv, i, numbers, error);
    }
out:
    free(numbers);
    esp_csv_release(&csv);
    return rc;
}

/* The columns of the curves. */
enum { TRIAL, TOKENS, LOSS, SECONDS, COLUMNS };

static int find_columns(const struct esp_csv *csv, int column[COLUMNS], struct esp_error *error)
{
    static const char *const names[COLUMNS] = {"trial", "tokens", "loss", "seconds"};
    for (int i = 0; i < COLUMNS; i++) {
        column[i] = esp_csv_column(csv, names[i]);
        if (column[i] < 0 && i != SECONDS) {
            return esp_error_set(error, -EINVAL, "%s: no column \"%s\"", csv->name, names[i]);
        }
    }
    return 0;
}

/* The numbers of a row; `seconds` is NaN where the file gives none. */
static int read_row(const struct esp_csv *csv,
                    size_t row,
                    const int column[COLUMNS],
                    double number[COLUMNS],
                    struct esp_error *error)
{
    for (int i = 0; i < COLUMNS; i++) {
        number[i] = NAN;
        if (i == SECONDS && (column[i] < 0 || !*esp_csv_cell(csv, row, column[i]))) {
            continue;
        }
        int rc = esp_csv_number(csv, row, column[i], &number[i], error);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* Adds the point of a row behind those of earlier rows; `trial` is the one of the row before.
 */
static int add_point(struct esp_table *table,
                     const struct esp_csv *csv,
                     size_t row,
                     const double number[COLUMNS],
                     int64_t *trial,
                     struct esp_error *error)
{
    bool next = number[TRIAL] == (double)*trial + 1;
    if (!next && !(number[TRIAL] == (double)*trial)) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s:%d: trial %g after trial %lld: every trial needs its "
                             "curve, in order",
                             csv->name,
                             csv->lines[row],
                             number[TRIAL],
                             (long long)*trial);
    }
    if (next) {
        ++*trial;
        if (*trial >= table->trial_count) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "%s:%d: trial %lld is not among the trials",
                                 csv->name,
                                 csv->lines[row],
                                 (long long)*trial);
        }
        table->first[*trial] = (uint32_t)row;
    }
    if (!(number[TOKENS] > 0 && number[TOKENS] < 0x1p53) ||
        (!next && number[TOKENS] <= (double)table->points[row - 1].tokens)) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s:%d: tokens is %g; it must be above 0 and grow",
                             csv->name,
                             csv->lines[row],
                             number[TOKENS]);
    }
    table->points[row] = (struct esp_table_point){
        .tokens = (int64_t)number[TOKENS],
        .loss = table->maximize ? -number[LOSS] : number[LOSS],
        .seconds = number[SECONDS],
        .cost = (int64_t)number[TOKENS],
    };
    return 0;
}

static int fill_points(struct esp_table *table, struct esp_csv *csv, struct esp_error *error)
{
    int column[COLUMNS];
    double number[COLUMNS];
    int64_t trial = -1;
    int rc = find_columns(csv, column, error);
    for (size_t row = 0; row < csv->rows && rc == 0; row++) {
        rc = read_row(csv, row, column, number, error);
        if (rc == 0) {
            rc = add_point(table, csv, row, number, &trial, error);
        }
    }
    if (rc < 0) {
        return rc;
    }
    if (trial + 1 != table->trial_count) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s: ends before the curve of trial %lld",
                             csv->name,
                             (long long)trial + 1);
    }
    table->first[table->trial_count] = (uint32_t)csv->rows;
    for (uint32_t t = 0; t < table->trial_count; t++) {
        const struct esp_table_point *last = &table->points[table->first[t + 1] - 1];
        table->ends[t] = isfinite(last->loss) ? ESP_TABLE_COMPLETE : ESP_TABLE_DIVERGED;
        table->horizons[t] = last->tokens;
    }
    return 0;
}

int esp_table_read_curves(struct esp_table *table, const char *path, struct esp_error *error)
{
    struct esp_csv csv;
    int rc = esp_csv_read(path, &csv, error);
    if (rc < 0) {
        return rc;
    }
    table->points = calloc(csv.rows, sizeof *table->points);
    if (!table->points) {
        rc = esp_error_set(error, -ENOMEM, "out of memory");
    } else {
        rc = fill_points(table, &csv, error);
    }
    esp_csv_release(&csv);
    return rc;
}
