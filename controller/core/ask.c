/* Questions to the scheduler and the sampler. */
#include "ask.h"

#include "budget.h"
#include "process_table.h"
#include "record.h"
#include "trial.h"

#include <assert.h>

bool esp_may_create(const struct esp_core *core, bool committed)
{
    return (core->run_cap <= 0 || core->trial_count < core->run_cap) &&
           core->trial_count < ESP_TRIALS_MAX && core->exhausted_trial != core->trial_count &&
           !committed && !esp_all_trials_fail(core);
}

/* A repeat differs from its setting in the seed alone. Whether the budget allows a full
 * training is tested where the setting is chosen (controller/stop). */
bool esp_may_repeat(const struct esp_core *core)
{
    return core->study->abilities.deterministic &&
           (core->run_cap <= 0 || core->trial_count < core->run_cap) &&
           core->trial_count < ESP_TRIALS_MAX && !esp_all_trials_fail(core);
}

/* Records the numbers of a refitted model, from which the fold restores it. */
static void
refit(struct esp_core *core, enum esp_fitted which, const double *numbers, int count)
{
    assert(count > 0 && count <= ESP_FIT_NUMBERS_MAX);
    struct esp_event event = esp_event_of(ESP_EVENT_FIT);
    event.fit = (struct esp_event_fit){which, {numbers, (uint32_t)count}};
    esp_record(core, &event);
}

struct esp_slot_view esp_slot_view(const struct esp_core *core, int device)
{
    struct esp_trainings budget = esp_budget_trainings(core);
    assert(device >= 0);
    bool committed = budget.tokens <= 0 || budget.seconds <= 0;
    return (struct esp_slot_view){.may_create = esp_may_create(core, committed),
                                  .next_trial = core->trial_count,
                                  .live = esp_live_trials(core) + core->queue.count,
                                  .device = device,
                                  .may_repeat = esp_may_repeat(core),
                                  .run_cap = core->run_cap > 0 ? core->run_cap : 0,
                                  .budget = budget};
}

struct esp_verdict esp_ask_slot(struct esp_core *core)
{
    double numbers[ESP_FIT_NUMBERS_MAX];
    int count = esp_scheduler_refit(core->scheduler, numbers, ESP_FIT_NUMBERS_MAX);
    if (count > 0) {
        refit(core, ESP_FITTED_SCHEDULER, numbers, count);
    }
    struct esp_slot_view view = esp_slot_view(core, esp_device_next(core));
    return esp_scheduler_slot(core->scheduler, &view);
}

bool esp_propose(struct esp_core *core, double *values, struct esp_reason *reason)
{
    assert(core->trial_count < ESP_TRIALS_MAX);
    double numbers[ESP_FIT_NUMBERS_MAX];
    int count = esp_sampler_refit(core->sampler, numbers, ESP_FIT_NUMBERS_MAX);
    if (count > 0) {
        refit(core, ESP_FITTED_SAMPLER, numbers, count);
    }
    if (esp_sampler_propose(core->sampler, core->trial_count, values, reason) != 0) {
        core->exhausted_trial = core->trial_count;
        return false;
    }
    return true;
}
