/* One input: taken in, deadlines looked at, and the consequences settled. */
#include "state.h"

#include <espalier/exit.h>

static void
from_process(struct esp_core *core, struct esp_peer peer, const struct esp_message *m)
{
    struct esp_trial_process *p = esp_process_find(core, peer.key);
    if (!p || !p->connected) {
        esp_send_simple(core, peer, ESP_MESSAGE_INTRODUCE);
        return;
    }
    p->heard = core->now;
    switch (m->kind) {
    case ESP_MESSAGE_CAPACITY: {
        uint32_t members = m->capacity.members > 0 ? m->capacity.members : 1;
        p->capacity_group = m->capacity.group;
        p->capacity = members < ESP_MEMBERS_MAX ? members : ESP_MEMBERS_MAX;
        esp_process_refresh(core, p);
        break;
    }
    case ESP_MESSAGE_STARTED:
    case ESP_MESSAGE_REPORT:
    case ESP_MESSAGE_SAVED:
    case ESP_MESSAGE_FAILED:
    case ESP_MESSAGE_RELEASED:
        esp_attempt_message(core, p, m);
        break;
    case ESP_MESSAGE_HEARTBEAT:
        break;
    default:
        esp_record_protocol(core, peer, -1, 0, 0, "not a trial process's message");
        break;
    }
}

static void from_agent(struct esp_core *core, struct esp_peer peer, const struct esp_message *m)
{
    struct esp_agent *agent = esp_agent_find(core, peer.key);
    if (!agent || !agent->connected) {
        esp_send_simple(core, peer, ESP_MESSAGE_INTRODUCE);
        return;
    }
    agent->heard = core->now;
    switch (m->kind) {
    case ESP_MESSAGE_EXITED:
        esp_exited(core, agent, &m->exited);
        break;
    case ESP_MESSAGE_DRAIN:
        esp_drain(core, agent);
        break;
    case ESP_MESSAGE_HEARTBEAT:
        break;
    default:
        esp_record_protocol(core, peer, -1, 0, 0, "not an agent's message");
        break;
    }
}

static void
from_client(struct esp_core *core, struct esp_peer peer, const struct esp_message *m)
{
    if (m->kind == ESP_MESSAGE_COMMAND) {
        esp_command(core, peer, &m->command);
    } else if (m->kind != ESP_MESSAGE_HEARTBEAT) {
        esp_record_protocol(core, peer, -1, 0, 0, "not a client's message");
    }
}

static void
take_message(struct esp_core *core, struct esp_peer peer, const struct esp_message *m)
{
    if (m->kind == ESP_MESSAGE_COMMAND && peer.role == ESP_ROLE_CLIENT) {
        esp_command(core, peer, &m->command); /* before START too: settings change */
        return;
    }
    if (core->mode == ESP_MODE_LOADED || core->mode == ESP_MODE_DONE) {
        return; /* it will be said again */
    }
    if (m->kind == ESP_MESSAGE_HELLO) {
        esp_hello(core, peer, &m->hello);
        return;
    }
    switch (peer.role) {
    case ESP_ROLE_TRIAL:
        from_process(core, peer, m);
        break;
    case ESP_ROLE_AGENT:
        from_agent(core, peer, m);
        break;
    default:
        from_client(core, peer, m);
        break;
    }
}

static void peer_gone(struct esp_core *core, struct esp_peer peer)
{
    if (peer.role == ESP_ROLE_TRIAL) {
        struct esp_trial_process *p = esp_process_find(core, peer.key);
        if (p) {
            esp_process_gone(core, p);
        }
    } else if (peer.role == ESP_ROLE_AGENT) {
        struct esp_agent *agent = esp_agent_find(core, peer.key);
        if (agent) {
            esp_agent_silent(core, agent);
        }
    }
}

/* Recorded once, so that it stands whatever becomes of the studies it came from. */
static void calibrate(struct esp_core *core, const struct esp_input *input)
{
    if (core->mode != ESP_MODE_LOADED || core->incarnation > 0 || core->calibrated) {
        return;
    }
    struct esp_event event = esp_event_of(ESP_EVENT_CALIBRATED);
    event.calibrated = (struct esp_event_calibrated){
        .looked_at = input->looked_at,
        .scores = {input->scores,
                   input->score_count < ESP_CALIBRATION_MAX ? input->score_count
                                                            : ESP_CALIBRATION_MAX}};
    esp_record(core, &event);
}

int esp_core_step(struct esp_core *core,
                  const struct esp_input *input,
                  int64_t now_ms,
                  struct esp_outcome *outcome)
{
    core->now = now_ms;
    core->time_ms = input->time_ms;
    core->outcome = outcome;
    switch (input->kind) {
    case ESP_INPUT_START:
        if (core->mode == ESP_MODE_LOADED) {
            esp_begin(core, input->text);
        }
        break;
    case ESP_INPUT_TICK:
        break;
    case ESP_INPUT_MESSAGE:
        take_message(core, input->peer, input->message);
        break;
    case ESP_INPUT_MALFORMED:
        if (core->mode != ESP_MODE_LOADED && core->mode != ESP_MODE_DONE) {
            esp_record_protocol(core, input->peer, -1, 0, 0, input->text);
        }
        break;
    case ESP_INPUT_GONE:
        peer_gone(core, input->peer);
        break;
    case ESP_INPUT_INTERRUPT:
        esp_interrupt(core, ESP_MODE_INTERRUPT, ESP_EXIT_PAUSED);
        break;
    case ESP_INPUT_TERMINATE:
        esp_terminate(core);
        break;
    case ESP_INPUT_STORE_FULL:
        core->store_full = true;
        break;
    case ESP_INPUT_STORE_ROOM:
        core->store_full = false;
        break;
    case ESP_INPUT_CALIBRATION:
        calibrate(core, input);
        break;
    }
    if (core->mode != ESP_MODE_LOADED) {
        esp_expire(core);
    }
    esp_settle(core);
    core->outcome = NULL;
    return core->failure;
}
