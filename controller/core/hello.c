/* Hello of a peer: what it holds is compared with what it should hold, and whatever is
 * outstanding for it is sent again.
 *
 * A Hello can be old, because it waited in a buffer, so what it lacks proves nothing. A missing
 * attempt is sent again (Assign, Fenced) or is unconfirmed, until the process sends a message
 * about it or the time for an answer is over. */
#include "hello.h"

#include "effects.h"
#include "lose.h"
#include "process.h"
#include "process_table.h"
#include "record.h"
#include "report.h"
#include "shutdown.h"
#include "transition.h"
#include "trial.h"

#include <assert.h>
#include <string.h>

static void welcome(struct esp_core *core, struct esp_peer peer, const char *refused)
{
    struct esp_message message = {.kind = ESP_MESSAGE_WELCOME};
    message.welcome = (struct esp_welcome){.incarnation = core->incarnation,
                                           .heartbeat_ms = (uint32_t)core->options.heartbeat_ms,
                                           .lease_ms = (uint32_t)core->options.lease_ms,
                                           .refused = refused};
    esp_send(core, peer, &message);
}

static bool in_list(const uint64_t *keys, uint32_t count, uint64_t key)
{
    for (uint32_t i = 0; i < count; i++) {
        if (keys[i] == key) {
            return true;
        }
    }
    return false;
}

static bool same_text(const char *ours, const char *theirs)
{
    return strncmp(ours, theirs ? theirs : "", ESP_NAME_MAX - 1) == 0;
}

/* The agent, whose data are recorded when they are new. NULL: out of memory. */
static struct esp_agent *
record_agent(struct esp_core *core, uint64_t id, const struct esp_hello *hello)
{
    struct esp_agent *agent = esp_agent_find(core, id);
    uint32_t slots = hello->slots < ESP_PROCESSES_MAX ? hello->slots : ESP_PROCESSES_MAX;
    if (agent && agent->slots == slots && same_text(agent->host, hello->host) &&
        same_text(agent->device, hello->device)) {
        return agent;
    }
    struct esp_event event = esp_event_of(ESP_EVENT_AGENT);
    event.agent = (struct esp_event_agent){.id = id,
                                           .slots = slots,
                                           .host = hello->host ? hello->host : "",
                                           .device = hello->device ? hello->device : ""};
    esp_record(core, &event);
    return esp_agent_find(core, id);
}

/* Compares one of our processes with the agent's list. A list without the process may be older
 * than the process, because it waited in a broken connection. Only when a second list, which
 * the agent is asked for, lacks it too, has it ended. */
static void
compare_process(struct esp_core *core, struct esp_trial_process *p, uint64_t agent, bool listed)
{
    if (listed && p->agent != agent) {
        struct esp_event event = esp_event_of(ESP_EVENT_SPAWNED);
        event.spawned = (struct esp_event_spawned){p->key, agent, p->slot};
        esp_record(core, &event);
    }
    if (p->agent != agent) {
        return;
    }
    bool starting = p->class == ESP_PROCESS_STARTING;
    bool gone = !listed && !p->greeted && !starting;
    if (!listed && starting) {
        esp_send_spawn(core, p);
    } else if (gone && p->unlisted) {
        /* It was started by an earlier incarnation, and how it ended is unknown. */
        esp_process_exited(core, p, &(struct esp_exited){.key = p->key, .status = -1});
        return;
    }
    p->unlisted = gone;
    if (p->killing) {
        esp_send_kill(core, p);
    }
    esp_process_refresh(core, p); /* its host may have been draining */
}

/* Processes that the agent runs and the study does not know are killed. */
static void kill_unknown(struct esp_core *core, struct esp_peer peer, const struct esp_hello *h)
{
    for (uint32_t i = 0; i < h->process_count; i++) {
        const struct esp_trial_process *p = esp_process_find(core, h->processes[i]);
        if (!p || p->exited) {
            struct esp_message message = {.kind = ESP_MESSAGE_KILL};
            message.kill = (struct esp_kill){.key = h->processes[i], .now = true};
            esp_send(core, peer, &message);
        }
    }
}

static void hello_agent(struct esp_core *core, struct esp_peer peer, const struct esp_hello *h)
{
    struct esp_agent *agent = record_agent(core, peer.key, h);
    if (!agent) {
        return;
    }
    agent->connected = true;
    agent->draining = false;
    agent->heard_ms = core->now_ms;
    esp_timer_set_earlier(core,
                          ESP_TIMER_AGENT,
                          esp_agent_index(core, agent),
                          core->now_ms + core->options.lease_ms + core->options.margin_ms);
    welcome(core, peer, NULL);
    bool unlisted = false;
    for (uint32_t i = core->alive.first; i != ESP_NO_INDEX;) {
        uint32_t next = esp_list_next(core, ESP_LIST_ALIVE, i);
        struct esp_trial_process *p = &core->processes[i];
        compare_process(core, p, peer.key, in_list(h->processes, h->process_count, p->key));
        unlisted = unlisted || (p->agent == peer.key && !p->exited && p->unlisted);
        i = next;
    }
    if (unlisted) {
        esp_send_simple(core, peer, ESP_MESSAGE_INTRODUCE);
    }
    kill_unknown(core, peer, h);
}

static const struct esp_held *
find_held(const struct esp_hello *h, uint32_t trial, uint32_t attempt)
{
    for (uint32_t i = 0; i < h->held_count; i++) {
        if (h->held[i].trial == trial && h->held[i].attempt == attempt) {
            return &h->held[i];
        }
    }
    return NULL;
}

/* Compares a trial that the process hosts with what its Hello says of it. */
static void
compare_trial(struct esp_core *core, struct esp_trial *t, const struct esp_held *held)
{
    struct esp_trial_process *p = esp_process_find(core, t->process);
    uint32_t index = esp_trial_index(core, t);
    assert(p && p->connected && esp_trial_state_live(t->state));
    bool lost = t->state == ESP_TRIAL_STOPPING && t->cause == ESP_CAUSE_LOST;
    t->unconfirmed = false;
    if (!held && t->state == ESP_TRIAL_ASSIGNED) {
        esp_send_assign(core, t);
    } else if (lost || (!held && t->state == ESP_TRIAL_STOPPING)) {
        esp_send_fenced(core, p, index, t->attempt);
    } else if (!held) {
        t->unconfirmed = true;
    } else {
        /* The process has forgotten what was acknowledged, also messages that left no event. */
        if (held->acked > t->taken_sequence && held->acked <= held->last) {
            t->taken_sequence = held->acked;
        }
        if (t->state == ESP_TRIAL_RUNNING && !esp_shutdown_trial(core, t) &&
            t->tokens >= t->until) {
            core->answering_trial = index;
            esp_trial_decide(core, t, true);
            core->answering_trial = ESP_NO_INDEX;
        }
        esp_send_ack(core, t);
    }
    esp_trial_watch(core, t);
}

static void
hello_process(struct esp_core *core, struct esp_peer peer, const struct esp_hello *h)
{
    struct esp_trial_process *p = esp_process_find(core, peer.key);
    assert(p && !p->exited);
    p->connected = true;
    p->greeted = true;
    p->heard_ms = core->now_ms;
    p->fenced_count = 0;
    core->early_exits = 0;
    esp_process_classify(core, p, ESP_PROCESS_UP);
    welcome(core, peer, NULL);
    for (uint32_t i = 0; i < h->held_count; i++) {
        const struct esp_held *held = &h->held[i];
        const struct esp_trial *t =
            held->trial < core->trial_count ? &core->trials[held->trial] : NULL;
        if (!t || t->process != p->key || t->attempt != held->attempt) {
            esp_process_fence(core, p, held->trial, held->attempt);
        }
    }
    for (uint32_t i = p->hosted.first; i != ESP_NO_INDEX;) {
        uint32_t next = esp_list_next(core, ESP_LIST_TRIALS, i);
        struct esp_trial *t = &core->trials[i];
        compare_trial(core, t, find_held(h, i, t->attempt));
        i = next;
    }
    esp_process_refresh(core, p);
    esp_process_watch(core, p);
    assert(p->fenced_count == 0 || !p->available_link.listed);
}

static const char *refuse_agent(const struct esp_core *core, uint64_t id)
{
    bool full = !esp_agent_find(core, id) && core->agent_count >= ESP_AGENTS_MAX;
    return id == 0 || full ? "too many agents" : NULL;
}

static const char *refuse_process(const struct esp_core *core, uint64_t key)
{
    const struct esp_trial_process *p = esp_process_find(core, key);
    return !p ? "an unknown process" : p->exited ? "this process was recorded as exited" : NULL;
}

const char *esp_core_refuses(const struct esp_core *core,
                             const struct esp_peer *peer,
                             const struct esp_hello *h)
{
    if (core->mode == ESP_MODE_LOADED || core->mode == ESP_MODE_DONE) {
        return NULL;
    }
    if (h->protocol != ESP_PROTOCOL_VERSION) {
        return "another protocol version";
    }
    if (h->role != peer->role || (peer->role != ESP_ROLE_CLIENT && h->key != peer->key)) {
        return "role or key differs from that of the connection";
    }
    if (peer->role != ESP_ROLE_CLIENT && h->study != core->options.nonce) {
        return "another study";
    }
    return peer->role == ESP_ROLE_AGENT   ? refuse_agent(core, peer->key)
           : peer->role == ESP_ROLE_TRIAL ? refuse_process(core, peer->key)
                                          : NULL;
}

void esp_hello(struct esp_core *core, struct esp_peer peer, const struct esp_hello *h)
{
    const char *refused = esp_core_refuses(core, &peer, h);
    if (refused) {
        welcome(core, peer, refused);
        return;
    }
    switch (peer.role) {
    case ESP_ROLE_AGENT:
        hello_agent(core, peer, h);
        break;
    case ESP_ROLE_TRIAL:
        hello_process(core, peer, h);
        break;
    default:
        welcome(core, peer, NULL);
        break;
    }
}
