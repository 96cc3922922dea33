/* Small questions about one trial, and the queries of core.h. */
#include "state.h"

#include <assert.h>
#include <errno.h>
#include <espalier/plant.h>

unsigned esp_trial_guards(const struct esp_trial *t)
{
    unsigned guards = 0;
    if (t->saved || !t->can_save || ESP_PLANT("pauses-without-checkpoint")) {
        guards |= 1u << ESP_GUARD_SAVED;
    }
    if (!t->held) {
        guards |= 1u << ESP_GUARD_NOT_HELD;
    }
    if (t->fruitless >= ESP_FRUITLESS_ATTEMPTS_MAX) {
        guards |= 1u << ESP_GUARD_TRIED_OUT;
    }
    if (esp_trial_checkpoint(t)) {
        guards |= 1u << ESP_GUARD_CHECKPOINT;
    }
    if (t->given_up) {
        guards |= 1u << ESP_GUARD_GIVEN_UP;
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

uint32_t esp_core_live(const struct esp_core *core)
{
    return core->by_state[ESP_TRIAL_ASSIGNED] + core->by_state[ESP_TRIAL_RUNNING] +
           core->by_state[ESP_TRIAL_PAUSING] + core->by_state[ESP_TRIAL_STOPPING];
}

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

/* The loss that a setting ranks by at its horizon, all seeds together. */
static double score_of(const struct esp_core *core, uint32_t trial, double loss, double noise)
{
    const struct esp_seeds *seeds = esp_scheduler_seeds(core->scheduler, trial);
    return seeds->count > 0 ? esp_seeds_score(seeds, noise) : loss + noise;
}

/* Settings at their horizon by what their seeds say of them there; before any has reached it,
 * by the last value. */
static int64_t best_trial(const struct esp_core *core)
{
    double noise = esp_scheduler_noise(core->scheduler);
    int64_t best = -1;
    bool best_there = false;
    double best_loss = INFINITY;
    for (uint32_t i = 0; i < core->trial_count; i++) {
        const struct esp_trial *t = &core->trials[i];
        double loss = esp_loss(core, t->value);
        bool there = t->state == ESP_TRIAL_COMPLETE || t->tokens >= t->horizon;
        if (t->repeats != ESP_NOWHERE || !isfinite(loss)) {
            continue;
        }
        loss = there ? score_of(core, i, loss, noise) : loss;
        if (best < 0 || (there > best_there || (there == best_there && loss < best_loss))) {
            best = i;
            best_there = there;
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
    if (totals.best_trial >= 0) {
        totals.best_value = core->trials[totals.best_trial].value;
    }
    return totals;
}
