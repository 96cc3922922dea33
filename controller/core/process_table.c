/* Agents and their slots. */
#include "state.h"

struct esp_agent *esp_agent_find(const struct esp_core *core, uint64_t id)
{
    for (uint32_t i = 0; i < core->agent_count; i++) { /* ESP_AGENTS_MAX at most */
        if (core->agents[i].id == id) {
            return &core->agents[i];
        }
    }
    return NULL;
}

uint32_t esp_agents_slots(const struct esp_core *core)
{
    uint32_t slots = 0;
    for (uint32_t i = 0; i < core->agent_count; i++) {
        const struct esp_agent *agent = &core->agents[i];
        slots += agent->connected && !agent->draining ? agent->slots : 0;
    }
    return slots < ESP_PROCESSES_MAX ? slots : ESP_PROCESSES_MAX;
}

/* The lowest slot that none of the agent's processes holds. Called when a process is to be
 * started, so it may look at all that are alive. */
static bool free_slot(const struct esp_core *core, const struct esp_agent *agent, uint32_t *out)
{
    uint32_t held = 0;
    for (uint32_t i = core->alive.first; i != ESP_NOWHERE;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        held += core->processes[i].agent == agent->id;
    }
    if (held >= agent->slots) {
        return false;
    }
    for (uint32_t slot = 0; slot < agent->slots; slot++) {
        bool taken = false;
        for (uint32_t i = core->alive.first; i != ESP_NOWHERE && !taken;
             i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
            const struct esp_trial_process *p = &core->processes[i];
            taken = p->agent == agent->id && p->slot == slot;
        }
        if (!taken) {
            *out = slot;
            return true;
        }
    }
    return false;
}

struct esp_agent *esp_agent_with_room(struct esp_core *core, uint32_t *slot)
{
    for (uint32_t i = 0; i < core->agent_count; i++) {
        struct esp_agent *agent = &core->agents[i];
        if (agent->connected && !agent->draining && free_slot(core, agent, slot)) {
            return agent;
        }
    }
    return NULL;
}

void esp_agent_silent(struct esp_core *core, struct esp_agent *agent)
{
    agent->connected = false;
    for (uint32_t i = core->alive.first; i != ESP_NOWHERE;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        if (core->processes[i].agent == agent->id) {
            esp_process_watch(core, &core->processes[i]);
        }
    }
}

int esp_device_of(const struct esp_core *core, uint64_t process)
{
    const struct esp_trial_process *p = esp_process_find(core, process);
    const struct esp_agent *agent = p ? esp_agent_find(core, p->agent) : NULL;
    return agent ? agent->device_class : 0;
}

int esp_device_next(struct esp_core *core)
{
    if (core->open.count > 0) {
        return esp_device_of(core, core->processes[core->open.first].key);
    }
    uint32_t slot;
    const struct esp_agent *agent = esp_agent_with_room(core, &slot);
    return agent ? agent->device_class : 0;
}
