/* STOP, PAUSE, CONTINUE, EXTEND: one trial. Answers are constants; the client adds the trial's
 * number. */
#include "command.h"
#include "record.h"
#include "transition.h"
#include "trial.h"

#include <assert.h>
#include <errno.h>

static struct esp_command_result result(int32_t code, uint32_t trial, const char *text)
{
    return (struct esp_command_result){code, trial, text};
}

/* The trial's attempt was lost, and it will be queued again. */
static struct esp_command_result while_lost(uint32_t trial)
{
    return result(-EBUSY,
                  trial,
                  "its process was lost and it will be queued again; try again in a moment");
}

static struct esp_command_result stop(struct esp_core *core, struct esp_trial *t)
{
    uint32_t trial = esp_trial_index(core, t);
    if (esp_trial_trigger(core, t, ESP_TRIGGER_STOP)) {
        return result(0, trial, NULL);
    }
    if (t->state == ESP_TRIAL_STOPPING && t->cause == ESP_CAUSE_LOST) {
        return while_lost(trial);
    }
    return t->state == ESP_TRIAL_STOPPING
               ? result(-EINVAL, trial, "it is being stopped already")
               : result(-EINVAL, trial, "it has ended already");
}

static struct esp_command_result pause(struct esp_core *core, struct esp_trial *t)
{
    uint32_t trial = esp_trial_index(core, t);
    if (esp_trial_state_ended(t->state)) {
        return result(-EINVAL, trial, "it has ended already");
    }
    if (t->state == ESP_TRIAL_STOPPING) {
        return t->cause == ESP_CAUSE_LOST
                   ? while_lost(trial)
                   : result(-EINVAL, trial, "it is being stopped already");
    }
    if (!t->held && !t->hold_wanted) {
        esp_trial_pause(core, t, ESP_RULE_USER);
    }
    return result(0, trial, NULL);
}

static struct esp_command_result resume(struct esp_core *core, struct esp_trial *t)
{
    uint32_t trial = esp_trial_index(core, t);
    if (core->mode != ESP_MODE_RUN && core->mode != ESP_MODE_LOADED) {
        return result(-ESHUTDOWN, trial, "the study's controller is shutting down");
    }
    if (t->state == ESP_TRIAL_PAUSING) {
        return result(-EBUSY, trial, "it is still being saved; try again in a moment");
    }
    if (esp_trial_state_live(t->state) || t->state == ESP_TRIAL_QUEUED) {
        return result(-EINVAL, trial, "it is running or waiting for a slot already");
    }
    if (t->state == ESP_TRIAL_PRUNED && t->discarded_at_risk) {
        return result(
            -EINVAL,
            trial,
            "it was discarded at the risk that stopping.risk allows, and its checkpoint is "
            "deleted; to train it again, start a new study with its parameters");
    }
    if (t->state == ESP_TRIAL_COMPLETE && t->tokens >= t->horizon) {
        return result(-EINVAL, trial, "it is complete: it has reached its horizon");
    }
    if (!esp_trial_row_find(t->state, t->cause, ESP_TRIGGER_RESUME, esp_trial_guards(t))) {
        return result(-EINVAL, trial, "it failed, or it has no checkpoint to continue from");
    }
    struct esp_verdict verdict = {.action = ESP_VERDICT_CONTINUE,
                                  .trial = trial,
                                  .until = t->tokens < t->until ? t->until : t->horizon,
                                  .reason = esp_reason_none(ESP_RULE_USER)};
    if (esp_trial_state_ended(t->state)) {
        verdict.until = t->horizon;
    }
    esp_record_verdict(core, &verdict);
    esp_trial_trigger(core, t, ESP_TRIGGER_RESUME);
    return result(0, trial, NULL);
}

/* A longer horizon changes the learning-rate schedule, except for the constant one and for wsd
 * before its decay, and a trial process takes its schedule from the assignment once. */
static struct esp_command_result extend(uint32_t trial)
{
    return result(
        -ENOTSUP,
        trial,
        "a trial keeps the horizon that it was created with; to train longer, raise "
        "trainer.tokens in a copy of the study file and run that in another folder (--dir)");
}

struct esp_command_result
esp_command_trial(struct esp_core *core, enum esp_command_verb verb, uint32_t trial)
{
    assert(trial < core->trial_count);
    struct esp_trial *t = &core->trials[trial];
    switch (verb) {
    case ESP_VERB_STOP:
        return stop(core, t);
    case ESP_VERB_PAUSE:
        return pause(core, t);
    case ESP_VERB_CONTINUE:
        return resume(core, t);
    default:
        return extend(trial);
    }
}
