#include "exchangeable.h"

#include "registry.h"
#include "repeat.h"
#include "search/registry.h"
#include "search/sampler.h"

#include <espalier/limits.h>
#include <math.h>
#include <string.h>

/* Shares of the horizon that differ by no more than this factor count as the same. */
#define SHARES_RATIO 1.5
/* Plans that count as the same: a study with somewhat fewer settings, or up to twice as many.
 */
#define PLAN_LESS 0.9
#define PLAN_MORE 2.0

/* Tokens as a share of the horizon, where that is known; 0: the scheduler's default. */
static double share_of(const struct esp_study *study, double tokens)
{
    return study->abilities.horizon_known && study->trainer.tokens > 0
               ? tokens / (double)study->trainer.tokens
               : tokens;
}

static bool is_near(double a, double b)
{
    return a == b || (a > 0 && b > 0 && a <= b * SHARES_RATIO && b <= a * SHARES_RATIO);
}

/* Whether all keys of early_terminate that must match in this way do. */
static bool
keys_match(const struct esp_study *study, const struct esp_study *other, enum esp_key_match how)
{
    for (int i = 0; i < esp_stopping_key_count; i++) {
        const struct esp_stopping_key *key = &esp_stopping_keys[i];
        double a = esp_stopping_get(&study->stopping, key);
        double b = esp_stopping_get(&other->stopping, key);
        if (strcmp(key->key.name, "eta") == 0) { /* the default is left at 0 */
            a = esp_stopping_eta(&study->stopping);
            b = esp_stopping_eta(&other->stopping);
        }
        bool same =
            how == ESP_MATCH_SHARE ? is_near(share_of(study, a), share_of(other, b)) : a == b;
        if (key->match == how && !same) {
            return false;
        }
    }
    return true;
}

/* Trials, or trainings of a budget, without those that are kept for repeats. */
static double without_reserve(const struct esp_stopping *stopping, double planned)
{
    return planned - esp_repeat_reserve((uint32_t)stopping->repeats,
                                        stopping->repeats_given,
                                        (int64_t)fmin(planned, ESP_TRIALS_MAX));
}

/* Full trainings that a budget of tokens pays for; 0: there is no such budget. */
static double trainings_of_budget(const struct esp_study *study)
{
    bool known = study->abilities.progress == ESP_PROGRESS_TOKENS && study->trainer.tokens > 0;
    return known ? without_reserve(&study->stopping,
                                   study->budget.tokens / (double)study->trainer.tokens)
                 : 0;
}

/* Least number of settings that the study is planned for; 0: there is no plan. It is the first
 * limit of run_cap, the whole grid and the budget, but never more than the settings of the
 * space. Repeats are not counted: no trial is ranked against one. */
static double plan_of(const struct esp_study *study, double run_cap)
{
    bool exhaustive = esp_sampler_of(study)->exhaustive;
    double settings = (double)esp_study_setting_count(study);
    if (settings > ESP_TRIALS_MAX && !exhaustive) {
        settings = 0; /* other limits come first */
    }
    double plan = run_cap > 0  ? without_reserve(&study->stopping, run_cap)
                  : exhaustive ? settings
                               : trainings_of_budget(study);
    return settings > 0 && (plan <= 0 || settings < plan) ? settings : plan;
}

const char *esp_study_difference(const struct esp_study *study,
                                 const struct esp_study *other,
                                 double run_cap)
{
    const struct esp_stopping *a = &study->stopping, *b = &other->stopping;
    if (study->maximize != other->maximize || strcmp(study->metric, other->metric) != 0) {
        return "its metric or goal is another";
    }
    if (esp_scheduler_of(study) != esp_scheduler_of(other) ||
        !keys_match(study, other, ESP_MATCH_EQUAL)) {
        return "its early_terminate is another (type, form or eta)";
    }
    if (a->repeats != b->repeats || a->repeats_given != b->repeats_given) {
        return "it keeps another part of its trials for repeats";
    }
    if (!keys_match(study, other, ESP_MATCH_SHARE)) {
        return "its rungs are at other shares of the horizon";
    }
    if (study->method != other->method || study->prior.kind != other->prior.kind) {
        return "its method or prior is another";
    }
    double plan = plan_of(study, (double)study->run_cap), theirs = plan_of(other, run_cap);
    if (plan > 0 ? theirs < PLAN_LESS * plan || theirs > PLAN_MORE * plan : theirs > 0) {
        return "it was planned for another number of settings";
    }
    return NULL;
}
