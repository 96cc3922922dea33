/* Look-ups of trial processes, agents and devices.
 *
 * A process has free places when it is connected, is not being ended, and has released every
 * fenced attempt. Processes with a free place are in the list `available`, the one that got a
 * trial last at its end, so that trials spread over processes before they share one. */
#include "process_table.h"

#include <assert.h>
#include <espalier/plant.h>

/* The upper half is half of a 64-bit mix of the study's nonce (splitmix64: Steele, Lea, Flood
 * 2014), the lower half counts from 1. */
uint64_t esp_process_key(const struct esp_core *core, uint32_t index)
{
    assert(index < UINT32_MAX);
    uint64_t z = core->options.nonce + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (z << 32) | (index + 1);
}

struct esp_trial_process *esp_process_find(const struct esp_core *core, uint64_t key)
{
    uint32_t index = (uint32_t)key - 1;
    if (index >= core->process_count || core->processes[index].key != key) {
        return NULL;
    }
    return &core->processes[index];
}

void esp_process_classify(struct esp_core *core,
                          struct esp_trial_process *p,
                          enum esp_process_class class)
{
    assert(core->class_count[p->class] > 0);
    core->class_count[p->class]--;
    core->class_count[class]++;
    p->class = class;
}

/* How many trials of this group the process can host. */
static uint32_t places(const struct esp_trial_process *p, uint64_t group)
{
    uint32_t members = p->capacity_group == 0 || p->capacity_group == group ? p->capacity : 1;
    return members + ESP_PLANT("double-grant");
}

void esp_process_refresh(struct esp_core *core, struct esp_trial_process *p)
{
    uint32_t index = esp_process_index(core, p);
    const struct esp_agent *agent = esp_agent_find(core, p->agent);
    bool available = p->connected && !p->killing && !p->exited && p->fenced_count == 0 &&
                     !(agent && agent->draining);
    if (available && p->hosted.count > 0) {
        const struct esp_trial *first = &core->trials[p->hosted.first];
        available = !first->isolated && p->hosted.count < places(p, first->group);
        available |= ESP_PLANT("slot-freed-too-early") && first->state == ESP_TRIAL_STOPPING;
    }
    if (p->available_link.listed) {
        esp_list_remove(core, ESP_LIST_AVAILABLE, &core->available, index);
    }
    if (available) {
        esp_list_push(core, ESP_LIST_AVAILABLE, &core->available, index);
    }
    assert(p->available_link.listed == available);
}

bool esp_process_fits(const struct esp_core *core,
                      const struct esp_trial_process *p,
                      const struct esp_trial *trial)
{
    assert(p->available_link.listed && !p->exited);
    if (p->hosted.count == 0) {
        return true;
    }
    const struct esp_trial *first = &core->trials[p->hosted.first];
    return !trial->isolated && first->group == trial->group;
}

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

/* The lowest slot that none of the agent's processes holds. It looks at all processes, which is
 * cheap enough: it is called only when a process is to be started. */
static bool free_slot(const struct esp_core *core, const struct esp_agent *agent, uint32_t *out)
{
    uint32_t held = 0;
    for (uint32_t i = core->alive.first; i != ESP_NO_INDEX;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        held += core->processes[i].agent == agent->id;
    }
    if (held >= agent->slots) {
        return false;
    }
    for (uint32_t slot = 0; slot < agent->slots; slot++) {
        bool taken = false;
        for (uint32_t i = core->alive.first; i != ESP_NO_INDEX && !taken;
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

int esp_device_of(const struct esp_core *core, uint64_t process)
{
    const struct esp_trial_process *p = esp_process_find(core, process);
    const struct esp_agent *agent = p ? esp_agent_find(core, p->agent) : NULL;
    return agent ? agent->device_class : 0;
}

int esp_device_next(struct esp_core *core)
{
    if (core->available.count > 0) {
        return esp_device_of(core, core->processes[core->available.first].key);
    }
    uint32_t slot;
    const struct esp_agent *agent = esp_agent_with_room(core, &slot);
    return agent ? agent->device_class : 0;
}
