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

/* How long the present state may last, counted from now. */
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
    esp_trial_set_timer(core, t);
}

void esp_trial_direct(struct esp_core *core,
                      struct esp_trial *t,
                      enum esp_directive_action action,
                      int64_t until,
                      bool keep)
{
    struct esp_event event = esp_event_of(ESP_EVENT_DIRECTED);
    event.trial = esp_trial_index(core, t);
    event.attempt = t->attempt;
    event.directive = (struct esp_directive){
        .number = t->directive.number + 1, .action = action, .until = until, .keep = keep};
    esp_record(core, &event);
    if (core->answering_trial != event.trial) {
        esp_send_direct(core, t);
    }
}

/* Of an ended trial one good checkpoint stays: the last. */
static void drop_superseded(struct esp_core *core, struct esp_trial *t)
{
    if (t->checkpoints[0].id && !t->checkpoints[0].damaged && t->checkpoints[1].id) {
        esp_drop_checkpoint(core, t, 1);
    }
}

/* What is given up at the stated risk leaves no checkpoint. (At the study's end the others keep
 * theirs, and can be continued.) */
static void drop_all(struct esp_core *core, struct esp_trial *t)
{
    for (int i = ESP_CHECKPOINTS_KEPT - 1; i >= 0; i--) {
        if (t->checkpoints[i].id) {
            esp_drop_checkpoint(core, t, i);
        }
    }
}

/* It was only paused to leave a host. */
static void move_on(struct esp_core *core, struct esp_trial *t)
{
    if (t->pause_rule == ESP_RULE_RESTART && !t->held && core->mode == ESP_MODE_RUN) {
        esp_trial_restart(core, t);
    }
}

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
    switch (row->effect) {
    case ESP_MOVE_ASSIGN:
        esp_send_assign(core, t);
        break;
    case ESP_MOVE_PAUSE:
        esp_trial_direct(core, t, ESP_DIRECT_PAUSE, t->until, false);
        break;
    case ESP_MOVE_STOP:
        /* The study's end takes no more training from a trial, but leaves it its model. */
        esp_trial_direct(
            core, t, ESP_DIRECT_STOP, t->until, core->mode == ESP_MODE_END && t->can_save);
        break;
    case ESP_MOVE_KEEP:
        esp_trial_direct(core, t, ESP_DIRECT_STOP, t->until, t->can_save);
        break;
    case ESP_MOVE_FENCE:
        if (p) {
            esp_send_fenced(core, p, esp_trial_index(core, t), t->attempt);
        }
        if (ESP_PLANT("no-fence")) {
            esp_trial_trigger(core, t, ESP_TRIGGER_RELEASED);
        }
        break;
    case ESP_MOVE_KILL:
        /* Its other members save when they are asked to end: SIGTERM, not SIGKILL. */
        if (p) {
            esp_process_kill(core, p, false);
        }
        t->due_ms = INT64_MAX;
        esp_trial_set_timer(core, t);
        break;
    case ESP_MOVE_FREE:
    case ESP_MOVE_NOTHING:
    case ESP_MOVE_EFFECT_COUNT:
        break;
    }
    bool gone = t->given_up && !ESP_PLANT("keeps-what-is-given-up");
    if (esp_trial_state_ended(row->to) && gone) {
        drop_all(core, t);
    } else if (esp_trial_state_ended(row->to)) {
        drop_superseded(core, t);
    } else if (row->to == ESP_TRIAL_PAUSED) {
        move_on(core, t);
    } else if (row->from == ESP_TRIAL_STOPPING && row->to == ESP_TRIAL_QUEUED &&
               (t->held || t->hold_wanted)) {
        esp_trial_trigger(core, t, ESP_TRIGGER_HOLD); /* the user's pause outlives the loss */
    }
}

bool esp_trial_transition(struct esp_core *core,
                          struct esp_trial *t,
                          const struct esp_transition *move)
{
    const struct esp_trial_row *row =
        esp_trial_row_find(t->state, t->cause, move->trigger, esp_trial_guards(t));
    if (!row) {
        return false;
    }
    struct esp_event event = esp_event_of(ESP_EVENT_MOVED);
    event.trial = esp_trial_index(core, t);
    event.attempt = t->attempt;
    event.sequence = move->sequence;
    event.moved =
        (struct esp_event_moved){.process = t->process,
                                 .trigger = move->trigger,
                                 .from = row->from,
                                 .to = row->to,
                                 .cause = row->cause             ? row->cause
                                          : row->to == row->from ? t->cause
                                                                 : ESP_CAUSE_NONE,
                                 .excused = move->excused && !ESP_PLANT("counts-our-kills"),
                                 .words = move->text};
    if (move->trigger == ESP_TRIGGER_GRANT) {
        const struct esp_checkpoint *c = esp_trial_checkpoint(t);
        event.attempt = t->attempt + !ESP_PLANT("attempt-not-incremented");
        event.moved.process = move->process;
        event.moved.until = t->until;
        event.moved.resumed_from = c ? c->tokens : -1;
    }
    esp_record(core, &event);
    follow(core, t, row);
    return true;
}

bool esp_trial_trigger(struct esp_core *core, struct esp_trial *t, enum esp_trigger trigger)
{
    return esp_trial_transition(core, t, &(struct esp_transition){.trigger = trigger});
}

void esp_trial_restart(struct esp_core *core, struct esp_trial *t)
{
    struct esp_verdict verdict = {.action = ESP_VERDICT_CONTINUE,
                                  .trial = esp_trial_index(core, t),
                                  .until = t->until,
                                  .reason = esp_reason_none(ESP_RULE_RESTART)};
    esp_record_verdict(core, &verdict);
    esp_trial_trigger(core, t, ESP_TRIGGER_CONTINUE);
}

void esp_trial_pause(struct esp_core *core, struct esp_trial *t, enum esp_rule rule)
{
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
