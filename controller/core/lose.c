/* Processes that have ended, and hosts that are about to. */
#include "state.h"

/* It died, and its only trial may be the reason. Processes that we ended, that left by
 * themselves, of which nothing is known, or that hosted several trials tell nothing about one.
 */
static bool blames_trial(const struct esp_trial_process *p, const struct esp_exited *e)
{
    bool crashed = e->signal != 0 || e->status > 0;
    return crashed && !e->asked && !p->killing && p->hosted.count == 1;
}

/* So many in a row: the next one will not live either. */
void esp_process_stillborn(struct esp_core *core)
{
    if (++core->stillborn >= ESP_EARLY_EXITS_MAX) {
        esp_interrupt(core, ESP_MODE_INTERRUPT, 1);
    }
}

void esp_process_exited(struct esp_core *core,
                        struct esp_trial_process *p,
                        const struct esp_exited *e)
{
    bool excused = !blames_trial(p, e);
    bool stillborn = p->class == ESP_PROCESS_STARTING && !p->killing && !e->asked;
    struct esp_event event = esp_event_of(ESP_EVENT_EXITED);
    event.exited = (struct esp_event_exited){.process = p->key,
                                             .status = e->status,
                                             .signal = e->signal,
                                             .asked = e->asked || p->killing,
                                             .tail = e->tail};
    esp_record(core, &event);
    esp_process_abandon(core, p, excused, true);
    if (stillborn) {
        esp_process_stillborn(core);
    }
}

void esp_exited(struct esp_core *core, struct esp_agent *agent, const struct esp_exited *e)
{
    struct esp_peer peer = {ESP_ROLE_AGENT, agent->id};
    struct esp_trial_process *p = esp_process_find(core, e->key);
    if (!p) {
        esp_record_protocol(core, peer, -1, 0, 0, "the exit of an unknown process");
    } else if (!p->exited) {
        esp_process_exited(core, p, e);
    }
    struct esp_message message = {.kind = ESP_MESSAGE_EXITED_ACK};
    message.exited_ack.key = e->key;
    esp_send(core, peer, &message);
}

/* Its trials are saved and go elsewhere. */
void esp_drain(struct esp_core *core, struct esp_agent *agent)
{
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
    }
}
