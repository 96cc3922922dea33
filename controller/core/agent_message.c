/* Messages of an agent: the exit of a process, and that its host is about to leave. */
#include "agent_message.h"

#include "effects.h"
#include "lose.h"
#include "process_table.h"
#include "record.h"
#include "transition.h"

#include <assert.h>
#include <espalier/plant.h>

/* A process that exits without an error has released its trials before, and a checkpoint with
 * them. If it still hosts some, these messages are on their way on another connection: the
 * agent is asked again, and its answer comes after them. */
static bool precedes_messages(struct esp_trial_process *p, const struct esp_exited *e)
{
    bool early = p->connected && p->hosted.count > 0 && e->status == 0 && e->signal == 0 &&
                 !p->kill_now && !p->exit_reported && !ESP_PLANT("exit-overtakes");
    p->exit_reported = p->exit_reported || early;
    return early;
}

void esp_exited(struct esp_core *core, struct esp_agent *agent, const struct esp_exited *e)
{
    struct esp_peer peer = {ESP_ROLE_AGENT, agent->id};
    struct esp_trial_process *p = esp_process_find(core, e->key);
    assert(agent->connected);
    if (p && !p->exited && precedes_messages(p, e)) {
        esp_send_simple(core, peer, ESP_MESSAGE_INTRODUCE);
        return;
    }
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
    for (uint32_t i = core->alive.first; i != ESP_NO_INDEX;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        struct esp_trial_process *p = &core->processes[i];
        if (p->agent != agent->id) {
            continue;
        }
        for (uint32_t k = p->hosted.first; k != ESP_NO_INDEX;
             k = esp_list_next(core, ESP_LIST_TRIALS, k)) {
            if (core->trials[k].state == ESP_TRIAL_RUNNING) {
                esp_trial_pause(core, &core->trials[k], ESP_RULE_RESTART);
            }
        }
        esp_process_refresh(core, p);
        assert(!p->available_link.listed);
    }
}
