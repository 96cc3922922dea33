/* Plain values to protobuf's structures. What names something must keep its limit; what a
 * person reads is cut and cleaned, so that no error goes untold for its spelling. */
#include "codec_private.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* The first failure stays. */
struct encoder {
    struct esp_arena *arena;
    struct esp_error *error;
    int rc;
};

static void fail(struct encoder *e, const char *what, const char *why)
{
    if (e->rc == 0) {
        e->rc = esp_error_set(e->error, -EINVAL, "cannot send: %s %s.", what, why);
    }
}

static void *take(struct encoder *e, size_t size)
{
    void *piece = esp_arena_take(e->arena, size);
    if (!piece && e->rc == 0) {
        e->rc = esp_error_set(e->error, -ENOMEM, "out of memory for a message.");
    }
    return piece;
}

/* An array of pointers to `count` structures that follow it. NULL when there is nothing, or
 * something is wrong. */
static void *rows(struct encoder *e,
                  uint32_t count,
                  uint32_t limit,
                  size_t size,
                  void **first,
                  const char *what)
{
    if (count > limit) {
        fail(e, what, "are too many");
    }
    if (e->rc != 0 || count == 0) {
        return NULL;
    }
    void **pointers = take(e, count * sizeof *pointers);
    char *items = pointers ? take(e, count * size) : NULL;
    if (!items) {
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        pointers[i] = items + i * size;
    }
    *first = items;
    return pointers;
}

static char *text(struct encoder *e, const char *value, size_t limit, const char *what)
{
    size_t length = value ? strlen(value) : 0;
    if (length >= limit) {
        fail(e, what, "is too long");
    } else if (esp_text_valid(value, length) != length) {
        fail(e, what, "is not UTF-8 text");
    }
    return (char *)(value ? value : "");
}

static char *name(struct encoder *e, const char *value, size_t limit, const char *what)
{
    if (!value || !value[0]) {
        fail(e, what, "is empty");
    }
    return text(e, value, limit, what);
}

static char *words(struct encoder *e, const char *value)
{
    size_t length = value ? strlen(value) : 0;
    if (length < ESP_MESSAGE_TEXT_MAX && esp_text_valid(value, length) == length) {
        return (char *)(value ? value : "");
    }
    char *clean = esp_wire_text_clean(e->arena, value, length, ESP_MESSAGE_TEXT_MAX, false);
    if (!clean && e->rc == 0) {
        e->rc = esp_error_set(e->error, -ENOMEM, "out of memory for a message.");
    }
    return clean;
}

static double finite_number(struct encoder *e, double value, const char *what)
{
    if (!isfinite(value)) {
        fail(e, what, "is not finite");
    }
    return value;
}

static void setting(struct encoder *e,
                    const char *setting_name,
                    const struct esp_value *value,
                    size_t text_limit,
                    Espalier__Setting *out)
{
    Espalier__Value *v = take(e, sizeof *v);
    if (!v) {
        return;
    }
    espalier__setting__init(out);
    espalier__value__init(v);
    out->name = name(e, setting_name, ESP_NAME_MAX, "a setting's name");
    out->value = v;
    switch (value->type) {
    case ESP_VALUE_REAL:
        v->kind_case = ESPALIER__VALUE__KIND_REAL;
        v->real = finite_number(e, value->real, setting_name);
        break;
    case ESP_VALUE_INTEGER:
        v->kind_case = ESPALIER__VALUE__KIND_INTEGER;
        v->integer = value->integer;
        break;
    case ESP_VALUE_BOOLEAN:
        v->kind_case = ESPALIER__VALUE__KIND_BOOLEAN;
        v->boolean = value->integer != 0;
        break;
    case ESP_VALUE_TEXT:
        v->kind_case = ESPALIER__VALUE__KIND_TEXT;
        v->text = text(e, value->text, text_limit, setting_name);
        break;
    default:
        fail(e, setting_name, "has no known type");
    }
}

static Espalier__Setting **settings(struct encoder *e,
                                    const struct esp_setting *values,
                                    uint32_t count,
                                    uint32_t limit,
                                    size_t *n,
                                    const char *what)
{
    void *first = NULL;
    Espalier__Setting **out = rows(e, count, limit, sizeof **out, &first, what);
    for (uint32_t i = 0; out && i < count && e->rc == 0; i++) {
        setting(e, values[i].name, &values[i].value, ESP_TEXT_MAX, out[i]);
    }
    *n = out ? count : 0;
    return out;
}

static bool is_default(const struct esp_value *value, const struct esp_value *fallback)
{
    switch (value->type) {
    case ESP_VALUE_TEXT:
        return strcmp(value->text, fallback->text) == 0;
    case ESP_VALUE_REAL:
        return value->real == fallback->real;
    default:
        return value->integer == fallback->integer;
    }
}

static Espalier__Setting **
trainer(struct encoder *e, const struct esp_trainer *value, size_t *n)
{
    void *first = NULL;
    uint32_t fields = (uint32_t)esp_trainer_field_count;
    struct esp_trainer *defaults = take(e, sizeof *defaults);
    Espalier__Setting **out =
        rows(e, fields, fields, sizeof **out, &first, "the trainer's settings");
    *n = 0;
    if (!out || !defaults) {
        return NULL;
    }
    esp_trainer_init(defaults);
    for (uint32_t i = 0; i < fields && e->rc == 0; i++) {
        const struct esp_field *field = &esp_trainer_fields[i];
        struct esp_value now = esp_trainer_get(value, field);
        struct esp_value fallback = esp_trainer_get(defaults, field);
        if (!is_default(&now, &fallback)) {
            setting(e, field->name, &now, ESP_PATH_MAX, out[(*n)++]);
        }
    }
    return out;
}

static Espalier__Directive *directive(struct encoder *e, const struct esp_directive *value)
{
    Espalier__Directive *out = take(e, sizeof *out);
    if (out) {
        espalier__directive__init(out);
        out->number = value->number;
        out->action = (uint32_t)value->action;
        out->until = value->until;
        out->keep = value->keep;
    }
    if (value->action > ESP_DIRECT_STOP) {
        fail(e, "a directive's action", "is unknown");
    }
    return out;
}

static void hello(struct encoder *e, const struct esp_hello *m, Espalier__Hello *out)
{
    void *first = NULL;
    out->role = (uint32_t)m->role;
    out->protocol = m->protocol;
    out->key = m->key;
    out->study = m->study;
    out->pid = m->pid;
    out->host = text(e, m->host, ESP_NAME_MAX, "the host's name");
    out->device = text(e, m->device, ESP_NAME_MAX, "the device's name");
    out->version = text(e, m->version, ESP_NAME_MAX, "the version");
    out->slots = m->slots;
    if (m->process_count > ESP_PROCESSES_MAX) {
        fail(e, "an agent's processes", "are too many");
    }
    out->processes = m->processes;
    out->n_processes = m->process_count;
    out->held = rows(
        e, m->held_count, ESP_MEMBERS_MAX, sizeof **out->held, &first, "the attempts held");
    for (uint32_t i = 0; out->held && i < m->held_count; i++) {
        espalier__held__init(out->held[i]);
        out->held[i]->trial = m->held[i].trial;
        out->held[i]->attempt = m->held[i].attempt;
        out->held[i]->acked = m->held[i].acked;
        out->held[i]->last = m->held[i].last;
    }
    out->n_held = out->held ? m->held_count : 0;
}

static void assign(struct encoder *e, const struct esp_assign *m, Espalier__Assign *out)
{
    out->trial = m->trial;
    out->attempt = m->attempt;
    out->params =
        settings(e, m->params, m->param_count, ESP_PARAMS_MAX, &out->n_params, "parameters");
    if (m->trainer) {
        out->has_trainer = true;
        out->trainer = trainer(e, m->trainer, &out->n_trainer);
    }
    out->resume = text(e, m->resume, ESP_PATH_MAX, "a checkpoint's path");
    out->resume_hash = m->resume_hash;
    out->resume_tokens = m->resume_tokens;
    out->seed = m->seed;
    out->horizon = m->horizon;
    out->directive = directive(e, &m->directive);
}

static void point(struct encoder *e, const struct esp_point *p, Espalier__Point *out)
{
    void *first = NULL;
    espalier__point__init(out);
    out->step = p->step;
    out->tokens = p->tokens;
    out->device_seconds = finite_number(e, p->device_seconds, "a point's device seconds");
    out->value = p->value;
    out->train_loss = p->train_loss;
    out->measures = rows(e,
                         p->measure_count,
                         ESP_MEASURES_MAX,
                         sizeof **out->measures,
                         &first,
                         "a point's measures");
    for (uint32_t i = 0; out->measures && i < p->measure_count; i++) {
        const struct esp_measure *m = &p->measures[i];
        espalier__measure__init(out->measures[i]);
        out->measures[i]->name = name(e, m->name, ESP_NAME_MAX, "a measure's name");
        out->measures[i]->value = finite_number(e, m->value, m->name ? m->name : "a measure");
    }
    out->n_measures = out->measures ? p->measure_count : 0;
}

static void report(struct encoder *e, const struct esp_report *m, Espalier__Report *out)
{
    void *first = NULL;
    out->trial = m->at.trial;
    out->attempt = m->at.attempt;
    out->sequence = m->at.sequence;
    out->waiting = m->waiting;
    out->directive = m->directive;
    out->points = rows(e,
                       m->point_count,
                       ESP_REPORT_POINTS_MAX,
                       sizeof **out->points,
                       &first,
                       "a report's points");
    for (uint32_t i = 0; out->points && i < m->point_count && e->rc == 0; i++) {
        point(e, &m->points[i], out->points[i]);
    }
    out->n_points = out->points ? m->point_count : 0;
}

static void saved(struct encoder *e, const struct esp_saved *m, Espalier__Saved *out)
{
    out->trial = m->at.trial;
    out->attempt = m->at.attempt;
    out->sequence = m->at.sequence;
    out->path = name(e, m->path, ESP_PATH_MAX, "a checkpoint's path");
    out->host = text(e, m->host, ESP_NAME_MAX, "the host's name");
    out->step = m->step;
    out->tokens = m->tokens;
    out->bytes = m->bytes;
    out->hash = m->hash;
    out->device_seconds = finite_number(e, m->device_seconds, "a checkpoint's device seconds");
}

static void exited(struct encoder *e, const struct esp_exited *m, Espalier__Exited *out)
{
    size_t length = m->tail ? strlen(m->tail) : 0;
    char *tail =
        esp_wire_text_clean(e->arena, m->tail ? m->tail : "", length, ESP_LOG_TAIL_MAX, true);
    out->key = m->key;
    out->status = m->status;
    out->signal = m->signal;
    out->asked = m->asked;
    if (tail) {
        out->tail = (ProtobufCBinaryData){.len = strlen(tail), .data = (uint8_t *)tail};
    } else if (e->rc == 0) {
        e->rc = esp_error_set(e->error, -ENOMEM, "out of memory for a message.");
    }
}

static void command(struct encoder *e, const struct esp_command *m, Espalier__Command *out)
{
    if (m->verb > ESP_VERB_PING) {
        fail(e, "a command's verb", "is unknown");
    }
    if (m->trial_count > ESP_COMMAND_TRIALS_MAX) {
        fail(e, "a command's trials", "are too many");
    }
    out->id = m->id;
    out->verb = (uint32_t)m->verb;
    out->trials = m->trials;
    out->n_trials = m->trial_count;
    out->settings = settings(
        e, m->settings, m->setting_count, ESP_PARAMS_MAX, &out->n_settings, "settings");
    out->text = text(e, m->text, ESP_MESSAGE_TEXT_MAX, "a note");
}

/* Takes and attaches the body of one kind. */
#define BODY(kind, KIND, Type)                                                                 \
    Espalier__##Type *body = take(&e, sizeof *body);                                           \
    if (!body) {                                                                               \
        break;                                                                                 \
    }                                                                                          \
    espalier__##kind##__init(body);                                                            \
    envelope->body_case = ESPALIER__ENVELOPE__BODY_##KIND;                                     \
    envelope->kind = body

int esp_encode_envelope(struct esp_arena *arena,
                        const struct esp_message *message,
                        Espalier__Envelope *envelope,
                        struct esp_error *error)
{
    struct encoder e = {.arena = arena, .error = error};
    switch (message->kind) {
    case ESP_MESSAGE_HELLO: {
        BODY(hello, HELLO, Hello);
        hello(&e, &message->hello, body);
        break;
    }
    case ESP_MESSAGE_WELCOME: {
        BODY(welcome, WELCOME, Welcome);
        body->incarnation = message->welcome.incarnation;
        body->heartbeat_ms = message->welcome.heartbeat_ms;
        body->lease_ms = message->welcome.lease_ms;
        body->refused = words(&e, message->welcome.refused);
        break;
    }
    case ESP_MESSAGE_INTRODUCE: {
        BODY(introduce, INTRODUCE, Introduce);
        break;
    }
    case ESP_MESSAGE_CAPACITY: {
        BODY(capacity, CAPACITY, Capacity);
        body->group = message->capacity.group;
        body->members = message->capacity.members;
        body->bytes = message->capacity.bytes;
        break;
    }
    case ESP_MESSAGE_ASSIGN: {
        BODY(assign, ASSIGN, Assign);
        assign(&e, &message->assign, body);
        break;
    }
    case ESP_MESSAGE_STARTED: {
        const struct esp_started *m = &message->started;
        BODY(started, STARTED, Started);
        body->trial = m->at.trial;
        body->attempt = m->at.attempt;
        body->sequence = m->at.sequence;
        body->can_save = m->can_save;
        body->tokens = m->tokens;
        body->horizon = m->horizon;
        body->fell_back = words(&e, m->fell_back);
        break;
    }
    case ESP_MESSAGE_REPORT: {
        BODY(report, REPORT, Report);
        report(&e, &message->report, body);
        break;
    }
    case ESP_MESSAGE_SAVED: {
        BODY(saved, SAVED, Saved);
        saved(&e, &message->saved, body);
        break;
    }
    case ESP_MESSAGE_FAILED: {
        const struct esp_failed *m = &message->failed;
        BODY(failed, FAILED, Failed);
        body->trial = m->at.trial;
        body->attempt = m->at.attempt;
        body->sequence = m->at.sequence;
        body->code = m->code;
        body->save_failed = m->save_failed;
        body->text = words(&e, m->text);
        break;
    }
    case ESP_MESSAGE_RELEASED: {
        BODY(released, RELEASED, Released);
        body->trial = message->released.at.trial;
        body->attempt = message->released.at.attempt;
        body->sequence = message->released.at.sequence;
        break;
    }
    case ESP_MESSAGE_ACK: {
        BODY(ack, ACK, Ack);
        body->trial = message->ack.trial;
        body->attempt = message->ack.attempt;
        body->sequence = message->ack.sequence;
        body->directive = directive(&e, &message->ack.directive);
        break;
    }
    case ESP_MESSAGE_DIRECT: {
        BODY(direct, DIRECT, Direct);
        body->trial = message->direct.trial;
        body->attempt = message->direct.attempt;
        body->directive = directive(&e, &message->direct.directive);
        break;
    }
    case ESP_MESSAGE_FENCED: {
        BODY(fenced, FENCED, Fenced);
        body->trial = message->fenced.trial;
        body->attempt = message->fenced.attempt;
        break;
    }
    case ESP_MESSAGE_SPAWN: {
        BODY(spawn, SPAWN, Spawn);
        body->key = message->spawn.key;
        body->device = name(&e, message->spawn.device, ESP_NAME_MAX, "the device's name");
        body->slot = message->spawn.slot;
        break;
    }
    case ESP_MESSAGE_KILL: {
        BODY(kill, KILL, Kill);
        body->key = message->kill.key;
        body->now = message->kill.now;
        break;
    }
    case ESP_MESSAGE_EXITED: {
        BODY(exited, EXITED, Exited);
        exited(&e, &message->exited, body);
        break;
    }
    case ESP_MESSAGE_EXITED_ACK: {
        BODY(exited_ack, EXITED_ACK, ExitedAck);
        body->key = message->exited_ack.key;
        break;
    }
    case ESP_MESSAGE_DRAIN: {
        BODY(drain, DRAIN, Drain);
        body->leaves_in_ms = message->drain.leaves_in_ms;
        body->reason = words(&e, message->drain.reason);
        break;
    }
    case ESP_MESSAGE_RETIRE: {
        BODY(retire, RETIRE, Retire);
        break;
    }
    case ESP_MESSAGE_COMMAND: {
        BODY(command, COMMAND, Command);
        command(&e, &message->command, body);
        break;
    }
    case ESP_MESSAGE_REPLY: {
        BODY(reply, REPLY, Reply);
        body->id = message->reply.id;
        body->code = message->reply.code;
        body->trial = message->reply.trial;
        body->text = words(&e, message->reply.text);
        break;
    }
    case ESP_MESSAGE_HEARTBEAT: {
        BODY(heartbeat, HEARTBEAT, Heartbeat);
        body->progress = message->heartbeat.progress;
        break;
    }
    default:
        fail(&e, "a message", "of no known kind");
    }
    return e.rc;
}
