/* Random search: parameter p of trial t is a function of (seed, t, p) only. */
#include "sampler.h"

#include <espalier/random.h>

static int create(const struct esp_study *study, void **self, struct esp_error *error)
{
    (void)error;
    *self = (void *)study;
    return 0;
}

static void destroy(void *self)
{
    (void)self;
}

static int propose(const void *self, uint32_t trial, double *values, struct esp_reason *reason)
{
    const struct esp_study *study = self;
    (void)reason;
    for (int i = 0; i < study->param_count; i++) {
        struct esp_random_block block =
            esp_random_at(study->seed, trial, ESP_RANDOM_SAMPLER, (uint64_t)i);
        values[i] =
            esp_param_draw(&study->params[i], esp_random_unit(block.word[0], block.word[1]));
    }
    return 0;
}

const struct esp_sampler_ops esp_sampler_random = {
    .create = create,
    .destroy = destroy,
    .propose = propose,
};
