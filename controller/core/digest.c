/* A hash of the folded members. Volatile members are left out: they differ between a live core
 * and one that was just loaded. */
#include "state.h"

#include <math.h>
#include <string.h>

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash ^= value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2);
    hash ^= hash >> 29;
    return hash * 0xbf58476d1ce4e5b9u;
}

static uint64_t mix_real(uint64_t hash, double value)
{
    uint64_t bits = 1; /* all NaNs are equal: a ledger keeps no payload */
    if (!isnan(value)) {
        memcpy(&bits, &value, sizeof bits);
    }
    return mix(hash, bits);
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    for (; text && *text; text++) {
        hash = mix(hash, (unsigned char)*text);
    }
    return mix(hash, 256);
}

static uint64_t mix_checkpoint(uint64_t hash, const struct esp_checkpoint *c)
{
    hash = mix(mix(hash, c->id), c->attempt);
    hash = mix(mix(hash, (uint64_t)c->step), (uint64_t)c->tokens);
    hash = mix(mix_real(hash, c->seconds), c->hash);
    return mix_text(mix(hash, c->damaged), c->path);
}

static uint64_t mix_trial(const struct esp_core *core, uint64_t hash, uint32_t index)
{
    const struct esp_trial *t = &core->trials[index];
    const uint64_t words[] = {t->state,
                              t->cause,
                              t->held,
                              t->hold_wanted,
                              t->can_save,
                              t->isolated,
                              t->progressed,
                              t->excused,
                              t->saved,
                              t->discarded_at_risk,
                              t->pause_rule,
                              t->attempt,
                              t->fruitless,
                              t->repeats,
                              t->seed,
                              t->group,
                              t->process,
                              t->recorded_sequence,
                              (uint64_t)t->horizon,
                              (uint64_t)t->attempt_horizon,
                              (uint64_t)t->until,
                              (uint64_t)t->step,
                              (uint64_t)t->tokens,
                              (uint64_t)t->attempt_tokens,
                              (uint64_t)t->spent_tokens,
                              t->directive.number,
                              t->directive.action,
                              (uint64_t)t->directive.until,
                              t->directive.keep,
                              t->link.before,
                              t->link.after};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        hash = mix(hash, words[i]);
    }
    const double reals[] = {t->value, t->first_value, t->attempt_seconds, t->spent_seconds};
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
        hash = mix_real(hash, reals[i]);
    }
    for (int i = 0; i < ESP_CHECKPOINTS_KEPT; i++) {
        hash = mix_checkpoint(hash, &t->checkpoints[i]);
    }
    size_t params = (size_t)core->study->param_count;
    for (size_t i = 0; i < params; i++) {
        hash = mix_real(hash, core->values[index * params + i]);
    }
    for (int i = 0; i < core->device_count; i++) {
        hash = mix_real(hash, esp_scheduler_rate(core->scheduler, index, i));
    }
    return hash;
}

static uint64_t mix_process(uint64_t hash, const struct esp_trial_process *p)
{
    hash = mix(mix(mix(hash, p->key), p->agent), p->slot);
    hash = mix(mix(hash, p->exited), p->hosted.count);
    return mix(mix(hash, p->hosted.first), p->hosted.last);
}

uint64_t esp_core_digest(const struct esp_core *core)
{
    uint64_t hash = mix(mix(1, core->seq), core->incarnation);
    for (uint32_t i = 0; i < core->trial_count; i++) {
        hash = mix_trial(core, hash, i);
    }
    for (uint32_t i = 0; i < core->process_count; i++) {
        hash = mix_process(hash, &core->processes[i]);
    }
    for (uint32_t i = 0; i < core->agent_count; i++) {
        const struct esp_agent *a = &core->agents[i];
        hash = mix_text(mix_text(mix(mix(hash, a->id), a->slots), a->host), a->device);
        hash = mix(hash, (uint64_t)a->device_class);
    }
    for (int i = 0; i < core->device_count; i++) {
        hash = mix_text(hash, core->device_names[i]);
    }
    uint64_t answers = 0; /* a sum, because the table's order depends on its capacity */
    for (uint32_t i = 0; i < core->answer_capacity; i++) {
        const struct esp_answer *a = &core->answers[i];
        if (a->id) {
            answers += mix_text(mix(mix(mix(1, a->id), (uint64_t)a->code), a->trial), a->text);
        }
    }
    hash = mix(hash, answers);
    for (int i = 0; i < ESP_TRIAL_STATE_COUNT; i++) {
        hash = mix(hash, core->by_state[i]);
    }
    hash = mix(mix(hash, core->queue.first), core->queue.count);
    hash = mix(mix(hash, (uint64_t)core->run_cap), (uint64_t)core->workers);
    hash = mix_real(mix_real(hash, core->budget.tokens), core->budget.seconds);
    hash = mix_real(mix_real(hash, core->budget.usd), core->spent_seconds);
    hash = mix(mix(hash, (uint64_t)core->spent_tokens), core->finite_trials);
    hash = mix_text(mix(mix(hash, core->ever_reported), core->consecutive_failures),
                    core->last_failure);
    hash = mix(mix(hash, core->calibrated), core->calibration);
    hash = mix_real(hash, esp_scheduler_limit(core->scheduler));
    hash = mix(mix(hash, core->state), core->ended);
    return mix(hash, (uint64_t)core->exit_code);
}
