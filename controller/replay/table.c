#include "table.h"

#include "study/study.h"
#include "table_scale.h"

#include <assert.h>
#include <errno.h>
#include <espalier/compare.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    esp_study_destroy(table->recorded);
    memset(table, 0, sizeof *table);
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
               : esp_error_set(
                     error,
                     -EINVAL,
                     "%s: no trial ends with a finite loss, so there is nothing to find",
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

double esp_table_final_bound(const struct esp_table *table, uint32_t trial)
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
        double loss = esp_table_final_bound(table, t);
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
    qsort(finals, count, sizeof *finals, esp_compare_doubles);
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
    if (param->values) {
        x = esp_table_param_number(param, (int)drawn);
    } else if (param->scale == ESP_TABLE_LOG1M) {
        x = 1 - drawn;
    }
    return esp_table_share(esp_table_param_scale(param), param->min, param->max, x);
}

int64_t esp_table_nearest(const struct esp_table *table, const double *drawn, const bool *taken)
{
    int64_t nearest = -1;
    double sum_min = INFINITY, at[ESP_PARAMS_MAX];
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
        if (sum < sum_min) {
            sum_min = sum;
            nearest = t;
        }
    }
    return nearest;
}
