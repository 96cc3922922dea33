/* The frame around every sampler: it checks that trials are created in order and proposals are
 * finite, fills in a reason, and hides repeats with another seed.
 *
 * It also keeps settings from being trained twice. A proposal that exists already is replaced
 * by an unseen setting near it. When every setting exists, the search is exhausted, as a grid
 * is; but a trainer that is not deterministic may be given the same settings again. A grid
 * keeps its own record. */
#include "sampler.h"

#include "known_settings.h"
#include "registry.h"
#include "setting_numbers.h"
#include "setting_space.h"
#include "unseen_setting.h"

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
    struct esp_setting_space *space;
    struct esp_known_settings known;
    int64_t known_inside; /* of them, those among the settings that the space counts */
};

int64_t esp_study_setting_count(const struct esp_study *study)
{
    bool grid = esp_sampler_of(study)->exhaustive;
    return grid || study->abilities.deterministic ? esp_setting_count(study, grid) : 0;
}

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
    int rc = esp_setting_space_create(study, &sampler->space);
    if (rc < 0) {
        free(sampler);
        return esp_error_set(error, rc, "out of memory");
    }
    rc = ops->create(study, &sampler->self, error);
    if (rc < 0) {
        esp_setting_space_destroy(sampler->space);
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
        esp_known_settings_release(&sampler->known);
        esp_setting_space_destroy(sampler->space);
        free(sampler);
    }
}

void esp_sampler_created(struct esp_sampler *sampler, uint32_t trial, const double *values)
{
    double canonical[ESP_PARAMS_MAX];
    assert(trial == sampler->count);
    sampler->count++;
    esp_setting_space_canonical(sampler->space, values, canonical);
    if (esp_known_settings_add(
            &sampler->known, sampler->study->param_count, canonical, trial)) {
        sampler->known_inside += esp_setting_space_has(sampler->space, canonical);
    }
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

int64_t esp_sampler_trial_with(const struct esp_sampler *sampler, const double *values)
{
    double canonical[ESP_PARAMS_MAX];
    esp_setting_space_canonical(sampler->space, values, canonical);
    return esp_known_settings_find(&sampler->known, sampler->study->param_count, canonical);
}

int64_t esp_sampler_unseen(const struct esp_sampler *sampler)
{
    int64_t total = esp_study_setting_count(sampler->study);
    bool grid = esp_sampler_of(sampler->study)->exhaustive;
    int64_t known = grid ? (int64_t)sampler->known.count : sampler->known_inside;
    if (total == 0) {
        return INT64_MAX;
    }
    return total > known ? total - known : 1;
}

static bool is_exhausted(const struct esp_sampler *sampler)
{
    int64_t total = sampler->space->total;
    return total > 0 && sampler->known_inside >= total;
}

/* Replaces a proposal that exists, or that no draw gives. */
static int avoid_known(const struct esp_sampler *sampler,
                       uint32_t setting,
                       double *values,
                       struct esp_reason *reason)
{
    esp_drawable_setting(sampler->space, setting, values);
    if (esp_sampler_trial_with(sampler, values) < 0) {
        return 0;
    }
    if (!is_exhausted(sampler) &&
        esp_unseen_setting(sampler->space, &sampler->known, setting, values)) {
        *reason = esp_reason_none(ESP_RULE_NEW); /* it was about the other values */
        return 0;
    }
    return sampler->study->abilities.deterministic ? ESP_SAMPLER_EXHAUSTED : 0;
}

int esp_sampler_propose(const struct esp_sampler *sampler,
                        uint32_t trial,
                        double *values,
                        struct esp_reason *reason)
{
    assert(trial == sampler->count);
    *reason = esp_reason_none(ESP_RULE_NEW);
    uint32_t setting = esp_setting_numbers_to_setting(&sampler->numbers, trial);
    bool grid = esp_sampler_of(sampler->study)->exhaustive;
    if (!grid && sampler->study->abilities.deterministic && is_exhausted(sampler)) {
        return ESP_SAMPLER_EXHAUSTED;
    }
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
    return rc == 0 && !grid ? avoid_known(sampler, setting, values, reason) : rc;
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
