/* Faults: processes, agents, hosts and the controller crash and return later, the controller
 * is stopped for a while, links break, disks fill, and users interfere. Faults end after some
 * time; then every trial must end. */
#include "sim.h"

void sim_faults_begin(struct world *w)
{
    int64_t length = sim_range(w, 5000, 240000);
    w->fault_budget = (int)sim_range(w, 0, w->signals || w->partitions || w->naps ? 30 : 12);
    for (int i = 0; i < w->fault_budget; i++) {
        sim_later(w, sim_range(w, 1, length), SIM_FAULT, 0, 0);
    }
    for (int i = 0; w->commands && i < 6; i++) {
        sim_later(w, sim_range(w, 1, length), SIM_CLIENT, 0, 0);
    }
    sim_later(w, length, SIM_FAULTS_END, 0, 0);
}

static void kill_a_process(struct world *w)
{
    int alive[SIM_PROCESSES_MAX], count = 0;
    for (int i = 0; i < w->process_count; i++) {
        if (w->processes[i].alive) {
            alive[count++] = i;
        }
    }
    if (count > 0) {
        sim_process_exit(w, alive[sim_range(w, 0, count - 1)], -1, 9, false);
    }
}

static void break_a_link(struct world *w)
{
    if (w->link_count > 0) {
        int link = (int)sim_range(w, 0, w->link_count - 1);
        sim_log(w, "link %d is cut for a while", link);
        sim_link_break(w, link);
        /* Restored when faults end, at the latest. Longer than a lease it is a lost host. */
        sim_later(w, sim_range(w, 10, 90000), SIM_FAULT, (uint64_t)link + 1, 1);
    }
}

/* The agent and all processes of a host lose their connections and keep running. */
static void cut_off_a_host(struct world *w)
{
    int host = (int)sim_range(w, 0, w->host_count - 1);
    int64_t length = sim_range(w, 10, 90000);
    sim_log(w, "host %d is cut off for %lld ms", host, (long long)length);
    for (int i = 0; i < w->link_count; i++) {
        const struct esp_peer *peer = &w->links[i].peer;
        int process = peer->role == ESP_ROLE_TRIAL ? sim_process_by_key(w, peer->key) : -1;
        bool there = peer->role == ESP_ROLE_AGENT
                         ? peer->key == w->hosts[host].agent_id
                         : process >= 0 && w->processes[process].host == host;
        if (there) {
            sim_link_break(w, i);
            sim_later(w, length, SIM_FAULT, (uint64_t)i + 1, 1);
        }
    }
}

static void damage_a_checkpoint(struct world *w)
{
    if (w->checkpoint_count > 0) {
        struct sim_checkpoint *c = &w->checkpoints[sim_range(w, 0, w->checkpoint_count - 1)];
        if (c->exists) {
            sim_log(w, "%s is damaged", c->path);
            c->damaged = true;
        }
    }
}

static void fill_the_disk(struct world *w)
{
    sim_log(w, "the disk is full");
    w->checkpoints_full = true;
    if (w->controller.up) {
        esp_store_quota(w->controller.store, 0);
    }
    sim_later(w, sim_range(w, 10, 30000), SIM_FAULT, 0, 2);
}

static void empty_the_disk(struct world *w)
{
    w->checkpoints_full = false;
    if (w->controller.up) {
        esp_store_quota(w->controller.store, -1);
    }
}

static void interrupt(struct world *w)
{
    if (w->controller.up && !w->controller.disk_full && !sim_controller_asleep(w)) {
        bool now = sim_chance(w, w->signals ? 0.9 : 0.3);
        sim_log(w, now ? "second signal" : "first signal");
        struct esp_input input = {.kind = ESP_INPUT_INTERRUPT};
        sim_controller_input(w, &input);
        if (now) {
            input.kind = ESP_INPUT_TERMINATE;
            sim_controller_input(w, &input);
        }
        sim_controller_flush(w);
    }
}

static void crash_an_agent(struct world *w)
{
    int host = (int)sim_range(w, 0, w->host_count - 1);
    sim_agent_crash(w, host);
    sim_later(w, sim_range(w, 10, 60000), SIM_AGENT_START, (uint64_t)host, 0);
}

void sim_fault(struct world *w)
{
    if (!w->faults) {
        return;
    }
    if (w->signals || w->partitions || w->naps) {
        if (w->naps) {
            sim_controller_sleep(w, sim_range(w, 1000, 120000));
        } else if (w->signals) {
            interrupt(w);
        } else {
            cut_off_a_host(w);
        }
        return;
    }
    switch (sim_range(w, 0, 11)) {
    case 0:
    case 1:
        sim_controller_crash(w);
        break;
    case 2:
    case 3:
        kill_a_process(w);
        break;
    case 4:
        crash_an_agent(w);
        break;
    case 5: {
        int host = (int)sim_range(w, 0, w->host_count - 1);
        sim_host_crash(w, host);
        sim_later(w, sim_range(w, 10, 90000), SIM_AGENT_START, (uint64_t)host, 0);
        break;
    }
    case 6:
        break_a_link(w);
        break;
    case 7:
        damage_a_checkpoint(w);
        break;
    case 8:
        fill_the_disk(w);
        break;
    case 9:
        cut_off_a_host(w);
        break;
    case 10:
        sim_controller_sleep(w, sim_range(w, 1000, 120000));
        break;
    default:
        interrupt(w);
        break;
    }
}

/* Ends a fault. Generation 1: link who − 1 is restored; 2: the disk has room. */
void sim_repair(struct world *w, uint64_t who, uint64_t generation)
{
    if (generation == 1) {
        sim_link_restore(w, (int)who - 1);
    } else {
        empty_the_disk(w);
    }
}

void sim_faults_end(struct world *w)
{
    sim_log(w, "faults end");
    w->faults = false;
    empty_the_disk(w);
    for (int i = 0; i < w->link_count; i++) {
        sim_link_restore(w, i);
    }
    for (int i = 0; i < w->process_count; i++) {
        w->processes[i].crash_after = -1;
    }
    for (int i = 0; i < w->host_count; i++) {
        if (!w->hosts[i].agent_up && !w->finished) {
            sim_later(w, 10, SIM_AGENT_START, (uint64_t)i, 0);
        }
    }
}

/* A user stops, pauses, continues or extends something. */
void sim_client(struct world *w)
{
    if (!w->controller.up || w->controller.disk_full || !w->faults) {
        return;
    }
    static const enum esp_command_verb verbs[] = {
        ESP_VERB_STOP, ESP_VERB_PAUSE, ESP_VERB_CONTINUE, ESP_VERB_NOTE};
    uint32_t trial = (uint32_t)sim_range(w, 0, SIM_TRIALS_MAX / 4);
    struct esp_message message = {.kind = ESP_MESSAGE_COMMAND};
    message.command.id = sim_draw(w) | 1;
    message.command.verb = verbs[sim_range(w, 0, 3)];
    message.command.trials = &trial;
    message.command.trial_count = 1;
    message.command.text = "looks odd";
    struct esp_input input = {
        .kind = ESP_INPUT_MESSAGE, .peer = {ESP_ROLE_CLIENT, 7}, .message = &message};
    sim_log(w, "user command %d on trial %u", (int)message.command.verb, trial);
    sim_controller_input(w, &input);
    if (sim_chance(w, 0.5)) {
        sim_controller_input(w, &input); /* a repeat has the recorded answer */
    }
    sim_controller_flush(w);
}
