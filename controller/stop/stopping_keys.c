#include "stopping_keys.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Published default of eta (arXiv 1603.06560; 1810.05934 uses 4). */
#define ETA 3
/* Counts are ints. */
#define COUNT_MAX 1e9

static const char *const forms[] = {
    [ESP_ASHA_PROMOTION] = "promotion",
    [ESP_ASHA_STOPPING] = "stopping",
    NULL,
};

#define AT(member) offsetof(struct esp_stopping, member)
#define ABOVE_0 .max = HUGE_VAL, .min_excluded = true, .max_excluded = true, .range = "above 0"
#define FROM_0 .max = HUGE_VAL, .max_excluded = true, .range = "0 or more"
#define COUNT .min = 1, .max = COUNT_MAX, .range = "a whole number, 1 or more"

const struct esp_stopping_key esp_stopping_keys[] = {
    {.key = {.name = "eta",
             .type = ESP_KEY_REAL,
             .min = 1,
             .max = 1e6,
             .min_excluded = true,
             .range = "a number above 1",
             .fallback = ETA,
             .meaning =
                 "each rung trains eta times further than the one below and keeps 1/eta of its "
                 "trials; for cut: the best 1/eta of all trials go on"},
     .offset = AT(eta),
     .match = ESP_MATCH_EQUAL},
    {.key = {.name = "min",
             .type = ESP_KEY_REAL,
             ABOVE_0,
             .fallback_text = "the last rung / eta^3, but no less than a report interval",
             .unit = "tokens",
             .example = "1e5",
             .meaning = "the first rung"},
     .offset = AT(min),
     .match = ESP_MATCH_SHARE,
     .horizon = ESP_HORIZON_BELOW},
    {.key = {.name = "max",
             .type = ESP_KEY_REAL,
             ABOVE_0,
             .fallback_text = "the horizon",
             .unit = "tokens",
             .example = "1e6",
             .meaning = "the last rung"},
     .offset = AT(max),
     .match = ESP_MATCH_SHARE,
     .horizon = ESP_HORIZON_UP_TO},
    {.key =
         {.name = "form",
          .type = ESP_KEY_WORD,
          .words = forms,
          .fallback = ESP_ASHA_PROMOTION,
          .meaning =
              "promotion: trials wait at their rung until they are among its best; stopping: "
              "trials that are not among its best as they arrive are stopped for good"},
     .offset = AT(form),
     .match = ESP_MATCH_EQUAL},
    {.key =
         {.name = "risk",
          .type = ESP_KEY_REAL,
          .max = 1,
          .max_excluded = true,
          .range = "in [0, 1)",
          .fallback = ESP_RISK_DEFAULT,
          .meaning =
              "chance, measured on finished studies, that the best trial is ever among those "
              "whose checkpoint is deleted; 0: trials are only paused"},
     .offset = AT(risk)},
    {.key = {.name = "min_iter",
             .type = ESP_KEY_WHOLE,
             COUNT,
             .fallback_text = "none; then max_iter and s are needed",
             .unit = "reports",
             .example = "3",
             .meaning = "the first band; each further one is eta times as far"},
     .offset = AT(min_iter)},
    {.key = {.name = "max_iter",
             .type = ESP_KEY_WHOLE,
             COUNT,
             .fallback_text = "none; then min_iter is needed",
             .unit = "reports",
             .example = "27",
             .meaning = "the bands are max_iter / eta^k for k from 1 to s"},
     .offset = AT(max_iter)},
    {.key = {.name = "s",
             .type = ESP_KEY_WHOLE,
             .max = COUNT_MAX,
             .range = "a whole number, 0 or more",
             .fallback_text = "none; max_iter needs it",
             .example = "2",
             .meaning = "number of bands below max_iter; without max_iter it has no effect"},
     .offset = AT(s)},
    {.key = {.name = "strict",
             .type = ESP_KEY_BOOLEAN,
             .fallback = true, /* as W&B's schema fills it in */
             .meaning =
                 "compare a trial by its loss at the band instead of its best loss so far"},
     .offset = AT(strict)},
    {.key = {.name = "startup_trials",
             .type = ESP_KEY_WHOLE,
             COUNT,
             .fallback = 5,
             .unit = "trials",
             .meaning = "number of completed trials before any is stopped"},
     .offset = AT(startup_trials)},
    {.key = {.name = "warmup_tokens",
             .type = ESP_KEY_REAL,
             FROM_0,
             .unit = "tokens",
             .meaning = "no trial is stopped before; patience does not count earlier reports"},
     .offset = AT(warmup_tokens),
     .match = ESP_MATCH_ANY,
     .horizon = ESP_HORIZON_BELOW},
    {.key = {.name = "percentile",
             .type = ESP_KEY_REAL,
             .max = 100,
             .min_excluded = true,
             .max_excluded = true,
             .range = "between 0 and 100",
             .fallback = NAN,
             .unit = "%",
             .example = "25",
             .meaning = "share of the trials to keep"},
     .offset = AT(percentile)},
    {.key = {.name = "patience",
             .type = ESP_KEY_WHOLE,
             COUNT,
             .fallback = NAN,
             .unit = "reports",
             .example = "5",
             .meaning = "a trial without an improvement in as many reports is stopped"},
     .offset = AT(patience)},
    {.key = {.name = "min_delta",
             .type = ESP_KEY_REAL,
             FROM_0,
             .unit = "units of the metric",
             .meaning = "an improvement must be larger than this"},
     .offset = AT(min_delta)},
    {.key = {.name = "threshold",
             .type = ESP_KEY_REAL,
             .min = -HUGE_VAL,
             .max = HUGE_VAL,
             .min_excluded = true,
             .max_excluded = true,
             .range = "finite",
             .fallback = NAN,
             .unit = "units of the metric",
             .example = "4",
             .meaning = "a trial with a worse value is stopped"},
     .offset = AT(threshold)},
    {.key = {.name = "at",
             .type = ESP_KEY_REAL,
             ABOVE_0,
             .fallback_text = "threshold: from the start; cut needs it",
             .unit = "tokens",
             .example = "1e5",
             .meaning =
                 "cut: where trials wait until the best are known; threshold: no trial is "
                 "stopped before"},
     .offset = AT(at),
     .match = ESP_MATCH_SHARE,
     .horizon = ESP_HORIZON_UP_TO},
    {.key = {.name = "repeats",
             .type = ESP_KEY_WHOLE,
             .max = 2,
             .range = "0, 1 or 2",
             .fallback_text =
                 "1 with freeze-thaw and the built-in trainer, unless the method is grid "
                 "or `seed` is searched; else 0",
             .example = "1",
             .meaning =
                 "further seeds for settings whose losses differ by less than a seed does when "
                 "the search ends"},
     .offset = AT(repeats)},
    {.key = {.name = "calibrate",
             .type = ESP_KEY_LIST,
             .fallback_text = "the study's neighbours in its parent folder",
             .example = "[runs/*]",
             .meaning = "folders of finished studies, or globs, that `risk` is measured on"},
     .offset = AT(calibrate)},
};
const int esp_stopping_key_count = sizeof esp_stopping_keys / sizeof *esp_stopping_keys;

const struct esp_stopping_key *esp_stopping_key_named(const char *name)
{
    for (int i = 0; i < esp_stopping_key_count; i++) {
        if (strcmp(esp_stopping_keys[i].key.name, name) == 0) {
            return &esp_stopping_keys[i];
        }
    }
    return NULL;
}

double esp_stopping_get(const struct esp_stopping *stopping, const struct esp_stopping_key *key)
{
    const char *at = (const char *)stopping + key->offset;
    switch (key->key.type) {
    case ESP_KEY_REAL:
        return *(const double *)at;
    case ESP_KEY_WHOLE:
    case ESP_KEY_WORD:
        return *(const int *)at;
    case ESP_KEY_BOOLEAN:
        return *(const bool *)at;
    default: /* no such key is kept as a number */
        break;
    }
    return 0;
}

void esp_stopping_set(struct esp_stopping *stopping,
                      const struct esp_stopping_key *key,
                      double value)
{
    char *at = (char *)stopping + key->offset;
    switch (key->key.type) {
    case ESP_KEY_REAL:
        *(double *)at = value;
        break;
    case ESP_KEY_WHOLE:
    case ESP_KEY_WORD:
        *(int *)at = isnan(value) ? 0 : (int)value;
        break;
    case ESP_KEY_BOOLEAN:
        *(bool *)at = value != 0;
        break;
    default: /* no such key is kept as a number */
        break;
    }
}

void esp_stopping_init(struct esp_stopping *stopping)
{
    *stopping = (struct esp_stopping){.type = ESP_SCHEDULER_DEFAULT, .threshold = NAN};
}

double esp_stopping_eta(const struct esp_stopping *stopping)
{
    return isfinite(stopping->eta) && stopping->eta > 0 ? stopping->eta : ETA;
}
