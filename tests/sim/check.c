/* The invariants, checked against a shadow of the committed events:
 *
 *   - an acknowledged report is in the ledger, also after every recovery;
 *   - there is one value per (trial, step), from the attempt that held the trial;
 *   - at most one attempt of a trial trains unfenced, and a slot is granted once;
 *   - a checkpoint that a trial may still need is not dropped (discards.c checks trials that
 * are discarded at the stated risk);
 *   - the loaded events are the committed ones, in order;
 *   - every trial ends once faults have ended, with the curve of an undisturbed run. */
#include "sim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash ^= value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2);
    return hash * 0xbf58476d1ce4e5b9u;
}

static uint64_t mix_double(uint64_t hash, double value)
{
    uint64_t bits = 1; /* all NaNs are equal */
    if (!isnan(value)) {
        memcpy(&bits, &value, sizeof bits);
    }
    return mix(hash, bits);
}

/* The number that distinguishes events of the remaining kinds. */
static uint64_t number_of(const struct esp_event *e)
{
    switch (e->kind) {
    case ESP_EVENT_OPENED:
        return e->opened.incarnation;
    case ESP_EVENT_ENDED:
        return (uint64_t)e->ended.state;
    case ESP_EVENT_STARTED_AT:
        return (uint64_t)e->started.tokens;
    case ESP_EVENT_DROPPED:
        return e->dropped.checkpoint;
    case ESP_EVENT_FAILED:
        return (uint64_t)e->failed.code;
    case ESP_EVENT_AGENT:
        return e->agent.slots;
    case ESP_EVENT_SPAWNED:
        return e->spawned.agent;
    case ESP_EVENT_EXITED:
        return (uint64_t)e->exited.status;
    case ESP_EVENT_COMMAND:
        return e->command.id;
    case ESP_EVENT_FIT:
        return (uint64_t)e->fit.which;
    default:
        return 0;
    }
}

uint64_t sim_event_hash(uint64_t hash, const struct esp_event *e)
{
    hash = mix(hash, e->seq);
    hash = mix(hash, (uint64_t)e->kind);
    hash = mix(hash, (uint64_t)e->trial);
    switch (e->kind) {
    case ESP_EVENT_CREATED:
        for (uint32_t i = 0; i < e->created.values.count; i++) {
            hash = mix_double(hash, e->created.values.data[i]);
        }
        break;
    case ESP_EVENT_MOVED:
        hash = mix(hash, e->attempt);
        hash = mix(hash,
                   (uint64_t)e->moved.trigger * 1000 + (uint64_t)e->moved.from * 100 +
                       (uint64_t)e->moved.to);
        hash = mix(hash, (uint64_t)e->moved.cause);
        break;
    case ESP_EVENT_REPORT:
        hash = mix(hash, e->attempt);
        hash = mix(hash, (uint64_t)e->report.point.step);
        hash = mix(hash, (uint64_t)e->report.point.tokens);
        hash = mix_double(hash, e->report.point.value);
        hash = mix_double(hash, e->report.point.train_loss);
        hash = mix_double(hash, e->report.point.device_seconds);
        break;
    case ESP_EVENT_CALIBRATED:
        for (uint32_t i = 0; i < e->calibrated.scores.count; i++) {
            hash = mix_double(hash, e->calibrated.scores.data[i]);
        }
        break;
    case ESP_EVENT_SAVED:
        hash = mix(hash, (uint64_t)e->saved.tokens);
        hash = mix(hash, strlen(e->saved.path));
        break;
    case ESP_EVENT_VERDICT:
        hash = mix(hash, (uint64_t)e->verdict.action * 100 + (uint64_t)e->verdict.reason.rule);
        hash = mix(hash, (uint64_t)e->verdict.until);
        hash = mix_double(hash, e->verdict.reason.threshold);
        break;
    default:
        hash = mix(hash, number_of(e));
        break;
    }
    return hash;
}

static struct sim_shadow_trial *shadow_trial(struct world *w, const struct esp_event *e)
{
    if (e->trial < 0 || e->trial >= SIM_TRIALS_MAX) {
        sim_violate(
            w, "event %llu names trial %lld", (unsigned long long)e->seq, (long long)e->trial);
        return NULL;
    }
    return &w->shadow.trials[e->trial];
}

/* A setting is trained once, however often the controller is killed and workers ask at once. */
static void check_new_setting(struct world *w, const struct esp_event *e)
{
    const struct esp_reals *values = &e->created.values;
    for (uint32_t i = 0; i < (uint64_t)e->trial; i++) {
        struct esp_trial_view other = esp_core_trial(w->controller.core, i);
        if (other.repeats < 0 && other.state != ESP_TRIAL_FAILED &&
            memcmp(other.values, values->data, values->count * sizeof *values->data) == 0) {
            sim_violate(w, "trial %lld has the settings of trial %u", (long long)e->trial, i);
        }
    }
}

static void
check_created(struct world *w, const struct esp_event *e, struct sim_shadow_trial *t)
{
    if (t->exists) {
        sim_violate(w, "trial %lld is created twice", (long long)e->trial);
    }
    if (w->study->run_cap > 0 && e->trial >= w->study->run_cap) {
        sim_violate(w,
                    "trial %lld goes beyond run_cap %lld",
                    (long long)e->trial,
                    (long long)w->study->run_cap);
    }
    if (e->created.repeats >= 0) {
        struct esp_trial_view of =
            esp_core_trial(w->controller.core, (uint32_t)e->created.repeats);
        const struct esp_reals *values = &e->created.values;
        sim_log(w, "trial %lld repeats %lld", (long long)e->trial, (long long)of.trial);
        if (memcmp(of.values, values->data, values->count * sizeof *values->data) != 0 ||
            of.repeats >= 0 || (int64_t)of.seed == e->created.seed) {
            sim_violate(w,
                        "trial %lld is not another seed of the settings of trial %lld",
                        (long long)e->trial,
                        (long long)of.trial);
        }
    }
    if (e->created.repeats < 0) {
        check_new_setting(w, e);
    }
    *t = (struct sim_shadow_trial){.exists = true, .last_step = -1};
}

/* Where the controller is stopped and nothing else goes wrong, each message arrives: an attempt
 * resumes from the newest checkpoint on disk. */
static void check_resumed(struct world *w, const struct esp_event *e)
{
    int64_t newest = -1;
    for (int i = 0; i < w->checkpoint_count; i++) {
        const struct sim_checkpoint *c = &w->checkpoints[i];
        if (c->exists && !c->discarded && c->trial == e->trial && c->tokens > newest) {
            newest = c->tokens;
        }
    }
    if (w->naps && e->moved.resumed_from < newest) {
        sim_violate(w,
                    "trial %lld resumes from %lld tokens and has a checkpoint at %lld",
                    (long long)e->trial,
                    (long long)e->moved.resumed_from,
                    (long long)newest);
    }
}

static void
check_granted(struct world *w, const struct esp_event *e, struct sim_shadow_trial *t)
{
    if (e->attempt != t->attempt + 1) {
        sim_violate(w,
                    "trial %lld: attempt %u follows %u",
                    (long long)e->trial,
                    e->attempt,
                    t->attempt);
    }
    for (int i = 0; i < SIM_TRIALS_MAX; i++) {
        if (w->shadow.trials[i].live && w->shadow.trials[i].process == e->moved.process) {
            sim_violate(w,
                        "process %llu is granted to trial %lld while trial %d lives there",
                        (unsigned long long)e->moved.process,
                        (long long)e->trial,
                        i);
        }
    }
    int process = sim_process_by_key(w, e->moved.process);
    for (int i = 0; process >= 0 && i < SIM_MEMBERS_MAX; i++) {
        const struct sim_member *m = &w->processes[process].members[i];
        if (w->processes[process].alive && m->used && m->training && !m->stale) {
            sim_violate(
                w,
                "process %llu still trains trial %u when trial %lld is granted its slot",
                (unsigned long long)e->moved.process,
                m->trial,
                (long long)e->trial);
        }
    }
    check_resumed(w, e);
    t->attempt = e->attempt;
    t->process = e->moved.process;
    t->live = true;
    t->saved = false;
    t->position = 0;
}

static void check_started(struct world *w, const struct esp_event *e)
{
    for (int p = 0; p < w->process_count; p++) {
        for (int i = 0; w->processes[p].alive && i < SIM_MEMBERS_MAX; i++) {
            const struct sim_member *m = &w->processes[p].members[i];
            if (m->used && m->training && !m->stale && m->trial == e->trial &&
                m->attempt < e->attempt) {
                sim_violate(
                    w,
                    "trial %u: attempt %u has started while attempt %u trains in process %llu",
                    m->trial,
                    e->attempt,
                    m->attempt,
                    (unsigned long long)w->processes[p].key);
            }
        }
    }
}

/* A trial fails only by crashes of its own. Kills by the controller do not count. */
static void check_lost(struct world *w, const struct esp_event *e, struct sim_shadow_trial *t)
{
    int process = sim_process_by_key(w, t->process);
    bool ours = process >= 0 && w->processes[process].asked && !w->processes[process].alive;
    if (e->moved.trigger == ESP_TRIGGER_LOST && !ours) {
        t->crashes++;
    }
    if (e->moved.to == ESP_TRIAL_FAILED && e->moved.cause == ESP_CAUSE_LOST &&
        t->crashes < ESP_FRUITLESS_ATTEMPTS_MAX) {
        sim_violate(
            w, "trial %lld fails after %d crashes of its own", (long long)e->trial, t->crashes);
    }
}

/* A paused trial has saved. */
static void check_paused(struct world *w, const struct esp_event *e, struct sim_shadow_trial *t)
{
    if (e->moved.from == ESP_TRIAL_PAUSING && e->moved.to == ESP_TRIAL_PAUSED && !t->saved) {
        sim_violate(w, "trial %lld is paused without a checkpoint", (long long)e->trial);
    }
}

static void check_moved(struct world *w, const struct esp_event *e, struct sim_shadow_trial *t)
{
    if (e->moved.from != t->state) {
        sim_violate(w,
                    "trial %lld moves from %s, it was %s",
                    (long long)e->trial,
                    esp_trial_state_name(e->moved.from),
                    esp_trial_state_name(t->state));
    }
    if (e->moved.trigger == ESP_TRIGGER_GRANT) {
        check_granted(w, e, t);
    } else if (e->moved.trigger == ESP_TRIGGER_STARTED) {
        check_started(w, e);
    }
    check_lost(w, e, t);
    check_paused(w, e, t);
    t->state = e->moved.to;
    if (e->moved.to != ESP_TRIAL_ASSIGNED && e->moved.to != ESP_TRIAL_RUNNING &&
        e->moved.to != ESP_TRIAL_PAUSING && e->moved.to != ESP_TRIAL_STOPPING) {
        t->live = false;
    }
}

static void check_report(struct world *w, const struct esp_event *e, struct sim_shadow_trial *t)
{
    struct sim_shadow *s = &w->shadow;
    if (!t->live || t->attempt != e->attempt) {
        sim_violate(w,
                    "trial %lld: a report of attempt %u is recorded, attempt %u is %s",
                    (long long)e->trial,
                    e->attempt,
                    t->attempt,
                    t->live ? "live" : "the last");
    }
    if (e->report.point.step <= t->last_step) {
        sim_violate(w,
                    "trial %lld: step %lld is recorded after step %lld",
                    (long long)e->trial,
                    (long long)e->report.point.step,
                    (long long)t->last_step);
    }
    if (w->tagged && isfinite(e->report.point.value)) {
        long tag = lround(
            (e->report.point.value * 1e6 - floor(e->report.point.value * 1e6 + 1e-4)) * 1e3);
        if (tag != (long)e->attempt) {
            sim_violate(w,
                        "trial %lld step %lld: the value comes from attempt %ld, not %u",
                        (long long)e->trial,
                        (long long)e->report.point.step,
                        tag,
                        e->attempt);
        }
    }
    t->last_step = e->report.point.step;
    t->crashes = 0;
    if (s->row_count == s->row_capacity) {
        s->row_capacity = s->row_capacity ? 2 * s->row_capacity : 256;
        s->rows = realloc(s->rows, s->row_capacity * sizeof *s->rows);
    }
    s->rows[s->row_count++] = (struct sim_row){.trial = (uint32_t)e->trial,
                                               .attempt = e->attempt,
                                               .step = e->report.point.step,
                                               .value = e->report.point.value};
}

/* A resumed attempt is saved at its position; before the first step nothing is to be saved. */
static void
resumed(const struct world *w, const struct esp_event *e, struct sim_shadow_trial *t)
{
    if (e->started.tokens == 0 && t->position == 0) {
        t->saved = true;
    }
    for (int i = 0; i < w->checkpoint_count; i++) {
        const struct sim_checkpoint *c = &w->checkpoints[i];
        if (c->trial == e->trial && c->tokens == e->started.tokens) {
            t->saved = t->position <= c->step;
            t->position = c->step > t->position ? c->step : t->position;
        }
    }
}

void sim_check_commit(struct world *w, const struct esp_outcome *outcome)
{
    struct sim_shadow *s = &w->shadow;
    for (size_t i = 0; i < outcome->event_count && !w->violation[0]; i++) {
        const struct esp_event *e = &outcome->events[i];
        if (e->seq != s->seq + 1) {
            sim_violate(w,
                        "event %llu follows %llu",
                        (unsigned long long)e->seq,
                        (unsigned long long)s->seq);
        }
        s->seq = e->seq;
        s->event_hash = sim_event_hash(s->event_hash, e);
        struct sim_shadow_trial *t = NULL;
        switch (e->kind) {
        case ESP_EVENT_OPENED:
            s->ended_held = false;
            break;
        case ESP_EVENT_ENDED:
            s->ended_held = e->ended.reason == ESP_END_HELD;
            break;
        case ESP_EVENT_CREATED:
            if ((t = shadow_trial(w, e))) {
                check_created(w, e, t);
            }
            break;
        case ESP_EVENT_MOVED:
            if ((t = shadow_trial(w, e))) {
                sim_log(w,
                        "trial %lld attempt %u: %s, %s to %s (%s)",
                        (long long)e->trial,
                        e->attempt,
                        esp_trigger_name(e->moved.trigger),
                        esp_trial_state_name(e->moved.from),
                        esp_trial_state_name(e->moved.to),
                        esp_cause_name(e->moved.cause));
                check_moved(w, e, t);
            }
            break;
        case ESP_EVENT_STARTED_AT:
            if ((t = shadow_trial(w, e))) {
                resumed(w, e, t);
            }
            break;
        case ESP_EVENT_SAVED:
            if ((t = shadow_trial(w, e))) {
                t->saved = e->saved.step >= t->position || t->state == ESP_TRIAL_PAUSING;
            }
            break;
        case ESP_EVENT_REPORT:
            if ((t = shadow_trial(w, e))) {
                check_report(w, e, t);
            }
            break;
        default:
            break;
        }
        sim_discards_commit(w, e);
    }
}

void sim_record_sent(struct world *w,
                     uint32_t trial,
                     uint32_t attempt,
                     uint64_t sequence,
                     int64_t step,
                     double value)
{
    struct sim_shadow *s = &w->shadow;
    if (s->sent_count == s->sent_capacity) {
        s->sent_capacity = s->sent_capacity ? 2 * s->sent_capacity : 256;
        s->sent = realloc(s->sent, s->sent_capacity * sizeof *s->sent);
    }
    s->sent[s->sent_count++] = (struct sim_sent){trial, attempt, sequence, step, value};
    struct sim_shadow_trial *t = &s->trials[trial % SIM_TRIALS_MAX];
    if (attempt == t->attempt && t->live) {
        t->saved = t->saved && (step <= t->position || step <= t->last_step);
        t->position = step;
    }
}

void sim_check_ack(struct world *w, const struct esp_ack *ack)
{
    const struct sim_shadow *s = &w->shadow;
    if (ack->trial >= SIM_TRIALS_MAX) {
        sim_violate(w, "an acknowledgement names trial %u", ack->trial);
        return;
    }
    for (size_t i = 0; i < s->sent_count; i++) {
        const struct sim_sent *sent = &s->sent[i];
        if (sent->trial == ack->trial && sent->attempt == ack->attempt &&
            sent->sequence <= ack->sequence && sent->step > s->trials[ack->trial].last_step) {
            sim_violate(w,
                        "trial %u attempt %u: step %lld is acknowledged and not in the ledger",
                        ack->trial,
                        ack->attempt,
                        (long long)sent->step);
        }
    }
}

void sim_check_assign(struct world *w, const struct esp_assign *assign)
{
    if (!assign->resume) {
        return;
    }
    for (int i = 0; i < w->checkpoint_count; i++) {
        const struct sim_checkpoint *c = &w->checkpoints[i];
        if (c->exists && strcmp(c->path, assign->resume) == 0) {
            if (c->trial != assign->trial || c->tokens != assign->resume_tokens) {
                sim_violate(w,
                            "trial %u is to resume from %s at %lld tokens",
                            assign->trial,
                            c->path,
                            (long long)assign->resume_tokens);
            } else if (c->discarded) {
                sim_violate(w,
                            "trial %u is to resume from %s, which was discarded",
                            assign->trial,
                            c->path);
            }
            return;
        }
    }
    sim_violate(w,
                "trial %u is to resume from %s, which does not exist",
                assign->trial,
                assign->resume);
}

void sim_check_drop(struct world *w, const char *path)
{
    struct sim_checkpoint *dropped = NULL;
    for (int i = 0; i < w->checkpoint_count; i++) {
        if (strcmp(w->checkpoints[i].path, path) == 0) {
            dropped = &w->checkpoints[i];
        }
    }
    if (!dropped) {
        sim_violate(w, "%s is to be dropped and was never saved", path);
        return;
    }
    dropped->exists = false;
    if (dropped->discarded) {
        return;
    }
    for (int i = 0; i < w->checkpoint_count; i++) {
        if (w->checkpoints[i].exists && w->checkpoints[i].trial == dropped->trial) {
            return;
        }
    }
    sim_violate(w, "%s was the last checkpoint of trial %u", path, dropped->trial);
}

void sim_check_loaded(struct world *w, uint64_t events, uint64_t hash, uint64_t seq)
{
    if (seq != w->shadow.seq || events != w->shadow.seq) {
        sim_violate(w,
                    "%llu events were committed, %llu are in the ledger",
                    (unsigned long long)w->shadow.seq,
                    (unsigned long long)events);
    } else if (hash != w->shadow.event_hash) {
        sim_violate(w, "the ledger's events are not the committed ones");
    }
}

/* The trial's curve must be that of a run without faults. */
static void check_curve(struct world *w, uint32_t trial, const struct esp_trainer *trainer)
{
    const struct sim_shadow *s = &w->shadow;
    int64_t step = 0, steps = esp_trainer_steps(trainer);
    for (size_t i = 0; i < s->row_count; i++) {
        const struct sim_row *row = &s->rows[i];
        if (row->trial != trial) {
            continue;
        }
        double value = sim_curve(w, trainer, row->step, row->attempt);
        if (row->step != step ||
            (row->value != value && !(isnan(value) && isnan(row->value)))) {
            sim_violate(
                w,
                "trial %u step %lld: %.9g is recorded, an undisturbed run has step %lld: %.9g",
                trial,
                (long long)row->step,
                row->value,
                (long long)step,
                value);
            return;
        }
        if (isnan(value)) {
            return;
        }
        step = step < steps ? sim_next_report(trainer, step) : steps + 1;
    }
    if (step <= steps) {
        sim_violate(w,
                    "trial %u: its curve stops before step %lld of %lld",
                    trial,
                    (long long)step,
                    (long long)steps);
    }
}

void sim_check_end(struct world *w)
{
    const struct sim_shadow *s = &w->shadow;
    int trials = 0;
    for (int i = 0; i < SIM_TRIALS_MAX && !w->violation[0]; i++) {
        const struct sim_shadow_trial *t = &s->trials[i];
        if (!t->exists) {
            continue;
        }
        trials++;
        bool ended = t->state == ESP_TRIAL_COMPLETE || t->state == ESP_TRIAL_PRUNED ||
                     t->state == ESP_TRIAL_STOPPED || t->state == ESP_TRIAL_FAILED;
        /* A trial that the user paused, or that waits when a budget is spent, stays so. */
        bool waits =
            t->state == ESP_TRIAL_PAUSED || (w->budget && t->state == ESP_TRIAL_QUEUED);
        if (!ended && !((w->commands || w->budget) && waits)) {
            sim_violate(w, "trial %d is left in state %s", i, esp_trial_state_name(t->state));
        }
    }
    enum esp_study_state state = esp_core_totals(w->controller.core).state;
    bool spent = w->budget && state == ESP_STUDY_BUDGET;
    if (!w->violation[0] && state != ESP_STUDY_COMPLETE && !spent && !s->ended_held) {
        sim_violate(w, "the study has finished and is %s", esp_study_state_name(state));
    }
    if (!w->violation[0]) {
        sim_discards_end(w);
    }
    if (w->violation[0] || !w->exact) {
        return;
    }
    if (trials != w->study->run_cap) {
        sim_violate(w, "%d trials, run_cap is %lld", trials, (long long)w->study->run_cap);
    }
    struct esp_trainer *trainer = malloc(sizeof *trainer);
    for (int i = 0; i < trials && !w->violation[0]; i++) {
        *trainer = w->study->trainer;
        struct esp_trial_view view = esp_core_trial(w->controller.core, (uint32_t)i);
        for (int p = 0; p < w->study->param_count; p++) {
            struct esp_value value = esp_param_value(&w->study->params[p], view.values[p]);
            esp_trainer_set(trainer, w->study->params[p].name, &value, NULL);
        }
        if (s->trials[i].state == ESP_TRIAL_COMPLETE || sim_curve_diverges(w, trainer)) {
            check_curve(w, (uint32_t)i, trainer);
        } else if (s->trials[i].state != ESP_TRIAL_FAILED ||
                   s->trials[i].crashes < ESP_FRUITLESS_ATTEMPTS_MAX) {
            sim_violate(w, "trial %d ended %s", i, esp_trial_state_name(s->trials[i].state));
        }
    }
    free(trainer);
}
