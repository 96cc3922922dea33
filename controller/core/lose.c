/* Losing attempts, processes and agents. */
#include "lose.h"

#include "process.h"
#include "process_table.h"
#include "record.h"
#include "shutdown.h"
#include "transition.h"

#include <assert.h>
#include <espalier/exit.h>
#include <espalier/plant.h>

void esp_trial_lose(struct esp_core *core, struct esp_trial *t, bool excused, bool confirmed)
{
    assert(esp_trial_state_live(t->state));
    if (ESP_PLANT("lost-is-forgotten")) {
        return;
    }
    if (t->state != ESP_TRIAL_STOPPING) {
        esp_trial_transition(
            core, t, &(struct esp_transition){.trigger = ESP_TRIGGER_LOST, .excused = excused});
    }
    if (confirmed) {
        esp_trial_trigger(core, t, ESP_TRIGGER_RELEASED);
    }
    assert(core->failure || confirmed != esp_trial_state_live(t->state));
}

/* The process has ended, and all its attempts with it. */
static void abandon(struct esp_core *core, struct esp_trial_process *p, bool excused)
{
    for (uint32_t i = p->hosted.first; i != ESP_NO_INDEX;) {
        uint32_t next = esp_list_next(core, ESP_LIST_TRIALS, i);
        esp_trial_lose(core, &core->trials[i], excused, true);
        i = next;
    }
}

void esp_process_lapsed(struct esp_core *core, struct esp_trial_process *p)
{
    assert(p->class == ESP_PROCESS_UP || p->class == ESP_PROCESS_STARTING);
    /* An agent sends a heartbeat every few seconds: one that was silent for half a lease is
     * lost with its host. */
    const struct esp_agent *agent = esp_agent_find(core, p->agent);
    bool host_lost = !agent || !agent->connected ||
                     core->now_ms - agent->heard_ms > core->options.lease_ms / 2;
    p->connected = false;
    esp_process_classify(core, p, ESP_PROCESS_LOST);
    esp_process_refresh(core, p);
    esp_process_kill(core, p, false);
    abandon(core, p, host_lost);
}

/* The process crashed, and its only trial may be the reason. A process that was asked to end,
 * that exited without an error, whose end is unknown, or that hosted several trials says
 * nothing about one of them. */
static bool blames_trial(const struct esp_trial_process *p, const struct esp_exited *e)
{
    bool crashed = e->signal != 0 || e->status > 0;
    return crashed && !e->asked && !p->killing && p->hosted.count == 1;
}

void esp_process_early_exit(struct esp_core *core)
{
    if (++core->early_exits >= ESP_EARLY_EXITS_MAX) {
        esp_interrupt(core, ESP_MODE_INTERRUPT, ESP_EXIT_FAILURE);
    }
}

void esp_process_exited(struct esp_core *core,
                        struct esp_trial_process *p,
                        const struct esp_exited *e)
{
    assert(!p->exited);
    bool excused = !blames_trial(p, e);
    bool early = p->class == ESP_PROCESS_STARTING && !p->killing && !e->asked;
    struct esp_event event = esp_event_of(ESP_EVENT_EXITED);
    event.exited = (struct esp_event_exited){.process = p->key,
                                             .status = e->status,
                                             .signal = e->signal,
                                             .asked = e->asked || p->killing,
                                             .tail = e->tail};
    esp_record(core, &event);
    assert(core->failure || p->exited);
    abandon(core, p, excused);
    if (early) {
        esp_process_early_exit(core);
    }
}

void esp_process_disconnected(struct esp_core *core, struct esp_trial_process *p)
{
    p->connected = false;
    esp_process_refresh(core, p);
    assert(!p->available_link.listed);
}

void esp_agent_disconnected(struct esp_core *core, struct esp_agent *agent)
{
    agent->connected = false;
    for (uint32_t i = core->alive.first; i != ESP_NO_INDEX;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        if (core->processes[i].agent == agent->id) {
            esp_process_watch(core, &core->processes[i]);
        }
    }
}
