/* The frame around every sampler: it checks that trials are created in order and proposals are
 * finite, fills in a reason, and hides repeats with another seed. */
#include "sampler.h"

#include "registry.h"
#include "setting_numbers.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct esp_sampler {
    const struct esp_sampler_ops *ops;
    void *self;
    const struct esp_study *study;
    uint32_t count; /* trials, repeats among them */
    struct esp_setting_numbers numbers;
};

int esp_sampler_create(const struct esp_study *study,
                       struct esp_sampler **out,
                       struct esp_error *error)
{
    assert(study->param_count >= 0 && study->param_count <= ESP_PARAMS_MAX);
    const struct esp_sampler_ops *ops = esp_sampler_of(study)->ops;
    struct esp_sampler *sampler = calloc(1, sizeof *sampler);
    if (!sampler) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    sampler->ops = ops;
    sampler->study = study;
    int rc = ops->create(study, &sampler->self, error);
    if (rc < 0) {
        free(sampler);
        return rc;
    }
    *out = sampler;
    return 0;
}

void esp_sampler_destroy(struct esp_sampler *sampler)
{
    if (sampler) {
        sampler->ops->destroy(sampler->self);
        esp_setting_numbers_release(&sampler->numbers);
        free(sampler);
    }
}

void esp_sampler_created(struct esp_sampler *sampler, uint32_t trial, const double *values)
{
    assert(trial == sampler->count);
    sampler->count++;
    if (sampler->ops->created) {
        sampler->ops->created(
            sampler->self, esp_setting_numbers_to_setting(&sampler->numbers, trial), values);
    }
}

void esp_sampler_repeated(struct esp_sampler *sampler, uint32_t trial)
{
    assert(trial == sampler->count);
    sampler->count++;
    esp_setting_numbers_add_repeat(&sampler->numbers, trial);
}

void esp_sampler_observed(struct esp_sampler *sampler,
                          uint32_t trial,
                          int64_t tokens,
                          double loss)
{
    assert(trial < sampler->count);
    if (sampler->ops->observed && !esp_setting_numbers_is_repeat(&sampler->numbers, trial)) {
        sampler->ops->observed(sampler->self,
                               esp_setting_numbers_to_setting(&sampler->numbers, trial),
                               tokens,
                               loss);
    }
}

void esp_sampler_ended(struct esp_sampler *sampler, uint32_t trial, enum esp_trial_end end)
{
    assert(trial < sampler->count);
    if (sampler->ops->ended && !esp_setting_numbers_is_repeat(&sampler->numbers, trial)) {
        sampler->ops->ended(
            sampler->self, esp_setting_numbers_to_setting(&sampler->numbers, trial), end);
    }
}

int esp_sampler_propose(const struct esp_sampler *sampler,
                        uint32_t trial,
                        double *values,
                        struct esp_reason *reason)
{
    assert(trial == sampler->count);
    *reason = esp_reason_none(ESP_RULE_NEW);
    uint32_t setting = esp_setting_numbers_to_setting(&sampler->numbers, trial);
    int rc = sampler->ops->propose(sampler->self, setting, values, reason);
    for (int i = 0; rc == 0 && i < ESP_RIVALS_MAX; i++) {
        if (reason->rivals[i] >= 0) {
            reason->rivals[i] = (int32_t)esp_setting_numbers_to_trial(
                &sampler->numbers, (uint32_t)reason->rivals[i]);
        }
    }
    for (int i = 0; rc == 0 && i < sampler->study->param_count; i++) {
        assert(isfinite(values[i]));
    }
    return rc;
}

int esp_sampler_refit(const struct esp_sampler *sampler, double *numbers, int capacity)
{
    return sampler->ops->refit ? sampler->ops->refit(sampler->self, numbers, capacity) : 0;
}

void esp_sampler_fitted(struct esp_sampler *sampler, const double *numbers, int count)
{
    if (sampler->ops->fitted) {
        sampler->ops->fitted(sampler->self, numbers, count);
    }
}
