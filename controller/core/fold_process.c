/* The fold of agents and trial processes. */
#include "array.h"
#include "fold.h"
#include "process_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Cuts off what is too long; the rest of the array is zero. */
static void copy_name(char *to, const char *from)
{
    size_t length = from ? strnlen(from, ESP_NAME_MAX - 1) : 0;
    memcpy(to, from ? from : "", length);
    memset(to + length, 0, ESP_NAME_MAX - length);
}

/* The index of the device's class, a new one if need be. Once all classes are taken, unknown
 * names count as the last one. */
static int class_of(struct esp_core *core, const char *device)
{
    for (int i = 0; i < core->device_count; i++) {
        if (strcmp(core->device_names[i], device) == 0) {
            return i;
        }
    }
    if (core->device_count == ESP_DEVICE_CLASSES_MAX) {
        return ESP_DEVICE_CLASSES_MAX - 1;
    }
    copy_name(core->device_names[core->device_count], device);
    return core->device_count++;
}

static int
fold_agent(struct esp_core *core, const struct esp_event_agent *e, struct esp_error *error)
{
    struct esp_agent *agent = esp_agent_find(core, e->id);
    if (e->slots > ESP_PROCESSES_MAX) {
        return esp_error_set(error, -EPROTO, "an agent with %u slots", e->slots);
    }
    if (!agent) {
        void *agents = core->agents;
        int rc = esp_grow(
            &agents, &core->agent_capacity, core->agent_count + 1, sizeof *core->agents);
        if (rc) {
            return rc;
        }
        core->agents = agents;
        agent = &core->agents[core->agent_count++];
        *agent = (struct esp_agent){.id = e->id, .timer = ESP_NO_INDEX};
    }
    agent->slots = e->slots;
    copy_name(agent->host, e->host);
    copy_name(agent->device, e->device);
    agent->device_class = class_of(core, agent->device);
    assert(agent->device_class >= 0 && agent->device_class < core->device_count);
    return 0;
}

static int
fold_spawned(struct esp_core *core, const struct esp_event_spawned *e, struct esp_error *error)
{
    struct esp_trial_process *p = esp_process_find(core, e->process);
    if (p) { /* it belongs to another agent of its host now */
        p->agent = e->agent;
        return 0;
    }
    if ((uint32_t)e->process != core->process_count + 1) {
        return esp_error_set(error,
                             -EPROTO,
                             "process %llx is spawned out of order",
                             (unsigned long long)e->process);
    }
    void *processes = core->processes;
    int rc = esp_grow(
        &processes, &core->process_capacity, core->process_count + 1, sizeof *core->processes);
    if (rc) {
        return rc;
    }
    core->processes = processes;
    uint32_t index = core->process_count++;
    p = &core->processes[index];
    *p = (struct esp_trial_process){.key = e->process,
                                    .agent = e->agent,
                                    .slot = e->slot,
                                    .class = ESP_PROCESS_STARTING,
                                    .capacity = 1,
                                    .due_ms = INT64_MAX,
                                    .timer = ESP_NO_INDEX};
    esp_list_init(&p->hosted);
    core->class_count[ESP_PROCESS_STARTING]++;
    esp_list_push(core, ESP_LIST_ALIVE, &core->alive, index);
    assert(esp_process_find(core, e->process) == p);
    return 0;
}

/* It ended unasked, with a signal or an error. */
static bool crashed(const struct esp_event_exited *e)
{
    return !e->asked && (e->signal != 0 || e->status > 0);
}

static int
fold_exited(struct esp_core *core, const struct esp_event_exited *e, struct esp_error *error)
{
    struct esp_trial_process *p = esp_process_find(core, e->process);
    if (!p || p->exited) {
        return esp_error_set(error,
                             -EPROTO,
                             "process %llx exits and is not running",
                             (unsigned long long)e->process);
    }
    p->exited = true;
    esp_list_remove(core, ESP_LIST_ALIVE, &core->alive, esp_process_index(core, p));
    if (p->hosted.count > 1 && crashed(e)) {
        for (uint32_t i = p->hosted.first; i != ESP_NO_INDEX;
             i = esp_list_next(core, ESP_LIST_TRIALS, i)) {
            core->trials[i].isolated = true;
        }
    }
    p->connected = false;
    esp_process_classify(core, p, ESP_PROCESS_EXITED);
    esp_process_refresh(core, p);
    esp_timer_set(core, ESP_TIMER_PROCESS, esp_process_index(core, p), INT64_MAX);
    free(p->fenced);
    p->fenced = NULL;
    p->fenced_count = 0;
    assert(!p->available_link.listed && !p->alive_link.listed);
    return 0;
}

int esp_fold_process(struct esp_core *core, const struct esp_event *e, struct esp_error *error)
{
    switch (e->kind) {
    case ESP_EVENT_AGENT:
        return fold_agent(core, &e->agent, error);
    case ESP_EVENT_SPAWNED:
        return fold_spawned(core, &e->spawned, error);
    default:
        return fold_exited(core, &e->exited, error);
    }
}
