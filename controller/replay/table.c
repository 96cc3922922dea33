#include "table.h"

#include "csv.h"

#include <espalier/trainer.h>
#include <espalier/yaml.h>

#include <assert.h>
#include <errno.h>
#include <libgen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const scale_names[] = {"linear", "log", "log1m", NULL};
static const char *const goal_names[] = {"minimize", "maximize", NULL};

void esp_table_release(struct esp_table *table)
{
    for (int i = 0; i < table->param_count; i++) {
        for (int k = 0; k < table->params[i].value_count; k++) {
            if (table->params[i].values[k].type == ESP_VALUE_TEXT) {
                free((char *)table->params[i].values[k].text);
            }
        }
        free(table->params[i].values);
    }
    free(table->drawn);
    free(table->place);
    free(table->first);
    free(table->points);
    free(table->ends);
    free(table->horizons);
    if (table->recorded) {
        esp_study_release(table->recorded);
        free(table->recorded);
    }
    memset(table, 0, sizeof *table);
}

static void read_values(struct esp_yaml *yaml,
                        const struct esp_yaml_node *list,
                        struct esp_table_param *param)
{
    size_t count = esp_yaml_size(list);
    if (esp_yaml_kind(list) != ESP_YAML_SEQUENCE || count == 0 || count > ESP_CHOICES_MAX) {
        esp_yaml_fault(yaml, list, "values must be a list of 1 to %d", ESP_CHOICES_MAX);
        return;
    }
    param->values = calloc(count, sizeof *param->values);
    for (size_t i = 0; param->values && i < count; i++) {
        struct esp_value value = esp_yaml_value(esp_yaml_item(list, i));
        if (value.type == ESP_VALUE_TEXT) {
            value.text = strdup(value.text);
        }
        param->values[param->value_count++] = value;
    }
}

static void read_param(struct esp_yaml *yaml,
                       const char *name,
                       const struct esp_yaml_node *node,
                       struct esp_table_param *param)
{
    static const char *const keys[] = {"scale", "min", "max", "values", NULL};
    const struct esp_yaml_node *value;
    int scale = ESP_TABLE_LINEAR;
    snprintf(param->name, sizeof param->name, "%s", name);
    param->min = param->max = NAN;
    if (!node || esp_yaml_is_null(node)) {
        return;
    }
    esp_yaml_check_keys(yaml, node, keys, "in a table's parameter");
    if ((value = esp_yaml_get(node, "scale"))) {
        esp_yaml_read_word(yaml, value, "scale", scale_names, &scale);
    }
    param->scale = (enum esp_table_scale)scale;
    if ((value = esp_yaml_get(node, "min"))) {
        esp_yaml_read_real(yaml, value, "min", &param->min);
    }
    if ((value = esp_yaml_get(node, "max"))) {
        esp_yaml_read_real(yaml, value, "max", &param->max);
    }
    if ((value = esp_yaml_get(node, "values"))) {
        read_values(yaml, value, param);
    }
}

/* Everything but the two other files, whose names it gives. */
/* A share in [0, 1] of the schedule; NaN: not given. */
static double
read_share(struct esp_yaml *yaml, const struct esp_yaml_node *schedule, const char *key)
{
    double share = NAN;
    const struct esp_yaml_node *node = schedule ? esp_yaml_get(schedule, key) : NULL;
    if (node && esp_yaml_read_real(yaml, node, key, &share) && !(share >= 0 && share <= 1)) {
        esp_yaml_fault(yaml, node, "%s is a share from 0 to 1, not %g", key, share);
    }
    return share;
}

static void
read_description(struct esp_yaml *yaml, struct esp_table *table, char *trials, char *curves)
{
    const struct esp_yaml_node *root = esp_yaml_root(yaml), *node, *inner;
    if (!root || esp_yaml_kind(root) != ESP_YAML_MAPPING) {
        esp_yaml_fault(yaml, root, "a table's description is a mapping with name and horizon");
        return;
    }
    node = esp_yaml_get(root, "name");
    if (!node) {
        esp_yaml_fault(yaml, root, "no name");
    } else {
        esp_yaml_read_text(yaml, node, "name", table->name, sizeof table->name);
    }
    node = esp_yaml_get(root, "horizon");
    if (!node) {
        esp_yaml_fault(yaml, root, "no horizon: the tokens of a full training");
    } else if (esp_yaml_read_integer(yaml, node, "horizon", &table->horizon) &&
               table->horizon <= 0) {
        esp_yaml_fault(yaml, node, "horizon must be above 0");
    }
    node = esp_yaml_get(root, "model");
    if ((inner = esp_yaml_get(node, "parameters"))) {
        esp_yaml_read_real(yaml, inner, "model.parameters", &table->model_parameters);
    }
    if ((inner = esp_yaml_get(node, "context"))) {
        esp_yaml_read_integer(yaml, inner, "model.context", &table->context);
    }
    node = esp_yaml_get(root, "metric");
    snprintf(table->metric, sizeof table->metric, "loss");
    if ((inner = esp_yaml_get(node, "name"))) {
        esp_yaml_read_text(yaml, inner, "metric.name", table->metric, sizeof table->metric);
    }
    int goal = 0, schedule = -1;
    if ((inner = esp_yaml_get(node, "goal"))) {
        esp_yaml_read_word(yaml, inner, "metric.goal", goal_names, &goal);
    }
    table->maximize = goal == 1;
    if ((node = esp_yaml_get(root, "schedule"))) {
        inner = esp_yaml_get(node, "type");
        esp_yaml_read_word(
            yaml, inner ? inner : node, "schedule", esp_schedule_words, &schedule);
    }
    table->schedule = schedule;
    table->warmup = read_share(yaml, node, "warmup");
    table->decay = read_share(yaml, node, "decay");
    table->floor = read_share(yaml, node, "floor");
    node = esp_yaml_get(root, "parameters");
    size_t count = node ? esp_yaml_size(node) : 0;
    if (count == 0 || count > ESP_PARAMS_MAX) {
        esp_yaml_fault(
            yaml, node ? node : root, "parameters must name 1 to %d columns", ESP_PARAMS_MAX);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        read_param(yaml,
                   esp_yaml_scalar(esp_yaml_key(node, i)),
                   esp_yaml_item(node, i),
                   &table->params[table->param_count++]);
    }
    node = esp_yaml_get(root, "trials");
    if (node) {
        esp_yaml_read_text(yaml, node, "trials", trials, ESP_PATH_MAX);
    }
    node = esp_yaml_get(root, "curves");
    if (node) {
        esp_yaml_read_text(yaml, node, "curves", curves, ESP_PATH_MAX);
    }
}

/* A number in the space where the parameter is even. */
static double stretch(enum esp_table_scale scale, double x)
{
    switch (scale) {
    case ESP_TABLE_LOG:
        return log(x);
    case ESP_TABLE_LOG1M:
        return log1p(-x);
    default:
        return x;
    }
}

static bool allowed(enum esp_table_scale scale, double x)
{
    return isfinite(x) && isfinite(stretch(scale, x));
}

/* The position of a cell among a parameter's values; -1. */
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

static bool has_text(const struct esp_table_param *param)
{
    for (int i = 0; i < param->value_count; i++) {
        if (param->values[i].type == ESP_VALUE_TEXT) {
            return true;
        }
    }
    return false;
}

/* Drawn values of one column, and the range when the file gave none. */
static int read_column(struct esp_table *table,
                       const struct esp_csv *csv,
                       int index,
                       double *numbers,
                       struct esp_error *error)
{
    struct esp_table_param *param = &table->params[index];
    int column = esp_csv_column(csv, param->name);
    if (column < 0) {
        return esp_error_set(
            error, -EINVAL, "%s: no column for parameter \"%s\"", csv->name, param->name);
    }
    double low = INFINITY, high = -INFINITY;
    for (size_t row = 0; row < csv->rows; row++) {
        double *drawn = &table->drawn[row * (size_t)table->param_count + (size_t)index];
        double x;
        if (param->values) {
            int at = find_value(param, esp_csv_cell(csv, row, column));
            if (at < 0) {
                return esp_error_set(error,
                                     -EINVAL,
                                     "%s:%d: %s is \"%.40s\", which is none of its values",
                                     csv->name,
                                     csv->lines[row],
                                     param->name,
                                     esp_csv_cell(csv, row, column));
            }
            *drawn = at;
            x = has_text(param) ? at : param->values[at].real;
        } else {
            int rc = esp_csv_number(csv, row, column, &x, error);
            if (rc < 0) {
                return rc;
            }
            *drawn = param->scale == ESP_TABLE_LOG1M ? 1 - x : x;
        }
        enum esp_table_scale scale = has_text(param) ? ESP_TABLE_LINEAR : param->scale;
        if (!allowed(scale, x)) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "%s:%d: %s is %g, which has no place on a %s scale",
                                 csv->name,
                                 csv->lines[row],
                                 param->name,
                                 x,
                                 scale_names[scale]);
        }
        numbers[row] = stretch(scale, x);
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    bool ranged = !param->values;
    param->min = ranged && !isnan(param->min) ? param->min : low;
    param->max = ranged && !isnan(param->max) ? param->max : high;
    if (param->min > param->max || (ranged && (!allowed(param->scale, param->min) ||
                                               !allowed(param->scale, param->max)))) {
        return esp_error_set(error,
                             -EINVAL,
                             "table %s: parameter \"%s\" from %g to %g is no range",
                             table->name,
                             param->name,
                             param->min,
                             param->max);
    }
    enum esp_table_scale scale = has_text(param) ? ESP_TABLE_LINEAR : param->scale;
    double a = stretch(scale, param->min), b = stretch(scale, param->max);
    for (size_t row = 0; row < csv->rows; row++) {
        table->place[row * (size_t)table->param_count + (size_t)index] =
            a == b ? 0.5 : (numbers[row] - a) / (b - a);
    }
    return 0;
}

int esp_table_reserve(struct esp_table *table, uint32_t trials, struct esp_error *error)
{
    size_t cells = (size_t)trials * (size_t)table->param_count;
    table->trial_count = trials;
    table->drawn = calloc(cells, sizeof *table->drawn);
    table->place = calloc(cells, sizeof *table->place);
    table->first = calloc((size_t)trials + 1, sizeof *table->first);
    table->ends = calloc(trials, sizeof *table->ends);
    table->horizons = calloc(trials, sizeof *table->horizons);
    return table->drawn && table->place && table->first && table->ends && table->horizons
               ? 0
               : esp_error_set(error, -ENOMEM, "out of memory");
}

static int read_trials(struct esp_table *table, const char *path, struct esp_error *error)
{
    struct esp_csv csv;
    double *numbers = NULL;
    int rc = esp_csv_read(path, &csv, error);
    if (rc < 0) {
        return rc;
    }
    int column = esp_csv_column(&csv, "trial");
    if (column < 0) {
        rc = esp_error_set(error, -EINVAL, "%s: no column \"trial\"", path);
        goto out;
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
    rc = esp_table_reserve(table, (uint32_t)csv.rows, error);
    numbers = calloc(csv.rows, sizeof *numbers);
    if (rc < 0 || !numbers) {
        rc = esp_error_set(error, -ENOMEM, "out of memory");
        goto out;
    }
    for (size_t row = 0; row < csv.rows; row++) {
        double number;
        rc = esp_csv_number(&csv, row, column, &number, error);
        if (rc == 0 && number != (double)row) {
            rc = esp_error_set(error,
                               -EINVAL,
                               "%s:%d: trial %g where %zu is next: number them from 0",
                               path,
                               csv.lines[row],
                               number,
                               row);
        }
        if (rc < 0) {
            goto out;
        }
    }
    for (int i = 0; i < table->param_count && rc == 0; i++) {
        rc = read_column(table, &csv, i, numbers, error);
    }
out:
    free(numbers);
    esp_csv_release(&csv);
    return rc;
}

static int fill_points(struct esp_table *table, struct esp_csv *csv, struct esp_error *error)
{
    int column[4];
    static const char *const names[] = {"trial", "tokens", "loss", "seconds"};
    for (int i = 0; i < 4; i++) {
        column[i] = esp_csv_column(csv, names[i]);
        if (column[i] < 0 && i < 3) {
            return esp_error_set(error, -EINVAL, "%s: no column \"%s\"", csv->name, names[i]);
        }
    }
    int64_t trial = -1;
    for (size_t row = 0; row < csv->rows; row++) {
        double number[3], seconds = NAN;
        for (int i = 0; i < 3; i++) {
            int rc = esp_csv_number(csv, row, column[i], &number[i], error);
            if (rc < 0) {
                return rc;
            }
        }
        if (column[3] >= 0 && *esp_csv_cell(csv, row, column[3])) {
            int rc = esp_csv_number(csv, row, column[3], &seconds, error);
            if (rc < 0) {
                return rc;
            }
        }
        bool next = number[0] == (double)trial + 1;
        if (!next && !(number[0] == (double)trial)) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "%s:%d: trial %g after trial %lld: every trial needs its "
                                 "curve, in order",
                                 csv->name,
                                 csv->lines[row],
                                 number[0],
                                 (long long)trial);
        }
        if (next) {
            trial++;
            if (trial >= table->trial_count) {
                return esp_error_set(error,
                                     -EINVAL,
                                     "%s:%d: trial %lld is not among the trials",
                                     csv->name,
                                     csv->lines[row],
                                     (long long)trial);
            }
            table->first[trial] = (uint32_t)row;
        }
        if (!(number[1] > 0 && number[1] < 0x1p53) ||
            (!next && number[1] <= (double)table->points[row - 1].tokens)) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "%s:%d: tokens is %g; it must be above 0 and grow",
                                 csv->name,
                                 csv->lines[row],
                                 number[1]);
        }
        table->points[row] = (struct esp_table_point){
            .tokens = (int64_t)number[1],
            .loss = table->maximize ? -number[2] : number[2],
            .seconds = seconds,
            .cost = (int64_t)number[1],
        };
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

static int read_curves(struct esp_table *table, const char *path, struct esp_error *error)
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

/* NAME of the description, unless it says otherwise, beside it. */
static void file_beside(const char *path, const char *given, const char *ending, char *out)
{
    char folder[ESP_PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    const char *dir = dirname(folder);
    if (*given == '/') {
        snprintf(out, ESP_PATH_MAX, "%s", given);
    } else if (*given) {
        snprintf(out, ESP_PATH_MAX, "%.2000s/%.2000s", dir, given);
    } else {
        size_t stem = strlen(path);
        stem -= stem > 5 && strcmp(path + stem - 5, ".yaml") == 0 ? 5 : 0;
        snprintf(out, ESP_PATH_MAX, "%.*s%s", (int)(stem < 4000 ? stem : 4000), path, ending);
    }
}

int esp_table_read(const char *path, struct esp_table *table, struct esp_error *error)
{
    char trials[ESP_PATH_MAX] = "", curves[ESP_PATH_MAX] = "", file[ESP_PATH_MAX];
    struct esp_yaml *yaml = NULL;
    memset(table, 0, sizeof *table);
    int rc = esp_yaml_open_file(path, &yaml, error);
    if (rc < 0) {
        return rc;
    }
    read_description(yaml, table, trials, curves);
    rc = esp_yaml_faults(yaml, error);
    esp_yaml_destroy(yaml);
    if (rc == 0) {
        file_beside(path, trials, ".trials.csv", file);
        rc = read_trials(table, file, error);
    }
    if (rc == 0) {
        file_beside(path, curves, ".curves.csv", file);
        rc = read_curves(table, file, error);
    }
    if (rc == 0) {
        snprintf(table->source, sizeof table->source, "%s", file);
        table->full = table->horizon;
        rc = esp_table_find_best(table, error);
    }
    if (rc < 0) {
        esp_table_release(table);
    }
    return rc;
}

int esp_table_find_best(struct esp_table *table, struct esp_error *error)
{
    table->best = 0;
    for (uint32_t i = 1; i < table->trial_count; i++) {
        if (esp_table_final(table, i) < esp_table_final(table, table->best)) {
            table->best = i;
        }
    }
    return isfinite(esp_table_final(table, table->best))
               ? 0
               : esp_error_set(error,
                               -EINVAL,
                               "%s: no trial ends with a finite loss: nothing to find",
                               table->source);
}

double esp_table_final(const struct esp_table *table, uint32_t trial)
{
    if (table->ends[trial] != ESP_TABLE_COMPLETE) {
        return INFINITY;
    }
    double loss = table->points[table->first[trial + 1] - 1].loss;
    return isfinite(loss) ? loss : INFINITY;
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double esp_table_promised(const struct esp_table *table, uint32_t trial)
{
    if (table->ends[trial] != ESP_TABLE_CENSORED) {
        return esp_table_final(table, trial);
    }
    double loss = table->points[table->first[trial + 1] - 1].loss;
    return isfinite(loss) ? fmax(loss, esp_table_final(table, table->best)) : INFINITY;
}

double esp_table_worst(const struct esp_table *table)
{
    double worst = esp_table_final(table, table->best);
    for (uint32_t t = 0; t < table->trial_count; t++) {
        double loss = esp_table_promised(table, t);
        worst = isfinite(loss) ? fmax(worst, loss) : worst;
    }
    return worst;
}

double esp_table_ranked(const struct esp_table *table, uint32_t rank)
{
    uint32_t count = 0;
    double *finals = malloc(table->trial_count * sizeof *finals);
    assert(finals && rank >= 1);
    for (uint32_t i = 0; i < table->trial_count; i++) {
        if (table->ends[i] != ESP_TABLE_CENSORED) {
            finals[count++] = esp_table_final(table, i);
        }
    }
    qsort(finals, count, sizeof *finals, by_number);
    double loss = finals[rank <= count ? rank - 1 : count - 1];
    free(finals);
    return loss;
}

double esp_table_place(const struct esp_table *table, int index, double drawn)
{
    const struct esp_table_param *param = &table->params[index];
    if (table->recorded && !param->values) {
        return esp_param_unit(&table->recorded->params[index], drawn);
    }
    double x = drawn;
    enum esp_table_scale scale = param->scale;
    if (param->values) {
        int at = (int)drawn;
        x = has_text(param) ? at : param->values[at].real;
        scale = has_text(param) ? ESP_TABLE_LINEAR : scale;
    } else if (scale == ESP_TABLE_LOG1M) {
        x = 1 - drawn;
    }
    double a = stretch(scale, param->min), b = stretch(scale, param->max);
    return a == b ? 0.5 : (stretch(scale, x) - a) / (b - a);
}

int64_t esp_table_nearest(const struct esp_table *table, const double *drawn, const bool *taken)
{
    int64_t nearest = -1;
    double least = INFINITY, at[ESP_PARAMS_MAX];
    for (int i = 0; i < table->param_count; i++) {
        at[i] = esp_table_place(table, i, drawn[i]);
    }
    for (uint32_t t = 0; t < table->trial_count; t++) {
        if (taken[t]) {
            continue;
        }
        double sum = 0;
        for (int i = 0; i < table->param_count; i++) {
            double d = table->place[t * (uint32_t)table->param_count + (uint32_t)i] - at[i];
            sum += d * d;
        }
        if (sum < least) {
            least = sum;
            nearest = t;
        }
    }
    return nearest;
}
