/* The fold of a trial's transitions. Recorded transitions are taken as they are: a later
 * version of the table never changes an old study. */
#include "fold.h"
#include "process_table.h"
#include "trial.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* The end of a trial, as samplers see it. */
static enum esp_trial_end end_of(enum esp_trial_state state, enum esp_cause cause)
{
    switch (state) {
    case ESP_TRIAL_COMPLETE:
        return ESP_END_COMPLETE;
    case ESP_TRIAL_STOPPED:
        return ESP_END_STOPPED;
    case ESP_TRIAL_FAILED:
        return ESP_END_FAILED;
    default:
        return cause == ESP_CAUSE_DIVERGED ? ESP_END_DIVERGED : ESP_END_PRUNED;
    }
}

/* A new attempt begins. */
static int grant(struct esp_core *core,
                 struct esp_trial *t,
                 const struct esp_event *e,
                 struct esp_error *error)
{
    const struct esp_event_moved *m = &e->moved;
    struct esp_trial_process *p = esp_process_find(core, m->process);
    if (!p || p->exited) {
        return esp_error_set(
            error, -EPROTO, "trial %lld is granted to no process", (long long)e->trial);
    }
    assert(t->process == 0);
    t->attempt = e->attempt;
    t->process = m->process;
    t->until = m->until;
    t->directive = (struct esp_directive){.action = ESP_DIRECT_CONTINUE, .until = m->until};
    t->attempt_horizon = t->horizon;
    t->attempt_tokens = m->resumed_from > 0 ? m->resumed_from : 0;
    t->reached_tokens = t->attempt_tokens;
    t->attempt_seconds = 0;
    t->recorded_sequence = 0;
    t->taken_sequence = 0;
    t->progressed = false;
    t->excused = false;
    t->saved = false;
    t->hold_wanted = false;
    t->pause_rule = ESP_RULE_NONE;
    return 0;
}

/* Takes the trial out of the list of its present state. */
static void leave(struct esp_core *core, struct esp_trial *t, bool stays_live)
{
    uint32_t index = esp_trial_index(core, t);
    if (t->state == ESP_TRIAL_QUEUED) {
        esp_list_remove(core, ESP_LIST_TRIALS, &core->queue, index);
    } else if (esp_trial_state_live(t->state) && !stays_live) {
        struct esp_trial_process *p = esp_process_find(core, t->process);
        assert(p);
        esp_list_remove(core, ESP_LIST_TRIALS, &p->hosted, index);
        t->process = 0;
        esp_process_refresh(core, p);
    }
}

void esp_fold_failure(struct esp_core *core, const char *text)
{
    if (text && text[0]) {
        size_t length = strnlen(text, sizeof core->last_failure - 1);
        memcpy(core->last_failure, text, length);
        core->last_failure[length] = '\0';
    }
}

/* Adds the trial to the list of its new state, and tells the sampler and the scheduler. */
static void enter(struct esp_core *core, struct esp_trial *t, enum esp_trigger trigger)
{
    uint32_t index = esp_trial_index(core, t);
    if (t->state == ESP_TRIAL_QUEUED) {
        esp_list_push(core, ESP_LIST_TRIALS, &core->queue, index);
    } else if (trigger == ESP_TRIGGER_GRANT) {
        struct esp_trial_process *p = esp_process_find(core, t->process);
        assert(p && !p->exited);
        esp_list_push(core, ESP_LIST_TRIALS, &p->hosted, index);
        esp_process_refresh(core, p);
    }
    if (t->state == ESP_TRIAL_PAUSED) {
        esp_scheduler_paused(core->scheduler, index, t->held);
    } else if (esp_trial_state_ended(t->state)) {
        if (t->state == ESP_TRIAL_FAILED) {
            core->consecutive_failures++;
        } else if (t->state == ESP_TRIAL_COMPLETE) {
            core->consecutive_failures = 0;
        }
        if (!t->discarded_at_risk) {
            esp_sampler_ended(core->sampler, index, end_of(t->state, t->cause));
        }
        esp_scheduler_ended(core->scheduler, index, t->cause);
    } else if (trigger == ESP_TRIGGER_RESUME) {
        esp_scheduler_returned(core->scheduler, index);
    }
}

static void count_loss(struct esp_trial *t, bool excused)
{
    t->excused = excused;
    if (!t->progressed && !excused) {
        t->fruitless++;
    }
}

/* What a trigger changes besides state and cause. */
static void fold_trigger(struct esp_trial *t, const struct esp_event_moved *m)
{
    switch (m->trigger) {
    case ESP_TRIGGER_HOLD:
        t->held = true;
        t->hold_wanted = false;
        break;
    case ESP_TRIGGER_RESUME:
    case ESP_TRIGGER_CONTINUE:
        t->held = false;
        t->discarded_at_risk = false;
        break;
    case ESP_TRIGGER_LOST:
    case ESP_TRIGGER_NO_ANSWER:
    case ESP_TRIGGER_SAVE_FAILED:
        count_loss(t, m->excused);
        break;
    default:
        break;
    }
}

/* The event must fit the trial's present state; the table is not consulted. */
static int check(const struct esp_trial *t, const struct esp_event *e, struct esp_error *error)
{
    const struct esp_event_moved *m = &e->moved;
    if (m->from != t->state || (unsigned)m->to >= ESP_TRIAL_STATE_COUNT ||
        (unsigned)m->cause >= ESP_CAUSE_COUNT) {
        return esp_error_set(error,
                             -EPROTO,
                             "trial %lld moves from state %d, it is in %d",
                             (long long)e->trial,
                             (int)m->from,
                             (int)t->state);
    }
    bool live = esp_trial_state_live(m->to);
    if (live && !esp_trial_state_live(t->state) && m->trigger != ESP_TRIGGER_GRANT) {
        return esp_error_set(
            error, -EPROTO, "trial %lld is live without a grant", (long long)e->trial);
    }
    if (m->trigger == ESP_TRIGGER_GRANT && (t->state != ESP_TRIAL_QUEUED || !live)) {
        return esp_error_set(
            error, -EPROTO, "trial %lld is granted twice", (long long)e->trial);
    }
    return 0;
}

int esp_fold_transition(struct esp_core *core,
                        const struct esp_event *e,
                        struct esp_error *error)
{
    struct esp_trial *t = &core->trials[e->trial];
    const struct esp_event_moved *m = &e->moved;
    bool live = esp_trial_state_live(m->to);
    int rc = check(t, e, error);
    if (rc == 0 && m->trigger == ESP_TRIGGER_GRANT) {
        rc = grant(core, t, e, error);
    }
    if (rc) {
        return rc;
    }
    leave(core, t, live);
    assert(core->by_state[t->state] > 0);
    core->by_state[t->state]--;
    core->by_state[m->to]++;
    t->state = m->to;
    t->cause = m->cause;
    if (t->state == ESP_TRIAL_FAILED) {
        esp_fold_failure(core, m->text);
    }
    fold_trigger(t, m);
    enter(core, t, m->trigger);
    assert(core->by_state[ESP_TRIAL_QUEUED] == core->queue.count);
    assert(live == (t->process != 0));
    assert((live || t->state == ESP_TRIAL_QUEUED) == t->link.listed);
    return 0;
}
