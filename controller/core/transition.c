/* Transitions of trials. */
#include "transition.h"

#include "effects.h"
#include "process.h"
#include "process_table.h"
#include "record.h"
#include "trial.h"

#include <assert.h>
#include <espalier/plant.h>

void esp_trial_set_timer(struct esp_core *core, struct esp_trial *t)
{
    esp_timer_set(core, ESP_TIMER_TRIAL, esp_trial_index(core, t), t->due_ms);
}

void esp_trial_watch(struct esp_core *core, struct esp_trial *t)
{
    const struct esp_core_options *o = &core->options;
    switch (t->state) {
    case ESP_TRIAL_ASSIGNED:
        t->due_ms = core->now_ms + o->answer_ms;
        break;
    case ESP_TRIAL_RUNNING:
        t->due_ms = t->unconfirmed ? core->now_ms + o->answer_ms : INT64_MAX;
        break;
    case ESP_TRIAL_PAUSING:
    case ESP_TRIAL_STOPPING:
        t->due_ms = core->now_ms + o->grace_ms;
        break;
    default:
        t->due_ms = INT64_MAX;
        break;
    }
    assert(t->due_ms > core->now_ms);
    esp_trial_set_timer(core, t);
}

void esp_trial_direct(struct esp_core *core,
                      struct esp_trial *t,
                      enum esp_directive_action action,
                      int64_t until,
                      bool keep)
{
    assert(esp_trial_state_live(t->state));
    struct esp_event event = esp_event_of_trial(core, t, ESP_EVENT_DIRECTED);
    event.directive = (struct esp_directive){
        .number = t->directive.number + 1, .action = action, .until = until, .keep = keep};
    esp_record(core, &event);
    if (core->answering_trial != event.trial) {
        esp_send_direct(core, t);
    }
}

/* An ended trial keeps its last good checkpoint alone. */
static void drop_superseded(struct esp_core *core, struct esp_trial *t)
{
    if (t->checkpoints[0].id && !t->checkpoints[0].damaged && t->checkpoints[1].id) {
        esp_drop_checkpoint(core, t, 1);
    }
}

/* A trial that is discarded at the stated risk keeps no checkpoint. (Trials that are pruned
 * because the study ends keep theirs, and can be continued.) */
static void drop_all(struct esp_core *core, struct esp_trial *t)
{
    for (int i = ESP_CHECKPOINTS_KEPT - 1; i >= 0; i--) {
        if (t->checkpoints[i].id) {
            esp_drop_checkpoint(core, t, i);
        }
    }
}

/* A trial that was paused only to leave its host goes on at once. */
static void move_on(struct esp_core *core, struct esp_trial *t)
{
    if (t->pause_rule == ESP_RULE_RESTART && !t->held && core->mode == ESP_MODE_RUN) {
        esp_trial_restart(core, t);
    }
}

/* The effect that the table names. */
static void
perform(struct esp_core *core, struct esp_trial *t, enum esp_transition_effect effect)
{
    struct esp_trial_process *p = t->process ? esp_process_find(core, t->process) : NULL;
    switch (effect) {
    case ESP_TRANSITION_ASSIGN:
        esp_send_assign(core, t);
        break;
    case ESP_TRANSITION_PAUSE:
        esp_trial_direct(core, t, ESP_DIRECT_PAUSE, t->until, false);
        break;
    case ESP_TRANSITION_STOP:
        /* At the study's end a trial trains no further, but its model is kept. */
        esp_trial_direct(
            core, t, ESP_DIRECT_STOP, t->until, core->mode == ESP_MODE_END && t->can_save);
        break;
    case ESP_TRANSITION_KEEP:
        esp_trial_direct(core, t, ESP_DIRECT_STOP, t->until, t->can_save);
        break;
    case ESP_TRANSITION_FENCE:
        if (p) {
            esp_send_fenced(core, p, esp_trial_index(core, t), t->attempt);
        }
        if (ESP_PLANT("no-fence")) {
            esp_trial_trigger(core, t, ESP_TRIGGER_RELEASED);
        }
        break;
    case ESP_TRANSITION_KILL:
        /* SIGTERM, not SIGKILL: other trials of the process save when they are asked to end. */
        if (p) {
            esp_process_kill(core, p, false);
        }
        t->due_ms = INT64_MAX;
        esp_trial_set_timer(core, t);
        break;
    case ESP_TRANSITION_FREE:
    case ESP_TRANSITION_NOTHING:
    case ESP_TRANSITION_EFFECT_COUNT:
        break;
    }
}

/* What the new state requires. */
static void follow(struct esp_core *core, struct esp_trial *t, const struct esp_trial_row *row)
{
    struct esp_trial_process *p = t->process ? esp_process_find(core, t->process) : NULL;
    if (p && ESP_PLANT("slot-freed-too-early")) {
        esp_process_refresh(core, p);
    }
    if (row->from != row->to) {
        t->unconfirmed = false;
        esp_trial_watch(core, t);
    }
    perform(core, t, row->effect);
    bool discarded = t->discarded_at_risk && !ESP_PLANT("keeps-what-is-given-up");
    if (esp_trial_state_ended(row->to) && discarded) {
        drop_all(core, t);
    } else if (esp_trial_state_ended(row->to)) {
        drop_superseded(core, t);
    } else if (row->to == ESP_TRIAL_PAUSED) {
        move_on(core, t);
    } else if (row->from == ESP_TRIAL_STOPPING && row->to == ESP_TRIAL_QUEUED &&
               (t->held || t->hold_wanted)) {
        esp_trial_trigger(core, t, ESP_TRIGGER_HOLD); /* the user paused it before the loss */
    }
}

bool esp_trial_transition(struct esp_core *core,
                          struct esp_trial *t,
                          const struct esp_transition *transition)
{
    assert(transition->trigger != ESP_TRIGGER_GRANT || transition->process != 0);
    const struct esp_trial_row *row =
        esp_trial_row_find(t->state, t->cause, transition->trigger, esp_trial_guards(t));
    if (!row) {
        return false;
    }
    struct esp_event event = esp_event_of_trial(core, t, ESP_EVENT_MOVED);
    event.sequence = transition->sequence;
    event.moved = (struct esp_event_moved){.process = t->process,
                                           .trigger = transition->trigger,
                                           .from = row->from,
                                           .to = row->to,
                                           .cause = row->cause             ? row->cause
                                                    : row->to == row->from ? t->cause
                                                                           : ESP_CAUSE_NONE,
                                           .excused = transition->excused &&
                                                      !ESP_PLANT("counts-our-kills"),
                                           .text = transition->text};
    if (transition->trigger == ESP_TRIGGER_GRANT) {
        const struct esp_checkpoint *c = esp_trial_checkpoint(t);
        event.attempt = t->attempt + !ESP_PLANT("attempt-not-incremented");
        event.moved.process = transition->process;
        event.moved.until = t->until;
        event.moved.resumed_from = c ? c->tokens : -1;
    }
    esp_record(core, &event);
    assert(core->failure || (t->state == row->to && t->cause == event.moved.cause));
    follow(core, t, row);
    return true;
}

bool esp_trial_trigger(struct esp_core *core, struct esp_trial *t, enum esp_trigger trigger)
{
    return esp_trial_transition(core, t, &(struct esp_transition){.trigger = trigger});
}

void esp_trial_restart(struct esp_core *core, struct esp_trial *t)
{
    assert(t->state == ESP_TRIAL_PAUSED && !t->held);
    struct esp_verdict verdict = {.action = ESP_VERDICT_CONTINUE,
                                  .trial = esp_trial_index(core, t),
                                  .until = t->until,
                                  .reason = esp_reason_none(ESP_RULE_RESTART)};
    esp_record_verdict(core, &verdict);
    esp_trial_trigger(core, t, ESP_TRIGGER_CONTINUE);
}

void esp_trial_pause(struct esp_core *core, struct esp_trial *t, enum esp_rule rule)
{
    assert(!esp_trial_state_ended(t->state) && t->state != ESP_TRIAL_STOPPING);
    struct esp_verdict verdict = {.action = ESP_VERDICT_PAUSE,
                                  .trial = esp_trial_index(core, t),
                                  .until = t->until,
                                  .reason = esp_reason_none(rule)};
    esp_record_verdict(core, &verdict);
    if (t->state != ESP_TRIAL_ASSIGNED) {
        esp_trial_trigger(
            core, t, rule == ESP_RULE_USER ? ESP_TRIGGER_HOLD : ESP_TRIGGER_PAUSE);
    }
}
