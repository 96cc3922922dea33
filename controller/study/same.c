/* Whether a study file that was edited still describes the same search, and what defaults a
 * study has that an older version began. */
#include "study.h"

#include "../stop/stopping_keys.h"

#include <errno.h>
#include <string.h>

#define FORMAT_OF_REPEATS 2

void esp_study_apply_format(struct esp_study *study, int format)
{
    if (format < FORMAT_OF_REPEATS && !study->stopping.repeats_given) {
        study->stopping.repeats = 0;
    }
}

static int differs(struct esp_error *error, const char *key)
{
    return esp_error_set(
        error,
        -EINVAL,
        "`%s` differs from the study in this folder; only run_cap, budget, workers "
        "and description may change. Undo the change, or start a new study "
        "in another folder with --dir",
        key);
}

/* Equal, or both NaN. */
static bool is_equal(double a, double b)
{
    return a == b || (a != a && b != b);
}

static bool is_same_value(const struct esp_value *a, const struct esp_value *b)
{
    if (a->type == ESP_VALUE_TEXT || b->type == ESP_VALUE_TEXT) {
        return a->type == b->type && strcmp(a->text, b->text) == 0;
    }
    return (a->type == ESP_VALUE_BOOLEAN) == (b->type == ESP_VALUE_BOOLEAN) &&
           a->real == b->real;
}

static bool is_same_param(const struct esp_param *a, const struct esp_param *b)
{
    if (a->distribution != b->distribution || a->quantised != b->quantised ||
        a->integral != b->integral || a->choice_count != b->choice_count || a->min != b->min ||
        a->max != b->max || a->mu != b->mu || a->sigma != b->sigma || a->a != b->a ||
        a->b != b->b || a->q != b->q) {
        return false;
    }
    for (int i = 0; i < a->choice_count; i++) {
        if (!is_same_value(&a->choices[i], &b->choices[i]) ||
            (a->probabilities && a->probabilities[i] != b->probabilities[i])) {
            return false;
        }
    }
    return true;
}

/* Both are sorted by name, so the first difference gives the key. */
static int
compare_params(const struct esp_study *a, const struct esp_study *b, struct esp_error *error)
{
    char key[ESP_NAME_MAX + 16];

    for (int i = 0; i < a->param_count || i < b->param_count; i++) {
        const struct esp_param *p = i < a->param_count ? &a->params[i] : NULL;
        const struct esp_param *q = i < b->param_count ? &b->params[i] : NULL;
        int order = !p ? 1 : !q ? -1 : strcmp(p->name, q->name);
        if (order != 0 || !is_same_param(p, q)) {
            snprintf(key, sizeof key, "parameters.%s", order <= 0 ? p->name : q->name);
            return differs(error, key);
        }
    }
    return 0;
}

static int
compare_trainers(const struct esp_study *a, const struct esp_study *b, struct esp_error *error)
{
    char key[ESP_NAME_MAX + 16];

    for (size_t i = 0; a->abilities.settings_known && i < esp_trainer_field_count; i++) {
        const struct esp_field *field = &esp_trainer_fields[i];
        struct esp_value x = esp_trainer_get(&a->trainer, field);
        struct esp_value y = esp_trainer_get(&b->trainer, field);
        if (!is_same_value(&x, &y)) {
            snprintf(key, sizeof key, "trainer.%s", field->name);
            return differs(error, key);
        }
    }
    return 0;
}

/* The folders of `calibrate` may change: they are looked at once, when a study begins. */
static bool is_same_stopping(const struct esp_stopping *a, const struct esp_stopping *b)
{
    bool same = a->type == b->type;
    for (int i = 0; i < esp_stopping_key_count; i++) {
        const struct esp_stopping_key *key = &esp_stopping_keys[i];
        same = same && is_equal(esp_stopping_get(a, key), esp_stopping_get(b, key));
    }
    return same;
}

static bool is_same_prior(const struct esp_study *a, const struct esp_study *b)
{
    if (a->prior.kind != b->prior.kind || a->prior.width != b->prior.width) {
        return false;
    }
    for (int i = 0; i < a->param_count; i++) {
        if (!is_equal(a->prior.center[i], b->prior.center[i])) {
            return false;
        }
    }
    return true;
}

static bool is_same_command(char **a, char **b)
{
    if (!a || !b) {
        return a == b;
    }
    for (; *a && *b && strcmp(*a, *b) == 0; a++, b++) {
    }
    return !*a && !*b;
}

int esp_study_same_search(const struct esp_study *a,
                          const struct esp_study *b,
                          struct esp_error *error)
{
    int rc;

    if (strcmp(a->name, b->name) != 0) {
        return differs(error, "name");
    }
    if (a->seed != b->seed) {
        return differs(error, "seed");
    }
    if (a->method != b->method) {
        return differs(error, "method");
    }
    if (!a->command != !b->command) {
        return differs(error, "trainer");
    }
    if (!is_same_command(a->command, b->command)) {
        return differs(error, "command");
    }
    if (strcmp(a->metric, b->metric) != 0 || a->maximize != b->maximize ||
        a->has_target != b->has_target || a->target != b->target) {
        return differs(error, "metric");
    }
    rc = compare_params(a, b, error);
    if (rc < 0) {
        return rc;
    }
    if (!is_same_prior(a, b)) {
        return differs(error, "prior");
    }
    if (!is_same_stopping(&a->stopping, &b->stopping)) {
        return differs(error, "early_terminate");
    }
    return compare_trainers(a, b, error);
}
