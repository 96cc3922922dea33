/* Sobol search: points of a scrambled Sobol sequence, of which every run of 2^k is spread
 * evenly over the space.
 *
 * Trial i gets point i. The scrambling is keyed by the study's seed. With it the first point is
 * as good as any other, and dropping it would destroy the balance (Owen, "On dropping the first
 * Sobol' point", 2020). Constants take no dimension. */
#include "sampler.h"
#include "sobol_points.h"

#include <errno.h>
#include <stdlib.h>

struct sobol {
    const struct esp_study *study;
    struct esp_sobol_dimension dimension[ESP_PARAMS_MAX]; /* per parameter that varies */
};

static int create(const struct esp_study *study, void **self, struct esp_error *error)
{
    struct sobol *sobol = malloc(sizeof *sobol);
    if (!sobol) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    sobol->study = study;
    int dimension = 0;
    for (int i = 0; i < study->param_count; i++) {
        if (study->params[i].distribution != ESP_CONSTANT) {
            esp_sobol_dimension_make(&sobol->dimension[i], dimension++);
        }
    }
    *self = sobol;
    return 0;
}

static int propose(const void *self, uint32_t trial, double *values, struct esp_reason *reason)
{
    const struct sobol *sobol = self;
    const struct esp_study *study = sobol->study;
    (void)reason;
    for (int i = 0; i < study->param_count; i++) {
        double u = 0;
        if (study->params[i].distribution != ESP_CONSTANT) {
            u = esp_sobol_scramble(
                esp_sobol_bits(&sobol->dimension[i], trial), study->seed, (uint64_t)i, trial);
        }
        values[i] = esp_param_draw(&study->params[i], u);
    }
    return 0;
}

const struct esp_sampler_ops esp_sampler_sobol = {
    .create = create,
    .destroy = free,
    .propose = propose,
};
