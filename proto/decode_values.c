/* The structures of protobuf-c to plain values, each checked against its limit. */
#include "codec_private.h"

#include <errno.h>
#include <math.h>
#include <string.h>

void esp_decode_fail(struct esp_decoder *d, const char *what, const char *why)
{
    if (d->rc == 0) {
        d->rc = esp_error_set(d->error, -EBADMSG, "a message in which %s %s.", what, why);
    }
}

void *esp_decode_array(
    struct esp_decoder *d, size_t count, size_t limit, size_t size, const char *what)
{
    if (count > limit) {
        esp_decode_fail(d, what, "are too many");
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

const char *
esp_decode_text(struct esp_decoder *d, const char *value, size_t limit, const char *what)
{
    if (strlen(value) >= limit) {
        esp_decode_fail(d, what, "is too long");
    }
    return value;
}

const char *
esp_decode_name(struct esp_decoder *d, const char *value, size_t limit, const char *what)
{
    if (!value[0]) {
        esp_decode_fail(d, what, "is empty");
    }
    return esp_decode_text(d, value, limit, what);
}

const char *
esp_decode_optional(struct esp_decoder *d, const char *value, size_t limit, const char *what)
{
    return value[0] ? esp_decode_text(d, value, limit, what) : NULL;
}

double esp_decode_finite(struct esp_decoder *d, double value, const char *what)
{
    if (!isfinite(value)) {
        esp_decode_fail(d, what, "is not finite");
    }
    return value;
}

static void decode_setting(struct esp_decoder *d,
                           const Espalier__Setting *in,
                           size_t text_limit,
                           struct esp_setting *out)
{
    const Espalier__Value *v = in->value;
    *out = (struct esp_setting){
        .name = esp_decode_name(d, in->name, ESP_NAME_MAX, "a setting's name")};
    switch (v ? v->kind_case : ESPALIER__VALUE__KIND__NOT_SET) {
    case ESPALIER__VALUE__KIND_REAL:
        out->value.type = ESP_VALUE_REAL;
        out->value.real = esp_decode_finite(d, v->real, "a setting's value");
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
        out->value.text = esp_decode_text(d, v->text, text_limit, "a setting's text");
        break;
    default:
        esp_decode_fail(d, "a setting", "has no value");
    }
}

struct esp_setting *esp_decode_settings(struct esp_decoder *d,
                                        Espalier__Setting *const *in,
                                        size_t count,
                                        size_t limit,
                                        uint32_t *n,
                                        const char *what)
{
    struct esp_setting *out = esp_decode_array(d, count, limit, sizeof *out, what);
    for (size_t i = 0; out && i < count; i++) {
        decode_setting(d, in[i], ESP_TEXT_MAX, &out[i]);
    }
    *n = out ? (uint32_t)count : 0;
    return out;
}

const struct esp_trainer *
esp_decode_trainer(struct esp_decoder *d, Espalier__Setting *const *in, size_t count)
{
    struct esp_error why;
    struct esp_trainer *out = esp_decode_array(d, 1, 1, sizeof *out, "the trainer");
    if (count > esp_trainer_field_count) {
        esp_decode_fail(d, "the trainer's settings", "are too many");
    }
    if (!out || d->rc != 0) {
        return NULL;
    }
    esp_trainer_init(out);
    for (size_t i = 0; i < count && d->rc == 0; i++) {
        struct esp_setting one;
        decode_setting(d, in[i], ESP_PATH_MAX, &one);
        if (d->rc == 0 && esp_trainer_set(out, one.name, &one.value, &why) < 0) {
            d->rc = esp_error_set(
                d->error, -EBADMSG, "a message with unusable settings: %.1500s", why.text);
        }
    }
    return out;
}

struct esp_directive
esp_decode_directive(struct esp_decoder *d, const Espalier__Directive *in, bool required)
{
    struct esp_directive out = {0};
    if (!in) {
        if (required) {
            esp_decode_fail(d, "the directive", "is missing");
        }
        return out;
    }
    if (in->action > ESP_DIRECT_STOP) {
        esp_decode_fail(d, "a directive's action", "is unknown");
    }
    out.number = in->number;
    out.action = (enum esp_directive_action)in->action;
    out.until = in->until;
    out.keep = in->keep;
    return out;
}
