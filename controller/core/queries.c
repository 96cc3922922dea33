/* The queries of core.h: views of trials, and the study's totals. */
#include "trial.h"

#include <assert.h>
#include <math.h>

uint32_t esp_core_trial_count(const struct esp_core *core)
{
    return core->trial_count;
}

struct esp_trial_view esp_core_trial(const struct esp_core *core, uint32_t trial)
{
    assert(trial < core->trial_count);
    const struct esp_trial *t = &core->trials[trial];
    const struct esp_checkpoint *c = esp_trial_checkpoint(t);
    return (struct esp_trial_view){
        .trial = trial,
        .state = t->state,
        .cause = t->cause,
        .held = t->held,
        .attempt = t->attempt,
        .fruitless = t->fruitless,
        .process = t->process,
        .horizon = t->horizon,
        .until = t->until,
        .step = t->step,
        .tokens = t->tokens,
        .value = t->value,
        .device_seconds = t->spent_seconds,
        .spent_tokens = t->spent_tokens,
        .repeats = t->repeats == ESP_NO_INDEX ? -1 : (int64_t)t->repeats,
        .seed = t->seed,
        .checkpoint_tokens = c ? c->tokens : -1,
        .values = core->values + (size_t)trial * (size_t)core->study->param_count,
    };
}

static int64_t best_trial(const struct esp_core *core)
{
    double noise = esp_scheduler_noise(core->scheduler);
    struct esp_setting_rank best = {.trial = -1};
    for (uint32_t i = 0; i < core->trial_count; i++) {
        const struct esp_trial *t = &core->trials[i];
        double loss = esp_loss(core, t->value);
        if (t->repeats != ESP_NO_INDEX || !isfinite(loss)) {
            continue;
        }
        bool at_horizon = t->state == ESP_TRIAL_COMPLETE || t->tokens >= t->horizon;
        const struct esp_seeds *seeds = esp_scheduler_seeds(core->scheduler, i);
        struct esp_setting_rank rank = esp_setting_rank_of(i, at_horizon, loss, seeds, noise);
        if (best.trial < 0 || esp_setting_ranks_before(&rank, &best)) {
            best = rank;
        }
    }
    return best.trial;
}

struct esp_core_totals esp_core_totals(const struct esp_core *core)
{
    struct esp_core_totals totals = {
        .seq = core->seq,
        .incarnation = core->incarnation,
        .spent_tokens = core->spent_tokens,
        .device_seconds = core->spent_seconds,
        .best_trial = best_trial(core),
        .best_value = NAN,
        .state = core->state,
        .exit_code = core->exit_code,
        .run_cap = core->run_cap,
        .workers = core->workers,
        .budget = core->budget,
        .calibrated = core->calibrated,
        .calibration = core->calibration,
        .discard_limit = esp_scheduler_limit(core->scheduler),
    };
    for (int i = 0; i < ESP_TRIAL_STATE_COUNT; i++) {
        totals.by_state[i] = core->by_state[i];
    }
    assert(totals.best_trial < (int64_t)core->trial_count);
    if (totals.best_trial >= 0) {
        totals.best_value = core->trials[totals.best_trial].value;
    }
    return totals;
}

int64_t esp_core_deadline(const struct esp_core *core)
{
    return core->timers.count > 0 && core->mode != ESP_MODE_DONE ? core->timers.heap[0].due_ms
                                                                 : INT64_MAX;
}
