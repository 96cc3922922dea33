/* ADD: trials with values that the user gives.
 *
 * Settings that have a trial are refused where the seed decides the result, unless that trial
 * failed: the fault may have been elsewhere. */
#include "command.h"
#include "create.h"
#include "record.h"
#include "trial.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

static struct esp_command_result refuse(int32_t code, const char *text)
{
    return (struct esp_command_result){code, 0, text};
}

static bool same_value(const struct esp_value *a, const struct esp_value *b)
{
    if (a->type == ESP_VALUE_TEXT || b->type == ESP_VALUE_TEXT) {
        return a->type == b->type && a->text && b->text && strcmp(a->text, b->text) == 0;
    }
    return a->real == b->real;
}

/* Converts a value that a user wrote to the double that a sampler would have drawn. The fault
 * of the value, or NULL. */
static const char *
drawn_value(const struct esp_param *param, const struct esp_value *given, double *drawn)
{
    if (param->distribution == ESP_CONSTANT || param->distribution == ESP_CATEGORICAL ||
        param->distribution == ESP_CATEGORICAL_WEIGHTED) {
        for (int i = 0; i < param->choice_count; i++) {
            if (!given || same_value(&param->choices[i], given)) {
                *drawn = i;
                /* Only a constant may be left out. */
                return given || param->distribution == ESP_CONSTANT
                           ? NULL
                           : "a parameter has no value";
            }
        }
        return "a value is not among its parameter's";
    }
    if (!given) {
        return "a parameter has no value";
    }
    if (given->type == ESP_VALUE_TEXT || !isfinite(given->real)) {
        return "a parameter's value is not a number";
    }
    if (param->integral && given->real != floor(given->real)) {
        return "a parameter's value is not a whole number";
    }
    *drawn = given->real;
    return NULL;
}

static const struct esp_value *given_value(const struct esp_command *c, const char *name)
{
    for (uint32_t i = 0; i < c->setting_count; i++) {
        if (c->settings[i].name && strcmp(c->settings[i].name, name) == 0) {
            return &c->settings[i].value;
        }
    }
    return NULL;
}

static bool is_param(const struct esp_study *study, const char *name)
{
    for (int i = 0; i < study->param_count; i++) {
        if (name && strcmp(study->params[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

struct esp_command_result esp_command_add(struct esp_core *core, const struct esp_command *c)
{
    const struct esp_study *study = core->study;
    double values[ESP_PARAMS_MAX];
    if (core->mode != ESP_MODE_RUN && core->mode != ESP_MODE_LOADED) {
        return refuse(-ESHUTDOWN, "the study's controller is shutting down");
    }
    if ((core->run_cap > 0 && core->trial_count >= core->run_cap) ||
        core->trial_count >= ESP_TRIALS_MAX) {
        return refuse(-EDQUOT, "run_cap is reached: raise it first");
    }
    for (uint32_t i = 0; i < c->setting_count; i++) {
        if (!is_param(study, c->settings[i].name)) {
            return refuse(-EINVAL, "a name is not among the study's parameters");
        }
    }
    for (int i = 0; i < study->param_count; i++) {
        const struct esp_value *given = given_value(c, study->params[i].name);
        const char *fault = drawn_value(&study->params[i], given, &values[i]);
        if (fault) {
            return refuse(-EINVAL, fault);
        }
    }
    struct esp_trainer settings;
    if (study->abilities.settings_known && (!esp_trial_settings(core, values, &settings) ||
                                            esp_trainer_validate(&settings, NULL) != 0)) {
        return refuse(-EINVAL, "the trainer refuses these values");
    }
    int64_t same = esp_sampler_trial_with(core->sampler, values);
    if (same >= 0 && study->abilities.deterministic &&
        core->trials[same].state != ESP_TRIAL_FAILED) {
        return (struct esp_command_result){
            -EEXIST,
            (uint32_t)same,
            "a trial with these settings exists, and a second one would give the same result"};
    }
    struct esp_reason reason = esp_reason_none(ESP_RULE_USER);
    struct esp_verdict start = {.until = INT64_MAX, .reason = reason};
    uint32_t trial = core->trial_count;
    assert(trial < ESP_TRIALS_MAX);
    esp_create_trial(core, values, &reason, &start);
    return (struct esp_command_result){0, trial, NULL};
}
