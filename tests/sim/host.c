/* A simulated host: its agent, which may crash and return, and its processes, which do not
 * depend on the agent. */
#include "sim.h"

#include <string.h>

int sim_process_by_key(struct world *w, uint64_t key)
{
    for (int i = 0; i < w->process_count; i++) {
        if (w->processes[i].key == key) {
            return i;
        }
    }
    return -1;
}

static void send_exit(struct world *w, struct sim_host *h, const struct sim_exit *e)
{
    struct esp_message message = {.kind = ESP_MESSAGE_EXITED};
    message.exited.key = e->key;
    message.exited.status = e->status;
    message.exited.signal = e->signal;
    message.exited.asked = e->asked;
    message.exited.tail = "simulated log";
    sim_send_up(w, h->link, &message);
}

static void hello(struct world *w, int host)
{
    struct sim_host *h = &w->hosts[host];
    uint64_t keys[SIM_PROCESSES_MAX];
    struct esp_message message = {.kind = ESP_MESSAGE_HELLO};
    message.hello.role = ESP_ROLE_AGENT;
    message.hello.protocol = ESP_PROTOCOL_VERSION;
    message.hello.key = h->agent_id;
    message.hello.study = w->seed + 1;
    message.hello.pid = 100 + host;
    message.hello.host = "sim";
    message.hello.device = "cpu";
    message.hello.version = ESP_VERSION;
    message.hello.slots = (uint32_t)h->slots;
    message.hello.processes = keys;
    for (int i = 0; i < w->process_count; i++) {
        if (w->processes[i].alive && w->processes[i].host == host) {
            keys[message.hello.process_count++] = w->processes[i].key;
        }
    }
    h->welcomed = false;
    sim_send_up(w, h->link, &message);
}

void sim_agent_start(struct world *w, int host)
{
    struct sim_host *h = &w->hosts[host];
    if (!h->up || h->agent_up) {
        return;
    }
    h->agent_up = true;
    h->retiring = false;
    h->generation++;
    h->link = sim_link_open(w, ESP_ROLE_AGENT, h->agent_id);
    hello(w, host);
    sim_later(w, 2000, SIM_AGENT_BEAT, (uint64_t)host, h->generation);
}

void sim_agent_crash(struct world *w, int host)
{
    struct sim_host *h = &w->hosts[host];
    if (h->agent_up) {
        sim_log(w, "agent of host %d crashes", host);
        h->agent_up = false;
        h->generation++;
        sim_link_break(w, h->link);
    }
}

/* Power failure: the agent and every process end at once, with their unsent messages. */
void sim_host_crash(struct world *w, int host)
{
    sim_log(w, "host %d crashes", host);
    sim_agent_crash(w, host);
    for (int i = 0; i < w->process_count; i++) {
        if (w->processes[i].alive && w->processes[i].host == host) {
            sim_process_exit(w, i, -1, 9, false);
        }
    }
}

void sim_agent_exited(
    struct world *w, int host, uint64_t key, int status, int signal, bool asked)
{
    struct sim_host *h = &w->hosts[host];
    for (int i = 0; i < SIM_PROCESSES_MAX; i++) {
        struct sim_exit *e = &h->exits[i];
        if (!e->used) {
            /* An agent that was not running cannot know how a process ended. */
            bool known = h->agent_up;
            *e = (struct sim_exit){.key = key,
                                   .status = known ? status : -1,
                                   .signal = known ? signal : 0,
                                   .asked = known && asked,
                                   .used = true};
            if (h->agent_up && h->welcomed) {
                send_exit(w, h, e);
            }
            return;
        }
    }
}

static void kill_process(struct world *w, const struct esp_kill *kill)
{
    int process = sim_process_by_key(w, kill->key);
    if (process < 0) {
        return;
    }
    if (kill->now) {
        sim_process_exit(w, process, -1, 9, true);
    } else {
        sim_process_term(w, process);
    }
}

static void spawn(struct world *w, int host, const struct esp_spawn *spawn)
{
    struct sim_host *h = &w->hosts[host];
    if (sim_process_by_key(w, spawn->key) >= 0) {
        return; /* a repeat */
    }
    int alive = 0;
    for (int i = 0; i < w->process_count; i++) {
        alive += w->processes[i].alive && w->processes[i].host == host;
    }
    if (alive >= h->slots) {
        sim_violate(w, "host %d has %d slots and is to run another process", host, h->slots);
        return;
    }
    sim_process_spawn(w, host, spawn->key);
}

void sim_agent_message(struct world *w, int host, const struct esp_message *message)
{
    struct sim_host *h = &w->hosts[host];
    if (!h->agent_up) {
        return;
    }
    switch (message->kind) {
    case ESP_MESSAGE_INTRODUCE:
        hello(w, host);
        break;
    case ESP_MESSAGE_WELCOME:
        h->welcomed = true;
        for (int i = 0; i < SIM_PROCESSES_MAX; i++) {
            if (h->exits[i].used) {
                send_exit(w, h, &h->exits[i]);
            }
        }
        break;
    case ESP_MESSAGE_SPAWN:
        spawn(w, host, &message->spawn);
        break;
    case ESP_MESSAGE_KILL:
        kill_process(w, &message->kill);
        break;
    case ESP_MESSAGE_EXITED_ACK:
        for (int i = 0; i < SIM_PROCESSES_MAX; i++) {
            if (h->exits[i].used && h->exits[i].key == message->exited_ack.key) {
                h->exits[i].used = false;
            }
        }
        break;
    case ESP_MESSAGE_RETIRE:
        h->retiring = true;
        break;
    default:
        break;
    }
}

void sim_agent_beat(struct world *w, int host, uint64_t generation)
{
    struct sim_host *h = &w->hosts[host];
    if (!h->agent_up || h->generation != generation) {
        return;
    }
    if (h->retiring) {
        int alive = 0;
        for (int i = 0; i < w->process_count; i++) {
            alive += w->processes[i].alive && w->processes[i].host == host;
        }
        if (alive == 0) {
            h->agent_up = false;
            h->generation++;
            if (w->controller.up && !w->finished) {
                /* A controller without an agent starts another one. */
                sim_later(w, 100, SIM_AGENT_START, (uint64_t)host, 0);
            }
            return;
        }
    }
    struct esp_message message = {.kind = ESP_MESSAGE_HEARTBEAT};
    sim_send_up(w, h->link, &message);
    sim_later(w, 2000, SIM_AGENT_BEAT, (uint64_t)host, h->generation);
}
