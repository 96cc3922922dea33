/* How many trial processes there are: as many as there is work for, within the workers that are
 * wanted and the slots that agents offer. */
#include "spawn.h"

#include "ask.h"
#include "budget.h"
#include "effects.h"
#include "process.h"
#include "process_table.h"
#include "record.h"
#include "shutdown.h"
#include "trial.h"

#include <assert.h>

/* Processes that may run. */
static uint32_t wanted(const struct esp_core *core)
{
    uint32_t slots = esp_agents_slots(core);
    return core->workers > 0 && core->workers < slots ? (uint32_t)core->workers : slots;
}

uint32_t esp_processes_surplus(const struct esp_core *core)
{
    uint32_t alive = 0;
    if (core->workers <= 0) {
        return 0;
    }
    for (uint32_t i = core->alive.first; i != ESP_NO_INDEX;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        const struct esp_trial_process *p = &core->processes[i];
        /* Processes that are being ended do not count. */
        alive +=
            !p->killing && (p->class == ESP_PROCESS_STARTING || p->class == ESP_PROCESS_UP);
    }
    return alive > core->workers ? alive - (uint32_t)core->workers : 0;
}

void esp_end_surplus(struct esp_core *core)
{
    uint32_t surplus = esp_processes_surplus(core);
    for (uint32_t i = core->available.first; i != ESP_NO_INDEX && surplus > 0;) {
        uint32_t next = esp_list_next(core, ESP_LIST_AVAILABLE, i);
        if (core->processes[i].hosted.count == 0) {
            esp_process_kill(core, &core->processes[i], false);
            surplus--;
        }
        i = next;
    }
}

/* Requests one process; false: no agent has room. */
static bool spawn(struct esp_core *core)
{
    uint32_t slot;
    struct esp_agent *agent = esp_agent_with_room(core, &slot);
    if (!agent) {
        return false;
    }
    uint32_t index = core->process_count;
    struct esp_event event = esp_event_of(ESP_EVENT_SPAWNED);
    event.spawned = (struct esp_event_spawned){esp_process_key(core, index), agent->id, slot};
    esp_record(core, &event);
    if (core->process_count == index) {
        return false; /* out of memory */
    }
    struct esp_trial_process *p = &core->processes[index];
    assert(p->class == ESP_PROCESS_STARTING && !p->connected);
    p->heard_ms = core->now_ms;
    p->sent_ms = core->now_ms;
    esp_send_spawn(core, p);
    esp_process_watch(core, p);
    return true;
}

/* Trials that would take a place now, at most `places_max`. The scheduler is only asked; the
 * trials are created when there are places for them. */
static uint32_t demand(struct esp_core *core, uint32_t places_max)
{
    if (core->queue.count > 0 || core->available.count > 0) {
        return core->queue.count;
    }
    if (core->idle_seq == core->seq) {
        return 0;
    }
    struct esp_verdict verdict = esp_ask_slot(core);
    double values[ESP_PARAMS_MAX];
    struct esp_reason reason;
    if (verdict.action == ESP_VERDICT_START && !esp_propose(core, values, &reason)) {
        verdict = esp_ask_slot(core); /* the space is exhausted */
    }
    switch (verdict.action) {
    case ESP_VERDICT_START: {
        int64_t left = core->run_cap > 0 ? core->run_cap - core->trial_count : places_max;
        int64_t unseen = esp_sampler_unseen(core->sampler);
        left = left < unseen ? left : unseen;
        return left < places_max ? (uint32_t)left : places_max;
    }
    case ESP_VERDICT_CONTINUE:
    case ESP_VERDICT_REPEAT:
        return 1;
    case ESP_VERDICT_END:
        esp_end_search(core, &verdict);
        return 0;
    default:
        esp_end_if_idle(core, &verdict);
        core->idle_seq = core->seq;
        return 0;
    }
}

void esp_spawn_needed(struct esp_core *core)
{
    assert(core->mode == ESP_MODE_RUN);
    uint32_t starting = core->class_count[ESP_PROCESS_STARTING];
    uint32_t alive = starting + core->class_count[ESP_PROCESS_UP];
    uint32_t places_max = wanted(core);
    bool idle =
        esp_live_trials(core) == 0 && core->available.count == 0 && core->queue.count == 0;
    if ((alive >= places_max && !idle) || esp_budget_committed(core)) {
        return;
    }
    uint32_t need = demand(core, places_max);
    while (core->mode == ESP_MODE_RUN && alive < places_max && starting < need && spawn(core)) {
        alive++;
        starting++;
    }
}
