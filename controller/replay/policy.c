#include "policy.h"

#include "search/registry.h"
#include "stop/registry.h"
#include "study/study.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool esp_policy_has_inline_scheduler(const struct esp_policy *policy)
{
    return policy->scheduler[strspn(policy->scheduler, " ")] == '{';
}

/* The words of --ablate. */
static const struct {
    const char *name;
    enum esp_ablation part;
} parts_by_name[] = {
    {"curve", ESP_ABLATE_CURVE},
    {"schedule", ESP_ABLATE_SCHEDULE},
    {"prior", ESP_ABLATE_PRIOR},
};

/* 0: unknown. */
static unsigned part_named(const char *name)
{
    for (size_t i = 0; i < sizeof parts_by_name / sizeof *parts_by_name; i++) {
        if (strcmp(parts_by_name[i].name, name) == 0) {
            return parts_by_name[i].part;
        }
    }
    return 0;
}

static int read_parts(const char *text, unsigned *parts, struct esp_error *error)
{
    char copy[ESP_MESSAGE_TEXT_MAX];
    snprintf(copy, sizeof copy, "%s", text ? text : "");
    *parts = 0;
    for (char *rest = text ? copy : NULL; rest;) {
        const char *name = strsep(&rest, ",");
        unsigned part = part_named(name);
        if (!part) {
            return esp_error_set(
                error,
                -EINVAL,
                "--ablate: unknown part \"%.60s\"; there are curve, schedule, prior",
                name);
        }
        *parts |= part;
    }
    return 0;
}

static int check_scheduler(const struct esp_policy *policy, struct esp_error *error)
{
    enum esp_scheduler_type type;
    int form, rc = esp_scheduler_find(policy->scheduler, &type, &form, error);
    if (rc < 0 || type == ESP_SCHEDULER_DEFAULT) {
        return rc;
    }
    const struct esp_scheduler_row *row = esp_scheduler_of_type(type);
    if (row->example) {
        return esp_error_set(error,
                             -EINVAL,
                             "--scheduler %s alone does not say enough; write it as in a "
                             "study file: --scheduler '%s', %s",
                             policy->scheduler,
                             row->example,
                             row->example_meaning);
    }
    if (policy->eta > 0 && !esp_scheduler_takes(row, "eta")) {
        return esp_error_set(
            error, -EINVAL, "--eta: scheduler %s does not use it", policy->scheduler);
    }
    return 0;
}

int esp_policy_check(const struct esp_policy *policy, struct esp_error *error)
{
    enum esp_method method;
    bool univariate;
    unsigned parts;
    int rc = esp_sampler_find(policy->method, &method, &univariate, error);
    if (rc < 0) {
        return rc;
    }
    if (esp_policy_has_inline_scheduler(policy)) {
        const char *twice = policy->eta > 0 ? "eta" : policy->risk >= 0 ? "risk" : NULL;
        if (twice) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "--%s cannot be combined with --scheduler {…}: give %s in the "
                                 "braces",
                                 twice,
                                 twice);
        }
    } else {
        rc = check_scheduler(policy, error);
    }
    return rc < 0 ? rc : read_parts(policy->ablate, &parts, error);
}

/* NAME=VALUE,…,width=OCTAVES */
static int read_center(const char *text,
                       const struct esp_table *table,
                       struct esp_study *study,
                       struct esp_error *error)
{
    char copy[ESP_MESSAGE_TEXT_MAX];
    snprintf(copy, sizeof copy, "%s", text);
    study->prior.kind = ESP_PRIOR_CENTER;
    for (int i = 0; i < ESP_PARAMS_MAX; i++) {
        study->prior.center[i] = NAN;
    }
    for (char *rest = copy; rest;) {
        char *part = strsep(&rest, ","), *value = strchr(part, '='), *end;
        if (!value) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "--prior: \"%.60s\" is neither step-law, none nor NAME=VALUE",
                                 part);
        }
        *value++ = 0;
        double number = strtod(value, &end);
        if (end == value || *end || !(number > 0)) {
            return esp_error_set(
                error, -EINVAL, "--prior: %.60s is \"%.60s\", not above 0", part, value);
        }
        if (strcmp(part, "width") == 0) {
            study->prior.width = number;
            continue;
        }
        int at = 0;
        while (at < table->param_count && strcmp(table->params[at].name, part) != 0) {
            at++;
        }
        if (at == table->param_count) {
            return esp_error_set(
                error, -EINVAL, "--prior: the table has no parameter \"%.60s\"", part);
        }
        study->prior.center[at] =
            table->params[at].scale == ESP_TABLE_LOG1M ? 1 - number : number;
    }
    return 0;
}

static int read_prior(const char *text,
                      const struct esp_table *table,
                      struct esp_study *study,
                      struct esp_error *error)
{
    struct esp_prior *prior = &study->prior;
    prior->given = strcmp(text, "default") != 0;
    prior->kind = ESP_PRIOR_STEP_LAW;
    if (!prior->given || strcmp(text, "step-law") == 0) {
        return 0;
    }
    if (strcmp(text, "none") == 0) {
        prior->kind = ESP_PRIOR_NONE;
        return 0;
    }
    if (strncmp(text, "step-law", 8) == 0) {
        char *end;
        prior->shift = strtod(text + 8, &end);
        if (end == text + 8 || *end || !(fabs(prior->shift) <= 64)) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "--prior: \"%.60s\": a shift in octaves must follow step-law, "
                                 "for example step-law+2",
                                 text);
        }
        return 0;
    }
    return read_center(text, table, study, error);
}

/* A scheduler in braces, as behind early_terminate. Without --calibrate or --calibration
 * nothing is discarded. */
static int read_inline_scheduler(const struct esp_policy *policy,
                                 struct esp_study *study,
                                 struct esp_error *error)
{
    int rc = esp_study_read_stopping(study, policy->scheduler, "--scheduler", error);
    struct esp_stopping *stopping = &study->stopping;
    if (rc == 0 && stopping->repeats_given && stopping->repeats > 0) {
        rc = esp_error_set(error,
                           -EINVAL,
                           "--scheduler: repeats cannot be replayed: a recording has one seed "
                           "of each setting");
    }
    if (rc == 0 && stopping->calibrate_count > 0) {
        rc = esp_error_set(
            error,
            -EINVAL,
            "--scheduler: give --calibrate or --calibration FILE instead of calibrate");
    }
    stopping->repeats = 0;
    return rc;
}

static int read_scheduler(const struct esp_policy *policy,
                          struct esp_study *study,
                          struct esp_error *error)
{
    if (esp_policy_has_inline_scheduler(policy)) {
        return read_inline_scheduler(policy, study, error);
    }
    struct esp_stopping *stopping = &study->stopping;
    esp_stopping_init(stopping);
    stopping->eta = policy->eta;
    stopping->risk = isnan(policy->risk) ? 0 : policy->risk;
    return esp_scheduler_find(policy->scheduler, &stopping->type, &stopping->form, error);
}

int esp_policy_apply(const struct esp_policy *policy,
                     const struct esp_table *table,
                     struct esp_study *study,
                     struct esp_error *error)
{
    unsigned parts;
    int rc = esp_sampler_find(policy->method, &study->method, &study->univariate, error);
    if (rc == 0) {
        rc = read_scheduler(policy, study, error);
    }
    if (rc == 0) {
        rc = read_parts(policy->ablate, &parts, error);
    }
    if (rc < 0) {
        return rc;
    }
    study->ablate |= parts; /* a table without a schedule has set ESP_ABLATE_SCHEDULE */
    return read_prior(policy->prior, table, study, error);
}

/* Puts the option's name before a message that was written for a study file. */
static int name_option(const char *option, const char *value, int rc, struct esp_error *error)
{
    struct esp_error plain = *error;
    return esp_error_set(error, rc, "--%s %.60s: %.1900s", option, value, plain.text);
}

int esp_policy_try(const struct esp_policy *policy,
                   const struct esp_study *study,
                   struct esp_error *error)
{
    struct esp_sampler *sampler = NULL;
    struct esp_scheduler *scheduler = NULL;
    int rc = esp_sampler_create(study, &sampler, error);
    if (rc < 0) {
        return name_option("method", policy->method, rc, error);
    }
    rc = esp_scheduler_create(study, &scheduler, error);
    esp_sampler_destroy(sampler);
    esp_scheduler_destroy(scheduler);
    return rc < 0 ? name_option("scheduler", policy->scheduler, rc, error) : 0;
}

bool esp_policy_is_blind(const struct esp_study *study)
{
    return esp_sampler_of(study)->blind && esp_scheduler_of(study)->blind;
}
