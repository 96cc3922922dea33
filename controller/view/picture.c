#include "picture.h"

#include "human.h"
#include "plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PLOT_WIDTH 64
#define PLOT_HEIGHT 14

static bool same_value(const struct esp_value *a, const struct esp_value *b)
{
    if (a->type == ESP_VALUE_TEXT || b->type == ESP_VALUE_TEXT) {
        return a->type == b->type && strcmp(a->text, b->text) == 0;
    }
    return a->real == b->real;
}

static bool is_log(const struct esp_param *param)
{
    return param->distribution == ESP_LOG_UNIFORM ||
           param->distribution == ESP_LOG_UNIFORM_VALUES ||
           param->distribution == ESP_INV_LOG_UNIFORM ||
           param->distribution == ESP_INV_LOG_UNIFORM_VALUES ||
           param->distribution == ESP_LOG_NORMAL;
}

/* Counts the different values of a parameter, up to `max`, and finds whether all are numbers
 * and positive. */
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

/* Chooses the x axis: the learning rate, or else the numeric parameter with the most values,
 * logarithmic ones first. The series are those of another parameter with few values. */
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
        /* A grid over decades is easier to read on a logarithmic scale. */
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

void esp_picture_text(const struct esp_ledger *ledger,
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
        esp_human_value(&names[k], &axes.values[k]);
        plot.series[k] = esp_buffer_get(&names[k]);
    }
    esp_plot_print(&plot, out);
    for (int k = 0; k < ESP_PLOT_SERIES_MAX; k++) {
        esp_buffer_release(&names[k]);
    }
    free(points);
}
