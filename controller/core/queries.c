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
        .repeats = t->repeats == ESP_NOWHERE ? -1 : (int64_t)t->repeats,
        .seed = t->seed,
        .checkpoint_tokens = c ? c->tokens : -1,
        .values = core->values + (size_t)trial * (size_t)core->study->param_count,
    };
}

/* The value that a setting ranks by at its horizon: the score of its seeds, or without one its
 * loss plus the seed noise. */
static double score_of(const struct esp_core *core, uint32_t trial, double loss, double noise)
{
    const struct esp_seeds *seeds = esp_scheduler_seeds(core->scheduler, trial);
    return seeds->count > 0 ? esp_seeds_score(seeds, noise) : loss + noise;
}

/* The setting with the lowest loss over all its seeds at the horizon; before any has reached
 * it, the one with the lowest last value. -1: none. */
static int64_t best_trial(const struct esp_core *core)
{
    double noise = esp_scheduler_noise(core->scheduler);
    int64_t best = -1;
    bool best_at_horizon = false;
    double best_loss = INFINITY;
    for (uint32_t i = 0; i < core->trial_count; i++) {
        const struct esp_trial *t = &core->trials[i];
        double loss = esp_loss(core, t->value);
        bool at_horizon = t->state == ESP_TRIAL_COMPLETE || t->tokens >= t->horizon;
        if (t->repeats != ESP_NOWHERE || !isfinite(loss)) {
            continue;
        }
        loss = at_horizon ? score_of(core, i, loss, noise) : loss;
        if (best < 0 || at_horizon > best_at_horizon ||
            (at_horizon == best_at_horizon && loss < best_loss)) {
            best = i;
            best_at_horizon = at_horizon;
            best_loss = loss;
        }
    }
    return best;
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
