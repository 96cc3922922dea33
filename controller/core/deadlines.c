/* Deadlines that have passed. Timers are lazy: an owner that has sent a message since its timer
 * was set gets a later one. */
#include "deadlines.h"

#include "lose.h"
#include "process.h"
#include "process_table.h"
#include "transition.h"

#include <assert.h>

static void expire_trial(struct esp_core *core, struct esp_trial *t)
{
    struct esp_trial_process *p = t->process ? esp_process_find(core, t->process) : NULL;
    if (t->due_ms > core->now_ms) {
        esp_trial_set_timer(core, t);
        return;
    }
    t->due_ms = INT64_MAX;
    if (!p || !p->connected) {
        return; /* the process's Hello, its lease or its exit decides */
    }
    switch (t->state) {
    case ESP_TRIAL_ASSIGNED:
        esp_trial_trigger(core, t, ESP_TRIGGER_NO_ANSWER);
        break;
    case ESP_TRIAL_RUNNING:
        if (t->unconfirmed) {
            esp_trial_lose(core, t, false, false);
        }
        break;
    case ESP_TRIAL_PAUSING:
        esp_trial_trigger(core, t, ESP_TRIGGER_SAVE_FAILED);
        break;
    case ESP_TRIAL_STOPPING:
        esp_trial_trigger(core, t, ESP_TRIGGER_GRACE_OVER);
        break;
    default:
        break;
    }
}

static void expire_process(struct esp_core *core, struct esp_trial_process *p)
{
    if (p->exited) {
        return;
    }
    if (p->killing && !p->kill_now && p->due_ms <= core->now_ms) {
        esp_process_kill(core, p, true);
    }
    if (p->class == ESP_PROCESS_UP && esp_process_silent(core, p)) {
        esp_process_lapsed(core, p);
    } else if (esp_process_overdue(core, p)) {
        esp_process_lapsed(core, p);
        esp_process_early_exit(core);
    }
    esp_process_watch(core, p);
}

static void expire_agent(struct esp_core *core, struct esp_agent *agent)
{
    int64_t due = agent->heard_ms + core->options.lease_ms + core->options.margin_ms;
    if (!agent->connected) {
        return;
    }
    if (due <= core->now_ms) {
        esp_agent_disconnected(core, agent);
    } else {
        esp_timer_set(core, ESP_TIMER_AGENT, esp_agent_index(core, agent), due);
    }
}

void esp_deadlines_expire(struct esp_core *core)
{
    struct esp_timer timer;
    while (esp_timer_take(core, core->now_ms, &timer)) {
        switch (timer.kind) {
        case ESP_TIMER_TRIAL:
            expire_trial(core, &core->trials[timer.index]);
            break;
        case ESP_TIMER_PROCESS:
            expire_process(core, &core->processes[timer.index]);
            break;
        case ESP_TIMER_AGENT:
            expire_agent(core, &core->agents[timer.index]);
            break;
        case ESP_TIMER_CORE:
            break; /* settle() checks its reason */
        }
    }
}
