/* Creating trials. */
#include "create.h"

#include "record.h"
#include "trial.h"

#include <assert.h>

/* Common random numbers: all trials use the same seed unless the study searches seeds. */
static int64_t seed_of(const struct esp_core *core, const struct esp_trainer *settings)
{
    return core->study->abilities.settings_known ? settings->seed
                                                 : (int64_t)(core->study->seed & INT64_MAX);
}

/* The k-th repeat of a setting has its first seed + k, so that the seeds of all settings agree.
 * A seed never exceeds what a setting can hold. */
static int64_t next_seed(const struct esp_core *core, uint32_t of)
{
    int64_t further = 1;
    for (uint32_t i = of + 1; i < core->trial_count; i++) {
        further += core->trials[i].repeats == of;
    }
    return ((int64_t)core->trials[of].seed + further) & ESP_SEED_MAX;
}

/* Records the trial and the verdict that starts it. */
static void create(struct esp_core *core, struct esp_event *event, struct esp_verdict *start)
{
    esp_record(core, event);
    assert(core->failure || core->trial_count == (uint32_t)event->trial + 1);
    start->action = ESP_VERDICT_START;
    start->trial = event->trial;
    if (start->until <= 0 || start->until > event->created.horizon) {
        start->until = event->created.horizon;
    }
    esp_record_verdict(core, start);
}

void esp_repeat_trial(struct esp_core *core, const struct esp_verdict *verdict)
{
    assert(verdict->trial >= 0 && verdict->trial < core->trial_count);
    uint32_t of = (uint32_t)verdict->trial;
    assert(core->trials[of].repeats == ESP_NO_INDEX);
    double values[ESP_PARAMS_MAX];
    uint32_t params = (uint32_t)core->study->param_count;
    for (uint32_t i = 0; i < params; i++) { /* a copy, because the array moves when it grows */
        values[i] = core->values[of * (size_t)params + i];
    }
    struct esp_event event = esp_event_of(ESP_EVENT_CREATED);
    event.trial = core->trial_count;
    event.created = (struct esp_event_created){.horizon = core->trials[of].horizon,
                                               .seed = next_seed(core, of),
                                               .repeats = of,
                                               .values = {values, params},
                                               .reason = esp_reason_none(verdict->reason.rule)};
    struct esp_verdict start = *verdict;
    create(core, &event, &start);
}

void esp_create_trial(struct esp_core *core,
                      const double *values,
                      const struct esp_reason *reason,
                      struct esp_verdict *start)
{
    struct esp_trainer settings;
    int64_t horizon = INT64_MAX;
    esp_trial_settings(core, values, &settings);
    if (core->study->abilities.settings_known) {
        /* Settings that allow no step are refused by the trial process. */
        int64_t tokens = esp_trainer_horizon_tokens(&settings);
        horizon = tokens > 0 ? tokens : 1;
    }
    struct esp_event event = esp_event_of(ESP_EVENT_CREATED);
    event.trial = core->trial_count;
    event.created =
        (struct esp_event_created){.horizon = horizon,
                                   .seed = seed_of(core, &settings),
                                   .repeats = -1,
                                   .values = {values, (uint32_t)core->study->param_count},
                                   .reason = *reason};
    create(core, &event, start);
}
