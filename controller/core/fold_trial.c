/* The fold of a trial's creation, verdicts, attempts, reports and checkpoints. */
#include "array.h"
#include "fold.h"
#include "process_table.h"
#include "trial.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The trial that a new one repeats; ESP_NO_INDEX: none. */
static int repeated_by(const struct esp_core *core,
                       const struct esp_event *e,
                       uint32_t *of,
                       struct esp_error *error)
{
    int64_t trial = e->created.repeats;
    *of = ESP_NO_INDEX;
    if (trial < 0) {
        return 0;
    }
    if (trial >= core->trial_count || core->trials[trial].repeats != ESP_NO_INDEX) {
        return esp_error_set(error,
                             -EPROTO,
                             "trial %lld repeats trial %lld, which is not a setting's first",
                             (long long)e->trial,
                             (long long)trial);
    }
    *of = (uint32_t)trial;
    return 0;
}

/* Room for one more trial and its values. */
static int grow_trials(struct esp_core *core)
{
    uint32_t needed = core->trial_count + 1, capacity = core->trial_capacity;
    size_t params = (size_t)core->study->param_count;
    void *values = core->values, *trials = core->trials;
    if (params > 0) {
        int rc = esp_grow(&values, &capacity, needed, params * sizeof *core->values);
        core->values = values;
        if (rc) {
            return rc;
        }
    }
    int rc = esp_grow(&trials, &core->trial_capacity, needed, sizeof *core->trials);
    core->trials = trials;
    if (rc) {
        core->trial_capacity =
            core->trial_count; /* the values have grown: both must be tried again */
    }
    return rc;
}

static int
fold_created(struct esp_core *core, const struct esp_event *e, struct esp_error *error)
{
    const struct esp_event_created *c = &e->created;
    uint32_t params = (uint32_t)core->study->param_count;
    if (e->trial != core->trial_count || core->trial_count >= ESP_TRIALS_MAX ||
        c->values.count != params || c->horizon < 1) {
        return esp_error_set(error,
                             -EPROTO,
                             "trial %lld is created with %u values after %u trials of %u",
                             (long long)e->trial,
                             c->values.count,
                             core->trial_count,
                             params);
    }
    for (uint32_t i = 0; i < params; i++) {
        if (!esp_param_is_drawn(&core->study->params[i], c->values.data[i])) {
            return esp_error_set(error,
                                 -EPROTO,
                                 "trial %lld has a value that parameter %s cannot have",
                                 (long long)e->trial,
                                 core->study->params[i].name);
        }
    }
    uint32_t of;
    int rc = repeated_by(core, e, &of, error);
    if (rc) {
        return rc;
    }
    rc = grow_trials(core);
    if (rc) {
        return rc;
    }
    uint32_t index = core->trial_count++;
    struct esp_trial *t = &core->trials[index];
    *t = (struct esp_trial){.state = ESP_TRIAL_QUEUED,
                            .can_save = true,
                            .repeats = of,
                            .seed = (uint64_t)c->seed,
                            .horizon = c->horizon,
                            .attempt_horizon = c->horizon,
                            .until = c->horizon,
                            .step = -1,
                            .tokens = -1,
                            .value = NAN,
                            .first_value = NAN,
                            .due_ms = INT64_MAX,
                            .timer = ESP_NO_INDEX};
    if (params > 0) {
        memcpy(core->values + (size_t)index * params,
               c->values.data,
               params * sizeof *c->values.data);
    }
    if (core->study->abilities.settings_known) {
        struct esp_trainer settings;
        if (esp_trial_settings(core, c->values.data, &settings)) {
            t->group = esp_trainer_group(&settings);
        }
    }
    core->by_state[ESP_TRIAL_QUEUED]++;
    esp_list_push(core, ESP_LIST_TRIALS, &core->queue, index);
    assert(core->by_state[ESP_TRIAL_QUEUED] == core->queue.count);
    if (of != ESP_NO_INDEX) {
        esp_sampler_repeated(core->sampler, index);
        esp_scheduler_repeated(core->scheduler, index, of, c->horizon);
        return 0;
    }
    esp_sampler_created(core->sampler, index, c->values.data);
    esp_scheduler_created(core->scheduler, index, c->horizon, c->values.data);
    return 0;
}

static int
fold_verdict(struct esp_core *core, const struct esp_event *e, struct esp_error *error)
{
    if (e->verdict.trial >= core->trial_count) {
        return esp_error_set(error, -EPROTO, "a verdict on a trial that does not exist");
    }
    if (e->verdict.trial >= 0) {
        struct esp_trial *t = &core->trials[e->verdict.trial];
        switch (e->verdict.action) {
        case ESP_VERDICT_PAUSE:
            t->pause_rule = e->verdict.reason.rule;
            if (t->state == ESP_TRIAL_ASSIGNED && t->pause_rule == ESP_RULE_USER) {
                t->hold_wanted = true;
            }
            break;
        case ESP_VERDICT_START:
        case ESP_VERDICT_CONTINUE:
            if (!esp_trial_state_live(t->state)) {
                t->until = e->verdict.until;
            }
            break;
        case ESP_VERDICT_DISCARD:
            t->discarded_at_risk = e->verdict.reason.rule == ESP_RULE_CALIBRATED;
            break;
        default:
            break;
        }
    }
    esp_scheduler_decided(core->scheduler, &e->verdict);
    return 0;
}

static void
fold_started(struct esp_core *core, struct esp_trial *t, const struct esp_event_started *s)
{
    /* Its device seconds are known at the start, and at the checkpoint that it resumed from. */
    bool seconds_known = s->tokens == 0;
    t->attempt_tokens = s->tokens;
    t->reached_tokens = s->tokens;
    t->attempt_seconds = 0;
    t->can_save = s->can_save;
    t->attempt_horizon = s->horizon > 0 ? s->horizon : t->horizon;
    if (t->horizon == INT64_MAX) { /* a program's horizon, which only the program knows */
        t->horizon = t->attempt_horizon;
    }
    for (int i = 0; i < ESP_CHECKPOINTS_KEPT; i++) {
        struct esp_checkpoint *c = &t->checkpoints[i];
        if (c->id && c->tokens == s->tokens) {
            t->attempt_seconds = c->seconds;
            seconds_known = true;
            t->saved = c->tokens >= t->tokens; /* until it trains on there is nothing to save */
        }
        /* It was to resume from its newest checkpoint and began before it. */
        if (c->id && s->fell_back && c->tokens > s->tokens) {
            c->damaged = true;
        }
    }
    esp_scheduler_started(core->scheduler,
                          esp_trial_index(core, t),
                          esp_device_of(core, t->process),
                          t->attempt_tokens,
                          seconds_known ? t->attempt_seconds : NAN);
}

/* Adds what the attempt has trained since its last report or checkpoint. True: it has trained
 * further. */
static bool
fold_spent(struct esp_core *core, struct esp_trial *t, int64_t tokens, double device_seconds)
{
    bool further = tokens > t->attempt_tokens;
    if (further) {
        t->spent_tokens += tokens - t->attempt_tokens;
        core->spent_tokens += tokens - t->attempt_tokens;
        t->attempt_tokens = tokens;
    }
    if (device_seconds > t->attempt_seconds) {
        t->spent_seconds += device_seconds - t->attempt_seconds;
        core->spent_seconds += device_seconds - t->attempt_seconds;
        t->attempt_seconds = device_seconds;
    }
    return further;
}

static void fold_report(struct esp_core *core, struct esp_trial *t, const struct esp_point *p)
{
    core->ever_reported = true;
    if (fold_spent(core, t, p->tokens, p->device_seconds)) {
        t->saved = false;
    }
    if (t->reached_tokens < p->tokens) {
        t->reached_tokens = p->tokens;
    }
    if (p->step <= t->step) {
        return; /* a step that was trained again keeps its first value */
    }
    core->finite_trials += (uint32_t)isfinite(p->value) != 0;
    core->finite_trials -= (uint32_t)isfinite(t->value) != 0;
    assert(core->finite_trials <= core->trial_count);
    if (t->step < 0) {
        t->first_value = p->value;
    }
    t->step = p->step;
    t->tokens = p->tokens;
    t->value = p->value;
    t->saved = t->saved && t->checkpoints[0].tokens >= p->tokens;
    t->progressed = true;
    t->fruitless = 0;
    t->isolated = false;
    double loss = esp_loss(core, p->value);
    uint32_t index = esp_trial_index(core, t);
    esp_sampler_observed(core->sampler, index, p->tokens, isfinite(loss) ? loss : NAN);
    esp_scheduler_observed(core->scheduler, index, p->tokens, loss, p->device_seconds);
}

/* The newest checkpoint goes first. The one that falls off the end was recorded as dropped
 * before. What was trained since the last report counts as spent now, because an attempt that
 * resumes from the checkpoint counts from there. */
static int fold_saved(struct esp_core *core,
                      struct esp_trial *t,
                      const struct esp_event *e,
                      struct esp_error *error)
{
    if (!e->saved.path) {
        return esp_error_set(error, -EPROTO, "a checkpoint without a path");
    }
    char *path = strdup(e->saved.path);
    if (!path) {
        return -ENOMEM;
    }
    fold_spent(core, t, e->saved.tokens, e->saved.device_seconds);
    struct esp_checkpoint c = {.id = e->seq,
                               .attempt = e->attempt,
                               .step = e->saved.step,
                               .tokens = e->saved.tokens,
                               .seconds = t->attempt_seconds,
                               .hash = e->saved.hash,
                               .path = path};
    int last = ESP_CHECKPOINTS_KEPT - 1;
    for (int i = 0; i < last; i++) {
        if (t->checkpoints[i].id && strcmp(t->checkpoints[i].path, path) == 0) {
            last = i; /* the same file was written again: it replaces its entry */
        }
    }
    assert(last >= 0 && last < ESP_CHECKPOINTS_KEPT);
    free(t->checkpoints[last].path);
    memmove(&t->checkpoints[1], &t->checkpoints[0], (size_t)last * sizeof c);
    t->checkpoints[0] = c;
    if (t->state == ESP_TRIAL_PAUSING || e->saved.tokens >= t->tokens) {
        t->saved = true;
    }
    return 0;
}

static void fold_dropped(struct esp_trial *t, uint64_t id)
{
    for (int i = 0; i < ESP_CHECKPOINTS_KEPT; i++) {
        if (t->checkpoints[i].id == id) {
            free(t->checkpoints[i].path);
            memmove(&t->checkpoints[i],
                    &t->checkpoints[i + 1],
                    (size_t)(ESP_CHECKPOINTS_KEPT - 1 - i) * sizeof t->checkpoints[0]);
            t->checkpoints[ESP_CHECKPOINTS_KEPT - 1] = (struct esp_checkpoint){0};
            return;
        }
    }
}

static void fold_directed(struct esp_trial *t, const struct esp_directive *directive)
{
    t->directive = *directive;
    if (directive->action == ESP_DIRECT_CONTINUE) {
        t->until = directive->until;
    }
}

int esp_fold_trial(struct esp_core *core, const struct esp_event *e, struct esp_error *error)
{
    if (e->kind == ESP_EVENT_CREATED) {
        return fold_created(core, e, error);
    }
    if (e->kind == ESP_EVENT_VERDICT) {
        return fold_verdict(core, e, error);
    }
    if (e->kind == ESP_EVENT_PROTOCOL && e->trial < 0) {
        return 0;
    }
    if (e->trial < 0 || e->trial >= core->trial_count) {
        return esp_error_set(error,
                             -EPROTO,
                             "an event names trial %lld of %u",
                             (long long)e->trial,
                             core->trial_count);
    }
    struct esp_trial *t = &core->trials[e->trial];
    if (e->sequence > 0 && e->attempt == t->attempt) {
        if (e->sequence > t->recorded_sequence) {
            t->recorded_sequence = e->sequence;
        }
        if (e->sequence > t->taken_sequence) {
            t->taken_sequence = e->sequence;
        }
    }
    switch (e->kind) {
    case ESP_EVENT_MOVED:
        return esp_fold_transition(core, e, error);
    case ESP_EVENT_STARTED_AT:
        fold_started(core, t, &e->started);
        return 0;
    case ESP_EVENT_REPORT:
        fold_report(core, t, &e->report.point);
        return 0;
    case ESP_EVENT_SPENT:
        if (fold_spent(core, t, e->spent.tokens, e->spent.device_seconds)) {
            t->saved = false;
        }
        return 0;
    case ESP_EVENT_SAVED:
        return fold_saved(core, t, e, error);
    case ESP_EVENT_DROPPED:
        fold_dropped(t, e->dropped.checkpoint);
        return 0;
    case ESP_EVENT_DIRECTED:
        fold_directed(t, &e->directive);
        return 0;
    case ESP_EVENT_FAILED:
        esp_fold_failure(core, e->failed.text);
        return 0;
    default:
        return 0; /* PROTOCOL: nothing but its sequence */
    }
}
