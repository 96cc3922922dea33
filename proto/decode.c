/* Protobuf's structures to plain values, checked. Both live in one arena; texts and arrays of
 * numbers are borrowed from the former. */
#include "codec_private.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* The first failure stays. */
struct decoder {
    struct esp_arena *arena;
    struct esp_error *error;
    int rc;
};

static void fail(struct decoder *d, const char *what, const char *why)
{
    if (d->rc == 0) {
        d->rc = esp_error_set(d->error, -EBADMSG, "a message in which %s %s.", what, why);
    }
}

static void *take(struct decoder *d, size_t count, size_t limit, size_t size, const char *what)
{
    if (count > limit) {
        fail(d, what, "are too many");
    }
    if (d->rc != 0 || count == 0) {
        return NULL;
    }
    void *piece = esp_arena_take(d->arena, count * size);
    if (!piece) {
        d->rc = esp_error_set(d->error,
                              -EMSGSIZE,
                              "a message that needs more than %d bytes to be decoded.",
                              ESP_MESSAGE_HEAP_MAX);
    }
    return piece;
}

static const char *text(struct decoder *d, const char *value, size_t limit, const char *what)
{
    if (strlen(value) >= limit) {
        fail(d, what, "is too long");
    }
    return value;
}

static const char *name(struct decoder *d, const char *value, size_t limit, const char *what)
{
    if (!value[0]) {
        fail(d, what, "is empty");
    }
    return text(d, value, limit, what);
}

/* What message.h calls NULL is an empty string on the wire. */
static const char *
optional(struct decoder *d, const char *value, size_t limit, const char *what)
{
    return value[0] ? text(d, value, limit, what) : NULL;
}

static double finite_number(struct decoder *d, double value, const char *what)
{
    if (!isfinite(value)) {
        fail(d, what, "is not finite");
    }
    return value;
}

static void setting(struct decoder *d,
                    const Espalier__Setting *in,
                    size_t text_limit,
                    struct esp_setting *out)
{
    const Espalier__Value *v = in->value;
    *out = (struct esp_setting){.name = name(d, in->name, ESP_NAME_MAX, "a setting's name")};
    switch (v ? v->kind_case : ESPALIER__VALUE__KIND__NOT_SET) {
    case ESPALIER__VALUE__KIND_REAL:
        out->value.type = ESP_VALUE_REAL;
        out->value.real = finite_number(d, v->real, "a setting's value");
        break;
    case ESPALIER__VALUE__KIND_INTEGER:
        out->value.type = ESP_VALUE_INTEGER;
        out->value.integer = v->integer;
        out->value.real = (double)v->integer;
        break;
    case ESPALIER__VALUE__KIND_BOOLEAN:
        out->value.type = ESP_VALUE_BOOLEAN;
        out->value.integer = v->boolean != 0;
        out->value.real = v->boolean != 0;
        break;
    case ESPALIER__VALUE__KIND_TEXT:
        out->value.type = ESP_VALUE_TEXT;
        out->value.text = text(d, v->text, text_limit, "a setting's text");
        break;
    default:
        fail(d, "a setting", "has no value");
    }
}

static struct esp_setting *settings(struct decoder *d,
                                    Espalier__Setting *const *in,
                                    size_t count,
                                    size_t limit,
                                    uint32_t *n,
                                    const char *what)
{
    struct esp_setting *out = take(d, count, limit, sizeof *out, what);
    for (size_t i = 0; out && i < count; i++) {
        setting(d, in[i], ESP_TEXT_MAX, &out[i]);
    }
    *n = out ? (uint32_t)count : 0;
    return out;
}

static const struct esp_trainer *trainer(struct decoder *d, const Espalier__Assign *in)
{
    struct esp_error why;
    struct esp_trainer *out = take(d, 1, 1, sizeof *out, "the trainer");
    if (in->n_trainer > esp_trainer_field_count) {
        fail(d, "the trainer's settings", "are too many");
    }
    if (!out || d->rc != 0) {
        return NULL;
    }
    esp_trainer_init(out);
    for (size_t i = 0; i < in->n_trainer && d->rc == 0; i++) {
        struct esp_setting one;
        setting(d, in->trainer[i], ESP_PATH_MAX, &one);
        if (d->rc == 0 && esp_trainer_set(out, one.name, &one.value, &why) < 0) {
            d->rc = esp_error_set(
                d->error, -EBADMSG, "a message with unusable settings: %.1500s", why.text);
        }
    }
    return out;
}

static struct esp_directive
directive(struct decoder *d, const Espalier__Directive *in, bool required)
{
    struct esp_directive out = {0};
    if (!in) {
        if (required) {
            fail(d, "the directive", "is missing");
        }
        return out;
    }
    if (in->action > ESP_DIRECT_STOP) {
        fail(d, "a directive's action", "is unknown");
    }
    out.number = in->number;
    out.action = (enum esp_directive_action)in->action;
    out.until = in->until;
    out.keep = in->keep;
    return out;
}

static void hello(struct decoder *d, const Espalier__Hello *in, struct esp_hello *out)
{
    if (in->role < ESP_ROLE_AGENT || in->role > ESP_ROLE_CLIENT) {
        fail(d, "the role", "is unknown");
    }
    if (in->n_processes > ESP_PROCESSES_MAX) {
        fail(d, "an agent's processes", "are too many");
    }
    *out = (struct esp_hello){
        .role = (enum esp_role)in->role,
        .protocol = in->protocol,
        .key = in->key,
        .study = in->study,
        .pid = in->pid,
        .host = text(d, in->host, ESP_NAME_MAX, "the host's name"),
        .device = text(d, in->device, ESP_NAME_MAX, "the device's name"),
        .version = text(d, in->version, ESP_NAME_MAX, "the version"),
        .slots = in->slots,
        .processes = in->processes,
        .process_count = (uint32_t)in->n_processes,
    };
    out->held = take(d, in->n_held, ESP_MEMBERS_MAX, sizeof *out->held, "the attempts held");
    for (size_t i = 0; out->held && i < in->n_held; i++) {
        out->held[i] = (struct esp_held){.trial = in->held[i]->trial,
                                         .attempt = in->held[i]->attempt,
                                         .acked = in->held[i]->acked,
                                         .last = in->held[i]->last};
    }
    out->held_count = out->held ? (uint32_t)in->n_held : 0;
}

static void assign(struct decoder *d, const Espalier__Assign *in, struct esp_assign *out)
{
    *out = (struct esp_assign){
        .trial = in->trial,
        .attempt = in->attempt,
        .resume = optional(d, in->resume, ESP_PATH_MAX, "a checkpoint's path"),
        .resume_hash = in->resume_hash,
        .resume_tokens = in->resume_tokens,
        .seed = in->seed,
        .horizon = in->horizon,
        .directive = directive(d, in->directive, true),
    };
    out->params =
        settings(d, in->params, in->n_params, ESP_PARAMS_MAX, &out->param_count, "parameters");
    out->trainer = in->has_trainer ? trainer(d, in) : NULL;
}

static void point(struct decoder *d, const Espalier__Point *in, struct esp_point *out)
{
    *out = (struct esp_point){
        .step = in->step,
        .tokens = in->tokens,
        .device_seconds = finite_number(d, in->device_seconds, "a point's device seconds"),
        .value = in->value,
        .train_loss = in->train_loss,
    };
    struct esp_measure *measures =
        take(d, in->n_measures, ESP_MEASURES_MAX, sizeof *measures, "a point's measures");
    for (size_t i = 0; measures && i < in->n_measures; i++) {
        measures[i].name = name(d, in->measures[i]->name, ESP_NAME_MAX, "a measure's name");
        measures[i].value = finite_number(d, in->measures[i]->value, "a measure");
    }
    out->measures = measures;
    out->measure_count = measures ? (uint32_t)in->n_measures : 0;
}

static void report(struct decoder *d, const Espalier__Report *in, struct esp_report *out)
{
    struct esp_point *points =
        take(d, in->n_points, ESP_REPORT_POINTS_MAX, sizeof *points, "a report's points");
    for (size_t i = 0; points && i < in->n_points; i++) {
        point(d, in->points[i], &points[i]);
    }
    *out = (struct esp_report){
        .at = {in->trial, in->attempt, in->sequence},
        .points = points,
        .point_count = points ? (uint32_t)in->n_points : 0,
        .waiting = in->waiting,
        .directive = in->directive,
    };
}

static void exited(struct decoder *d, const Espalier__Exited *in, struct esp_exited *out)
{
    const char *data = in->tail.data ? (const char *)in->tail.data : "";
    *out = (struct esp_exited){
        .key = in->key,
        .status = in->status,
        .signal = in->signal,
        .asked = in->asked,
        .tail = esp_wire_text_clean(d->arena, data, in->tail.len, ESP_LOG_TAIL_MAX, true),
    };
    if (!out->tail) {
        fail(d, "the log", "is too long");
    }
}

static void command(struct decoder *d, const Espalier__Command *in, struct esp_command *out)
{
    if (in->verb > ESP_VERB_PING) {
        fail(d, "a command's verb", "is unknown");
    }
    if (in->n_trials > ESP_COMMAND_TRIALS_MAX) {
        fail(d, "a command's trials", "are too many");
    }
    *out = (struct esp_command){
        .id = in->id,
        .verb = (enum esp_verb)in->verb,
        .trials = in->trials,
        .trial_count = (uint32_t)in->n_trials,
        .text = optional(d, in->text, ESP_MESSAGE_TEXT_MAX, "a note"),
    };
    out->settings = settings(
        d, in->settings, in->n_settings, ESP_PARAMS_MAX, &out->setting_count, "settings");
}

/* Those that a peer sends about an attempt. False: the kind is another. */
static bool
decode_of_attempt(struct decoder *d, const Espalier__Envelope *in, struct esp_message *out)
{
    switch (in->body_case) {
    case ESPALIER__ENVELOPE__BODY_STARTED:
        out->kind = ESP_MESSAGE_STARTED;
        out->started = (struct esp_started){
            .at = {in->started->trial, in->started->attempt, in->started->sequence},
            .can_save = in->started->can_save,
            .tokens = in->started->tokens,
            .horizon = in->started->horizon,
            .fell_back = optional(
                d, in->started->fell_back, ESP_MESSAGE_TEXT_MAX, "the reason to fall back"),
        };
        return true;
    case ESPALIER__ENVELOPE__BODY_REPORT:
        out->kind = ESP_MESSAGE_REPORT;
        report(d, in->report, &out->report);
        return true;
    case ESPALIER__ENVELOPE__BODY_SAVED:
        out->kind = ESP_MESSAGE_SAVED;
        out->saved = (struct esp_saved){
            .at = {in->saved->trial, in->saved->attempt, in->saved->sequence},
            .path = name(d, in->saved->path, ESP_PATH_MAX, "a checkpoint's path"),
            .host = text(d, in->saved->host, ESP_NAME_MAX, "the host's name"),
            .step = in->saved->step,
            .tokens = in->saved->tokens,
            .bytes = in->saved->bytes,
            .hash = in->saved->hash,
            .device_seconds =
                finite_number(d, in->saved->device_seconds, "a checkpoint's device seconds"),
        };
        return true;
    case ESPALIER__ENVELOPE__BODY_FAILED:
        out->kind = ESP_MESSAGE_FAILED;
        out->failed = (struct esp_failed){
            .at = {in->failed->trial, in->failed->attempt, in->failed->sequence},
            .code = in->failed->code,
            .save_failed = in->failed->save_failed,
            .text = text(d, in->failed->text, ESP_MESSAGE_TEXT_MAX, "the text of a failure"),
        };
        return true;
    case ESPALIER__ENVELOPE__BODY_RELEASED:
        out->kind = ESP_MESSAGE_RELEASED;
        out->released = (struct esp_released){
            .at = {in->released->trial, in->released->attempt, in->released->sequence}};
        return true;
    case ESPALIER__ENVELOPE__BODY_ASSIGN:
        out->kind = ESP_MESSAGE_ASSIGN;
        assign(d, in->assign, &out->assign);
        return true;
    case ESPALIER__ENVELOPE__BODY_ACK:
        out->kind = ESP_MESSAGE_ACK;
        out->ack = (struct esp_ack){.trial = in->ack->trial,
                                    .attempt = in->ack->attempt,
                                    .sequence = in->ack->sequence,
                                    .directive = directive(d, in->ack->directive, false)};
        return true;
    case ESPALIER__ENVELOPE__BODY_DIRECT:
        out->kind = ESP_MESSAGE_DIRECT;
        out->direct =
            (struct esp_direct){.trial = in->direct->trial,
                                .attempt = in->direct->attempt,
                                .directive = directive(d, in->direct->directive, true)};
        return true;
    case ESPALIER__ENVELOPE__BODY_FENCED:
        out->kind = ESP_MESSAGE_FENCED;
        out->fenced = (struct esp_fenced){in->fenced->trial, in->fenced->attempt};
        return true;
    default:
        return false;
    }
}

static void
decode_other(struct decoder *d, const Espalier__Envelope *in, struct esp_message *out)
{
    switch (in->body_case) {
    case ESPALIER__ENVELOPE__BODY_HELLO:
        out->kind = ESP_MESSAGE_HELLO;
        hello(d, in->hello, &out->hello);
        break;
    case ESPALIER__ENVELOPE__BODY_WELCOME:
        out->kind = ESP_MESSAGE_WELCOME;
        out->welcome = (struct esp_welcome){
            .incarnation = in->welcome->incarnation,
            .heartbeat_ms = in->welcome->heartbeat_ms,
            .lease_ms = in->welcome->lease_ms,
            .refused =
                optional(d, in->welcome->refused, ESP_MESSAGE_TEXT_MAX, "the reason to refuse"),
        };
        break;
    case ESPALIER__ENVELOPE__BODY_INTRODUCE:
        out->kind = ESP_MESSAGE_INTRODUCE;
        break;
    case ESPALIER__ENVELOPE__BODY_CAPACITY:
        out->kind = ESP_MESSAGE_CAPACITY;
        out->capacity = (struct esp_capacity){.group = in->capacity->group,
                                              .members = in->capacity->members,
                                              .bytes = in->capacity->bytes};
        if (in->capacity->members > ESP_MEMBERS_MAX) {
            fail(d, "the members", "are too many");
        }
        break;
    case ESPALIER__ENVELOPE__BODY_SPAWN:
        out->kind = ESP_MESSAGE_SPAWN;
        out->spawn = (struct esp_spawn){
            .key = in->spawn->key,
            .device = name(d, in->spawn->device, ESP_NAME_MAX, "the device's name"),
            .slot = in->spawn->slot,
        };
        break;
    case ESPALIER__ENVELOPE__BODY_KILL:
        out->kind = ESP_MESSAGE_KILL;
        out->kill = (struct esp_kill){.key = in->kill->key, .now = in->kill->now};
        break;
    case ESPALIER__ENVELOPE__BODY_EXITED:
        out->kind = ESP_MESSAGE_EXITED;
        exited(d, in->exited, &out->exited);
        break;
    case ESPALIER__ENVELOPE__BODY_EXITED_ACK:
        out->kind = ESP_MESSAGE_EXITED_ACK;
        out->exited_ack = (struct esp_exited){.key = in->exited_ack->key};
        break;
    case ESPALIER__ENVELOPE__BODY_DRAIN:
        out->kind = ESP_MESSAGE_DRAIN;
        out->drain = (struct esp_drain){
            .leaves_in_ms = in->drain->leaves_in_ms,
            .reason = text(d, in->drain->reason, ESP_MESSAGE_TEXT_MAX, "the reason to leave"),
        };
        break;
    case ESPALIER__ENVELOPE__BODY_RETIRE:
        out->kind = ESP_MESSAGE_RETIRE;
        break;
    case ESPALIER__ENVELOPE__BODY_COMMAND:
        out->kind = ESP_MESSAGE_COMMAND;
        command(d, in->command, &out->command);
        break;
    case ESPALIER__ENVELOPE__BODY_REPLY:
        out->kind = ESP_MESSAGE_REPLY;
        out->reply = (struct esp_reply){
            .id = in->reply->id,
            .code = in->reply->code,
            .trial = in->reply->trial,
            .text = text(d, in->reply->text, ESP_MESSAGE_TEXT_MAX, "a reply"),
        };
        break;
    case ESPALIER__ENVELOPE__BODY_HEARTBEAT:
        out->kind = ESP_MESSAGE_HEARTBEAT;
        out->heartbeat = (struct esp_heartbeat){.progress = in->heartbeat->progress};
        break;
    default:
        fail(d, "the kind", "is unknown");
    }
}

int esp_decode_envelope(struct esp_arena *arena,
                        const Espalier__Envelope *envelope,
                        struct esp_message *out,
                        struct esp_error *error)
{
    struct decoder d = {.arena = arena, .error = error};
    memset(out, 0, sizeof *out);
    if (!decode_of_attempt(&d, envelope, out)) {
        decode_other(&d, envelope, out);
    }
    return d.rc;
}
