/* Messages of a trial process about one of its attempts. A message is taken once, in order, and
 * only from the process that holds the trial.
 *
 *   sequence = last taken + 1   it is taken; an event carries its sequence
 *   lower                       a repeat: acknowledged again
 *   higher                      something is missing: it will be sent again
 *   another attempt or process  Fenced: the process must confirm its end before it gets another
 */
#include "attempt.h"

#include "attempt_check.h"
#include "effects.h"
#include "lose.h"
#include "outcome.h"
#include "process.h"
#include "process_table.h"
#include "record.h"
#include "report.h"
#include "shutdown.h"
#include "transition.h"
#include "trial.h"

#include <assert.h>
#include <errno.h>
#include <espalier/full_disk.h>
#include <espalier/plant.h>
#include <stdlib.h>
#include <string.h>

/* How long grants wait after a save found no room: from one second, doubled each time, to about
 * a minute. */
#define DISK_WAIT_MIN_MS 1000
#define DISK_WAIT_MAX_MS (64 * DISK_WAIT_MIN_MS)

static const struct esp_attempt_key *key_of(const struct esp_message *m)
{
    switch (m->kind) {
    case ESP_MESSAGE_STARTED:
        return &m->started.at;
    case ESP_MESSAGE_REPORT:
        return &m->report.at;
    case ESP_MESSAGE_SAVED:
        return &m->saved.at;
    case ESP_MESSAGE_FAILED:
        return &m->failed.at;
    case ESP_MESSAGE_RELEASED:
        return &m->released.at;
    default:
        assert(!"a message that is not about an attempt");
        abort();
    }
}

/* False: the attempt has started already. */
static bool
handle_started(struct esp_core *core, struct esp_trial *t, const struct esp_started *s)
{
    if (t->state != ESP_TRIAL_ASSIGNED && t->state != ESP_TRIAL_STOPPING) {
        return false;
    }
    struct esp_event event = esp_event_of_trial(core, t, ESP_EVENT_STARTED_AT);
    event.sequence = s->at.sequence;
    event.started =
        (struct esp_event_started){.tokens = s->tokens,
                                   .horizon = s->horizon > 0 ? s->horizon : t->horizon,
                                   .can_save = s->can_save,
                                   .fell_back = s->fell_back};
    esp_record(core, &event);
    if (t->state == ESP_TRIAL_ASSIGNED) {
        esp_trial_trigger(core, t, ESP_TRIGGER_STARTED);
        if (t->hold_wanted) {
            esp_trial_trigger(core, t, ESP_TRIGGER_HOLD);
        }
        if (!esp_shutdown_trial(core, t)) {
            esp_trial_decide(core, t, t->tokens >= t->until);
        }
    }
    return true;
}

/* Before a checkpoint is recorded: a trial keeps two, and loses the older one, or the newer one
 * when only that is damaged. */
static void make_room(struct esp_core *core, struct esp_trial *t, const char *path)
{
    for (int i = 0; i < ESP_CHECKPOINTS_KEPT; i++) {
        struct esp_checkpoint *c = &t->checkpoints[i];
        if (c->id && strcmp(c->path, path) == 0) { /* the same file was written again */
            struct esp_event event = esp_event_of_trial(core, t, ESP_EVENT_DROPPED);
            event.dropped.checkpoint = c->id;
            esp_record(core, &event);
            return;
        }
    }
    if (t->checkpoints[ESP_CHECKPOINTS_KEPT - 1].id) {
        bool worse = t->checkpoints[0].damaged && !t->checkpoints[1].damaged;
        esp_drop_checkpoint(core, t, worse ? 0 : ESP_CHECKPOINTS_KEPT - 1);
    }
}

static void handle_saved(struct esp_core *core, struct esp_trial *t, const struct esp_saved *s)
{
    make_room(core, t, s->path);
    struct esp_event event = esp_event_of_trial(core, t, ESP_EVENT_SAVED);
    event.sequence = s->at.sequence;
    event.saved = *s;
    esp_record(core, &event);
    assert(core->failure || t->checkpoints[0].id == event.seq);
    core->disk_due_ms = INT64_MIN;
    core->disk_backoff_ms = 0;
}

/* The disk has no room for checkpoints: what is trained now could not be saved, so nothing is
 * granted for a while. */
static void wait_for_room(struct esp_core *core)
{
    core->disk_backoff_ms =
        core->disk_backoff_ms ? core->disk_backoff_ms * 2 : DISK_WAIT_MIN_MS;
    if (core->disk_backoff_ms > DISK_WAIT_MAX_MS) {
        core->disk_backoff_ms = DISK_WAIT_MAX_MS;
    }
    core->disk_due_ms = core->now_ms + core->disk_backoff_ms;
    esp_timer_set_earlier(core, ESP_TIMER_CORE, 0, core->disk_due_ms);
}

static void
handle_failed(struct esp_core *core, struct esp_trial *t, const struct esp_failed *f)
{
    bool no_room = esp_is_full_disk(f->code);
    struct esp_event event = esp_event_of_trial(core, t, ESP_EVENT_FAILED);
    event.sequence = f->at.sequence;
    event.failed = (struct esp_event_failed){
        .code = f->code,
        .save_failed = f->save_failed,
        .text = esp_outcome_text(core->outcome, f->text, ESP_MESSAGE_TEXT_MAX)};
    esp_record(core, &event);
    if (f->save_failed) {
        if (no_room) {
            wait_for_room(core);
        }
        if (t->state == ESP_TRIAL_PAUSING) {
            esp_trial_transition(core,
                                 t,
                                 &(struct esp_transition){.trigger = ESP_TRIGGER_SAVE_FAILED,
                                                          .text = f->text,
                                                          .excused = no_room});
        }
    } else if (t->state != ESP_TRIAL_STOPPING) {
        esp_trial_transition(
            core, t, &(struct esp_transition){.trigger = ESP_TRIGGER_ERROR, .text = f->text});
    }
}

/* The process has released the attempt, asked or unasked. */
static void handle_released(struct esp_core *core, struct esp_trial *t, uint64_t sequence)
{
    const struct esp_trial_process *p = esp_process_find(core, t->process);
    assert(p);
    struct esp_transition released = {.trigger = ESP_TRIGGER_RELEASED, .sequence = sequence};
    if (esp_trial_transition(core, t, &released)) {
        return;
    }
    if (t->state == ESP_TRIAL_PAUSING) {
        esp_trial_trigger(core, t, ESP_TRIGGER_SAVE_FAILED);
    } else {
        /* Unasked: after a signal, or at the end of its lease, it has saved before. */
        esp_trial_lose(core, t, t->saved || p->killing, false);
    }
    esp_trial_transition(core, t, &released);
    assert(core->failure || !esp_trial_state_live(t->state));
}

/* Takes a message that is the next one of its attempt. */
static void handle(struct esp_core *core, struct esp_trial *t, const struct esp_message *m)
{
    struct esp_peer peer = {ESP_ROLE_TRIAL, t->process};
    const struct esp_attempt_key *at = key_of(m);
    const char *fault = esp_attempt_fault(t, m);
    if (!fault) {
        switch (m->kind) {
        case ESP_MESSAGE_STARTED:
            fault = handle_started(core, t, &m->started) ? NULL : "Started twice";
            break;
        case ESP_MESSAGE_REPORT:
            if (t->state == ESP_TRIAL_ASSIGNED) {
                fault = "a report before Started";
                break;
            }
            esp_report_handle(core, t, &m->report);
            break;
        case ESP_MESSAGE_SAVED:
            handle_saved(core, t, &m->saved);
            break;
        case ESP_MESSAGE_FAILED:
            handle_failed(core, t, &m->failed);
            break;
        case ESP_MESSAGE_RELEASED:
            handle_released(core, t, at->sequence);
            break;
        default:
            assert(!"a message that is not about an attempt");
            break;
        }
    }
    if (fault) {
        esp_record_protocol(core, peer, at->trial, at->attempt, at->sequence, fault);
    }
}

/* The process holds the attempt now. */
static bool holds(const struct esp_trial *t,
                  const struct esp_trial_process *p,
                  const struct esp_attempt_key *at)
{
    return t->attempt == at->attempt && t->process == p->key && esp_trial_state_live(t->state);
}

/* The message is the next one: it is taken and acknowledged. */
static void handle_next(struct esp_core *core,
                        struct esp_trial_process *p,
                        struct esp_trial *t,
                        const struct esp_message *m)
{
    const struct esp_attempt_key *at = key_of(m);
    uint32_t attempt = t->attempt;
    assert(core->answering_trial == ESP_NO_INDEX);
    core->answering_trial = at->trial;
    t->taken_sequence = at->sequence;
    handle(core, t, m);
    core->answering_trial = ESP_NO_INDEX;
    t = &core->trials[at->trial]; /* the array may have moved */
    if (t->process == p->key && t->attempt == attempt) {
        esp_send_ack(core, t);
    } else {
        esp_send_last_ack(core, p, t, at);
    }
}

/* A message about an attempt that the process does not hold: either the end of the attempt
 * again, because its Ack was lost; or that of a process that obeyed an old Assign and must end
 * the attempt. */
static void handle_stale(struct esp_core *core,
                         struct esp_trial_process *p,
                         const struct esp_trial *t,
                         const struct esp_message *m)
{
    const struct esp_attempt_key *at = key_of(m);
    if (m->kind == ESP_MESSAGE_RELEASED && t->attempt == at->attempt &&
        at->sequence == t->taken_sequence) {
        esp_send_last_ack(core, p, t, at);
    } else {
        esp_process_fence(core, p, at->trial, at->attempt);
    }
}

/* Handles a message about an attempt that counts as lost: only its end has an effect. Returns
 * true when the message needs no further handling. */
static bool handle_of_lost(struct esp_core *core,
                           struct esp_trial_process *p,
                           struct esp_trial *t,
                           const struct esp_message *m)
{
    const struct esp_attempt_key *at = key_of(m);
    if (m->kind != ESP_MESSAGE_RELEASED) {
        esp_send_fenced(core, p, at->trial, at->attempt);
        return true;
    }
    if (at->sequence > t->taken_sequence + 1) {
        /* Messages in between are missing and will not be taken. The end counts, and the
         * process is fenced, and the missing messages are not acknowledged. */
        handle_released(core, t, 0);
        esp_send_fenced(core, p, at->trial, at->attempt);
        return true;
    }
    return false;
}

void esp_attempt_message(struct esp_core *core,
                         struct esp_trial_process *p,
                         const struct esp_message *m)
{
    const struct esp_attempt_key *at = key_of(m);
    assert(p->connected);
    if (at->trial >= core->trial_count) {
        struct esp_peer peer = {ESP_ROLE_TRIAL, p->key};
        esp_record_protocol(core, peer, -1, at->attempt, 0, "a message about an unknown trial");
        esp_send_fenced(core, p, at->trial, at->attempt);
        return;
    }
    struct esp_trial *t = &core->trials[at->trial];
    if (m->kind == ESP_MESSAGE_RELEASED && at->sequence == 0) { /* the answer to Fenced */
        esp_process_fence_answered(core, p, at->trial, at->attempt);
        if (holds(t, p, at)) {
            handle_released(core, t, 0);
        }
        return;
    }
    if (!holds(t, p, at)) {
        handle_stale(core, p, t, m);
        return;
    }
    t->unconfirmed = false;
    if (t->state == ESP_TRIAL_STOPPING && t->cause == ESP_CAUSE_LOST &&
        handle_of_lost(core, p, t, m)) {
        return;
    }
    if (at->sequence == t->taken_sequence + 1 || ESP_PLANT("no-dedupe")) {
        handle_next(core, p, t, m);
    } else if (at->sequence <= t->taken_sequence) {
        esp_send_ack(core, t);
    }
}
