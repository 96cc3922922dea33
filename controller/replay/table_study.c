/* The study that a table's sampler and scheduler are created for. */
#include "study/study.h"
#include "table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Choices keep the order of the file, as in a study file. */
static int fill_param(const struct esp_table_param *from, struct esp_param *to)
{
    snprintf(to->name, sizeof to->name, "%s", from->name);
    if (from->values || from->min == from->max) {
        int count = from->values ? from->value_count : 1;
        to->distribution = count > 1 ? ESP_CATEGORICAL : ESP_CONSTANT;
        to->choices = calloc((size_t)count, sizeof *to->choices);
        if (!to->choices) {
            return -ENOMEM;
        }
        to->choice_count = count;
        for (int i = 0; i < count; i++) {
            to->choices[i] =
                from->values ? from->values[i]
                             : (struct esp_value){.type = ESP_VALUE_REAL, .real = from->min};
            if (to->choices[i].type == ESP_VALUE_TEXT) {
                to->choices[i].text = strdup(from->values[i].text);
            }
        }
        return 0;
    }
    to->distribution = from->scale == ESP_TABLE_LINEAR ? ESP_UNIFORM : ESP_LOG_UNIFORM_VALUES;
    to->min = from->scale == ESP_TABLE_LOG1M ? 1 - from->max : from->min;
    to->max = from->scale == ESP_TABLE_LOG1M ? 1 - from->min : from->max;
    return 0;
}

/* A parameter of a recorded study. */
static int copy_param(const struct esp_param *from, struct esp_param *to)
{
    size_t count = (size_t)from->choice_count;
    *to = *from;
    to->line = 0; /* the line is of another study's file */
    to->choices = NULL;
    to->probabilities = NULL;
    if (count == 0) {
        return 0;
    }
    to->choices = calloc(count, sizeof *to->choices);
    to->probabilities = from->probabilities ? calloc(count, sizeof *to->probabilities) : NULL;
    if (!to->choices || (from->probabilities && !to->probabilities)) {
        to->choice_count = 0;
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        to->choices[i] = from->choices[i];
        if (to->choices[i].type == ESP_VALUE_TEXT) {
            to->choices[i].text = strdup(from->choices[i].text);
        }
        if (to->probabilities) {
            to->probabilities[i] = from->probabilities[i];
        }
    }
    return 0;
}

/* Tokens between reports: the earliest first point of all trials. */
static int64_t interval_of(const struct esp_table *table)
{
    int64_t interval = table->points[table->first[0]].tokens;
    for (uint32_t t = 1; t < table->trial_count; t++) {
        int64_t tokens = table->points[table->first[t]].tokens;
        interval = tokens < interval ? tokens : interval;
    }
    return interval;
}

static void set_if_given(double *setting, double value)
{
    if (!isnan(value)) {
        *setting = value;
    }
}

int esp_table_study(const struct esp_table *table,
                    struct esp_study **out,
                    struct esp_error *error)
{
    const struct esp_study *recorded = table->recorded;
    struct esp_study *study = calloc(1, sizeof *study);
    if (!study) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    snprintf(study->name, sizeof study->name, "%s", table->name);
    snprintf(study->metric, sizeof study->metric, "%s", table->metric);
    study->abilities = recorded ? recorded->abilities : esp_abilities_builtin();
    esp_trainer_init(&study->trainer);
    if (recorded) {
        study->trainer = recorded->trainer;
    } else {
        study->trainer.context = table->context;
        study->trainer.schedule =
            table->schedule >= 0 ? table->schedule : ESP_SCHEDULE_CONSTANT;
        study->ablate = table->schedule >= 0 ? 0 : ESP_ABLATE_SCHEDULE;
        set_if_given(&study->trainer.warmup, table->warmup);
        set_if_given(&study->trainer.decay, table->decay);
        set_if_given(&study->trainer.floor, table->floor);
    }
    study->trainer.tokens = table->horizon;
    study->trainer.report_every = interval_of(table);
    study->prior.parameters = table->model_parameters;
    study->param_count = table->param_count;
    for (int i = 0; i < table->param_count; i++) {
        int rc = recorded ? copy_param(&recorded->params[i], &study->params[i])
                          : fill_param(&table->params[i], &study->params[i]);
        if (rc < 0) {
            esp_study_destroy(study);
            return esp_error_set(error, -ENOMEM, "out of memory");
        }
    }
    *out = study;
    return 0;
}
