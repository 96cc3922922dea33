/* Trial processes: what they can host, when they are given up, how they are ended.
 *
 *   STARTING ──Hello──▶ UP ──silent beyond lease and margin──▶ LOST ──Hello──▶ UP
 *   any of them ──the agent says so──▶ EXITED
 *
 * A process has free places when it is connected, is not being ended, and holds no attempt that
 * it was told to let go. Those with one stand in `open`, the one that got a trial last at the
 * end, so that trials spread over processes before they share one. */
#include "state.h"

#include <assert.h>
#include <espalier/plant.h>
#include <stdlib.h>

/* Half of a 64-bit mix (splitmix64) of the study's nonce: two studies in one folder, one after
 * the other, never share process keys. The lower half counts from 1. */
uint64_t esp_process_key(const struct esp_core *core, uint32_t index)
{
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
    core->class_count[p->class]--;
    core->class_count[class]++;
    p->class = class;
}

static uint32_t places(const struct esp_trial_process *p, uint64_t group)
{
    uint32_t members = p->capacity_group == 0 || p->capacity_group == group ? p->capacity : 1;
    return members + ESP_PLANT("double-grant");
}

void esp_process_refresh(struct esp_core *core, struct esp_trial_process *p)
{
    uint32_t index = esp_process_index(core, p);
    const struct esp_agent *agent = esp_agent_find(core, p->agent);
    bool open = p->connected && !p->killing && !p->exited && p->stale_count == 0 &&
                !(agent && agent->draining);
    if (open && p->hosted.count > 0) {
        const struct esp_trial *first = &core->trials[p->hosted.first];
        open = !first->alone && p->hosted.count < places(p, first->group);
        open |= ESP_PLANT("slot-freed-too-early") && first->state == ESP_TRIAL_STOPPING;
    }
    if (p->open_link.listed) {
        esp_list_remove(core, ESP_LIST_OPEN, &core->open, index);
    }
    if (open) {
        esp_list_push(core, ESP_LIST_OPEN, &core->open, index);
    }
}

bool esp_process_fits(const struct esp_core *core,
                      const struct esp_trial_process *p,
                      const struct esp_trial *trial)
{
    if (p->hosted.count == 0) {
        return true;
    }
    const struct esp_trial *first = &core->trials[p->hosted.first];
    return !trial->alone && first->group == trial->group;
}

/* When the process is past its lease. Silence is counted from what it may have heard of us
 * last, too: hearing from us prolongs its own lease. */
static int64_t lease_end(const struct esp_core *core, const struct esp_trial_process *p)
{
    int64_t last = p->heard > p->sent ? p->heard : p->sent;
    if (ESP_PLANT("lease-no-margin")) {
        return p->heard + core->options.lease_ms / 2;
    }
    return last + core->options.lease_ms + core->options.margin_ms;
}

bool esp_process_silent(const struct esp_core *core, const struct esp_trial_process *p)
{
    return core->now >= lease_end(core, p);
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
        due = p->sent + o->answer_ms + o->lease_ms;
    }
    if (p->killing && !p->killing_now && p->due < due) {
        due = p->due;
    }
    esp_timer_sooner(core, ESP_TIMER_PROCESS, esp_process_index(core, p), due);
}

void esp_process_kill(struct esp_core *core, struct esp_trial_process *p, bool now)
{
    if (p->exited || (p->killing && (p->killing_now || !now))) {
        return;
    }
    p->killing = true;
    p->killing_now = now;
    /* The agent waits a grace between SIGTERM and SIGKILL; this is for what went wrong there.
     */
    p->due = core->now + core->options.quarantine_ms;
    esp_process_refresh(core, p);
    esp_send_kill(core, p);
    esp_process_watch(core, p);
}

void esp_process_abandon(struct esp_core *core,
                         struct esp_trial_process *p,
                         bool excused,
                         bool confirmed)
{
    for (uint32_t i = p->hosted.first; i != ESP_NOWHERE;) {
        uint32_t next = esp_list_next(core, ESP_LIST_TRIALS, i);
        esp_trial_lose(core, &core->trials[i], excused, confirmed);
        i = next;
    }
}

void esp_process_lapsed(struct esp_core *core, struct esp_trial_process *p)
{
    /* An agent speaks every heartbeat: silent for half a lease, it is gone with its host. */
    const struct esp_agent *agent = esp_agent_find(core, p->agent);
    bool host_lost =
        !agent || !agent->connected || core->now - agent->heard > core->options.lease_ms / 2;
    p->connected = false;
    esp_process_classify(core, p, ESP_PROCESS_LOST);
    esp_process_refresh(core, p);
    esp_process_kill(core, p, false);
    esp_process_abandon(core, p, host_lost, true);
}

void esp_process_gone(struct esp_core *core, struct esp_trial_process *p)
{
    p->connected = false;
    esp_process_refresh(core, p);
}

void esp_process_stale(struct esp_core *core,
                       struct esp_trial_process *p,
                       uint32_t trial,
                       uint32_t attempt)
{
    if (ESP_PLANT("no-fence")) {
        return;
    }
    esp_send_fenced(core, p, trial, attempt);
    for (uint32_t i = 0; i < p->stale_count; i++) {
        if (p->stale[i].trial == trial && p->stale[i].attempt == attempt) {
            return;
        }
    }
    if (!p->stale) {
        p->stale = calloc(ESP_MEMBERS_MAX, sizeof *p->stale);
    }
    if (p->stale && p->stale_count < ESP_MEMBERS_MAX) {
        p->stale[p->stale_count++] = (struct esp_fenced){trial, attempt};
        esp_process_refresh(core, p);
    }
}

void esp_process_let_go(struct esp_core *core,
                        struct esp_trial_process *p,
                        uint32_t trial,
                        uint32_t attempt)
{
    for (uint32_t i = 0; i < p->stale_count; i++) {
        if (p->stale[i].trial == trial && p->stale[i].attempt == attempt) {
            p->stale[i] = p->stale[--p->stale_count];
            esp_process_refresh(core, p);
            return;
        }
    }
}
