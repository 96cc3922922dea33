/* The clock, the event queue, and the run of one seed. */
#include "sim.h"

#include "controller/study/study.h"

#include <espalier/random.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Simulated time within which a study must have ended, and the most events of a seed: 64 trials
 * of 25 reports take a few thousand. */
#define SIM_LIMIT_MS (48 * 3600 * 1000ll)
#define SIM_EVENTS_MAX 400000
/* Orders begin here, so that an event can be put before all others of its millisecond. */
#define AGENTS_FIRST (UINT64_C(1) << 32)

uint64_t sim_draw(struct world *w)
{
    struct esp_random_block b = esp_random_at(w->seed, 0, ESP_RANDOM_SIMULATION, w->drawn++);
    return (uint64_t)b.word[0] << 32 | b.word[1];
}

int64_t sim_range(struct world *w, int64_t from, int64_t to)
{
    return from + (int64_t)(sim_draw(w) % (uint64_t)(to - from + 1));
}

bool sim_chance(struct world *w, double probability)
{
    uint64_t bits = sim_draw(w);
    return esp_random_unit((uint32_t)(bits >> 32), (uint32_t)bits) < probability;
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void enqueue(struct world *w, const struct sim_event *event)
{
    if (w->queue_count == w->queue_capacity) {
        w->queue_capacity = w->queue_capacity ? 2 * w->queue_capacity : 256;
        w->queue = realloc(w->queue, w->queue_capacity * sizeof *w->queue);
    }
    size_t i = w->queue_count++;
    while (i > 0 && before(event, &w->queue[(i - 1) / 2])) {
        w->queue[i] = w->queue[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->queue[i] = *event;
}

void sim_later(struct world *w,
               int64_t delay,
               enum sim_occasion occasion,
               uint64_t who,
               uint64_t generation)
{
    struct sim_event event = {.at = w->now + delay,
                              .order = ++w->order,
                              .occasion = occasion,
                              .who = who,
                              .generation = generation};
    enqueue(w, &event);
}

static struct sim_event next_event(struct world *w)
{
    struct sim_event first = w->queue[0];
    struct sim_event last = w->queue[--w->queue_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->queue_count) {
            break;
        }
        if (child + 1 < w->queue_count && before(&w->queue[child + 1], &w->queue[child])) {
            child++;
        }
        if (!before(&w->queue[child], &last)) {
            break;
        }
        w->queue[i] = w->queue[child];
        i = child;
    }
    w->queue[i] = last;
    return first;
}

void sim_log(struct world *w, const char *format, ...)
{
    if (w->options.verbose) {
        va_list args;
        va_start(args, format);
        fprintf(stderr, "%9.3f  ", (double)w->now / 1000);
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
        va_end(args);
    }
}

void sim_violate(struct world *w, const char *format, ...)
{
    if (w->violation[0]) {
        return; /* only the first one is reported */
    }
    va_list args;
    va_start(args, format);
    vsnprintf(w->violation, sizeof w->violation, format, args);
    va_end(args);
}

/* A study seed for which an early trial is drawn as an audit; one trial in twenty is. */
static uint64_t seed_with_an_audit(uint64_t from)
{
    for (uint64_t seed = from;; seed++) {
        for (uint64_t trial = 0; trial < 6; trial++) {
            if (sim_is_audit(seed, trial)) {
                return seed;
            }
        }
    }
}

/* The part of the study file on stopping; `stopping` is 1 to 4. */
static const char *stopping_text(const struct world *w, int stopping)
{
    static const char *const plain[] = {
        "",
        "early_terminate: {type: none}\n",
        "early_terminate: {type: asha, eta: 3}\n",
        "early_terminate: {type: asha, eta: 2, form: stopping}\n",
        "early_terminate: {type: median}\n"};
    static const char *const repeating[] = {
        "",
        "early_terminate: {type: none, repeats: 2}\n",
        "early_terminate: {type: asha, eta: 3, repeats: 2}\n",
        "early_terminate: {type: asha, eta: 2, form: stopping, repeats: 1}\n",
        "early_terminate: {type: median, repeats: 1}\n"};
    static const char *const risky[] = {
        "",
        "early_terminate: {type: asha, eta: 2, risk: 0.5}\n",
        "early_terminate: {type: asha, eta: 3, risk: 0.5, repeats: 1}\n",
        "early_terminate: {type: hyperband, eta: 2, risk: 0.5}\n",
        "early_terminate: {type: cut, at: 1000, risk: 0.5}\n"};
    return w->risky ? risky[stopping] : w->ties ? repeating[stopping] : plain[stopping];
}

/* A budget of two to fourteen trainings, of which a part is reserved for repeats. */
static void append_budget(struct world *w, char *text, size_t size, long long tokens)
{
    double trainings = (double)sim_range(w, 20, 140) / 10;
    /* A step takes a millisecond, so that a training with batch size 4 takes four times as long
     * as one with 16. */
    bool seconds = w->seed % 6 == 0;
    snprintf(text,
             size,
             "budget: {%s: %.9g}\n",
             seconds ? "hours" : "tokens",
             seconds ? trainings * (double)tokens / (8 * 16) * 0.001 / 3600
                     : floor(trainings * (double)tokens));
}

/* A study drawn from the seed. */
static int make_study(struct world *w)
{
    uint64_t seed = w->seed % 1000;
    int stopping = (int)sim_range(w, 1, 4);
    bool grid = sim_chance(w, 0.4);
    static const char *const methods[] = {"random", "sobol"};
    /* Settings that are nearly equal, so that some are within seed noise and are repeated. */
    bool ties = w->ties = w->seed % 5 == 3;
    w->risky = w->seed % 5 == 1;
    if (w->risky && sim_chance(w, 0.7)) {
        seed = seed_with_an_audit(seed);
    }
    w->exact = stopping == 1 && !w->commands && !w->risky;
    char text[4096];
    int length = snprintf(
        text,
        sizeof text,
        "name: sim\nseed: %llu\nmethod: %s\nmetric: {name: val_loss, goal: minimize}\n%s"
        "run_cap: %lld\nworkers: %lld\nparameters:\n",
        (unsigned long long)seed,
        grid ? "grid" : methods[sim_range(w, 0, 1)],
        stopping_text(w, stopping),
        (long long)(w->risky ? sim_range(w, 6, 24) : sim_range(w, 2, 12)),
        (long long)sim_range(w, 1, 4));
    length += snprintf(
        text + length,
        sizeof text - (size_t)length,
        ties   ? "  learning_rate: {values: [1e-3, 1.0001e-3, 1.0002e-3, 1.0003e-3]}\n"
                 "  batch_size: {values: [4, 8, 16]}\n"
        : grid ? "  learning_rate: {values: [1e-4, 3e-4, 1e-3, 3e-3]}\n  batch_size: {values: "
                 "[4, 8, 16]}\n"
               : "  learning_rate: {distribution: log_uniform_values, min: 1e-4, max: 1e-2}\n"
                 "  batch_size: {values: [4, 8, 16]}\n");
    long long tokens = sim_range(w, 2000, 10000);
    length += snprintf(
        text + length,
        sizeof text - (size_t)length,
        "trainer:\n  data: /dev/null\n  model: {layers: 1, width: 8, heads: 1, context: 16}\n"
        "  tokens: %lld\n  report_every: 500\n",
        tokens);
    w->budget = ties && w->seed % 3 == 0;
    w->exact = w->exact && !w->budget;
    if (w->budget) {
        append_budget(w, text + length, sizeof text - (size_t)length, tokens);
    }
    struct esp_error error;
    int rc = esp_study_read_text(text, "sim.yaml", "/", &w->study, NULL, &error);
    if (rc) {
        sim_violate(w, "the study cannot be read: %s", error.text);
    }
    return rc;
}

static void draw_conditions(struct world *w)
{
    w->faults = sim_chance(w, 0.9);
    w->signals = sim_chance(w, 0.05);
    w->partitions = !w->signals && sim_chance(w, 0.05);
    w->naps = !w->signals && !w->partitions && sim_chance(w, 0.08);
    w->commands = sim_chance(w, 0.2);
    w->tagged = sim_chance(w, 0.5);
    w->loss = sim_chance(w, 0.6) ? 0.02 : 0.0;
    w->duplication = sim_chance(w, 0.6) ? 0.05 : 0.0;
    w->late = sim_chance(w, 0.4) ? 0.01 : 0.0;
    w->delay_ms = sim_range(w, 1, sim_chance(w, 0.2) ? 3000 : 20);
    w->piece_ms = sim_range(w, 10, 20000);
    if (w->naps) { /* nothing else goes wrong, so that nothing may be lost */
        w->loss = w->duplication = w->late = 0;
        w->delay_ms = 20;
        w->piece_ms = 20000;
    }
    w->host_count = (int)sim_range(w, 1, SIM_HOSTS_MAX);
    for (int i = 0; i < w->host_count; i++) {
        w->hosts[i] = (struct sim_host){
            .up = true, .agent_id = (uint64_t)i + 1, .slots = (int)sim_range(w, 1, 3)};
    }
}

/* What a stopped controller does not take waits until it runs again. Its loop may look at
 * deadlines before the router's thread has read the messages, which keep their order within a
 * connection. Those of agents are read first: an exit may overtake what the process sent. */
static bool waits_for_controller(struct world *w, const struct sim_event *e)
{
    struct sim_event later = *e;
    int64_t until = w->controller.up ? w->controller.asleep_until : 0;
    switch (e->occasion) {
    case SIM_DELIVER_UP:
        later.at = until + 1;
        if (w->links[e->who].peer.role == ESP_ROLE_AGENT && e->order > AGENTS_FIRST) {
            later.order -= AGENTS_FIRST;
        }
        break;
    case SIM_CLIENT:
    case SIM_CONTROLLER_TICK:
    case SIM_CONTROLLER_FLUSH:
    case SIM_DISK_ROOM:
        later.at = until;
        break;
    default:
        return false;
    }
    if (later.at <= w->now) {
        return false;
    }
    enqueue(w, &later);
    return true;
}

static void handle(struct world *w, const struct sim_event *e)
{
    struct sim_process *p = &w->processes[e->who % SIM_PROCESSES_MAX];
    switch (e->occasion) {
    case SIM_DELIVER_UP:
        sim_deliver_up(w, e);
        break;
    case SIM_DELIVER_DOWN:
        sim_deliver_down(w, e);
        break;
    case SIM_PROCESS_TRAIN:
        sim_process_train(w, (int)e->who, e->generation);
        break;
    case SIM_PROCESS_BEAT:
        sim_process_beat(w, (int)e->who, e->generation);
        break;
    case SIM_PROCESS_STARTED:
        if (p->alive) {
            struct esp_message introduce = {.kind = ESP_MESSAGE_INTRODUCE};
            sim_process_message(w, (int)e->who, &introduce);
            sim_later(w, 2000, SIM_PROCESS_BEAT, e->who, p->generation);
        }
        break;
    case SIM_PROCESS_ENDS:
        sim_process_exit(w, (int)e->who, 0, 0, true);
        break;
    case SIM_AGENT_BEAT:
        sim_agent_beat(w, (int)e->who, e->generation);
        break;
    case SIM_AGENT_START:
        if (!w->finished) {
            sim_agent_start(w, (int)e->who);
        }
        break;
    case SIM_CONTROLLER_TICK:
        sim_controller_tick(w, e->generation);
        break;
    case SIM_CONTROLLER_FLUSH:
        if (w->controller.up && w->controller.generation == e->generation &&
            !w->controller.disk_full) {
            sim_controller_flush(w);
        }
        break;
    case SIM_CONTROLLER_START:
        if (!w->finished && w->controller.generation == e->generation) {
            sim_controller_start(w);
        }
        break;
    case SIM_DISK_ROOM:
        if (w->controller.generation == e->generation) {
            sim_controller_room(w);
        }
        break;
    case SIM_FAULT:
        if (e->generation > 0) {
            sim_repair(w, e->who, e->generation);
        } else {
            sim_fault(w);
        }
        break;
    case SIM_FAULTS_END:
        sim_faults_end(w);
        break;
    case SIM_CLIENT:
        sim_client(w);
        break;
    }
    free(e->bytes.data);
}

/* `run` has returned. After exit code 5, 130, or 1 the user starts it again; any other code
 * ends the study. */
static bool is_started_again(struct world *w)
{
    for (int i = 0; i < w->process_count; i++) {
        if (w->processes[i].alive && w->exit_code != 130 &&
            w->hosts[w->processes[i].host].agent_up) {
            sim_violate(w,
                        "run returns %d while process %llu lives",
                        w->exit_code,
                        (unsigned long long)w->processes[i].key);
        }
    }
    if (w->exit_code == 5 && w->shadow.ended_held) {
        return false; /* only trials that the user paused are left, and he leaves them so */
    }
    if (w->exit_code == 5 || w->exit_code == 130 || (w->exit_code == 1 && w->starts < 50)) {
        w->finished = false;
        sim_log(w, "run returned %d and is started again", w->exit_code);
        sim_later(w, 1000, SIM_CONTROLLER_START, 0, w->controller.generation);
        return true;
    }
    return false;
}

static void run(struct world *w)
{
    if (make_study(w) || sim_controller_create(w)) {
        return;
    }
    sim_faults_begin(w);
    sim_controller_start(w);
    for (int i = 0; !w->violation[0]; i++) {
        if (w->finished && !is_started_again(w)) {
            break;
        }
        if (w->queue_count == 0 || w->now > SIM_LIMIT_MS || i > SIM_EVENTS_MAX) {
            sim_violate(w,
                        "the study has not ended after %lld simulated seconds and %d events",
                        (long long)w->now / 1000,
                        i);
            break;
        }
        struct sim_event event = next_event(w);
        if (event.at > w->now) {
            w->now = event.at;
        }
        if (!waits_for_controller(w, &event)) {
            handle(w, &event);
        }
    }
    if (w->violation[0]) {
        return;
    }
    /* The checks at the end use a core that is loaded from the ledger. */
    int expected = w->exit_code;
    w->finished = false;
    struct esp_store_options options = {.unsafe = true};
    struct esp_core_options core_options = {.nonce = w->seed + 1};
    struct esp_error error;
    if (esp_store_open(w->folder, &options, &w->controller.store, &error) ||
        esp_store_bind(w->controller.store, w->study, &error) ||
        esp_core_create(w->study, &core_options, &w->controller.core, &error)) {
        sim_violate(w, "the finished ledger does not open: %s", error.text);
        return;
    }
    if (sim_controller_fold(w) == 0) {
        sim_check_end(w);
    }
    bool planned = expected == 0 || expected == 3 || (w->budget && expected == 4) ||
                   (w->commands && expected == 5 && w->shadow.ended_held);
    if (!w->violation[0] && !planned) {
        sim_violate(w, "the study ended with exit code %d", expected);
    }
}

int sim_run(uint64_t seed, const struct sim_options *options)
{
    struct world *w = calloc(1, sizeof *w);
    w->seed = seed;
    w->order = AGENTS_FIRST;
    w->options = *options;
    w->processes = calloc(SIM_PROCESSES_MAX, sizeof *w->processes);
    w->checkpoints = calloc(SIM_CHECKPOINTS_MAX, sizeof *w->checkpoints);
    snprintf(w->folder, sizeof w->folder, "%s", options->folder);
    draw_conditions(w);
    run(w);
    int failed = w->violation[0] != 0;
    if (failed) {
        printf("seed %llu: after %.3f simulated seconds: %s\n",
               (unsigned long long)seed,
               (double)w->now / 1000,
               w->violation);
    }
    sim_controller_release(w);
    sim_network_release(w);
    for (int i = 0; i < w->process_count; i++) {
        for (int m = 0; m < SIM_MEMBERS_MAX; m++) {
            for (int k = 0; k < w->processes[i].members[m].kept_count; k++) {
                free(w->processes[i].members[m].kept[k].bytes.data);
            }
        }
    }
    esp_study_destroy(w->study);
    free(w->shadow.sent);
    free(w->shadow.rows);
    free(w->queue);
    free(w->processes);
    free(w->checkpoints);
    free(w);
    return failed;
}
