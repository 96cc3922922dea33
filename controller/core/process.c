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

/* When the process has lost its lease for certain. Silence counts from the later of its last
 * message and ours: a message of ours may have prolonged its own lease. */
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
    assert(!p->exited);
    return core->now_ms >= lease_end(core, p);
}

/* A new process loads its libraries before it says Hello. */
static int64_t hello_due(const struct esp_core *core, const struct esp_trial_process *p)
{
    return p->sent_ms + core->options.answer_ms + core->options.lease_ms;
}

bool esp_process_overdue(const struct esp_core *core, const struct esp_trial_process *p)
{
    return p->class == ESP_PROCESS_STARTING && core->now_ms >= hello_due(core, p);
}

void esp_process_watch(struct esp_core *core, struct esp_trial_process *p)
{
    int64_t due = INT64_MAX;
    if (p->exited) {
        return;
    }
    if (p->class == ESP_PROCESS_UP) {
        due = lease_end(core, p);
    } else if (p->class == ESP_PROCESS_STARTING) {
        due = hello_due(core, p);
    }
    if (p->killing && !p->kill_now && p->due_ms < due) {
        due = p->due_ms;
    }
    esp_timer_set_earlier(core, ESP_TIMER_PROCESS, esp_process_index(core, p), due);
}

void esp_process_kill(struct esp_core *core, struct esp_trial_process *p, bool now)
{
    if (p->exited || (p->killing && (p->kill_now || !now))) {
        return;
    }
    p->killing = true;
    p->kill_now = now;
    /* The agent itself waits for a grace period between SIGTERM and SIGKILL. This deadline is
     * for an agent that failed to. */
    p->due_ms = core->now_ms + core->options.quarantine_ms;
    esp_process_refresh(core, p);
    assert(!p->available_link.listed);
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
        assert(!p->available_link.listed);
    }
}

void esp_process_fence_answered(struct esp_core *core,
                                struct esp_trial_process *p,
                                uint32_t trial,
                                uint32_t attempt)
{
    assert(p->fenced_count <= ESP_MEMBERS_MAX);
    for (uint32_t i = 0; i < p->fenced_count; i++) {
        if (p->fenced[i].trial == trial && p->fenced[i].attempt == attempt) {
            p->fenced[i] = p->fenced[--p->fenced_count];
            esp_process_refresh(core, p);
            return;
        }
    }
}

void esp_processes_await(struct esp_core *core)
{
    for (uint32_t i = core->alive.first; i != ESP_NO_INDEX;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        struct esp_trial_process *p = &core->processes[i];
        assert(!p->exited && !p->connected);
        esp_process_classify(core, p, ESP_PROCESS_UP);
        p->heard_ms = core->now_ms;
        esp_process_watch(core, p);
        for (uint32_t k = p->hosted.first;
             k != ESP_NO_INDEX && ESP_PLANT("forgets-directive-on-resume");
             k = esp_list_next(core, ESP_LIST_TRIALS, k)) {
            core->trials[k].directive = (struct esp_directive){.until = core->trials[k].until};
        }
    }
}
