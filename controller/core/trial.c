/* Queries on one trial. */
#include "trial.h"

#include <assert.h>
#include <espalier/plant.h>

unsigned esp_trial_guards(const struct esp_trial *t)
{
    unsigned guards = 0;
    assert((unsigned)t->state < ESP_TRIAL_STATE_COUNT);
    if (t->saved || !t->can_save || ESP_PLANT("pauses-without-checkpoint")) {
        guards |= 1u << ESP_GUARD_SAVED;
    }
    if (!t->held) {
        guards |= 1u << ESP_GUARD_NOT_HELD;
    }
    if (t->fruitless >= ESP_FRUITLESS_ATTEMPTS_MAX) {
        guards |= 1u << ESP_GUARD_FRUITLESS;
    }
    if (esp_trial_checkpoint(t)) {
        guards |= 1u << ESP_GUARD_CHECKPOINT;
    }
    if (t->discarded_at_risk) {
        guards |= 1u << ESP_GUARD_DISCARDED;
    }
    return guards;
}

const struct esp_checkpoint *esp_trial_checkpoint(const struct esp_trial *t)
{
    for (int i = 0; i < ESP_CHECKPOINTS_KEPT; i++) {
        if (t->checkpoints[i].id && !t->checkpoints[i].damaged) {
            return &t->checkpoints[i];
        }
    }
    return NULL;
}

bool esp_trial_settings(const struct esp_core *core,
                        const double *values,
                        struct esp_trainer *out)
{
    *out = core->study->trainer;
    bool fits = true;
    for (int i = 0; i < core->study->param_count; i++) {
        struct esp_value value = esp_param_value(&core->study->params[i], values[i]);
        fits = esp_trainer_set(out, core->study->params[i].name, &value, NULL) == 0 && fits;
    }
    return fits;
}

uint32_t esp_live_trials(const struct esp_core *core)
{
    return core->by_state[ESP_TRIAL_ASSIGNED] + core->by_state[ESP_TRIAL_RUNNING] +
           core->by_state[ESP_TRIAL_PAUSING] + core->by_state[ESP_TRIAL_STOPPING];
}

bool esp_all_trials_fail(const struct esp_core *core)
{
    return !core->ever_reported && core->consecutive_failures >= ESP_FAILED_FIRST_MAX;
}
