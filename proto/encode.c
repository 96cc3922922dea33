/* From plain values to the generated structs to bytes. */
#include "arena.h"
#include "codec.h"
#include "espalier.pb-c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void esp_bytes_release(struct esp_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct esp_bytes){0};
}

/* protobuf-c wants char *, and writes nothing for "". */
static char *text(const char *string)
{
    return (char *)(string ? string : "");
}

struct encoder {
    struct esp_arena arena;
    struct esp_error *error;
    int rc;
};

static void *take(struct encoder *e, size_t size)
{
    void *piece = e->rc ? NULL : esp_arena_take(&e->arena, size ? size : 1);
    if (!piece && !e->rc) {
        e->rc = esp_error_set(e->error, -ENOMEM, "a message is too large to be encoded");
    }
    return piece;
}

static bool within(struct encoder *e, const char *what, uint64_t count, uint64_t max)
{
    if (count > max && !e->rc) {
        e->rc = esp_error_set(e->error,
                              -EINVAL,
                              "a message with %llu %s; at most %llu go into one",
                              (unsigned long long)count,
                              what,
                              (unsigned long long)max);
    }
    return !e->rc;
}

static Espalier__Value *make_value(struct encoder *e, const struct esp_value *value)
{
    Espalier__Value *out = take(e, sizeof *out);
    if (!out) {
        return NULL;
    }
    espalier__value__init(out);
    switch (value->type) {
    case ESP_VALUE_REAL:
        out->kind_case = ESPALIER__VALUE__KIND_REAL;
        out->real = value->real;
        break;
    case ESP_VALUE_INTEGER:
        out->kind_case = ESPALIER__VALUE__KIND_INTEGER;
        out->integer = value->integer;
        break;
    case ESP_VALUE_BOOLEAN:
        out->kind_case = ESPALIER__VALUE__KIND_BOOLEAN;
        out->boolean = value->integer != 0;
        break;
    case ESP_VALUE_TEXT:
        out->kind_case = ESPALIER__VALUE__KIND_TEXT;
        out->text = text(value->text);
        break;
    }
    return out;
}

static Espalier__Setting *make_setting(struct encoder *e, const struct esp_setting *setting)
{
    Espalier__Setting *out = take(e, sizeof *out);
    if (out) {
        espalier__setting__init(out);
        out->name = text(setting->name);
        out->value = make_value(e, &setting->value);
    }
    return out;
}

static Espalier__Setting **
make_settings(struct encoder *e, const struct esp_setting *settings, uint32_t count)
{
    if (!within(e, "settings", count, ESP_PARAMS_MAX)) {
        return NULL;
    }
    Espalier__Setting **out = take(e, count * sizeof(void *));
    for (uint32_t i = 0; out && i < count; i++) {
        out[i] = make_setting(e, &settings[i]);
    }
    return out;
}

static bool same_value(const struct esp_value *a, const struct esp_value *b)
{
    if (a->type == ESP_VALUE_TEXT) {
        return strcmp(a->text, b->text) == 0;
    }
    return a->type == ESP_VALUE_REAL ? a->real == b->real : a->integer == b->integer;
}

/* The fields that differ from their defaults. */
static void
make_trainer(struct encoder *e, const struct esp_trainer *trainer, Espalier__Assign *out)
{
    struct esp_trainer *defaults = take(e, sizeof *defaults);
    out->trainer = take(e, esp_trainer_field_count * sizeof(void *));
    if (!defaults || !out->trainer) {
        return;
    }
    out->builtin = true;
    esp_trainer_init(defaults);
    for (size_t i = 0; i < esp_trainer_field_count; i++) {
        const struct esp_field *field = &esp_trainer_fields[i];
        struct esp_setting setting = {.name = field->name,
                                      .value = esp_trainer_get(trainer, field)};
        struct esp_value fallback = esp_trainer_get(defaults, field);
        if (!same_value(&setting.value, &fallback)) {
            out->trainer[out->n_trainer++] = make_setting(e, &setting);
        }
    }
}

static Espalier__Directive *make_directive(struct encoder *e,
                                           const struct esp_directive *directive)
{
    Espalier__Directive *out = take(e, sizeof *out);
    if (out) {
        espalier__directive__init(out);
        out->number = directive->number;
        out->action = directive->action;
        out->until = directive->until;
        out->keep = directive->keep;
    }
    return out;
}

static void make_hello(struct encoder *e, const struct esp_hello *hello, Espalier__Hello *out)
{
    out->role = hello->role;
    out->protocol = hello->protocol;
    out->key = hello->key;
    out->study = hello->study;
    out->pid = hello->pid;
    out->host = text(hello->host);
    out->device = text(hello->device);
    out->version = text(hello->version);
    out->slots = hello->slots;
    if (!within(e, "processes", hello->process_count, ESP_PROCESSES_MAX) ||
        !within(e, "attempts", hello->held_count, ESP_MEMBERS_MAX)) {
        return;
    }
    out->n_processes = hello->process_count;
    out->processes = hello->processes;
    out->held = take(e, hello->held_count * sizeof(void *));
    for (uint32_t i = 0; !e->rc && i < hello->held_count; i++) {
        Espalier__Held *held = take(e, sizeof *held);
        if (!held) {
            return;
        }
        espalier__held__init(held);
        held->trial = hello->held[i].trial;
        held->attempt = hello->held[i].attempt;
        held->acked = hello->held[i].acked;
        held->last = hello->held[i].last;
        out->held[out->n_held++] = held;
    }
}

static void
make_assign(struct encoder *e, const struct esp_assign *assign, Espalier__Assign *out)
{
    out->trial = assign->trial;
    out->attempt = assign->attempt;
    out->params = make_settings(e, assign->params, assign->param_count);
    out->n_params = assign->param_count;
    if (assign->trainer) {
        make_trainer(e, assign->trainer, out);
    }
    out->resume = text(assign->resume);
    out->resume_hash = assign->resume_hash;
    out->resume_tokens = assign->resume_tokens;
    out->seed = assign->seed;
    out->horizon = assign->horizon;
    out->directive = make_directive(e, &assign->directive);
}

static Espalier__Point *make_point(struct encoder *e, const struct esp_point *point)
{
    Espalier__Point *out = take(e, sizeof *out);
    if (!out || !within(e, "measures of a point", point->measure_count, ESP_MEASURES_MAX)) {
        return NULL;
    }
    espalier__point__init(out);
    out->step = point->step;
    out->tokens = point->tokens;
    out->device_seconds = point->device_seconds;
    out->value = point->value;
    out->train_loss = point->train_loss;
    out->measures = take(e, point->measure_count * sizeof(void *));
    for (uint32_t i = 0; out->measures && i < point->measure_count; i++) {
        Espalier__Measure *measure = take(e, sizeof *measure);
        if (!measure) {
            return NULL;
        }
        espalier__measure__init(measure);
        measure->name = text(point->measures[i].name);
        measure->value = point->measures[i].value;
        out->measures[out->n_measures++] = measure;
    }
    return out;
}

static void
make_report(struct encoder *e, const struct esp_report *report, Espalier__Report *out)
{
    out->trial = report->at.trial;
    out->attempt = report->at.attempt;
    out->sequence = report->at.sequence;
    out->waiting = report->waiting;
    out->directive = report->directive;
    if (!within(e, "points", report->point_count, ESP_REPORT_POINTS_MAX)) {
        return;
    }
    out->points = take(e, report->point_count * sizeof(void *));
    for (uint32_t i = 0; out->points && i < report->point_count; i++) {
        out->points[out->n_points++] = make_point(e, &report->points[i]);
    }
}

static void
make_command(struct encoder *e, const struct esp_command *command, Espalier__Command *out)
{
    out->id = command->id;
    out->verb = command->verb;
    if (!within(e, "trials", command->trial_count, ESP_COMMAND_TRIALS_MAX)) {
        return;
    }
    out->n_trials = command->trial_count;
    out->trials = command->trials;
    out->settings = make_settings(e, command->settings, command->setting_count);
    out->n_settings = command->setting_count;
    out->text = text(command->text);
}

static int pack(struct encoder *e, const Espalier__Envelope *envelope, struct esp_bytes *out)
{
    size_t length = espalier__envelope__get_packed_size(envelope);
    if (!within(e, "bytes", length, ESP_MESSAGE_MAX)) {
        return e->rc;
    }
    if (length > out->capacity) {
        size_t capacity = length < 256 ? 256 : length;
        uint8_t *data = realloc(out->data, capacity);
        if (!data) {
            return esp_error_set(
                e->error, -ENOMEM, "no memory to encode a message of %zu bytes", length);
        }
        out->data = data;
        out->capacity = capacity;
    }
    out->length = espalier__envelope__pack(envelope, out->data);
    return 0;
}

/* Each case makes its part on the stack and packs it before it goes. */
#define BODY(type, name, upper)                                                                \
    Espalier__##type name;                                                                     \
    espalier__##name##__init(&name);                                                           \
    envelope.body_case = ESPALIER__ENVELOPE__BODY_##upper;                                     \
    envelope.name = &name

#define AT(name)                                                                               \
    name.trial = message->name.at.trial;                                                       \
    name.attempt = message->name.at.attempt;                                                   \
    name.sequence = message->name.at.sequence

static int encode(struct encoder *e, const struct esp_message *message, struct esp_bytes *out)
{
    Espalier__Envelope envelope;
    espalier__envelope__init(&envelope);
    switch (message->kind) {
    case ESP_MESSAGE_HELLO: {
        BODY(Hello, hello, HELLO);
        make_hello(e, &message->hello, &hello);
        return e->rc ? e->rc : pack(e, &envelope, out);
    }
    case ESP_MESSAGE_WELCOME: {
        BODY(Welcome, welcome, WELCOME);
        welcome.incarnation = message->welcome.incarnation;
        welcome.heartbeat_ms = message->welcome.heartbeat_ms;
        welcome.lease_ms = message->welcome.lease_ms;
        welcome.refused = text(message->welcome.refused);
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_INTRODUCE: {
        BODY(Introduce, introduce, INTRODUCE);
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_CAPACITY: {
        BODY(Capacity, capacity, CAPACITY);
        capacity.group = message->capacity.group;
        capacity.members = message->capacity.members;
        capacity.bytes = message->capacity.bytes;
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_ASSIGN: {
        BODY(Assign, assign, ASSIGN);
        make_assign(e, &message->assign, &assign);
        return e->rc ? e->rc : pack(e, &envelope, out);
    }
    case ESP_MESSAGE_STARTED: {
        BODY(Started, started, STARTED);
        AT(started);
        started.can_save = message->started.can_save;
        started.tokens = message->started.tokens;
        started.horizon = message->started.horizon;
        started.fell_back = text(message->started.fell_back);
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_REPORT: {
        BODY(Report, report, REPORT);
        make_report(e, &message->report, &report);
        return e->rc ? e->rc : pack(e, &envelope, out);
    }
    case ESP_MESSAGE_SAVED: {
        BODY(Saved, saved, SAVED);
        AT(saved);
        saved.path = text(message->saved.path);
        saved.host = text(message->saved.host);
        saved.step = message->saved.step;
        saved.tokens = message->saved.tokens;
        saved.bytes = message->saved.bytes;
        saved.hash = message->saved.hash;
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_FAILED: {
        BODY(Failed, failed, FAILED);
        AT(failed);
        failed.code = message->failed.code;
        failed.save_failed = message->failed.save_failed;
        failed.words = text(message->failed.words);
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_RELEASED: {
        BODY(Released, released, RELEASED);
        AT(released);
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_ACK: {
        BODY(Ack, ack, ACK);
        ack.trial = message->ack.trial;
        ack.attempt = message->ack.attempt;
        ack.sequence = message->ack.sequence;
        ack.directive = make_directive(e, &message->ack.directive);
        return e->rc ? e->rc : pack(e, &envelope, out);
    }
    case ESP_MESSAGE_DIRECT: {
        BODY(Direct, direct, DIRECT);
        direct.trial = message->direct.trial;
        direct.attempt = message->direct.attempt;
        direct.directive = make_directive(e, &message->direct.directive);
        return e->rc ? e->rc : pack(e, &envelope, out);
    }
    case ESP_MESSAGE_FENCED: {
        BODY(Fenced, fenced, FENCED);
        fenced.trial = message->fenced.trial;
        fenced.attempt = message->fenced.attempt;
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_SPAWN: {
        BODY(Spawn, spawn, SPAWN);
        spawn.key = message->spawn.key;
        spawn.device = text(message->spawn.device);
        spawn.slot = message->spawn.slot;
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_KILL: {
        BODY(Kill, kill, KILL);
        kill.key = message->kill.key;
        kill.now = message->kill.now;
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_EXITED: {
        BODY(Exited, exited, EXITED);
        size_t length = message->exited.tail ? strlen(message->exited.tail) : 0;
        exited.key = message->exited.key;
        exited.status = message->exited.status;
        exited.signal = message->exited.signal;
        exited.asked = message->exited.asked;
        if (!within(e, "bytes of log", length, ESP_LOG_TAIL_MAX)) {
            return e->rc;
        }
        exited.tail.data = (uint8_t *)message->exited.tail;
        exited.tail.len = length;
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_EXITED_ACK: {
        BODY(ExitedAck, exited_ack, EXITED_ACK);
        exited_ack.key = message->exited_ack.key;
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_DRAIN: {
        BODY(Drain, drain, DRAIN);
        drain.leaves_in_ms = message->drain.leaves_in_ms;
        drain.reason = text(message->drain.reason);
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_RETIRE: {
        BODY(Retire, retire, RETIRE);
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_COMMAND: {
        BODY(Command, command, COMMAND);
        make_command(e, &message->command, &command);
        return e->rc ? e->rc : pack(e, &envelope, out);
    }
    case ESP_MESSAGE_REPLY: {
        BODY(Reply, reply, REPLY);
        reply.id = message->reply.id;
        reply.code = message->reply.code;
        reply.trial = message->reply.trial;
        reply.text = text(message->reply.text);
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_HEARTBEAT: {
        BODY(Heartbeat, heartbeat, HEARTBEAT);
        heartbeat.progress = message->heartbeat.progress;
        return pack(e, &envelope, out);
    }
    case ESP_MESSAGE_NONE:
    case ESP_MESSAGE_KIND_COUNT:
        break;
    }
    return esp_error_set(
        e->error, -EINVAL, "a message of no kind (%d) cannot be sent", (int)message->kind);
}

int esp_codec_encode(const struct esp_message *message,
                     struct esp_bytes *out,
                     struct esp_error *error)
{
    struct encoder e = {.arena = {.limit = ESP_MESSAGE_HEAP_MAX}, .error = error};
    int rc = encode(&e, message, out);
    esp_arena_release(&e.arena);
    return rc;
}
