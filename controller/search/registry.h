/* The samplers, one row each.
 *
 * The rows drive `method:` of the study file, `replay --method`, the help texts, error messages
 * and the creation of samplers. A new sampler is one file with its operations (listed in
 * meson.build), its `extern` in sampler.h, one value of enum esp_method and one row. */
#ifndef ESPALIER_SEARCH_REGISTRY_H
#define ESPALIER_SEARCH_REGISTRY_H

#include "sampler.h"

#include <espalier/study.h>

/* The name and the alias of every row, and the NULL behind them. */
#define ESP_SAMPLER_NAMES_MAX 16
/* All names in one text. */
#define ESP_SAMPLER_LIST_MAX (ESP_SAMPLER_NAMES_MAX * 20)

struct esp_sampler_row {
    enum esp_method method;
    const char *name; /* unique: the study file, messages, replay */
    /* Another name in replay, which sets struct esp_study's `univariate`; NULL: none. */
    const char *univariate_alias;
    const struct esp_sampler_ops *ops;
    /* It proposes every combination once and then ends the search. Every parameter must have a
     * grid (esp_param_grid_count). */
    bool exhaustive;
    bool blind;          /* its proposals do not depend on losses */
    bool is_default;     /* replay without --method; exactly one */
    const char *summary; /* one sentence, without a full stop */
};

/* In the order of enum esp_method. */
extern const struct esp_sampler_row esp_samplers[];
extern const int esp_sampler_count;

const struct esp_sampler_row *esp_sampler_of(const struct esp_study *study);
const struct esp_sampler_row *esp_sampler_of_method(enum esp_method method);
const struct esp_sampler_row *esp_sampler_default(void);

/* Sets method and `univariate` from a name or alias. -EINVAL: there is no such sampler; the
 * error lists them. */
int esp_sampler_find(const char *name,
                     enum esp_method *method,
                     bool *univariate,
                     struct esp_error *error);
/* The names that a study file takes, in the order of enum esp_method, NULL-terminated. */
void esp_sampler_names(const char *names[ESP_SAMPLER_NAMES_MAX]);
/* The same as text: "grid, random or sobol". */
void esp_sampler_list(char out[ESP_SAMPLER_LIST_MAX]);

#endif
