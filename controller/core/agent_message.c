/* Messages of an agent: the exit of a process, and that its host is about to leave. */
#include "agent_message.h"

#include "effects.h"
#include "lose.h"
#include "process_table.h"
#include "record.h"
#include "transition.h"

#include <assert.h>

void esp_exited(struct esp_core *core, struct esp_agent *agent, const struct esp_exited *e)
{
    struct esp_peer peer = {ESP_ROLE_AGENT, agent->id};
    struct esp_trial_process *p = esp_process_find(core, e->key);
    assert(agent->connected);
    if (!p) {
        esp_record_protocol(core, peer, -1, 0, 0, "the exit of an unknown process");
    } else if (!p->exited) {
        esp_process_exited(core, p, e);
    }
    struct esp_message message = {.kind = ESP_MESSAGE_EXITED_ACK};
    message.exited_ack.key = e->key;
    esp_send(core, peer, &message);
}

void esp_drain(struct esp_core *core, struct esp_agent *agent)
{
    assert(agent->connected);
    agent->draining = true;
    for (uint32_t i = core->alive.first; i != ESP_NOWHERE;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        struct esp_trial_process *p = &core->processes[i];
        if (p->agent != agent->id) {
            continue;
        }
        for (uint32_t k = p->hosted.first; k != ESP_NOWHERE;
             k = esp_list_next(core, ESP_LIST_TRIALS, k)) {
            if (core->trials[k].state == ESP_TRIAL_RUNNING) {
                esp_trial_pause(core, &core->trials[k], ESP_RULE_RESTART);
            }
        }
        esp_process_refresh(core, p);
        assert(!p->available_link.listed);
    }
}
