/* From bytes to the generated structs to plain values, with every limit checked. Everything
 * lives in the codec's arena, protobuf-c's pieces too, so that hostile bytes cannot take more
 * than its limit (1 MB on the wire was measured to become 36 MB of heap). */
#include "arena.h"
#include "codec.h"
#include "espalier.pb-c.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct esp_codec {
    struct esp_arena arena;
    ProtobufCAllocator allocator;
    struct esp_error *error; /* of the decode under way */
    int rc;
};

static void *give(void *context, size_t size)
{
    return esp_arena_take(context, size ? size : 1);
}

static void forget(void *context, void *piece)
{
    (void)context;
    (void)piece;
}

int esp_codec_create(struct esp_codec **out)
{
    struct esp_codec *codec = calloc(1, sizeof *codec);
    if (!codec) {
        return -ENOMEM;
    }
    codec->arena.limit = ESP_MESSAGE_HEAP_MAX;
    codec->allocator =
        (ProtobufCAllocator){.alloc = give, .free = forget, .allocator_data = &codec->arena};
    *out = codec;
    return 0;
}

void esp_codec_destroy(struct esp_codec *codec)
{
    if (codec) {
        esp_arena_release(&codec->arena);
        free(codec);
    }
}

void esp_codec_reset(struct esp_codec *codec)
{
    esp_arena_reset(&codec->arena);
}

static void *take(struct esp_codec *c, size_t size)
{
    void *piece = c->rc ? NULL : esp_arena_take(&c->arena, size ? size : 1);
    if (!piece && !c->rc) {
        c->rc = esp_error_set(c->error,
                              -EMSGSIZE,
                              "a message takes more than %d bytes to decode",
                              ESP_MESSAGE_HEAP_MAX);
    }
    return piece;
}

/* The first fault counts. */
static void check(struct esp_codec *c, bool holds, const char *what)
{
    if (!holds && !c->rc) {
        c->rc = esp_error_set(c->error, -EBADMSG, "a message is refused: %s", what);
    }
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool is_utf8(const char *string)
{
    const unsigned char *s = (const unsigned char *)string;
    while (*s) {
        if (*s < 0x80) {
            s++;
        } else if (*s >= 0xc2 && *s <= 0xdf && (s[1] & 0xc0) == 0x80) {
            s += 2;
        } else if ((*s & 0xf0) == 0xe0 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80 &&
                   !(*s == 0xe0 && s[1] < 0xa0) && !(*s == 0xed && s[1] > 0x9f)) {
            s += 3;
        } else if (*s >= 0xf0 && *s <= 0xf4 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80 &&
                   (s[3] & 0xc0) == 0x80 && !(*s == 0xf0 && s[1] < 0x90) &&
                   !(*s == 0xf4 && s[1] > 0x8f)) {
            s += 4;
        } else {
            return false;
        }
    }
    return true;
}

/* `max` counts the NUL. */
static const char *text(struct esp_codec *c, const char *string, size_t max, const char *what)
{
    check(c, strlen(string) < max && is_utf8(string), what);
    return string;
}

static const char *
text_or_null(struct esp_codec *c, const char *string, size_t max, const char *what)
{
    return *string ? text(c, string, max, what) : NULL;
}

static struct esp_setting read_setting(struct esp_codec *c, const Espalier__Setting *setting)
{
    struct esp_setting out = {
        .name = text(c, setting->name, ESP_NAME_MAX, "a setting's name is too long")};
    check(c, *setting->name != 0, "a setting without a name");
    switch (setting->value ? setting->value->kind_case : ESPALIER__VALUE__KIND__NOT_SET) {
    case ESPALIER__VALUE__KIND_REAL:
        out.value.type = ESP_VALUE_REAL;
        out.value.real = setting->value->real;
        break;
    case ESPALIER__VALUE__KIND_INTEGER:
        out.value.type = ESP_VALUE_INTEGER;
        out.value.integer = setting->value->integer;
        out.value.real = (double)out.value.integer;
        break;
    case ESPALIER__VALUE__KIND_BOOLEAN:
        out.value.type = ESP_VALUE_BOOLEAN;
        out.value.integer = setting->value->boolean;
        out.value.real = (double)out.value.integer;
        break;
    case ESPALIER__VALUE__KIND_TEXT:
        out.value.type = ESP_VALUE_TEXT;
        out.value.text =
            text(c, setting->value->text, ESP_PATH_MAX, "a setting's text is too long");
        break;
    default:
        check(c, false, "a setting without a value");
        break;
    }
    return out;
}

static struct esp_setting *
read_settings(struct esp_codec *c, Espalier__Setting **settings, size_t count)
{
    check(c, count <= ESP_PARAMS_MAX, "too many settings");
    struct esp_setting *out = take(c, count * sizeof *out);
    for (size_t i = 0; out && i < count && !c->rc; i++) {
        out[i] = read_setting(c, settings[i]);
    }
    return out;
}

static struct esp_directive read_directive(struct esp_codec *c,
                                           const Espalier__Directive *directive)
{
    check(c,
          directive && directive->action <= ESP_DIRECT_STOP,
          "no directive, or one of an unknown action");
    if (c->rc) {
        return (struct esp_directive){0};
    }
    return (struct esp_directive){.number = directive->number,
                                  .action = (enum esp_directive_action)directive->action,
                                  .until = directive->until,
                                  .keep = directive->keep};
}

static void read_hello(struct esp_codec *c, const Espalier__Hello *in, struct esp_hello *out)
{
    check(c,
          in->role > ESP_ROLE_NONE && in->role <= ESP_ROLE_CLIENT,
          "a Hello of an unknown role");
    check(c, in->n_processes <= ESP_PROCESSES_MAX, "a Hello with too many processes");
    check(c, in->n_held <= ESP_MEMBERS_MAX, "a Hello with too many attempts");
    out->role = (enum esp_role)in->role;
    out->protocol = in->protocol;
    out->key = in->key;
    out->study = in->study;
    out->pid = in->pid;
    out->host = text(c, in->host, ESP_TEXT_MAX, "a host's name is too long");
    out->device = text(c, in->device, ESP_TEXT_MAX, "a device's name is too long");
    out->version = text(c, in->version, ESP_NAME_MAX, "a version is too long");
    out->slots = in->slots;
    check(c, in->slots <= ESP_PROCESSES_MAX, "a Hello with too many slots");
    out->process_count = (uint32_t)in->n_processes;
    out->processes = in->processes;
    out->held_count = (uint32_t)in->n_held;
    out->held = take(c, in->n_held * sizeof *out->held);
    for (size_t i = 0; out->held && i < in->n_held && !c->rc; i++) {
        const Espalier__Held *held = in->held[i];
        check(c, held->acked <= held->last, "an attempt with more acknowledged than said");
        out->held[i] = (struct esp_held){.trial = held->trial,
                                         .attempt = held->attempt,
                                         .acked = held->acked,
                                         .last = held->last};
    }
}

static void read_assign(struct esp_codec *c, const Espalier__Assign *in, struct esp_assign *out)
{
    out->trial = in->trial;
    out->attempt = in->attempt;
    out->params = read_settings(c, in->params, in->n_params);
    out->param_count = (uint32_t)in->n_params;
    if (in->builtin) {
        struct esp_trainer *trainer = take(c, sizeof *trainer);
        check(c, in->n_trainer <= esp_trainer_field_count, "too many settings of the trainer");
        if (trainer) {
            esp_trainer_init(trainer);
        }
        for (size_t i = 0; trainer && i < in->n_trainer && !c->rc; i++) {
            struct esp_setting setting = read_setting(c, in->trainer[i]);
            if (!c->rc && esp_trainer_set(trainer, setting.name, &setting.value, c->error)) {
                c->rc = -EBADMSG;
            }
        }
        out->trainer = trainer;
    }
    out->resume = text_or_null(c, in->resume, ESP_PATH_MAX, "a checkpoint's path is too long");
    out->resume_hash = in->resume_hash;
    out->resume_tokens = in->resume_tokens;
    out->seed = in->seed;
    out->horizon = in->horizon;
    out->directive = read_directive(c, in->directive);
}

static void read_point(struct esp_codec *c, const Espalier__Point *in, struct esp_point *out)
{
    check(c, in->step >= 0 && in->tokens >= 0, "a point at a negative step");
    check(c,
          isfinite(in->device_seconds) && in->device_seconds >= 0,
          "a point with no sane device seconds");
    check(c, in->n_measures <= ESP_MEASURES_MAX, "a point with too many measures");
    *out = (struct esp_point){.step = in->step,
                              .tokens = in->tokens,
                              .device_seconds = in->device_seconds,
                              .value = in->value,
                              .train_loss = in->train_loss,
                              .measure_count = (uint32_t)in->n_measures};
    struct esp_measure *measures = take(c, in->n_measures * sizeof *measures);
    for (size_t i = 0; measures && i < in->n_measures && !c->rc; i++) {
        measures[i].name =
            text(c, in->measures[i]->name, ESP_NAME_MAX, "a measure's name is too long");
        measures[i].value = in->measures[i]->value;
    }
    out->measures = measures;
}

static void read_report(struct esp_codec *c, const Espalier__Report *in, struct esp_report *out)
{
    check(c, in->n_points <= ESP_REPORT_POINTS_MAX, "a Report with too many points");
    struct esp_point *points = take(c, in->n_points * sizeof *points);
    for (size_t i = 0; points && i < in->n_points && !c->rc; i++) {
        read_point(c, in->points[i], &points[i]);
    }
    out->points = points;
    out->point_count = (uint32_t)in->n_points;
    out->waiting = in->waiting;
    out->directive = in->directive;
}

static void read_saved(struct esp_codec *c, const Espalier__Saved *in, struct esp_saved *out)
{
    out->path = text(c, in->path, ESP_PATH_MAX, "a checkpoint's path is too long");
    /* It is joined to DIR: it must not lead out of it. */
    check(c,
          *in->path && *in->path != '/' && !strstr(in->path, ".."),
          "a checkpoint's path leaves its folder");
    out->host = text(c, in->host, ESP_TEXT_MAX, "a host's name is too long");
    check(c, in->step >= 0 && in->tokens >= 0, "a checkpoint at a negative step");
    out->step = in->step;
    out->tokens = in->tokens;
    out->bytes = in->bytes;
    out->hash = in->hash;
}

static void read_exited(struct esp_codec *c, const Espalier__Exited *in, struct esp_exited *out)
{
    check(c, in->tail.len <= ESP_LOG_TAIL_MAX, "an Exited with too long a log");
    char *tail = take(c, in->tail.len + 1);
    if (tail) {
        /* What programs print may be anything: controls and bytes that are not UTF-8 become
         * '?'. */
        memcpy(tail, in->tail.data ? in->tail.data : (const uint8_t *)"", in->tail.len);
        tail[in->tail.len] = 0;
        for (size_t i = 0; i < in->tail.len; i++) {
            tail[i] = tail[i] ? tail[i] : '?';
        }
        if (!is_utf8(tail)) {
            for (size_t i = 0; i < in->tail.len; i++) {
                tail[i] = (signed char)tail[i] < 0 ? '?' : tail[i];
            }
        }
    }
    out->key = in->key;
    out->status = in->status;
    out->signal = in->signal;
    out->asked = in->asked;
    out->tail = tail;
}

static void
read_command(struct esp_codec *c, const Espalier__Command *in, struct esp_command *out)
{
    check(c, in->verb <= ESP_VERB_PING, "a Command of an unknown verb");
    check(c, in->n_trials <= ESP_COMMAND_TRIALS_MAX, "a Command with too many trials");
    out->id = in->id;
    out->verb = (enum esp_verb)in->verb;
    out->trials = in->trials;
    out->trial_count = (uint32_t)in->n_trials;
    out->settings = read_settings(c, in->settings, in->n_settings);
    out->setting_count = (uint32_t)in->n_settings;
    out->text = text_or_null(c, in->text, ESP_WORDS_MAX, "a Command's text is too long");
}

#define AT(name)                                                                               \
    (struct esp_attempt_key)                                                                   \
    {                                                                                          \
        .trial = in->name->trial, .attempt = in->name->attempt, .sequence = in->name->sequence \
    }

static void
read_envelope(struct esp_codec *c, const Espalier__Envelope *in, struct esp_message *out)
{
    switch (in->body_case) {
    case ESPALIER__ENVELOPE__BODY_HELLO:
        out->kind = ESP_MESSAGE_HELLO;
        read_hello(c, in->hello, &out->hello);
        break;
    case ESPALIER__ENVELOPE__BODY_WELCOME:
        out->kind = ESP_MESSAGE_WELCOME;
        out->welcome.incarnation = in->welcome->incarnation;
        out->welcome.heartbeat_ms = in->welcome->heartbeat_ms;
        out->welcome.lease_ms = in->welcome->lease_ms;
        out->welcome.refused =
            text_or_null(c, in->welcome->refused, ESP_WORDS_MAX, "a refusal is too long");
        break;
    case ESPALIER__ENVELOPE__BODY_INTRODUCE:
        out->kind = ESP_MESSAGE_INTRODUCE;
        break;
    case ESPALIER__ENVELOPE__BODY_CAPACITY:
        out->kind = ESP_MESSAGE_CAPACITY;
        check(c, in->capacity->members <= ESP_MEMBERS_MAX, "a Capacity of too many members");
        out->capacity.group = in->capacity->group;
        out->capacity.members = in->capacity->members;
        out->capacity.bytes = in->capacity->bytes;
        break;
    case ESPALIER__ENVELOPE__BODY_ASSIGN:
        out->kind = ESP_MESSAGE_ASSIGN;
        read_assign(c, in->assign, &out->assign);
        break;
    case ESPALIER__ENVELOPE__BODY_STARTED:
        out->kind = ESP_MESSAGE_STARTED;
        out->started.at = AT(started);
        out->started.can_save = in->started->can_save;
        out->started.tokens = in->started->tokens;
        out->started.horizon = in->started->horizon;
        out->started.fell_back =
            text_or_null(c, in->started->fell_back, ESP_WORDS_MAX, "a reason is too long");
        break;
    case ESPALIER__ENVELOPE__BODY_REPORT:
        out->kind = ESP_MESSAGE_REPORT;
        out->report.at = AT(report);
        read_report(c, in->report, &out->report);
        break;
    case ESPALIER__ENVELOPE__BODY_SAVED:
        out->kind = ESP_MESSAGE_SAVED;
        out->saved.at = AT(saved);
        read_saved(c, in->saved, &out->saved);
        break;
    case ESPALIER__ENVELOPE__BODY_FAILED:
        out->kind = ESP_MESSAGE_FAILED;
        out->failed.at = AT(failed);
        out->failed.code = in->failed->code;
        out->failed.save_failed = in->failed->save_failed;
        out->failed.words =
            text(c, in->failed->words, ESP_ERROR_TEXT_MAX, "a failure's words are too long");
        break;
    case ESPALIER__ENVELOPE__BODY_RELEASED:
        out->kind = ESP_MESSAGE_RELEASED;
        out->released.at = AT(released);
        break;
    case ESPALIER__ENVELOPE__BODY_ACK:
        out->kind = ESP_MESSAGE_ACK;
        out->ack.trial = in->ack->trial;
        out->ack.attempt = in->ack->attempt;
        out->ack.sequence = in->ack->sequence;
        out->ack.directive = read_directive(c, in->ack->directive);
        break;
    case ESPALIER__ENVELOPE__BODY_DIRECT:
        out->kind = ESP_MESSAGE_DIRECT;
        out->direct.trial = in->direct->trial;
        out->direct.attempt = in->direct->attempt;
        out->direct.directive = read_directive(c, in->direct->directive);
        break;
    case ESPALIER__ENVELOPE__BODY_FENCED:
        out->kind = ESP_MESSAGE_FENCED;
        out->fenced.trial = in->fenced->trial;
        out->fenced.attempt = in->fenced->attempt;
        break;
    case ESPALIER__ENVELOPE__BODY_SPAWN:
        out->kind = ESP_MESSAGE_SPAWN;
        out->spawn.key = in->spawn->key;
        out->spawn.device =
            text(c, in->spawn->device, ESP_NAME_MAX, "a device's name is too long");
        out->spawn.slot = in->spawn->slot;
        break;
    case ESPALIER__ENVELOPE__BODY_KILL:
        out->kind = ESP_MESSAGE_KILL;
        out->kill.key = in->kill->key;
        out->kill.now = in->kill->now;
        break;
    case ESPALIER__ENVELOPE__BODY_EXITED:
        out->kind = ESP_MESSAGE_EXITED;
        read_exited(c, in->exited, &out->exited);
        break;
    case ESPALIER__ENVELOPE__BODY_EXITED_ACK:
        out->kind = ESP_MESSAGE_EXITED_ACK;
        out->exited_ack.key = in->exited_ack->key;
        break;
    case ESPALIER__ENVELOPE__BODY_DRAIN:
        out->kind = ESP_MESSAGE_DRAIN;
        out->drain.leaves_in_ms = in->drain->leaves_in_ms;
        out->drain.reason = text(c, in->drain->reason, ESP_WORDS_MAX, "a reason is too long");
        break;
    case ESPALIER__ENVELOPE__BODY_RETIRE:
        out->kind = ESP_MESSAGE_RETIRE;
        break;
    case ESPALIER__ENVELOPE__BODY_COMMAND:
        out->kind = ESP_MESSAGE_COMMAND;
        read_command(c, in->command, &out->command);
        break;
    case ESPALIER__ENVELOPE__BODY_REPLY:
        out->kind = ESP_MESSAGE_REPLY;
        out->reply.id = in->reply->id;
        out->reply.code = in->reply->code;
        out->reply.trial = in->reply->trial;
        out->reply.text =
            text_or_null(c, in->reply->text, ESP_WORDS_MAX, "a Reply's text is too long");
        break;
    case ESPALIER__ENVELOPE__BODY_HEARTBEAT:
        out->kind = ESP_MESSAGE_HEARTBEAT;
        out->heartbeat.progress = in->heartbeat->progress;
        break;
    default:
        check(c, false, "an envelope with nothing in it, or of a newer kind");
        break;
    }
}

int esp_codec_decode(struct esp_codec *codec,
                     const void *data,
                     size_t length,
                     struct esp_message *out,
                     struct esp_error *error)
{
    esp_arena_reset(&codec->arena);
    codec->error = error;
    codec->rc = 0;
    if (length > ESP_MESSAGE_MAX) {
        return esp_error_set(error,
                             -EMSGSIZE,
                             "a message of %zu bytes is refused: at most %d are read",
                             length,
                             ESP_MESSAGE_MAX);
    }
    Espalier__Envelope *envelope = espalier__envelope__unpack(&codec->allocator, length, data);
    if (!envelope) {
        return codec->arena.full
                   ? esp_error_set(error,
                                   -EMSGSIZE,
                                   "a message of %zu bytes takes more than %d to decode",
                                   length,
                                   ESP_MESSAGE_HEAP_MAX)
                   : esp_error_set(error,
                                   -EBADMSG,
                                   "%zu bytes that are no message of espalier's",
                                   length);
    }
    struct esp_message message = {0};
    read_envelope(codec, envelope, &message);
    if (!codec->rc) {
        *out = message;
    }
    return codec->rc;
}
