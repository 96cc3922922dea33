/* The controller of the simulation: the shipped core and store in the loop's order (append,
 * COMMIT, then effects), crashing at any point of it, and the router's table of connections. */
#include "sim.h"

#include <espalier/plant.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void schedule_tick(struct world *w)
{
    struct sim_controller *c = &w->controller;
    int64_t deadline = esp_running_clock_due(&c->clock, esp_core_deadline(c->core));
    if (deadline == INT64_MAX || deadline >= c->tick_at) {
        return;
    }
    c->tick_at = deadline < w->now ? w->now : deadline;
    sim_later(w, c->tick_at - w->now, SIM_CONTROLLER_TICK, 0, c->generation);
}

static int known_index(const struct sim_controller *c, struct esp_peer peer)
{
    for (int i = 0; i < c->known_count; i++) {
        if (c->known[i].peer.role == peer.role && c->known[i].peer.key == peer.key) {
            return i;
        }
    }
    return -1;
}

static int link_of(const struct world *w, struct esp_peer peer)
{
    for (int i = 0; i < w->link_count; i++) {
        if (w->links[i].peer.role == peer.role && w->links[i].peer.key == peer.key) {
            return i;
        }
    }
    return -1;
}

struct fold {
    struct world *w;
    uint64_t hash, count, seq;
};

static int fold_one(void *context, const struct esp_event *event)
{
    struct fold *fold = context;
    struct esp_error error;
    int rc = esp_core_apply(fold->w->controller.core, event, &error);
    if (rc) {
        sim_violate(fold->w,
                    "event %llu does not fold: %s",
                    (unsigned long long)event->seq,
                    error.text);
        return rc;
    }
    fold->hash = sim_event_hash(fold->hash, event);
    fold->count++;
    fold->seq = event->seq;
    return 0;
}

static int new_core(struct world *w)
{
    struct esp_core_options options = {.nonce = w->seed + 1};
    struct esp_error error;
    int rc = esp_core_create(w->study, &options, &w->controller.core, &error);
    if (rc) {
        sim_violate(w, "the core cannot be created: %s", error.text);
    }
    return rc;
}

static int fold_other(void *context, const struct esp_event *event)
{
    struct esp_error error;
    return esp_core_apply(context, event, &error);
}

void sim_controller_compare(struct world *w)
{
    struct sim_controller *c = &w->controller;
    struct esp_core_options options = {.nonce = w->seed + 1};
    struct esp_core *other = NULL;
    struct esp_error error;
    if (esp_core_create(w->study, &options, &other, &error) ||
        esp_store_load(c->store, fold_other, other, &error)) {
        sim_violate(w, "the ledger does not fold again: %s", error.text);
    } else if (esp_core_digest(other) != esp_core_digest(c->core)) {
        sim_violate(w, "the live state differs from the replayed one");
    }
    esp_core_destroy(other);
}

int sim_controller_fold(struct world *w)
{
    struct sim_controller *c = &w->controller;
    struct fold fold = {.w = w};
    struct esp_error error;
    int rc = esp_store_load(c->store, fold_one, &fold, &error);
    if (rc) {
        if (!w->violation[0]) {
            sim_violate(w, "the ledger does not load: %s", error.text);
        }
        return rc;
    }
    sim_check_loaded(w, fold.count, fold.hash, fold.seq);
    return 0;
}

static int load(struct world *w)
{
    int rc = new_core(w);
    return rc ? rc : sim_controller_fold(w);
}

int sim_controller_create(struct world *w)
{
    struct esp_store_origin origin = {
        .file = "sim.yaml", .base = "/", .nonce = w->seed + 1, .time_ms = 1};
    struct esp_store_options options = {.unsafe = true};
    struct esp_error error;
    esp_outcome_init(&w->controller.outcome);
    if (esp_store_create(
            w->folder, w->study, &origin, &options, &w->controller.store, &error)) {
        sim_violate(w, "the ledger cannot be created: %s", error.text);
        return -1;
    }
    esp_store_close(w->controller.store);
    w->controller.store = NULL;
    return 0;
}

/* Each start finds other finished studies, and so other scores. Those that the first start has
 * recorded are kept. */
static void open_study(struct world *w)
{
    double scores[SIM_SCORES_MAX];
    if (w->risky) {
        struct esp_input gathered = {.kind = ESP_INPUT_CALIBRATION, .scores = scores};
        gathered.score_count = (uint32_t)sim_range(w, 0, SIM_SCORES_MAX);
        gathered.examined_count = gathered.score_count;
        for (uint32_t i = 0; i < gathered.score_count; i++) {
            scores[i] = (double)sim_range(w, 0, 3);
        }
        sim_controller_input(w, &gathered);
    }
    struct esp_input start = {.kind = ESP_INPUT_START, .text = ESP_VERSION};
    sim_controller_input(w, &start);
    sim_controller_flush(w);
}

void sim_controller_start(struct world *w)
{
    struct sim_controller *c = &w->controller;
    struct esp_store_options options = {.unsafe = true};
    struct esp_error error;
    if (c->up) {
        return;
    }
    int rc = esp_store_open(w->folder, &options, &c->store, &error);
    rc = rc ? rc : esp_store_bind(c->store, w->study, &error);
    if (rc) {
        sim_violate(w, "the ledger does not open: %s", error.text);
        return;
    }
    c->up = true;
    c->clock = (struct esp_running_clock){.read_ms = w->now};
    c->asleep_until = 0;
    c->stopped = false;
    c->generation++;
    c->known_count = 0;
    c->tick_at = INT64_MAX;
    c->flush_due = false;
    c->disk_full = false;
    w->starts++;
    sim_log(w, "controller starts");
    if (load(w)) {
        return;
    }
    open_study(w);
    for (int i = 0; i < w->host_count; i++) {
        if (w->hosts[i].up && !w->hosts[i].agent_up) {
            sim_later(w, sim_range(w, 1, 100), SIM_AGENT_START, (uint64_t)i, 0);
        }
    }
}

/* kill -9: what was not committed or not sent is lost. */
void sim_controller_crash(struct world *w)
{
    struct sim_controller *c = &w->controller;
    if (!c->up) {
        return;
    }
    sim_log(w, "controller crashes");
    c->up = false;
    c->generation++;
    esp_store_close(c->store);
    c->store = NULL;
    esp_core_destroy(c->core);
    c->core = NULL;
    esp_outcome_reset(&c->outcome);
    sim_later(w, sim_range(w, 10, 60000), SIM_CONTROLLER_START, 0, c->generation);
}

/* The running time. A loop reads it all the time unless it is stopped. */
static int64_t running_ms(struct world *w)
{
    struct sim_controller *c = &w->controller;
    if (c->clock.read_ms < c->asleep_until && c->asleep_until <= w->now) {
        esp_running_clock_read(&c->clock, c->asleep_until);
    }
    c->clock.read_ms = w->now;
    return esp_running_clock_read(&c->clock, w->now);
}

/* SIGSTOP, and SIGCONT later: what is sent to it waits. */
void sim_controller_sleep(struct world *w, int64_t length)
{
    struct sim_controller *c = &w->controller;
    if (c->up && w->now >= c->asleep_until) {
        sim_log(w, "controller is stopped for %lld ms", (long long)length);
        c->clock.read_ms = w->now;
        c->asleep_until = w->now + length;
    }
}

bool sim_controller_asleep(const struct world *w)
{
    return w->controller.up && w->now < w->controller.asleep_until;
}

void sim_controller_input(struct world *w, const struct esp_input *given)
{
    struct sim_controller *c = &w->controller;
    struct esp_input input = *given;
    input.time_ms = 1700000000000 + w->now;
    if (esp_core_step(c->core, &input, running_ms(w), &c->outcome)) {
        sim_violate(w, "step failed");
    }
}

static void perform(struct world *w, const struct esp_effect *effect)
{
    struct sim_controller *c = &w->controller;
    if (effect->kind == ESP_EFFECT_FINISH) {
        w->finished = true;
        w->exit_code = effect->exit_code;
        sim_log(w, "run returns %d", w->exit_code);
        return;
    }
    if (effect->kind == ESP_EFFECT_DROP) {
        sim_check_drop(w, effect->path);
        return;
    }
    const struct esp_message *m = &effect->message;
    if (m->kind == ESP_MESSAGE_ACK) {
        sim_check_ack(w, &m->ack);
    } else if (m->kind == ESP_MESSAGE_ASSIGN) {
        sim_check_assign(w, &m->assign);
    }
    if (effect->peer.role == ESP_ROLE_CLIENT) {
        return;
    }
    int known = known_index(c, effect->peer);
    int link = link_of(w, effect->peer);
    if (known < 0 || link < 0 || c->known[known].epoch != w->links[link].epoch ||
        !w->links[link].up) {
        if (known >= 0) {
            c->known[known] = c->known[--c->known_count];
            struct esp_input gone = {.kind = ESP_INPUT_GONE, .peer = effect->peer};
            /* The router finds the connection dead when it sends; the core is told after this
             * batch. */
            sim_controller_input(w, &gone);
        }
        return;
    }
    sim_send_down(w, link, m);
}

static void store_failed(struct world *w, int rc)
{
    struct sim_controller *c = &w->controller;
    sim_log(w, "commit fails: %d", rc);
    if (rc != -ENOSPC) {
        sim_violate(w, "the store failed with %d", rc);
        return;
    }
    esp_outcome_reset(&c->outcome);
    esp_core_destroy(c->core);
    c->core = NULL;
    if (load(w)) {
        return;
    }
    c->tick_at = INT64_MAX;
    c->disk_full = true;
    /* The new core knows no connections: peers are asked to introduce themselves. */
    c->known_count = 0;
    sim_later(w, 1000, SIM_DISK_ROOM, 0, c->generation);
}

void sim_controller_room(struct world *w)
{
    struct sim_controller *c = &w->controller;
    struct esp_error error;
    if (!c->up || !c->disk_full) {
        return;
    }
    if (esp_store_room(c->store, &error) != 1) {
        sim_later(w, 1000, SIM_DISK_ROOM, 0, c->generation);
        return;
    }
    c->disk_full = false;
    open_study(w);
}

/* Appends, commits and performs a batch. `crash_at`: the point at which the controller crashes
 * (0: before the append, 1: before the commit, 2: half-way through the effects, 3: after them);
 * -1: it does not. */
static int commit(struct world *w, const struct esp_outcome *batch, int crash_at)
{
    struct sim_controller *c = &w->controller;
    struct esp_error error;
    if (crash_at == 0) {
        sim_controller_crash(w);
        return 0;
    }
    int rc = esp_store_append(c->store, batch->events, batch->event_count, &error);
    if (crash_at == 1) {
        sim_controller_crash(w);
        return 0;
    }
    bool early = ESP_PLANT("ack-before-commit");
    for (size_t i = 0; early && i < batch->effect_count; i++) {
        perform(w, &batch->effects[i]);
    }
    rc = rc ? rc : esp_store_commit(c->store, &error);
    if (rc) {
        return rc;
    }
    sim_check_commit(w, batch);
    size_t until = crash_at == 2 ? batch->effect_count / 2 : batch->effect_count;
    for (size_t i = 0; !early && i < until && !w->violation[0]; i++) {
        perform(w, &batch->effects[i]);
    }
    if (crash_at >= 2) {
        sim_controller_crash(w);
    }
    return 0;
}

/* `run` has returned. */
static void stop(struct world *w)
{
    struct sim_controller *c = &w->controller;
    c->up = false;
    c->stopped = true;
    c->generation++;
    esp_store_close(c->store);
    c->store = NULL;
    esp_core_destroy(c->core);
    c->core = NULL;
    esp_outcome_reset(&c->outcome);
}

void sim_controller_flush(struct world *w)
{
    struct sim_controller *c = &w->controller;
    c->flush_due = false;
    /* Effects can cause more inputs, when a connection is found dead: a few rounds at most. */
    for (int round = 0; round < 8 && c->up && !w->violation[0]; round++) {
        struct esp_outcome batch = c->outcome;
        if (batch.event_count == 0 && batch.effect_count == 0) {
            break;
        }
        esp_outcome_init(&c->outcome);
        bool crash = w->faults && !w->naps && w->fault_budget > 0 && sim_chance(w, 0.002);
        int crash_at = crash ? (int)sim_range(w, 0, 3) : -1;
        w->fault_budget -= crash;
        int rc = commit(w, &batch, crash_at);
        esp_outcome_release(&batch);
        if (rc) {
            store_failed(w, rc);
            return;
        }
    }
    if (w->finished && c->up) {
        stop(w);
    } else if (c->up && !w->violation[0]) {
        if (sim_chance(w, 0.02)) {
            sim_controller_compare(w);
        }
        schedule_tick(w);
    }
}

void sim_controller_message(struct world *w,
                            int link,
                            uint64_t epoch,
                            const struct esp_message *message)
{
    struct sim_controller *c = &w->controller;
    struct esp_peer peer = w->links[link].peer;
    if (c->disk_full) {
        return; /* the loop takes no input that it cannot record; peers keep the message */
    }
    int known = known_index(c, peer);
    if (message->kind == ESP_MESSAGE_HELLO) {
        if (epoch < w->links[link].epoch) {
            return; /* a Hello of a dead connection cannot be answered */
        }
        if (known < 0) {
            known = c->known_count++;
            c->known[known].peer = peer;
        }
        c->known[known].epoch = epoch;
    } else if (known < 0 || epoch > c->known[known].epoch) {
        struct esp_message introduce = {.kind = ESP_MESSAGE_INTRODUCE};
        sim_send_down(w, link, &introduce);
        return;
    }
    if (message->kind == ESP_MESSAGE_HEARTBEAT) {
        struct esp_message beat = {.kind = ESP_MESSAGE_HEARTBEAT};
        sim_send_down(w, link, &beat);
    }
    struct esp_input input = {.kind = ESP_INPUT_MESSAGE, .peer = peer, .message = message};
    sim_controller_input(w, &input);
    if (sim_chance(w, 0.5)) {
        sim_controller_flush(w);
    } else if (!c->flush_due) {
        c->flush_due = true;
        sim_later(w, ESP_COMMIT_WAIT_MS, SIM_CONTROLLER_FLUSH, 0, c->generation);
    }
}

void sim_controller_tick(struct world *w, uint64_t generation)
{
    struct sim_controller *c = &w->controller;
    if (!c->up || c->generation != generation || c->disk_full) {
        return;
    }
    c->tick_at = INT64_MAX;
    struct esp_input tick = {.kind = ESP_INPUT_TICK};
    sim_controller_input(w, &tick);
    sim_controller_flush(w);
    if (c->up && !w->violation[0]) {
        schedule_tick(w);
    }
}

void sim_controller_release(struct world *w)
{
    esp_store_close(w->controller.store);
    esp_core_destroy(w->controller.core);
    esp_outcome_release(&w->controller.outcome);
}
