/* Creating trials. */
#include "create.h"

#include "record.h"
#include "trial.h"

#include <assert.h>

/* The largest seed that a setting holds exactly (espalier/trainer.h). */
#define SEED_MASK ((INT64_C(1) << 53) - 1)

/* Common random numbers: every trial starts from the same seed unless seeds are searched. */
static int64_t seed_of(const struct esp_core *core, const struct esp_trainer *settings)
{
    return core->study->abilities.settings_known ? settings->seed
                                                 : (int64_t)(core->study->seed & INT64_MAX);
}

/* The k-th repeat of a setting has its first seed + k: again the same for every setting. Seeds
 * stay among those that a setting can hold. */
static int64_t next_seed(const struct esp_core *core, uint32_t of)
{
    int64_t further = 1;
    for (uint32_t i = of + 1; i < core->trial_count; i++) {
        further += core->trials[i].repeats == of;
    }
    return ((int64_t)core->trials[of].seed + further) & SEED_MASK;
}

/* The event, and where the trial is sent first. */
static void create(struct esp_core *core, struct esp_event *event, struct esp_verdict *start)
{
    esp_record(core, event);
    start->action = ESP_VERDICT_START;
    start->trial = event->trial;
    if (start->until <= 0 || start->until > event->created.horizon) {
        start->until = event->created.horizon;
    }
    esp_record_verdict(core, start);
}

void esp_repeat_trial(struct esp_core *core, const struct esp_verdict *verdict)
{
    uint32_t of = (uint32_t)verdict->trial;
    double values[ESP_PARAMS_MAX];
    uint32_t params = (uint32_t)core->study->param_count;
    for (uint32_t i = 0; i < params; i++) { /* the array moves as it grows */
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
        /* Settings that make no step are the trial process's to refuse. */
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
