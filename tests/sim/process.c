/* A simulated trial process. It follows the protocol: sequences without gaps, messages kept
 * until they are acknowledged, a Hello with the attempts it holds, and a lease. Its learning
 * curves are formulas. */
#include "sim.h"

#include <espalier/random.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t tokens_per_step(const struct esp_trainer *trainer)
{
    return trainer->batch_size * trainer->context;
}

/* A function of the settings alone, so that every run of a study gives the same values. */
static double
settings_noise(const struct world *w, const struct esp_trainer *trainer, uint64_t counter)
{
    uint64_t bits;
    memcpy(&bits, &trainer->learning_rate, sizeof bits);
    struct esp_random_block block = esp_random_at(
        w->seed, bits ^ (uint64_t)trainer->batch_size, ESP_RANDOM_SIMULATION, counter);
    return esp_random_unit(block.word[0], block.word[1]);
}

bool sim_curve_diverges(const struct world *w, const struct esp_trainer *trainer)
{
    return settings_noise(w, trainer, 1) < 0.1;
}

double sim_curve(const struct world *w,
                 const struct esp_trainer *trainer,
                 int64_t step,
                 uint32_t attempt)
{
    double share = (double)(step * tokens_per_step(trainer)) / (double)trainer->tokens;
    if (sim_curve_diverges(w, trainer) && share > 0.3) {
        return NAN;
    }
    double octaves = log2(trainer->learning_rate / 1e-3);
    double size = w->ties ? 0.005 : 1;
    double floor_loss =
        1.5 + 0.05 * octaves * octaves + 0.2 * size * settings_noise(w, trainer, 2);
    double loss = floor_loss + 3.0 * exp(-5.0 * share) +
                  0.05 * size * settings_noise(w, trainer, 100 + (uint64_t)step);
    /* The tag shows which attempt a recorded value came from. */
    return w->tagged ? round(loss * 1e6) / 1e6 + 1e-9 * attempt : loss;
}

/* The report points of the trainer (trial/group.h). */
int64_t sim_next_report(const struct esp_trainer *trainer, int64_t step)
{
    int64_t every = trainer->report_every > 0 ? trainer->report_every : trainer->tokens / 25;
    int64_t per_step = tokens_per_step(trainer);
    int64_t steps = esp_trainer_steps(trainer);
    if (every < 1) {
        every = 1;
    }
    int64_t marks = step * per_step / every + 1;
    int64_t next = (marks * every + per_step - 1) / per_step;
    if (next <= step) {
        next = step + 1;
    }
    return next < steps ? next : steps;
}

static struct sim_member *find_member(struct sim_process *p, uint32_t trial, uint32_t attempt)
{
    for (int i = 0; i < SIM_MEMBERS_MAX; i++) {
        struct sim_member *m = &p->members[i];
        if (m->used && m->trial == trial && m->attempt == attempt) {
            return m;
        }
    }
    return NULL;
}

static void forget_member(struct sim_member *m)
{
    for (int i = 0; i < m->kept_count; i++) {
        free(m->kept[i].bytes.data);
    }
    memset(m, 0, sizeof *m);
}

/* Numbers a message of an attempt, keeps it and sends it. */
static void
send(struct world *w, struct sim_process *p, struct sim_member *m, struct esp_message *message)
{
    struct esp_attempt_key key = {
        .trial = m->trial, .attempt = m->attempt, .sequence = ++m->sequence};
    switch (message->kind) {
    case ESP_MESSAGE_STARTED:
        message->started.at = key;
        break;
    case ESP_MESSAGE_REPORT:
        message->report.at = key;
        break;
    case ESP_MESSAGE_SAVED:
        message->saved.at = key;
        break;
    case ESP_MESSAGE_FAILED:
        message->failed.at = key;
        break;
    default:
        message->released.at = key;
        break;
    }
    if (m->kept_count == SIM_KEPT_MAX) {
        sim_violate(w, "the simulation keeps at most %d messages of an attempt", SIM_KEPT_MAX);
        return;
    }
    struct sim_kept *kept = &m->kept[m->kept_count++];
    kept->sequence = m->sequence;
    kept->bytes = sim_pack(w, message);
    if (p->welcomed) {
        struct sim_bytes copy = {malloc(kept->bytes.length), kept->bytes.length};
        memcpy(copy.data, kept->bytes.data, copy.length);
        sim_send_packed_up(w, p->link, copy);
    }
}

static void report(struct world *w, struct sim_process *p, struct sim_member *m)
{
    double value = sim_curve(w, &m->trainer, m->step, m->attempt);
    struct esp_point point = {.step = m->step,
                              .tokens = m->step * tokens_per_step(&m->trainer),
                              .device_seconds = m->device_seconds,
                              .value = value,
                              .train_loss = m->step > 0 ? value + 0.1 : NAN};
    struct esp_message message = {.kind = ESP_MESSAGE_REPORT};
    message.report.points = &point;
    message.report.point_count = 1;
    message.report.waiting = m->waiting;
    message.report.directive = m->directive;
    m->reported_step = m->step;
    send(w, p, m, &message);
    sim_record_sent(w, m->trial, m->attempt, m->sequence, m->step, value);
}

static bool save(struct world *w, struct sim_process *p, struct sim_member *m)
{
    if (w->checkpoints_full || w->checkpoint_count == SIM_CHECKPOINTS_MAX) {
        struct esp_message message = {.kind = ESP_MESSAGE_FAILED};
        message.failed.code = -28; /* ENOSPC */
        message.failed.save_failed = true;
        message.failed.text = "checkpoint: no space left on device";
        send(w, p, m, &message);
        return false;
    }
    int64_t tokens = m->step * tokens_per_step(&m->trainer);
    char path[sizeof w->checkpoints[0].path];
    snprintf(
        path, sizeof path, "checkpoints/%u/%u-%lld", m->trial, m->attempt, (long long)tokens);
    struct sim_checkpoint *c = NULL;
    for (int i = 0; i < w->checkpoint_count && !c; i++) {
        c = strcmp(w->checkpoints[i].path, path) == 0 ? &w->checkpoints[i] : NULL;
    }
    if (!c) {
        c = &w->checkpoints[w->checkpoint_count++];
        memcpy(c->path, path, sizeof path);
    }
    c->exists = true;
    c->damaged = false;
    c->trial = m->trial;
    c->step = m->step;
    c->tokens = tokens;
    c->device_seconds = m->device_seconds;
    struct esp_message message = {.kind = ESP_MESSAGE_SAVED};
    message.saved.path = c->path;
    message.saved.host = "sim";
    message.saved.step = c->step;
    message.saved.tokens = c->tokens;
    message.saved.bytes = 1000;
    message.saved.hash = (uint64_t)c->step;
    message.saved.device_seconds = c->device_seconds;
    m->saved_step = m->step;
    send(w, p, m, &message);
    return true;
}

static void release(struct world *w, struct sim_process *p, struct sim_member *m)
{
    struct esp_message message = {.kind = ESP_MESSAGE_RELEASED};
    m->training = false;
    m->released = true;
    send(w, p, m, &message);
}

static void schedule_training(struct world *w, struct sim_process *p)
{
    if (!p->busy) {
        p->busy = true;
        sim_later(w,
                  sim_range(w, 1, w->piece_ms),
                  SIM_PROCESS_TRAIN,
                  (uint64_t)(p - w->processes),
                  p->generation);
    }
}

static void follow(struct world *w,
                   struct sim_process *p,
                   struct sim_member *m,
                   const struct esp_directive *d)
{
    if (!m->training || d->number <= m->directive) {
        return;
    }
    m->directive = d->number;
    switch (d->action) {
    case ESP_DIRECT_CONTINUE:
        m->until = d->until;
        if (m->step < m->steps && m->step * tokens_per_step(&m->trainer) < m->until) {
            m->waiting = false;
            schedule_training(w, p);
        } else if (!m->waiting) {
            m->waiting = true;
            report(w, p, m);
        }
        break;
    case ESP_DIRECT_SAVE:
        save(w, p, m);
        break;
    case ESP_DIRECT_PAUSE:
        /* Some trainers release without reporting that they could not save. */
        if ((w->faults && sim_chance(w, 0.02)) || save(w, p, m)) {
            release(w, p, m);
        }
        break;
    case ESP_DIRECT_STOP:
        if (d->keep && m->saved_step != m->step) {
            save(w, p, m);
        }
        release(w, p, m);
        break;
    }
}

static void resume(struct world *w,
                   struct sim_member *m,
                   const struct esp_assign *a,
                   const char **fell_back)
{
    if (!a->resume) {
        return;
    }
    const struct sim_checkpoint *best = NULL;
    bool named = false;
    for (int i = 0; i < w->checkpoint_count; i++) {
        const struct sim_checkpoint *c = &w->checkpoints[i];
        if (!c->exists || c->damaged || c->trial != a->trial) {
            continue;
        }
        if (strcmp(c->path, a->resume) == 0) {
            best = c;
            named = true;
        } else if (!named && (!best || c->step > best->step) && c->tokens <= a->resume_tokens) {
            best = c;
        }
    }
    if (!named) {
        *fell_back = "the checkpoint is damaged";
    }
    if (best) {
        m->step = best->step;
        m->saved_step = best->step;
        m->reported_step = best->step;
        m->device_seconds = best->device_seconds;
    }
}

static void assigned(struct world *w, struct sim_process *p, const struct esp_assign *a)
{
    uint32_t *newest = &p->newest[a->trial % SIM_TRIALS_MAX];
    if (a->attempt <= *newest) {
        return;
    }
    *newest = a->attempt;
    struct sim_member *m = NULL;
    for (int i = 0; i < SIM_MEMBERS_MAX && !m; i++) {
        if (!p->members[i].used) {
            m = &p->members[i];
        }
    }
    if (!m) {
        sim_violate(w,
                    "process %llu holds %d attempts and gets another",
                    (unsigned long long)p->key,
                    SIM_MEMBERS_MAX);
        return;
    }
    memset(m, 0, sizeof *m);
    m->used = true;
    m->training = true;
    m->trial = a->trial;
    m->attempt = a->attempt;
    m->trainer = *a->trainer;
    const struct sim_shadow_trial *s = &w->shadow.trials[a->trial % SIM_TRIALS_MAX];
    m->stale = s->attempt != a->attempt || !s->live;
    for (uint32_t i = 0; i < a->param_count; i++) {
        struct esp_error error;
        if (esp_trainer_set(&m->trainer, a->params[i].name, &a->params[i].value, &error)) {
            sim_violate(w, "trial %u: %s", a->trial, error.text);
            return;
        }
    }
    m->steps = esp_trainer_steps(&m->trainer);
    m->horizon = esp_trainer_horizon_tokens(&m->trainer);
    m->until = a->directive.until;
    m->directive = a->directive.number;
    m->saved_step = -1;
    m->reported_step = -1;
    const char *fell_back = NULL;
    resume(w, m, a, &fell_back);
    m->started = true;
    struct esp_message message = {.kind = ESP_MESSAGE_STARTED};
    message.started.can_save = true;
    message.started.tokens = m->step * tokens_per_step(&m->trainer);
    message.started.horizon = m->horizon;
    message.started.fell_back = fell_back;
    send(w, p, m, &message);
    if (m->step == 0) {
        report(w, p, m);
    }
    schedule_training(w, p);
}

static void hello(struct world *w, struct sim_process *p)
{
    struct esp_held held[SIM_MEMBERS_MAX];
    struct esp_message message = {.kind = ESP_MESSAGE_HELLO};
    message.hello.role = ESP_ROLE_TRIAL;
    message.hello.protocol = ESP_PROTOCOL_VERSION;
    message.hello.key = p->key;
    message.hello.study = w->seed + 1;
    message.hello.pid = p->pid;
    message.hello.host = "sim";
    message.hello.device = "cpu";
    message.hello.version = ESP_VERSION;
    message.hello.held = held;
    for (int i = 0; i < SIM_MEMBERS_MAX; i++) {
        const struct sim_member *m = &p->members[i];
        if (m->used) {
            held[message.hello.held_count++] = (struct esp_held){.trial = m->trial,
                                                                 .attempt = m->attempt,
                                                                 .acked = m->acked,
                                                                 .last = m->sequence};
        }
    }
    p->welcomed = false;
    sim_send_up(w, p->link, &message);
}

static void resend(struct world *w, struct sim_process *p)
{
    struct esp_message capacity = {.kind = ESP_MESSAGE_CAPACITY};
    capacity.capacity.members = 1;
    capacity.capacity.bytes = 1000;
    sim_send_up(w, p->link, &capacity);
    for (int i = 0; i < SIM_MEMBERS_MAX; i++) {
        const struct sim_member *m = &p->members[i];
        for (int k = 0; m->used && k < m->kept_count; k++) {
            struct sim_bytes copy = {malloc(m->kept[k].bytes.length), m->kept[k].bytes.length};
            memcpy(copy.data, m->kept[k].bytes.data, copy.length);
            sim_send_packed_up(w, p->link, copy);
        }
    }
}

static void acknowledged(struct world *w, struct sim_process *p, const struct esp_ack *ack)
{
    struct sim_member *m = find_member(p, ack->trial, ack->attempt);
    if (!m) {
        return;
    }
    if (ack->sequence > m->sequence) {
        sim_violate(w,
                    "trial %u attempt %u: sequence %llu is acknowledged, %llu was sent",
                    ack->trial,
                    ack->attempt,
                    (unsigned long long)ack->sequence,
                    (unsigned long long)m->sequence);
        return;
    }
    int kept = 0;
    for (int i = 0; i < m->kept_count; i++) {
        if (m->kept[i].sequence <= ack->sequence) {
            free(m->kept[i].bytes.data);
        } else {
            m->kept[kept++] = m->kept[i];
        }
    }
    m->kept_count = kept;
    if (ack->sequence > m->acked) {
        m->acked = ack->sequence;
    }
    follow(w, p, m, &ack->directive);
    if (m->released && m->kept_count == 0) {
        forget_member(m);
    }
}

static void fenced(struct world *w, struct sim_process *p, const struct esp_fenced *f)
{
    struct sim_member *m = find_member(p, f->trial, f->attempt);
    if (m) {
        forget_member(m);
    }
    struct esp_message message = {.kind = ESP_MESSAGE_RELEASED};
    message.released.at.trial = f->trial;
    message.released.at.attempt = f->attempt;
    sim_send_up(w, p->link, &message);
}

void sim_process_message(struct world *w, int process, const struct esp_message *message)
{
    struct sim_process *p = &w->processes[process];
    if (!p->alive) {
        return;
    }
    if (message->kind != ESP_MESSAGE_INTRODUCE) {
        p->heard_ms = w->now; /* INTRODUCE renews no lease */
    }
    switch (message->kind) {
    case ESP_MESSAGE_INTRODUCE:
        hello(w, p);
        break;
    case ESP_MESSAGE_WELCOME:
        if (message->welcome.refused) {
            sim_process_exit(w, process, 1, 0, false);
            return;
        }
        p->lease_ms = message->welcome.lease_ms;
        p->welcomed = true;
        resend(w, p);
        break;
    case ESP_MESSAGE_ASSIGN:
        if (!p->dying) {
            assigned(w, p, &message->assign);
        }
        break;
    case ESP_MESSAGE_ACK:
        acknowledged(w, p, &message->ack);
        break;
    case ESP_MESSAGE_DIRECT: {
        struct sim_member *m = find_member(p, message->direct.trial, message->direct.attempt);
        if (m) {
            follow(w, p, m, &message->direct.directive);
        }
        break;
    }
    case ESP_MESSAGE_FENCED:
        fenced(w, p, &message->fenced);
        break;
    default:
        break;
    }
}

static void train_member(struct world *w, struct sim_process *p, struct sim_member *m)
{
    int64_t per_step = tokens_per_step(&m->trainer);
    int64_t next = sim_next_report(&m->trainer, m->step);
    int64_t mark = (m->until + per_step - 1) / per_step;
    if (mark > m->step && mark < next) {
        next = mark;
    }
    if (next > m->step) {
        m->device_seconds += 0.001 * (double)(next - m->step);
        m->step = next;
    }
    if (m->step >= m->steps || m->step * per_step >= m->until) {
        m->waiting = true;
    }
    report(w, p, m);
    if (!m->waiting && sim_chance(w, 0.1)) {
        save(w, p, m);
    }
}

void sim_process_train(struct world *w, int process, uint64_t generation)
{
    struct sim_process *p = &w->processes[process];
    if (!p->alive || p->generation != generation) {
        return;
    }
    p->busy = false;
    if (p->crash_after == 0) {
        sim_process_exit(w, process, -1, 11, false);
        return;
    }
    if (p->crash_after > 0) {
        p->crash_after--;
    }
    bool more = false;
    for (int i = 0; i < SIM_MEMBERS_MAX; i++) {
        struct sim_member *m = &p->members[i];
        if (m->used && m->training && !m->waiting) {
            if (m->kept_count < SIM_KEPT_MAX - 8) {
                train_member(w, p, m);
            }
            more = more || !m->waiting;
        }
    }
    if (more) {
        schedule_training(w, p);
    }
}

static void save_and_release_all(struct world *w, struct sim_process *p)
{
    for (int i = 0; i < SIM_MEMBERS_MAX; i++) {
        struct sim_member *m = &p->members[i];
        if (m->used && m->training) {
            save(w, p, m); /* it is released whether saving succeeds or not */
            release(w, p, m);
        }
    }
}

void sim_process_beat(struct world *w, int process, uint64_t generation)
{
    struct sim_process *p = &w->processes[process];
    if (!p->alive || p->generation != generation) {
        return;
    }
    if (w->now - p->heard_ms > p->lease_ms) {
        sim_log(w, "process %llu: lease over", (unsigned long long)p->key);
        save_and_release_all(w, p);
        sim_process_exit(w, process, 0, 0, false);
        return;
    }
    struct esp_message message = {.kind = ESP_MESSAGE_HEARTBEAT};
    sim_send_up(w, p->link, &message);
    sim_later(w, 2000, SIM_PROCESS_BEAT, (uint64_t)process, p->generation);
}

void sim_process_term(struct world *w, int process)
{
    struct sim_process *p = &w->processes[process];
    if (p->alive && !p->dying) {
        p->dying = true;
        save_and_release_all(w, p);
        sim_later(w, sim_range(w, 1, 3000), SIM_PROCESS_ENDS, (uint64_t)process, p->generation);
    }
}

void sim_process_exit(struct world *w, int process, int status, int signal, bool asked)
{
    struct sim_process *p = &w->processes[process];
    if (!p->alive) {
        return;
    }
    sim_log(w,
            "process %llu exits, status %d signal %d",
            (unsigned long long)p->key,
            status,
            signal);
    p->alive = false;
    p->asked = asked;
    for (int i = 0; i < SIM_MEMBERS_MAX; i++) {
        forget_member(&p->members[i]);
    }
    sim_agent_exited(w, p->host, p->key, status, signal, asked);
}

int sim_process_spawn(struct world *w, int host, uint64_t key)
{
    if (w->process_count == SIM_PROCESSES_MAX) {
        sim_violate(w, "more than %d processes were asked for", SIM_PROCESSES_MAX);
        return -1;
    }
    int index = w->process_count++;
    struct sim_process *p = &w->processes[index];
    memset(p, 0, sizeof *p);
    p->alive = true;
    p->key = key;
    p->host = host;
    p->heard_ms = w->now;
    p->lease_ms = ESP_LEASE_MS;
    p->pid = 1000 + index;
    p->crash_after =
        w->faults && !w->naps && sim_chance(w, 0.05) ? (int)sim_range(w, 0, 12) : -1;
    p->link = sim_link_open(w, ESP_ROLE_TRIAL, key);
    sim_later(w, sim_range(w, 5, 200), SIM_PROCESS_STARTED, (uint64_t)index, p->generation);
    return index;
}
