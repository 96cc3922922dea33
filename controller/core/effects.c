/* Effects, built from the state: what is outstanding for a peer can be sent again at any time,
 * and is sent when the peer says Hello. */
#include "effects.h"

#include "outcome.h"
#include "process_table.h"
#include "record.h"
#include "trial.h"

#include <assert.h>
#include <errno.h>
#include <espalier/plant.h>

static void add(struct esp_core *core, const struct esp_effect *effect)
{
    assert(core->outcome);
    int rc = esp_outcome_effect(core->outcome, effect);
    if (rc) {
        core->failure = rc;
    }
}

void esp_send(struct esp_core *core, struct esp_peer peer, const struct esp_message *message)
{
    /* Before START only commands of clients are answered. */
    assert(core->mode != ESP_MODE_LOADED || peer.role == ESP_ROLE_CLIENT);
    if (peer.role == ESP_ROLE_TRIAL) {
        struct esp_trial_process *p = esp_process_find(core, peer.key);
        if (p && p->connected) {
            p->sent_ms = core->now_ms;
        }
    }
    add(core, &(struct esp_effect){.kind = ESP_EFFECT_SEND, .peer = peer, .message = *message});
}

void esp_send_simple(struct esp_core *core, struct esp_peer peer, enum esp_message_kind kind)
{
    esp_send(core, peer, &(struct esp_message){.kind = kind});
}

/* The process of the trial's attempt, when it can be reached. */
static struct esp_trial_process *connected(const struct esp_core *core,
                                           const struct esp_trial *t)
{
    struct esp_trial_process *p = t->process ? esp_process_find(core, t->process) : NULL;
    return p && p->connected ? p : NULL;
}

/* The trial's drawn values by name; NULL: out of memory. */
static struct esp_setting *settings_of(struct esp_core *core, uint32_t trial)
{
    uint32_t count = (uint32_t)core->study->param_count;
    struct esp_setting *settings =
        esp_outcome_keep(core->outcome, NULL, count * sizeof *settings);
    for (uint32_t i = 0; settings && i < count; i++) {
        const struct esp_param *param = &core->study->params[i];
        double drawn = core->values[(size_t)trial * count + i];
        settings[i] = (struct esp_setting){param->name, esp_param_value(param, drawn)};
    }
    return settings;
}

void esp_send_assign(struct esp_core *core, struct esp_trial *t)
{
    struct esp_trial_process *p = connected(core, t);
    if (!p) {
        return;
    }
    assert(t->state == ESP_TRIAL_ASSIGNED);
    uint32_t index = esp_trial_index(core, t);
    const struct esp_checkpoint *c = esp_trial_checkpoint(t);
    struct esp_message message = {.kind = ESP_MESSAGE_ASSIGN};
    struct esp_assign *assign = &message.assign;
    assign->trial = index;
    assign->attempt = t->attempt;
    assign->params = settings_of(core, index);
    assign->param_count = (uint32_t)core->study->param_count;
    assign->trainer = core->study->abilities.settings_known ? &core->study->trainer : NULL;
    assign->seed = t->seed;
    assign->horizon = t->horizon;
    assign->directive = t->directive;
    assign->resume_tokens = -1;
    if (c) {
        assign->resume = esp_outcome_text(core->outcome, c->path, ESP_PATH_MAX);
        assign->resume_hash = c->hash;
        assign->resume_tokens = c->tokens;
    }
    if (!assign->params) {
        core->failure = -ENOMEM;
        return;
    }
    esp_send(core, (struct esp_peer){ESP_ROLE_TRIAL, p->key}, &message);
}

/* One Ack per attempt and outcome: a later one replaces an earlier one. */
void esp_send_ack(struct esp_core *core, struct esp_trial *t)
{
    struct esp_trial_process *p = connected(core, t);
    if (!p) {
        return;
    }
    struct esp_message message = {.kind = ESP_MESSAGE_ACK};
    assert(esp_trial_state_live(t->state));
    message.ack = (struct esp_ack){.trial = esp_trial_index(core, t),
                                   .attempt = t->attempt,
                                   .sequence = t->taken_sequence + ESP_PLANT("ack-ahead"),
                                   .directive = t->directive};
    struct esp_outcome *o = core->outcome;
    if (t->ack_effect < o->effect_count) {
        struct esp_effect *earlier = &o->effects[t->ack_effect];
        if (earlier->kind == ESP_EFFECT_SEND && earlier->message.kind == ESP_MESSAGE_ACK &&
            earlier->peer.key == p->key && earlier->message.ack.trial == message.ack.trial &&
            earlier->message.ack.attempt == t->attempt) {
            earlier->message = message;
            return;
        }
    }
    t->ack_effect = o->effect_count;
    esp_send(core, (struct esp_peer){ESP_ROLE_TRIAL, p->key}, &message);
}

void esp_send_last_ack(struct esp_core *core,
                       struct esp_trial_process *p,
                       const struct esp_trial *t,
                       const struct esp_attempt_key *at)
{
    struct esp_message message = {.kind = ESP_MESSAGE_ACK};
    message.ack = (struct esp_ack){.trial = esp_trial_index(core, t),
                                   .attempt = at->attempt,
                                   .sequence = t->taken_sequence,
                                   .directive = t->directive};
    esp_send(core, (struct esp_peer){ESP_ROLE_TRIAL, p->key}, &message);
}

void esp_send_direct(struct esp_core *core, struct esp_trial *t)
{
    struct esp_trial_process *p = connected(core, t);
    if (!p) {
        return;
    }
    assert(esp_trial_state_live(t->state));
    struct esp_message message = {.kind = ESP_MESSAGE_DIRECT};
    message.direct = (struct esp_direct){
        .trial = esp_trial_index(core, t), .attempt = t->attempt, .directive = t->directive};
    esp_send(core, (struct esp_peer){ESP_ROLE_TRIAL, p->key}, &message);
}

void esp_send_fenced(struct esp_core *core,
                     struct esp_trial_process *p,
                     uint32_t trial,
                     uint32_t attempt)
{
    if (!p->connected || ESP_PLANT("no-fence")) {
        return;
    }
    struct esp_message message = {.kind = ESP_MESSAGE_FENCED};
    message.fenced = (struct esp_fenced){trial, attempt};
    esp_send(core, (struct esp_peer){ESP_ROLE_TRIAL, p->key}, &message);
}

void esp_send_spawn(struct esp_core *core, struct esp_trial_process *p)
{
    struct esp_agent *agent = esp_agent_find(core, p->agent);
    assert(p->class == ESP_PROCESS_STARTING);
    if (!agent || !agent->connected) {
        return;
    }
    struct esp_message message = {.kind = ESP_MESSAGE_SPAWN};
    message.spawn.key = p->key;
    message.spawn.slot = p->slot;
    /* A copy, because the array of agents may move before the effect is performed. */
    message.spawn.device = esp_outcome_text(core->outcome, agent->device, ESP_NAME_MAX);
    p->sent_ms = core->now_ms;
    esp_send(core, (struct esp_peer){ESP_ROLE_AGENT, agent->id}, &message);
}

void esp_send_kill(struct esp_core *core, struct esp_trial_process *p)
{
    struct esp_agent *agent = esp_agent_find(core, p->agent);
    assert(p->killing);
    if (!agent || !agent->connected) {
        return;
    }
    struct esp_message message = {.kind = ESP_MESSAGE_KILL};
    message.kill = (struct esp_kill){.key = p->key, .now = p->kill_now};
    esp_send(core, (struct esp_peer){ESP_ROLE_AGENT, agent->id}, &message);
}

void esp_drop_checkpoint(struct esp_core *core, struct esp_trial *t, int which)
{
    assert(which >= 0 && which < ESP_CHECKPOINTS_KEPT && t->checkpoints[which].id);
    const struct esp_checkpoint *c = &t->checkpoints[which];
    const char *path = esp_outcome_text(core->outcome, c->path, ESP_PATH_MAX);
    struct esp_event event = esp_event_of_trial(core, t, ESP_EVENT_DROPPED);
    event.dropped.checkpoint = c->id;
    esp_record(core, &event);
    if (path) {
        add(core, &(struct esp_effect){.kind = ESP_EFFECT_DROP, .path = path});
    }
}

void esp_send_finish(struct esp_core *core, int exit_code)
{
    assert(core->mode == ESP_MODE_DONE);
    add(core, &(struct esp_effect){.kind = ESP_EFFECT_FINISH, .exit_code = exit_code});
}
