#include "results.h"

#include "columns.h"
#include "discards.h"
#include "plot.h"
#include "ties.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BEST_ROWS 10
#define PLOT_WIDTH 64
#define PLOT_HEIGHT 14

static bool same_value(const struct esp_value *a, const struct esp_value *b)
{
    if (a->type == ESP_VALUE_TEXT || b->type == ESP_VALUE_TEXT) {
        return a->type == b->type && strcmp(a->text, b->text) == 0;
    }
    return a->real == b->real;
}

/* Whether a setting is the same in all rows: then a column of it would say nothing. */
static bool is_constant(const struct esp_ledger *ledger, int index)
{
    return ledger->study->params[index].distribution == ESP_CONSTANT;
}

static bool has_means(const struct esp_rows *rows, const struct esp_best *best)
{
    for (size_t i = 0; best && i < rows->count; i++) {
        const struct esp_seeds *seeds = esp_best_seeds(best, rows->trials[i].trial);
        if (seeds && seeds->count > 1) {
            return true;
        }
    }
    return false;
}

static void add_mean(struct esp_columns *table, const struct esp_seeds *seeds)
{
    if (seeds && seeds->count > 1) {
        esp_columns_addf(
            table, "%.4f ± %.4f (%u)", seeds->mean, esp_seeds_spread(seeds), seeds->count);
    } else {
        esp_columns_add(table, "-");
    }
}

/* "complete, repeats #7 with seed 2", "pruned (diverged)". */
static void add_state(struct esp_columns *table,
                      const struct esp_ledger *ledger,
                      const struct esp_reader_trial *trial,
                      struct esp_buffer *cell)
{
    bool diverged = trial->cause == ESP_CAUSE_DIVERGED;
    esp_buffer_clear(cell);
    esp_buffer_addf(cell,
                    "%s%s%s",
                    esp_ledger_trial_state(ledger, trial->state),
                    diverged      ? " (diverged)"
                    : trial->held ? " (held)"
                                  : "",
                    trial->repeats >= 0 ? ", " : "");
    esp_rows_repeated(trial, cell);
    esp_columns_add(table, esp_buffer_get(cell));
}

void esp_results_table(const struct esp_ledger *ledger,
                       const struct esp_rows *rows,
                       const struct esp_best *best,
                       int width,
                       bool color,
                       struct esp_buffer *out)
{
    struct esp_columns table = {0};
    const struct esp_study *study = ledger->study;
    bool means = has_means(rows, best);
    esp_columns_head(&table, "trial", true);
    esp_columns_head(&table, study->metric, true);
    if (means) {
        esp_columns_head(&table, "mean (seeds)", true);
    }
    for (int p = 0; p < study->param_count; p++) {
        if (!is_constant(ledger, p)) {
            esp_columns_head(&table, study->params[p].name, true);
        }
    }
    esp_columns_head(&table, "tokens", true);
    esp_columns_head(&table, "state", false);
    struct esp_buffer cell = {0};
    for (size_t i = 0; i < rows->count; i++) {
        const struct esp_reader_trial *trial = &rows->trials[i];
        esp_columns_addf(&table, "#%lld", (long long)trial->trial);
        if (isfinite(trial->value)) {
            esp_columns_addf(&table, "%.4f", trial->value);
        } else {
            esp_columns_add(&table, "-");
        }
        if (means) {
            add_mean(&table, esp_best_seeds(best, trial->trial));
        }
        for (int p = 0; p < study->param_count && p < (int)trial->param_count; p++) {
            if (!is_constant(ledger, p)) {
                esp_buffer_clear(&cell);
                esp_buffer_value(&cell, &trial->params[p].value);
                esp_columns_add(&table, esp_buffer_get(&cell));
            }
        }
        esp_buffer_clear(&cell);
        esp_buffer_count(&cell, trial->tokens > 0 ? (double)trial->tokens : 0);
        esp_columns_add(&table, esp_buffer_get(&cell));
        add_state(&table, ledger, trial, &cell);
    }
    out->failed |= cell.failed || table.failed;
    esp_columns_print(&table, width, color, out);
    esp_buffer_release(&cell);
    esp_columns_release(&table);
}

static bool is_log(const struct esp_param *param)
{
    return param->distribution == ESP_LOG_UNIFORM ||
           param->distribution == ESP_LOG_UNIFORM_VALUES ||
           param->distribution == ESP_INV_LOG_UNIFORM ||
           param->distribution == ESP_INV_LOG_UNIFORM_VALUES ||
           param->distribution == ESP_LOG_NORMAL;
}

/* How many different values a setting took, as far as `max`, and whether all are positive
 * numbers. */
static int count_values(const struct esp_rows *rows,
                        int param,
                        struct esp_value *values,
                        int max,
                        bool *numeric,
                        bool *positive)
{
    int count = 0;
    *numeric = *positive = true;
    for (size_t i = 0; i < rows->count; i++) {
        const struct esp_value *value = &rows->trials[i].params[param].value;
        bool known = false;
        *numeric &= value->type == ESP_VALUE_REAL || value->type == ESP_VALUE_INTEGER;
        *positive &= *numeric && value->real > 0;
        for (int k = 0; k < count && !known; k++) {
            known = same_value(&values[k], value);
        }
        if (!known && count < max) {
            values[count++] = *value;
        } else if (!known) {
            count = max;
        }
    }
    return count;
}

#define DISTINCT_MAX 64

struct axes {
    int x, series; /* -1: none */
    bool log_x;
    struct esp_value values[DISTINCT_MAX];
    int value_count;
};

static int compare_values(const void *a, const void *b)
{
    const struct esp_value *left = a, *right = b;
    if (left->type == ESP_VALUE_TEXT || right->type == ESP_VALUE_TEXT) {
        return strcmp(left->text ? left->text : "", right->text ? right->text : "");
    }
    return left->real < right->real ? -1 : left->real > right->real;
}

/* x: the learning rate, for which people look first; else the numeric setting with the finest
 * scale, logarithmic ones first. series: another one with few values. */
static void
choose_axes(const struct esp_ledger *ledger, const struct esp_rows *rows, struct axes *axes)
{
    int finest = 1;
    struct esp_value values[DISTINCT_MAX];
    bool numeric, positive;
    axes->x = axes->series = -1;
    for (int p = 0; p < ledger->study->param_count; p++) {
        int count = count_values(rows, p, values, DISTINCT_MAX, &numeric, &positive);
        bool log_scale = positive && is_log(&ledger->study->params[p]);
        int worth = count + (log_scale ? DISTINCT_MAX : 0);
        if (strcmp(ledger->study->params[p].name, "learning_rate") == 0) {
            worth += 2 * DISTINCT_MAX;
        }
        if (numeric && count > 1 && worth > finest) {
            finest = worth;
            axes->x = p;
            axes->log_x = log_scale;
        }
    }
    if (axes->x >= 0 && !axes->log_x) {
        /* A grid over decades reads better by its logarithm. */
        double low = INFINITY, high = 0;
        for (size_t i = 0; i < rows->count; i++) {
            low = fmin(low, rows->trials[i].params[axes->x].value.real);
            high = fmax(high, rows->trials[i].params[axes->x].value.real);
        }
        axes->log_x = low > 0 && high >= 10 * low;
    }
    for (int p = 0; p < ledger->study->param_count && axes->series < 0; p++) {
        int count = count_values(rows, p, values, DISTINCT_MAX, &numeric, &positive);
        if (p != axes->x && count > 1 && count <= ESP_PLOT_SERIES_MAX) {
            axes->series = p;
            axes->value_count = count;
            memcpy(axes->values, values, sizeof values);
            qsort(axes->values, (size_t)count, sizeof axes->values[0], compare_values);
        }
    }
}

static int series_of(const struct axes *axes, const struct esp_reader_trial *trial)
{
    for (int k = 0; axes->series >= 0 && k < axes->value_count; k++) {
        if (same_value(&axes->values[k], &trial->params[axes->series].value)) {
            return k;
        }
    }
    return 0;
}

void esp_results_picture(const struct esp_ledger *ledger,
                         const struct esp_rows *rows,
                         int width,
                         bool utf8,
                         bool color,
                         struct esp_buffer *out)
{
    struct axes axes = {0};
    struct esp_buffer names[ESP_PLOT_SERIES_MAX] = {0};
    struct esp_plot_point *points = calloc(rows->count + 1, sizeof *points);
    choose_axes(ledger, rows, &axes);
    if (!points || axes.x < 0) {
        free(points);
        return;
    }
    size_t finished = 0;
    for (size_t i = 0; i < rows->count; i++) {
        finished += rows->trials[i].finished;
    }
    for (size_t i = 0; i < rows->count; i++) {
        const struct esp_reader_trial *trial = &rows->trials[i];
        points[i] = (struct esp_plot_point){
            .x = trial->params[axes.x].value.real,
            .y = trial->value,
            .series = series_of(&axes, trial),
            .finished = trial->finished || finished == 0,
        };
    }
    struct esp_plot plot = {
        .points = points,
        .point_count = rows->count,
        .x_name = ledger->study->params[axes.x].name,
        .y_name = ledger->study->metric,
        .series_name = axes.series >= 0 ? ledger->study->params[axes.series].name : NULL,
        .series_count = axes.series >= 0 ? axes.value_count : 1,
        .log_x = axes.log_x,
        .maximize = ledger->maximize,
        .width = width > 30 && width - 14 < PLOT_WIDTH ? width - 14 : PLOT_WIDTH,
        .height = PLOT_HEIGHT,
        .utf8 = utf8,
        .color = color,
    };
    for (int k = 0; k < plot.series_count && axes.series >= 0; k++) {
        esp_buffer_value(&names[k], &axes.values[k]);
        plot.series[k] = esp_buffer_get(&names[k]);
    }
    esp_plot_print(&plot, out);
    for (int k = 0; k < ESP_PLOT_SERIES_MAX; k++) {
        esp_buffer_release(&names[k]);
    }
    free(points);
}

void esp_results_cost(const struct esp_ledger *ledger,
                      const struct esp_reader_totals *totals,
                      struct esp_buffer *out)
{
    double usd = esp_ledger_usd(ledger, totals->device_seconds);
    esp_buffer_add(out, "cost: ");
    esp_buffer_count(out, (double)totals->spent_tokens);
    esp_buffer_add(out, " tokens, ");
    esp_buffer_seconds(out, totals->device_seconds);
    esp_buffer_add(out, " of device time");
    if (!isnan(usd)) {
        esp_buffer_addf(out, ", $%.2f", usd);
    }
    esp_buffer_add(out, "\n");
    if (totals->full_cost_tokens > 0 && totals->spent_tokens > 0) {
        double share = (double)totals->spent_tokens / (double)totals->full_cost_tokens;
        /* What an unfinished search has not spent yet is not saved. */
        bool done = ledger->state == ESP_STUDY_COMPLETE;
        esp_buffer_addf(out,
                        "%s %.0f %% of the ",
                        done ? "saved:" : "spent so far",
                        100 * (done ? 1 - share : share));
        esp_buffer_count(out, (double)totals->full_cost_tokens);
        esp_buffer_addf(out,
                        " tokens that all %lld trials would have used to their horizon\n",
                        (long long)totals->trials);
    }
}

/* How far it came, in twentieths of its horizon: rungs fall on other steps for each batch size.
 */
static long twentieths(const struct esp_reader_trial *trial)
{
    return trial->horizon > 0 ? lround(20.0 * (double)trial->tokens / (double)trial->horizon)
                              : 0;
}

struct standings {
    const struct esp_best *best; /* the first BEST_ROWS */
    bool maximize;
};

/* Place among the best; behind them, and repeats behind every setting. */
static size_t place_of(const struct standings *standings, const struct esp_reader_trial *trial)
{
    const struct esp_rows *rows = &standings->best->rows;
    for (size_t i = 0; i < rows->count; i++) {
        if (rows->trials[i].trial == trial->trial) {
            return i;
        }
    }
    return rows->count + (trial->repeats >= 0);
}

/* Trials at their horizon as they rank, then the others by how far they came and by value. */
static int compare_standing(const void *a, const void *b, void *context)
{
    const struct esp_reader_trial *left = a, *right = b;
    const struct standings *standings = context;
    if (left->finished != right->finished) {
        return right->finished - left->finished;
    }
    size_t left_place = place_of(standings, left), right_place = place_of(standings, right);
    if (left->finished && left_place != right_place) {
        return left_place < right_place ? -1 : 1;
    }
    if (isfinite(left->value) != isfinite(right->value)) {
        return isfinite(left->value) ? -1 : 1;
    }
    if (!left->finished && twentieths(left) != twentieths(right)) {
        return twentieths(left) > twentieths(right) ? -1 : 1;
    }
    if (left->value != right->value && isfinite(left->value)) {
        return (left->value < right->value) != standings->maximize ? -1 : 1;
    }
    return left->trial < right->trial ? -1 : left->trial > right->trial;
}

static void add_next_steps(const char *dir, const struct esp_best *best, struct esp_buffer *out)
{
    long long trial = best->rows.trials[0].trial;
    esp_buffer_addf(out,
                    "\nmore: espalier show %s %lld    espalier why %s %lld    "
                    "espalier sample %s\n",
                    dir,
                    trial,
                    dir,
                    trial,
                    dir);
}

int esp_results_summary(struct esp_ledger *ledger,
                        int width,
                        bool utf8,
                        bool color,
                        struct esp_buffer *out,
                        struct esp_error *error)
{
    struct esp_best best = {0};
    struct esp_rows all = {0};
    struct esp_reader_totals totals;
    struct esp_discards discards;
    struct esp_tie tie = {0};
    int rc = esp_reader_totals(ledger->reader, &totals, error);
    rc = rc < 0 ? rc : esp_best_load(ledger, BEST_ROWS, &best, error);
    rc = rc < 0 ? rc : esp_tie_load(ledger, &totals, &tie, error);
    rc = rc < 0 ? rc : esp_rows_load(ledger->reader, &all, error);
    rc = rc < 0 ? rc : esp_discards_read(ledger, &discards, error);
    if (rc < 0) {
        goto out;
    }
    if (best.rows.count > 0) {
        qsort_r(all.trials,
                all.count,
                sizeof *all.trials,
                compare_standing,
                &(struct standings){&best, ledger->maximize});
        struct esp_rows shown = all;
        shown.count = all.count < BEST_ROWS ? all.count : BEST_ROWS;
        esp_results_table(ledger, &shown, &best, width, color, out);
        esp_tie_words(&tie, ledger->dir, ledger, out);
        esp_buffer_add(out, "\n");
        esp_results_picture(ledger, &all, width, utf8, color, out);
        esp_buffer_add(out, "\n");
    }
    esp_results_cost(ledger, &totals, out);
    esp_discards_words(&discards, totals.trials, out);
    if (best.rows.count > 0) {
        add_next_steps(ledger->dir, &best, out);
    }
    rc = out->failed ? esp_error_set(error, -ENOMEM, "out of memory.") : 0;
out:
    esp_rows_release(&all);
    esp_best_release(&best);
    return rc;
}
