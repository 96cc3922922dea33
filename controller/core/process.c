/* Trial processes: their leases, ending them, and fencing attempts.
 *
 *   STARTING ──Hello──▶ UP ──silent beyond lease and margin──▶ LOST ──Hello──▶ UP
 *   any of them ──the agent reports the exit──▶ EXITED */
#include "process.h"

#include "effects.h"
#include "process_table.h"

#include <assert.h>
#include <espalier/plant.h>
#include <stdlib.h>

/* When the process is past its lease. Silence is counted from what it may have heard of us
 * last, too: hearing from us prolongs its own lease. */
static int64_t lease_end(const struct esp_core *core, const struct esp_trial_process *p)
{
    int64_t last = p->heard_ms > p->sent_ms ? p->heard_ms : p->sent_ms;
    if (ESP_PLANT("lease-no-margin")) {
        return p->heard_ms + core->options.lease_ms / 2;
    }
    return last + core->options.lease_ms + core->options.margin_ms;
}

bool esp_process_silent(const struct esp_core *core, const struct esp_trial_process *p)
{
    return core->now_ms >= lease_end(core, p);
}

void esp_process_watch(struct esp_core *core, struct esp_trial_process *p)
{
    const struct esp_core_options *o = &core->options;
    int64_t due = INT64_MAX;
    if (p->exited) {
        return;
    }
    if (p->class == ESP_PROCESS_UP) {
        due = lease_end(core, p);
    } else if (p->class == ESP_PROCESS_STARTING) {
        due = p->sent_ms + o->answer_ms + o->lease_ms;
    }
    if (p->killing && !p->kill_now && p->due_ms < due) {
        due = p->due_ms;
    }
    esp_timer_sooner(core, ESP_TIMER_PROCESS, esp_process_index(core, p), due);
}

void esp_process_kill(struct esp_core *core, struct esp_trial_process *p, bool now)
{
    if (p->exited || (p->killing && (p->kill_now || !now))) {
        return;
    }
    p->killing = true;
    p->kill_now = now;
    /* The agent waits a grace between SIGTERM and SIGKILL; this is for what went wrong there.
     */
    p->due_ms = core->now_ms + core->options.quarantine_ms;
    esp_process_refresh(core, p);
    esp_send_kill(core, p);
    esp_process_watch(core, p);
}

void esp_process_fence(struct esp_core *core,
                       struct esp_trial_process *p,
                       uint32_t trial,
                       uint32_t attempt)
{
    if (ESP_PLANT("no-fence")) {
        return;
    }
    esp_send_fenced(core, p, trial, attempt);
    for (uint32_t i = 0; i < p->fenced_count; i++) {
        if (p->fenced[i].trial == trial && p->fenced[i].attempt == attempt) {
            return;
        }
    }
    if (!p->fenced) {
        p->fenced = calloc(ESP_MEMBERS_MAX, sizeof *p->fenced);
    }
    if (p->fenced && p->fenced_count < ESP_MEMBERS_MAX) {
        p->fenced[p->fenced_count++] = (struct esp_fenced){trial, attempt};
        esp_process_refresh(core, p);
    }
}

void esp_process_fence_answered(struct esp_core *core,
                                struct esp_trial_process *p,
                                uint32_t trial,
                                uint32_t attempt)
{
    for (uint32_t i = 0; i < p->fenced_count; i++) {
        if (p->fenced[i].trial == trial && p->fenced[i].attempt == attempt) {
            p->fenced[i] = p->fenced[--p->fenced_count];
            esp_process_refresh(core, p);
            return;
        }
    }
}

/* Processes of an earlier incarnation have a lease to say Hello. */
void esp_processes_await(struct esp_core *core)
{
    for (uint32_t i = core->alive.first; i != ESP_NOWHERE;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        struct esp_trial_process *p = &core->processes[i];
        esp_process_classify(core, p, ESP_PROCESS_UP);
        p->heard_ms = core->now_ms;
        esp_process_watch(core, p);
        for (uint32_t k = p->hosted.first;
             k != ESP_NOWHERE && ESP_PLANT("forgets-directive-on-resume");
             k = esp_list_next(core, ESP_LIST_TRIALS, k)) {
            core->trials[k].directive = (struct esp_directive){.until = core->trials[k].until};
        }
    }
}
