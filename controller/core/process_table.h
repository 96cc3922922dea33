/* Look-ups of trial processes, agents and devices. */
#ifndef ESPALIER_CORE_PROCESS_TABLE_H
#define ESPALIER_CORE_PROCESS_TABLE_H

#include "state.h"

/* The key of the process with this index. Two studies in one folder, one after the other, never
 * share process keys. */
uint64_t esp_process_key(const struct esp_core *core, uint32_t index);

/* NULL: there is no such process. */
struct esp_trial_process *esp_process_find(const struct esp_core *core, uint64_t key);

static inline uint32_t esp_process_index(const struct esp_core *core,
                                         const struct esp_trial_process *p)
{
    return (uint32_t)(p - core->processes);
}

/* Changes the class and its counts. */
void esp_process_classify(struct esp_core *core,
                          struct esp_trial_process *p,
                          enum esp_process_class class);

/* Adds the process to `available`, or removes it, after a change to its places. A process that
 * stays available moves to the end of the list. */
void esp_process_refresh(struct esp_core *core, struct esp_trial_process *p);

/* Whether the trial can join the trials that an available process hosts. */
bool esp_process_fits(const struct esp_core *core,
                      const struct esp_trial_process *p,
                      const struct esp_trial *trial);

/* NULL: there is no such agent. */
struct esp_agent *esp_agent_find(const struct esp_core *core, uint64_t id);

static inline uint32_t esp_agent_index(const struct esp_core *core,
                                       const struct esp_agent *agent)
{
    return (uint32_t)(agent - core->agents);
}

/* Slots of all agents that take work, at most ESP_PROCESSES_MAX. */
uint32_t esp_agents_slots(const struct esp_core *core);

/* An agent with a free slot, and that slot; NULL: none. */
struct esp_agent *esp_agent_with_room(struct esp_core *core, uint32_t *slot);

/* The class of the device that a process trains on, and of the one that gets work next. */
int esp_device_of(const struct esp_core *core, uint64_t process);
int esp_device_next(struct esp_core *core);

#endif
