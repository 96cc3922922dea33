#include "registry.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

const struct esp_sampler_row esp_samplers[] = {
    {.method = ESP_METHOD_GRID,
     .name = "grid",
     .ops = &esp_sampler_grid,
     .exhaustive = true,
     .blind = true,
     .summary = "every combination of the parameters' values once"},
    {.method = ESP_METHOD_RANDOM,
     .name = "random",
     .ops = &esp_sampler_random,
     .blind = true,
     .summary = "independent draws from the parameters' distributions"},
    {.method = ESP_METHOD_SOBOL,
     .name = "sobol",
     .ops = &esp_sampler_sobol,
     .blind = true,
     .summary = "points of a scrambled Sobol sequence, which cover the space evenly"},
    {.method = ESP_METHOD_TPE,
     .name = "tpe",
     .univariate_alias = "tpe-univariate",
     .ops = &esp_sampler_tpe,
     .summary = "tree-structured Parzen estimator, as in Optuna 5"},
    {.method = ESP_METHOD_BAYES,
     .name = "bayes",
     .ops = &esp_sampler_bayes,
     .is_default = true,
     .summary = "Bayesian optimisation: a Gaussian process with a scaling-law prior"},
};
const int esp_sampler_count = sizeof esp_samplers / sizeof *esp_samplers;
_Static_assert(sizeof esp_samplers / sizeof *esp_samplers == ESP_METHOD_COUNT,
               "a row for every method");

const struct esp_sampler_row *esp_sampler_of_method(enum esp_method method)
{
    int at = (int)method;
    assert(at >= 0 && at < esp_sampler_count && esp_samplers[at].method == method);
    return &esp_samplers[at];
}

const struct esp_sampler_row *esp_sampler_of(const struct esp_study *study)
{
    return esp_sampler_of_method(study->method);
}

const struct esp_sampler_row *esp_sampler_default(void)
{
    int at = 0;
    while (!esp_samplers[at].is_default) {
        at++;
        assert(at < esp_sampler_count);
    }
    return &esp_samplers[at];
}

void esp_sampler_names(const char *names[ESP_SAMPLER_NAMES_MAX])
{
    assert(esp_sampler_count < ESP_SAMPLER_NAMES_MAX);
    for (int i = 0; i < esp_sampler_count; i++) {
        names[i] = esp_samplers[i].name;
    }
    names[esp_sampler_count] = NULL;
}

void esp_sampler_list(char out[ESP_SAMPLER_LIST_MAX])
{
    out[0] = 0;
    for (int i = 0; i < esp_sampler_count; i++) {
        size_t used = strlen(out);
        const char *before = i == 0 ? "" : i + 1 == esp_sampler_count ? " or " : ", ";
        snprintf(out + used, ESP_SAMPLER_LIST_MAX - used, "%s%s", before, esp_samplers[i].name);
    }
}

static int unknown(const char *name, struct esp_error *error)
{
    char list[ESP_SAMPLER_LIST_MAX] = "";
    for (int i = 0; i < esp_sampler_count; i++) {
        const struct esp_sampler_row *row = &esp_samplers[i];
        size_t used = strlen(list);
        snprintf(list + used,
                 sizeof list - used,
                 "%s%s%s%s",
                 i ? ", " : "",
                 row->name,
                 row->univariate_alias ? ", " : "",
                 row->univariate_alias ? row->univariate_alias : "");
    }
    return esp_error_set(error, -EINVAL, "unknown method \"%.60s\"; there are %s", name, list);
}

int esp_sampler_find(const char *name,
                     enum esp_method *method,
                     bool *univariate,
                     struct esp_error *error)
{
    for (int i = 0; i < esp_sampler_count; i++) {
        const struct esp_sampler_row *row = &esp_samplers[i];
        bool alias = row->univariate_alias && strcmp(row->univariate_alias, name) == 0;
        if (alias || strcmp(row->name, name) == 0) {
            *method = row->method;
            *univariate = alias;
            return 0;
        }
    }
    return unknown(name, error);
}
