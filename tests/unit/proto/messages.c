#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "messages.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

static uint64_t next_random(void)
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)(next_random() % n);
}

static char pool[512 * 1024];
static size_t pool_used;

/* A text of up to `limit` − 1 bytes, sometimes exactly that, with characters of one to four
 * bytes. */
static const char *random_text(size_t limit, bool empty)
{
    static const char *const letters[] = {
        "a", "_", "\n", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8c\xb3", "\x7f", "\\"};
    size_t length = below(8) == 0 ? limit - 1 : below((uint32_t)(limit < 40 ? limit : 40));
    if (length == 0 && !empty) {
        length = 1;
    }
    char *out = pool + pool_used;
    size_t at = 0;
    assert_true(pool_used + length < sizeof pool);
    while (at < length) {
        const char *letter = letters[below(8)];
        letter = at + strlen(letter) > length ? "z" : letter;
        memcpy(out + at, letter, strlen(letter));
        at += strlen(letter);
    }
    out[length] = '\0';
    pool_used += length + 1;
    return out;
}

static double random_number(void)
{
    static const double numbers[] = {
        0, -0.0, 1, -1, 0.1, 1e-308, 1.7976931348623157e308, 5e-324, 3e-4, 123456789.125};
    return numbers[below(10)];
}

static double random_loss(void)
{
    switch (below(6)) {
    case 0:
        return NAN;
    case 1:
        return INFINITY;
    case 2:
        return -INFINITY;
    default:
        return random_number();
    }
}

static int64_t random_integer(void)
{
    static const int64_t numbers[] = {0, 1, -1, 127, 128, INT64_MAX, INT64_MIN, 1 << 20};
    return below(2) ? numbers[below(8)] : (int64_t)next_random();
}

static struct esp_value random_value(void)
{
    struct esp_value v = {.type = (enum esp_value_type)below(4)};
    switch (v.type) {
    case ESP_VALUE_REAL:
        v.real = random_number();
        break;
    case ESP_VALUE_INTEGER:
        v.integer = random_integer();
        v.real = (double)v.integer;
        break;
    case ESP_VALUE_BOOLEAN:
        v.integer = below(2);
        v.real = (double)v.integer;
        break;
    case ESP_VALUE_TEXT:
        v.text = random_text(ESP_TEXT_MAX, true);
        break;
    }
    return v;
}

static uint32_t random_count(uint32_t max)
{
    return below(4) == 0 ? max : below(4);
}

static struct esp_setting *random_settings(uint32_t *count)
{
    static struct esp_setting settings[ESP_PARAMS_MAX];
    *count = random_count(ESP_PARAMS_MAX);
    for (uint32_t i = 0; i < *count; i++) {
        settings[i].name = random_text(ESP_NAME_MAX, false);
        settings[i].value = random_value();
    }
    return settings;
}

static struct esp_value field_value(const struct esp_field *field)
{
    struct esp_value v = {0};
    double share = (double)next_random() / 0x1p64;
    switch (field->type) {
    case ESP_FIELD_ENUM: {
        uint32_t count = 0;
        while (field->names[count]) {
            count++;
        }
        v.type = ESP_VALUE_TEXT;
        v.text = field->names[below(count)];
        break;
    }
    case ESP_FIELD_PATH:
        v.type = ESP_VALUE_TEXT;
        v.text = random_text(ESP_PATH_MAX, true);
        break;
    case ESP_FIELD_INTEGER: {
        double max = field->max < 1e15 ? field->max : 1e15;
        v.type = ESP_VALUE_INTEGER;
        v.integer = (int64_t)(field->min + floor(share * (max - field->min)));
        v.real = (double)v.integer;
        break;
    }
    case ESP_FIELD_REAL: {
        double max = field->max < 1e6 ? field->max : 1e6;
        v.type = ESP_VALUE_REAL;
        v.real = field->min + share * (max - field->min);
        break;
    }
    }
    return v;
}

static const struct esp_trainer *random_trainer(void)
{
    static struct esp_trainer trainer;
    struct esp_error error;
    esp_trainer_init(&trainer);
    for (size_t i = 0; i < esp_trainer_field_count; i++) {
        struct esp_value v = field_value(&esp_trainer_fields[i]);
        if (below(2) && esp_trainer_set(&trainer, esp_trainer_fields[i].name, &v, &error) < 0) {
            fail_msg("%s", error.text);
        }
    }
    return &trainer;
}

static struct esp_directive random_directive(void)
{
    return (struct esp_directive){.number = (uint32_t)next_random(),
                                  .action = (enum esp_directive_action)below(4),
                                  .until = random_integer(),
                                  .keep = below(2)};
}

static struct esp_attempt_key random_key(void)
{
    return (struct esp_attempt_key){
        (uint32_t)next_random(), (uint32_t)next_random(), next_random()};
}

static void make_hello(struct esp_hello *m)
{
    static uint64_t processes[ESP_PROCESSES_MAX];
    static struct esp_held held[ESP_MEMBERS_MAX];
    *m = (struct esp_hello){.role = (enum esp_role)(1 + below(3)),
                            .protocol = below(9),
                            .key = next_random(),
                            .study = next_random(),
                            .pid = random_integer(),
                            .host = random_text(ESP_NAME_MAX, true),
                            .device = random_text(ESP_NAME_MAX, true),
                            .version = random_text(ESP_NAME_MAX, true),
                            .slots = below(9),
                            .processes = processes,
                            .process_count = random_count(ESP_PROCESSES_MAX),
                            .held = held,
                            .held_count = random_count(ESP_MEMBERS_MAX)};
    for (uint32_t i = 0; i < m->process_count; i++) {
        processes[i] = next_random();
    }
    for (uint32_t i = 0; i < m->held_count; i++) {
        held[i] =
            (struct esp_held){below(99), (uint32_t)next_random(), next_random(), next_random()};
    }
}

static void make_report(struct esp_report *m)
{
    static struct esp_point points[ESP_REPORT_POINTS_MAX];
    static struct esp_measure measures[ESP_REPORT_POINTS_MAX][ESP_MEASURES_MAX];
    *m = (struct esp_report){.at = random_key(),
                             .points = points,
                             .point_count = random_count(ESP_REPORT_POINTS_MAX),
                             .waiting = below(2),
                             .directive = below(99)};
    for (uint32_t i = 0; i < m->point_count; i++) {
        points[i] = (struct esp_point){.step = random_integer(),
                                       .tokens = random_integer(),
                                       .device_seconds = random_number(),
                                       .value = random_loss(),
                                       .train_loss = random_loss(),
                                       .measures = measures[i],
                                       .measure_count = random_count(ESP_MEASURES_MAX)};
        for (uint32_t k = 0; k < points[i].measure_count; k++) {
            measures[i][k] =
                (struct esp_measure){random_text(ESP_NAME_MAX, false), random_number()};
        }
    }
}

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

static void make_assign(struct esp_assign *m)
{
    *m = (struct esp_assign){.trial = below(9),
                             .attempt = below(9),
                             .trainer = below(4) ? random_trainer() : NULL,
                             .resume = or_null(random_text(ESP_PATH_MAX, true)),
                             .resume_hash = next_random(),
                             .resume_tokens = random_integer(),
                             .seed = next_random(),
                             .horizon = random_integer(),
                             .directive = random_directive()};
    m->params = random_settings(&m->param_count);
}

static void make_command(struct esp_command *m)
{
    static uint32_t trials[ESP_COMMAND_TRIALS_MAX];
    *m = (struct esp_command){.id = next_random(),
                              .verb = (enum esp_command_verb)below(ESP_VERB_PING + 1),
                              .trials = trials,
                              .trial_count = random_count(ESP_COMMAND_TRIALS_MAX),
                              .text = or_null(random_text(ESP_MESSAGE_TEXT_MAX, true))};
    for (uint32_t i = 0; i < m->trial_count; i++) {
        trials[i] = (uint32_t)next_random();
    }
    m->settings = random_settings(&m->setting_count);
}

struct esp_message messages_make(enum esp_message_kind kind, uint64_t seed)
{
    struct esp_message m = {.kind = kind};
    state = seed * 64 + kind;
    pool_used = 0;
    switch (kind) {
    case ESP_MESSAGE_HELLO:
        make_hello(&m.hello);
        break;
    case ESP_MESSAGE_WELCOME:
        m.welcome = (struct esp_welcome){next_random(),
                                         below(5000),
                                         below(99999),
                                         or_null(random_text(ESP_MESSAGE_TEXT_MAX, true))};
        break;
    case ESP_MESSAGE_CAPACITY:
        m.capacity =
            (struct esp_capacity){next_random(), below(ESP_MEMBERS_MAX + 1), next_random()};
        break;
    case ESP_MESSAGE_ASSIGN:
        make_assign(&m.assign);
        break;
    case ESP_MESSAGE_STARTED:
        m.started = (struct esp_started){random_key(),
                                         below(2),
                                         random_integer(),
                                         random_integer(),
                                         or_null(random_text(ESP_MESSAGE_TEXT_MAX, true))};
        break;
    case ESP_MESSAGE_REPORT:
        make_report(&m.report);
        break;
    case ESP_MESSAGE_SAVED:
        m.saved = (struct esp_saved){random_key(),
                                     random_text(ESP_PATH_MAX, false),
                                     random_text(ESP_NAME_MAX, true),
                                     random_integer(),
                                     random_integer(),
                                     next_random(),
                                     next_random(),
                                     (double)below(1000) / 8};
        break;
    case ESP_MESSAGE_FAILED:
        m.failed = (struct esp_failed){random_key(),
                                       (int32_t)next_random(),
                                       below(2),
                                       random_text(ESP_MESSAGE_TEXT_MAX, true)};
        break;
    case ESP_MESSAGE_RELEASED:
        m.released.at = random_key();
        break;
    case ESP_MESSAGE_ACK:
        m.ack = (struct esp_ack){below(9), below(9), next_random(), random_directive()};
        break;
    case ESP_MESSAGE_DIRECT:
        m.direct = (struct esp_direct){below(9), below(9), random_directive()};
        break;
    case ESP_MESSAGE_FENCED:
        m.fenced = (struct esp_fenced){(uint32_t)next_random(), (uint32_t)next_random()};
        break;
    case ESP_MESSAGE_SPAWN:
        m.spawn =
            (struct esp_spawn){next_random(), random_text(ESP_NAME_MAX, false), below(4096)};
        break;
    case ESP_MESSAGE_KILL:
        m.kill = (struct esp_kill){next_random(), below(2)};
        break;
    case ESP_MESSAGE_EXITED:
        m.exited = (struct esp_exited){next_random(),
                                       (int32_t)next_random(),
                                       (int32_t)next_random(),
                                       below(2),
                                       random_text(ESP_LOG_TAIL_MAX, true)};
        break;
    case ESP_MESSAGE_EXITED_ACK:
        m.exited_ack.key = next_random();
        break;
    case ESP_MESSAGE_DRAIN:
        m.drain = (struct esp_drain){random_integer(), random_text(ESP_MESSAGE_TEXT_MAX, true)};
        break;
    case ESP_MESSAGE_COMMAND:
        make_command(&m.command);
        break;
    case ESP_MESSAGE_REPLY:
        m.reply = (struct esp_reply){next_random(),
                                     (int32_t)next_random(),
                                     (uint32_t)next_random(),
                                     random_text(ESP_MESSAGE_TEXT_MAX, true)};
        break;
    case ESP_MESSAGE_HEARTBEAT:
        m.heartbeat.progress = next_random();
        break;
    case ESP_MESSAGE_INTRODUCE: /* without fields */
    case ESP_MESSAGE_RETIRE:
        break;
    default:
        fail_msg("random_message makes no message of kind %d", (int)kind);
    }
    return m;
}

static void same_text(const char *a, const char *b)
{
    assert_int_equal(!a, !b);
    if (a) {
        assert_string_equal(a, b);
    }
}

/* Equal in every bit, except that all NaNs are equal, and both zeros: proto3 does not send a
 * zero. */
static void same_number(double a, double b)
{
    assert_int_equal(isnan(a) != 0, isnan(b) != 0);
    if (!isnan(a) && a != 0) {
        assert_memory_equal(&a, &b, sizeof a);
    } else if (a == 0) {
        assert_true(b == 0);
    }
}

static void same_settings(const struct esp_setting *a,
                          uint32_t count,
                          const struct esp_setting *b,
                          uint32_t b_count)
{
    assert_int_equal(count, b_count);
    for (uint32_t i = 0; i < count; i++) {
        assert_string_equal(a[i].name, b[i].name);
        assert_int_equal(a[i].value.type, b[i].value.type);
        assert_int_equal(a[i].value.integer, b[i].value.integer);
        same_number(a[i].value.real, b[i].value.real);
        same_text(a[i].value.text, b[i].value.text);
    }
}

static void same_directive(const struct esp_directive *a, const struct esp_directive *b)
{
    assert_int_equal(a->number, b->number);
    assert_int_equal(a->action, b->action);
    assert_int_equal(a->until, b->until);
    assert_int_equal(a->keep, b->keep);
}

static void same_key(const struct esp_attempt_key *a, const struct esp_attempt_key *b)
{
    assert_int_equal(a->trial, b->trial);
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->sequence, b->sequence);
}

static void same_hello(const struct esp_hello *a, const struct esp_hello *b)
{
    assert_int_equal(a->role, b->role);
    assert_int_equal(a->protocol, b->protocol);
    assert_int_equal(a->key, b->key);
    assert_int_equal(a->study, b->study);
    assert_int_equal(a->pid, b->pid);
    same_text(a->host, b->host);
    same_text(a->device, b->device);
    same_text(a->version, b->version);
    assert_int_equal(a->slots, b->slots);
    assert_int_equal(a->process_count, b->process_count);
    for (uint32_t i = 0; i < a->process_count; i++) {
        assert_int_equal(a->processes[i], b->processes[i]);
    }
    assert_int_equal(a->held_count, b->held_count);
    for (uint32_t i = 0; i < a->held_count; i++) {
        assert_int_equal(a->held[i].trial, b->held[i].trial);
        assert_int_equal(a->held[i].attempt, b->held[i].attempt);
        assert_int_equal(a->held[i].acked, b->held[i].acked);
        assert_int_equal(a->held[i].last, b->held[i].last);
    }
}

static void same_assign(const struct esp_assign *a, const struct esp_assign *b)
{
    assert_int_equal(a->trial, b->trial);
    assert_int_equal(a->attempt, b->attempt);
    same_settings(a->params, a->param_count, b->params, b->param_count);
    assert_int_equal(!a->trainer, !b->trainer);
    if (a->trainer) {
        assert_memory_equal(a->trainer, b->trainer, sizeof *a->trainer);
    }
    same_text(a->resume, b->resume);
    assert_int_equal(a->resume_hash, b->resume_hash);
    assert_int_equal(a->resume_tokens, b->resume_tokens);
    assert_int_equal(a->seed, b->seed);
    assert_int_equal(a->horizon, b->horizon);
    same_directive(&a->directive, &b->directive);
}

static void same_report(const struct esp_report *a, const struct esp_report *b)
{
    same_key(&a->at, &b->at);
    assert_int_equal(a->waiting, b->waiting);
    assert_int_equal(a->directive, b->directive);
    assert_int_equal(a->point_count, b->point_count);
    for (uint32_t i = 0; i < a->point_count; i++) {
        const struct esp_point *p = &a->points[i], *q = &b->points[i];
        assert_int_equal(p->step, q->step);
        assert_int_equal(p->tokens, q->tokens);
        same_number(p->device_seconds, q->device_seconds);
        same_number(p->value, q->value);
        same_number(p->train_loss, q->train_loss);
        assert_int_equal(p->measure_count, q->measure_count);
        for (uint32_t k = 0; k < p->measure_count; k++) {
            assert_string_equal(p->measures[k].name, q->measures[k].name);
            same_number(p->measures[k].value, q->measures[k].value);
        }
    }
}

static void same_saved(const struct esp_saved *a, const struct esp_saved *b)
{
    same_key(&a->at, &b->at);
    same_text(a->path, b->path);
    same_text(a->host, b->host);
    assert_int_equal(a->step, b->step);
    assert_int_equal(a->tokens, b->tokens);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->hash, b->hash);
    assert_true(a->device_seconds == b->device_seconds);
}

static void same_exited(const struct esp_exited *a, const struct esp_exited *b)
{
    assert_int_equal(a->key, b->key);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->signal, b->signal);
    assert_int_equal(a->asked, b->asked);
    same_text(a->tail, b->tail);
}

static void same_command(const struct esp_command *a, const struct esp_command *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->verb, b->verb);
    assert_int_equal(a->trial_count, b->trial_count);
    for (uint32_t i = 0; i < a->trial_count; i++) {
        assert_int_equal(a->trials[i], b->trials[i]);
    }
    same_settings(a->settings, a->setting_count, b->settings, b->setting_count);
    same_text(a->text, b->text);
}

void messages_assert_same(const struct esp_message *a, const struct esp_message *b)
{
    assert_int_equal(a->kind, b->kind);
    switch (a->kind) {
    case ESP_MESSAGE_HELLO:
        same_hello(&a->hello, &b->hello);
        break;
    case ESP_MESSAGE_WELCOME:
        assert_int_equal(a->welcome.incarnation, b->welcome.incarnation);
        assert_int_equal(a->welcome.heartbeat_ms, b->welcome.heartbeat_ms);
        assert_int_equal(a->welcome.lease_ms, b->welcome.lease_ms);
        same_text(a->welcome.refused, b->welcome.refused);
        break;
    case ESP_MESSAGE_CAPACITY:
        assert_int_equal(a->capacity.group, b->capacity.group);
        assert_int_equal(a->capacity.members, b->capacity.members);
        assert_int_equal(a->capacity.bytes, b->capacity.bytes);
        break;
    case ESP_MESSAGE_ASSIGN:
        same_assign(&a->assign, &b->assign);
        break;
    case ESP_MESSAGE_STARTED:
        same_key(&a->started.at, &b->started.at);
        assert_int_equal(a->started.can_save, b->started.can_save);
        assert_int_equal(a->started.tokens, b->started.tokens);
        assert_int_equal(a->started.horizon, b->started.horizon);
        same_text(a->started.fell_back, b->started.fell_back);
        break;
    case ESP_MESSAGE_REPORT:
        same_report(&a->report, &b->report);
        break;
    case ESP_MESSAGE_SAVED:
        same_saved(&a->saved, &b->saved);
        break;
    case ESP_MESSAGE_FAILED:
        same_key(&a->failed.at, &b->failed.at);
        assert_int_equal(a->failed.code, b->failed.code);
        assert_int_equal(a->failed.save_failed, b->failed.save_failed);
        same_text(a->failed.text, b->failed.text);
        break;
    case ESP_MESSAGE_RELEASED:
        same_key(&a->released.at, &b->released.at);
        break;
    case ESP_MESSAGE_ACK:
        assert_int_equal(a->ack.trial, b->ack.trial);
        assert_int_equal(a->ack.attempt, b->ack.attempt);
        assert_int_equal(a->ack.sequence, b->ack.sequence);
        same_directive(&a->ack.directive, &b->ack.directive);
        break;
    case ESP_MESSAGE_DIRECT:
        assert_int_equal(a->direct.trial, b->direct.trial);
        assert_int_equal(a->direct.attempt, b->direct.attempt);
        same_directive(&a->direct.directive, &b->direct.directive);
        break;
    case ESP_MESSAGE_FENCED:
        assert_int_equal(a->fenced.trial, b->fenced.trial);
        assert_int_equal(a->fenced.attempt, b->fenced.attempt);
        break;
    case ESP_MESSAGE_SPAWN:
        assert_int_equal(a->spawn.key, b->spawn.key);
        same_text(a->spawn.device, b->spawn.device);
        assert_int_equal(a->spawn.slot, b->spawn.slot);
        break;
    case ESP_MESSAGE_KILL:
        assert_int_equal(a->kill.key, b->kill.key);
        assert_int_equal(a->kill.now, b->kill.now);
        break;
    case ESP_MESSAGE_EXITED:
        same_exited(&a->exited, &b->exited);
        break;
    case ESP_MESSAGE_EXITED_ACK:
        assert_int_equal(a->exited_ack.key, b->exited_ack.key);
        break;
    case ESP_MESSAGE_DRAIN:
        assert_int_equal(a->drain.leaves_in_ms, b->drain.leaves_in_ms);
        same_text(a->drain.reason, b->drain.reason);
        break;
    case ESP_MESSAGE_COMMAND:
        same_command(&a->command, &b->command);
        break;
    case ESP_MESSAGE_REPLY:
        assert_int_equal(a->reply.id, b->reply.id);
        assert_int_equal(a->reply.code, b->reply.code);
        assert_int_equal(a->reply.trial, b->reply.trial);
        same_text(a->reply.text, b->reply.text);
        break;
    case ESP_MESSAGE_HEARTBEAT:
        assert_int_equal(a->heartbeat.progress, b->heartbeat.progress);
        break;
    case ESP_MESSAGE_INTRODUCE: /* without fields */
    case ESP_MESSAGE_RETIRE:
        break;
    default:
        fail_msg("messages_assert_same compares no message of kind %d", (int)a->kind);
    }
}
