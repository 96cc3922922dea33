/* Messages of peers, by role and kind. */
#include "message.h"

#include "agent_message.h"
#include "attempt.h"
#include "command.h"
#include "effects.h"
#include "hello.h"
#include "lose.h"
#include "process_table.h"
#include "record.h"

#include <assert.h>

static void
from_process(struct esp_core *core, struct esp_peer peer, const struct esp_message *m)
{
    struct esp_trial_process *p = esp_process_find(core, peer.key);
    if (!p || !p->connected) {
        esp_send_simple(core, peer, ESP_MESSAGE_INTRODUCE);
        return;
    }
    assert(!p->exited);
    p->heard_ms = core->now_ms;
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
    agent->heard_ms = core->now_ms;
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

void esp_message_take(struct esp_core *core, struct esp_peer peer, const struct esp_message *m)
{
    if (m->kind == ESP_MESSAGE_COMMAND && peer.role == ESP_ROLE_CLIENT) {
        esp_command(core, peer, &m->command); /* also before START, to change settings */
        return;
    }
    if (core->mode == ESP_MODE_LOADED || core->mode == ESP_MODE_DONE) {
        return; /* the peer will send it again */
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

void esp_peer_disconnected(struct esp_core *core, struct esp_peer peer)
{
    if (peer.role == ESP_ROLE_TRIAL) {
        struct esp_trial_process *p = esp_process_find(core, peer.key);
        if (p) {
            esp_process_disconnected(core, p);
        }
    } else if (peer.role == ESP_ROLE_AGENT) {
        struct esp_agent *agent = esp_agent_find(core, peer.key);
        if (agent) {
            esp_agent_disconnected(core, agent);
        }
    }
}
