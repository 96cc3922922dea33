#include "registry.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define RUNG_KEYS "eta", "min", "max", "risk", "calibrate"

const struct esp_scheduler_row esp_schedulers[] = {
    {.type = ESP_SCHEDULER_NONE,
     .name = "none",
     .ops = &esp_scheduler_none,
     .blind = true,
     .summary = "trains every trial to its horizon"},
    {.type = ESP_SCHEDULER_ASHA,
     .name = "asha",
     .aliases = {{"asha-stopping", ESP_ASHA_STOPPING}},
     .ops = &esp_scheduler_asha,
     .keys = {RUNG_KEYS, "form"},
     .risk = ESP_RISK_DEFAULT,
     .summary = "asynchronous successive halving: at every rung the best 1/eta of the trials "
                "go on, without waiting for the others"},
    {.type = ESP_SCHEDULER_MEDIAN,
     .name = "median",
     .ops = &esp_scheduler_median,
     .keys = {"startup_trials", "warmup_tokens"},
     .summary = "stops a trial whose best loss is worse than the median of the completed "
                "trials' running averages there"},
    {.type = ESP_SCHEDULER_HYPERBAND,
     .name = "hyperband",
     .ops = &esp_scheduler_hyperband,
     .keys = {RUNG_KEYS},
     .risk = ESP_RISK_DEFAULT,
     .summary = "brackets of successive halving, from many short trials to few long ones"},
    {.type = ESP_SCHEDULER_BOHB,
     .name = "bohb",
     .ops = &esp_scheduler_hyperband,
     .keys = {RUNG_KEYS},
     .risk = ESP_RISK_DEFAULT,
     .summary = "hyperband's brackets with BOHB's model in `method: tpe`"},
    {.type = ESP_SCHEDULER_PASHA,
     .name = "pasha",
     .ops = &esp_scheduler_pasha,
     .keys = {RUNG_KEYS},
     .risk = ESP_RISK_DEFAULT,
     .summary = "asha whose highest rung is raised only while the order of its trials changes"},
    {.type = ESP_SCHEDULER_HALVING,
     .name = "halving",
     .ops = &esp_scheduler_halving,
     .keys = {RUNG_KEYS},
     .risk = ESP_RISK_DEFAULT,
     .summary = "one bracket of successive halving: each rung waits for all of its trials"},
    {.type = ESP_SCHEDULER_CUT,
     .name = "cut",
     .ops = &esp_scheduler_cut,
     .keys = {"eta", "at", "risk", "calibrate"},
     .required = {"at"},
     .risk = ESP_RISK_DEFAULT,
     .summary = "trains every trial to `at`, then the best of all to their horizon"},
    {.type = ESP_SCHEDULER_PERCENTILE,
     .name = "percentile",
     .ops = &esp_scheduler_percentile,
     .keys = {"percentile", "startup_trials", "warmup_tokens"},
     .required = {"percentile"},
     .summary = "stops a trial whose best loss is worse than a percentile of the completed "
                "trials' losses there"},
    {.type = ESP_SCHEDULER_PATIENCE,
     .name = "patience",
     .ops = &esp_scheduler_patience,
     .keys = {"patience", "min_delta", "warmup_tokens"},
     .required = {"patience"},
     .example = "{type: patience, patience: REPORTS}",
     .example_meaning = "the number of reports without improvement after which a trial is "
                        "stopped",
     .summary = "stops a trial that no longer improves"},
    {.type = ESP_SCHEDULER_THRESHOLD,
     .name = "threshold",
     .ops = &esp_scheduler_threshold,
     .keys = {"threshold", "at"},
     .required = {"threshold"},
     .example = "{type: threshold, threshold: LOSS}",
     .example_meaning = "the loss above which a trial is stopped",
     .summary = "stops a trial whose loss is above a fixed value"},
    {.type = ESP_SCHEDULER_WANDB_HYPERBAND,
     .name = "wandb-hyperband",
     .word = "hyperband",
     .variant = "W&B's rule",
     .ops = &esp_scheduler_wandb_hyperband,
     .keys = {"eta", "min_iter", "max_iter", "s", "strict"},
     .example = "{type: hyperband, min_iter: REPORTS}",
     .example_meaning = "the reports before its first band",
     .summary = "W&B's hyperband rule: stops a trial that is not among the best 1/eta at the "
                "last band it has reached"},
    {.type = ESP_SCHEDULER_FREEZE_THAW,
     .name = "freeze-thaw",
     .ops = &esp_scheduler_freeze_thaw,
     .keys = {RUNG_KEYS},
     .risk = ESP_RISK_DEFAULT,
     .repeats = 1,
     .summary = "trains next the trial, or the new settings, with the largest expected "
                "improvement at the horizon for its cost"},
};
const int esp_scheduler_count = sizeof esp_schedulers / sizeof *esp_schedulers;
_Static_assert(sizeof esp_schedulers / sizeof *esp_schedulers ==
                   ESP_SCHEDULER_TYPE_COUNT - ESP_SCHEDULER_NONE,
               "a row for every type but the default");

const struct esp_scheduler_row *esp_scheduler_of_type(enum esp_scheduler_type type)
{
    int at = (int)type - ESP_SCHEDULER_NONE;
    assert(at >= 0 && at < esp_scheduler_count && esp_schedulers[at].type == type);
    return &esp_schedulers[at];
}

const struct esp_scheduler_row *esp_scheduler_of(const struct esp_study *study)
{
    enum esp_scheduler_type type = study->stopping.type;
    if (type == ESP_SCHEDULER_DEFAULT) {
        bool can_pause = study->abilities.can_save && study->abilities.horizon_known;
        type = can_pause ? ESP_SCHEDULER_FREEZE_THAW : ESP_SCHEDULER_NONE;
    }
    return esp_scheduler_of_type(type);
}

void esp_scheduler_names(const char *names[ESP_SCHEDULER_NAMES_MAX])
{
    int count = 0;
    names[count++] = "default";
    for (int i = 0; i < esp_scheduler_count; i++) {
        const struct esp_scheduler_row *row = &esp_schedulers[i];
        assert(count + 1 + ESP_SCHEDULER_ALIASES_MAX < ESP_SCHEDULER_NAMES_MAX);
        names[count++] = row->name;
        for (int a = 0; a < ESP_SCHEDULER_ALIASES_MAX && row->aliases[a].name; a++) {
            names[count++] = row->aliases[a].name;
        }
    }
    names[count] = NULL;
}

static int unknown(const char *name, struct esp_error *error)
{
    const char *names[ESP_SCHEDULER_NAMES_MAX];
    char list[ESP_SCHEDULER_NAMES_MAX * 20] = "";
    esp_scheduler_names(names);
    for (int i = 0; names[i]; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    }
    return esp_error_set(
        error, -EINVAL, "unknown scheduler \"%.60s\"; there are %s", name, list);
}

int esp_scheduler_find(const char *name,
                       enum esp_scheduler_type *type,
                       int *form,
                       struct esp_error *error)
{
    *form = ESP_ASHA_PROMOTION;
    if (strcmp(name, "default") == 0) {
        *type = ESP_SCHEDULER_DEFAULT;
        return 0;
    }
    for (int i = 0; i < esp_scheduler_count; i++) {
        const struct esp_scheduler_row *row = &esp_schedulers[i];
        bool found = strcmp(row->name, name) == 0;
        for (int a = 0; a < ESP_SCHEDULER_ALIASES_MAX && row->aliases[a].name && !found; a++) {
            found = strcmp(row->aliases[a].name, name) == 0;
            *form = found ? row->aliases[a].form : *form;
        }
        if (found) {
            *type = row->type;
            return 0;
        }
    }
    return unknown(name, error);
}

const char *esp_scheduler_word(const struct esp_scheduler_row *row)
{
    return row->word ? row->word : row->name;
}

static bool is_among(const char *const names[ESP_SCHEDULER_KEYS_MAX], const char *name)
{
    for (int i = 0; i < ESP_SCHEDULER_KEYS_MAX && names[i]; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

bool esp_scheduler_takes(const struct esp_scheduler_row *row, const char *key)
{
    return is_among(row->keys, key) || strcmp(key, "repeats") == 0;
}

bool esp_scheduler_requires(const struct esp_scheduler_row *row, const char *key)
{
    return is_among(row->required, key);
}
