#include "driver.h"

#include <espalier/trainer.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void driver_study(struct esp_study *study, int64_t run_cap)
{
    memset(study, 0, sizeof *study);
    study->seed = 5;
    study->method = ESP_METHOD_RANDOM;
    study->stopping.type = ESP_SCHEDULER_NONE;
    study->run_cap = run_cap;
    study->abilities = esp_abilities_builtin();
    study->param_count = 1;
    study->params[0] = (struct esp_param){.name = "learning_rate",
                                          .distribution = ESP_LOG_UNIFORM_VALUES,
                                          .min = 1e-4,
                                          .max = 1e-2};
    esp_trainer_init(&study->trainer);
    strcpy(study->trainer.data, "/dev/null");
    study->trainer.layers = 1;
    study->trainer.width = 8;
    study->trainer.heads = 1;
    study->trainer.context = 10;
    study->trainer.batch_size = 4;
    study->trainer.tokens = 4000;
}

static struct esp_core *new_core(const struct driver *d)
{
    struct esp_core *core;
    struct esp_error error = {""};
    if (esp_core_create(&d->study, &d->options, &core, &error)) {
        fail_msg("%s", error.text);
    }
    return core;
}

void driver_begin(struct driver *d, const struct esp_study *study)
{
    memset(d, 0, sizeof *d);
    d->study = *study;
    d->pace = 1;
    d->options.nonce = NONCE;
    d->now = 1000000;
    d->core = new_core(d);
    d->shadow = new_core(d);
    esp_outcome_init(&d->outcome);
}

static void release_event(struct esp_event *e)
{
    struct esp_event_string strings[ESP_EVENT_STRINGS_MAX];
    int count = esp_event_strings(e, strings);
    for (int i = 0; i < count; i++) {
        free((char *)*strings[i].at);
    }
    struct esp_reals *reals = esp_event_reals(e);
    if (reals) {
        free((void *)reals->data);
    }
    if (e->kind == ESP_EVENT_REPORT) {
        for (uint32_t i = 0; i < e->report.point.measure_count; i++) {
            free((char *)e->report.point.measures[i].name);
        }
        free((void *)e->report.point.measures);
    }
}

void driver_end(struct driver *d)
{
    for (size_t i = 0; i < d->logged; i++) {
        release_event(&d->log[i]);
    }
    free(d->log);
    esp_outcome_release(&d->outcome);
    esp_core_destroy(d->core);
    esp_core_destroy(d->shadow);
}

static char *copy_text(const char *text)
{
    return text ? strdup(text) : NULL;
}

static void copy_reals(struct esp_reals *reals)
{
    double *values = NULL;
    if (reals->count > 0) {
        values = malloc(reals->count * sizeof *values);
        assert_non_null(values);
        memcpy(values, reals->data, reals->count * sizeof *values);
    }
    reals->data = values;
}

static void copy_measures(struct esp_point *point)
{
    struct esp_measure *m = NULL;
    if (point->measure_count > 0) {
        m = calloc(point->measure_count, sizeof *m);
        assert_non_null(m);
        for (uint32_t i = 0; i < point->measure_count; i++) {
            m[i] = point->measures[i];
            m[i].name = copy_text(m[i].name);
        }
    }
    point->measures = m;
}

static void log_event(struct driver *d, const struct esp_event *event)
{
    if (d->logged == d->log_capacity) {
        d->log_capacity = d->log_capacity ? 2 * d->log_capacity : 64;
        d->log = realloc(d->log, d->log_capacity * sizeof *d->log);
        assert_non_null(d->log);
    }
    struct esp_event *e = &d->log[d->logged++];
    *e = *event;
    struct esp_event_string strings[ESP_EVENT_STRINGS_MAX];
    int count = esp_event_strings(e, strings);
    for (int i = 0; i < count; i++) {
        *strings[i].at = copy_text(*strings[i].at);
    }
    struct esp_reals *reals = esp_event_reals(e);
    if (reals) {
        copy_reals(reals);
    }
    if (e->kind == ESP_EVENT_REPORT) {
        copy_measures(&e->report.point);
    }
}

void driver_reload(struct driver *d)
{
    struct esp_error error = {""};
    esp_core_destroy(d->core);
    d->core = new_core(d);
    for (size_t i = 0; i < d->logged; i++) {
        if (esp_core_apply(d->core, &d->log[i], &error)) {
            fail_msg("event %zu: %s", i, error.text);
        }
    }
    assert_int_equal(esp_core_digest(d->core), esp_core_digest(d->shadow));
}

static void step(struct driver *d, const struct esp_input *input)
{
    esp_outcome_reset(&d->outcome);
    assert_int_equal(esp_core_step(d->core, input, d->now, &d->outcome), 0);
    struct esp_error error = {""};
    for (size_t i = 0; i < d->outcome.event_count; i++) {
        log_event(d, &d->outcome.events[i]);
        if (esp_core_apply(d->shadow, &d->log[d->logged - 1], &error)) {
            fail_msg("%s does not fold: %s",
                     esp_event_kind_name(d->outcome.events[i].kind),
                     error.text);
        }
    }
    assert_int_equal(esp_core_digest(d->core), esp_core_digest(d->shadow));
}

void driver_input(struct driver *d, enum esp_input_kind kind)
{
    step(d, &(struct esp_input){.kind = kind, .time_ms = d->now, .text = "1.0"});
}

void driver_calibrate(struct driver *d, const double *scores, uint32_t count)
{
    step(d,
         &(struct esp_input){.kind = ESP_INPUT_CALIBRATION,
                             .time_ms = d->now,
                             .scores = scores,
                             .score_count = count,
                             .examined_count = count});
}

void driver_message(struct driver *d, struct esp_peer peer, const struct esp_message *message)
{
    step(d,
         &(struct esp_input){
             .kind = ESP_INPUT_MESSAGE, .time_ms = d->now, .peer = peer, .message = message});
}

void driver_wait(struct driver *d, int64_t ms)
{
    int64_t end = d->now + ms;
    while (esp_core_deadline(d->core) <= end) {
        int64_t due = esp_core_deadline(d->core);
        d->now = due > d->now ? due : d->now;
        driver_input(d, ESP_INPUT_TICK);
        if (driver_effect(d, ESP_EFFECT_FINISH)) {
            return;
        }
    }
    d->now = end;
}

void driver_agent(struct driver *d, uint32_t slots, const uint64_t *keys, uint32_t count)
{
    struct esp_message m = {.kind = ESP_MESSAGE_HELLO};
    m.hello = (struct esp_hello){.role = ESP_ROLE_AGENT,
                                 .protocol = ESP_PROTOCOL_VERSION,
                                 .key = AGENT,
                                 .study = NONCE,
                                 .host = "here",
                                 .device = "cpu",
                                 .slots = slots,
                                 .processes = (uint64_t *)keys,
                                 .process_count = count};
    driver_message(d, (struct esp_peer){ESP_ROLE_AGENT, AGENT}, &m);
}

void driver_hello(struct driver *d, uint64_t key, struct esp_held *held, uint32_t count)
{
    struct esp_message m = {.kind = ESP_MESSAGE_HELLO};
    m.hello = (struct esp_hello){.role = ESP_ROLE_TRIAL,
                                 .protocol = ESP_PROTOCOL_VERSION,
                                 .key = key,
                                 .study = NONCE,
                                 .held = held,
                                 .held_count = count};
    driver_message(d, (struct esp_peer){ESP_ROLE_TRIAL, key}, &m);
}

void driver_greet(struct driver *d)
{
    uint64_t keys[64];
    size_t count = 0;
    for (size_t i = 0; i < d->outcome.effect_count; i++) {
        const struct esp_effect *e = &d->outcome.effects[i];
        if (e->kind == ESP_EFFECT_SEND && e->message.kind == ESP_MESSAGE_SPAWN) {
            keys[count++] = e->message.spawn.key;
        }
    }
    for (size_t i = 0; i < count; i++) {
        driver_hello(d, keys[i], NULL, 0);
    }
}

void driver_open(struct driver *d, uint32_t slots)
{
    driver_input(d, ESP_INPUT_START);
    driver_agent(d, slots, NULL, 0);
    driver_greet(d);
}

static void send(struct driver *d, uint32_t trial, struct esp_message *m)
{
    struct esp_trial_view t = driver_trial(d, trial);
    struct esp_attempt_key at = {trial, t.attempt, ++d->sequence[trial]};
    switch (m->kind) {
    case ESP_MESSAGE_STARTED:
        m->started.at = at;
        break;
    case ESP_MESSAGE_REPORT:
        m->report.at = at;
        break;
    case ESP_MESSAGE_SAVED:
        m->saved.at = at;
        break;
    case ESP_MESSAGE_FAILED:
        m->failed.at = at;
        break;
    default:
        m->released.at = at;
        break;
    }
    driver_message(d, (struct esp_peer){ESP_ROLE_TRIAL, t.process}, m);
}

void driver_started(struct driver *d, uint32_t trial, int64_t tokens)
{
    struct esp_message m = {.kind = ESP_MESSAGE_STARTED};
    m.started = (struct esp_started){.can_save = true, .tokens = tokens, .horizon = 4000};
    d->sequence[trial] = 0;
    send(d, trial, &m);
}

void driver_report(struct driver *d, uint32_t trial, int64_t at, double value, bool waiting)
{
    struct esp_point point = {.step = at,
                              .tokens = at * 40,
                              .device_seconds = d->pace * (double)at,
                              .value = value,
                              .train_loss = NAN};
    struct esp_message m = {.kind = ESP_MESSAGE_REPORT};
    m.report = (struct esp_report){.points = &point, .point_count = 1, .waiting = waiting};
    send(d, trial, &m);
}

void driver_saved(struct driver *d, uint32_t trial, int64_t at)
{
    char path[64];
    snprintf(path,
             sizeof path,
             "checkpoints/%u/%u-%lld",
             trial,
             driver_trial(d, trial).attempt,
             (long long)at * 40);
    struct esp_message m = {.kind = ESP_MESSAGE_SAVED};
    m.saved = (struct esp_saved){.path = path,
                                 .host = "here",
                                 .step = at,
                                 .tokens = at * 40,
                                 .bytes = 9,
                                 .hash = 77,
                                 .device_seconds = d->pace * (double)at};
    send(d, trial, &m);
}

void driver_failed(struct driver *d, uint32_t trial, int32_t code, bool save)
{
    struct esp_message m = {.kind = ESP_MESSAGE_FAILED};
    m.failed = (struct esp_failed){.code = code, .save_failed = save, .text = "it broke"};
    send(d, trial, &m);
}

void driver_released(struct driver *d, uint32_t trial)
{
    struct esp_message m = {.kind = ESP_MESSAGE_RELEASED};
    send(d, trial, &m);
}

void driver_fence_answered(struct driver *d, uint32_t trial)
{
    struct esp_trial_view t = driver_trial(d, trial);
    struct esp_message m = {.kind = ESP_MESSAGE_RELEASED};
    m.released.at = (struct esp_attempt_key){trial, t.attempt, 0};
    driver_message(d, (struct esp_peer){ESP_ROLE_TRIAL, t.process}, &m);
}

void driver_exited(struct driver *d, uint64_t key, int32_t status, int32_t signal)
{
    struct esp_message m = {.kind = ESP_MESSAGE_EXITED};
    m.exited = (struct esp_exited){
        .key = key, .status = status, .signal = signal, .tail = "last line"};
    driver_message(d, (struct esp_peer){ESP_ROLE_AGENT, AGENT}, &m);
}

void driver_command(struct driver *d, uint64_t id, enum esp_command_verb verb, uint32_t trial)
{
    struct esp_message m = {.kind = ESP_MESSAGE_COMMAND};
    m.command =
        (struct esp_command){.id = id, .verb = verb, .trials = &trial, .trial_count = 1};
    driver_message(d, (struct esp_peer){ESP_ROLE_CLIENT, 1}, &m);
}

const struct esp_effect *driver_effect(const struct driver *d, enum esp_effect_kind kind)
{
    for (size_t i = 0; i < d->outcome.effect_count; i++) {
        if (d->outcome.effects[i].kind == kind) {
            return &d->outcome.effects[i];
        }
    }
    return NULL;
}

size_t driver_sent(const struct driver *d, enum esp_message_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < d->outcome.effect_count; i++) {
        const struct esp_effect *e = &d->outcome.effects[i];
        count += e->kind == ESP_EFFECT_SEND && e->message.kind == kind;
    }
    return count;
}

const struct esp_message *driver_find(const struct driver *d, enum esp_message_kind kind)
{
    for (size_t i = 0; i < d->outcome.effect_count; i++) {
        const struct esp_effect *e = &d->outcome.effects[i];
        if (e->kind == ESP_EFFECT_SEND && e->message.kind == kind) {
            return &e->message;
        }
    }
    fail_msg("no message of kind %d was sent", (int)kind);
    return NULL;
}

size_t driver_recorded(const struct driver *d, enum esp_event_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < d->outcome.event_count; i++) {
        count += d->outcome.events[i].kind == kind;
    }
    return count;
}

size_t driver_logged(const struct driver *d, enum esp_event_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < d->logged; i++) {
        count += d->log[i].kind == kind;
    }
    return count;
}

struct esp_trial_view driver_trial(const struct driver *d, uint32_t trial)
{
    assert_true(trial < esp_core_trial_count(d->core));
    return esp_core_trial(d->core, trial);
}

void driver_expect(const struct driver *d, uint32_t trial, enum esp_trial_state state)
{
    assert_string_equal(esp_trial_state_name(driver_trial(d, trial).state),
                        esp_trial_state_name(state));
}
