/* Plain values to the structures of protobuf-c. A name must keep its limit, since a part of it
 * would name something else; a text for people is cut and cleaned instead, so that an error is
 * reported whatever bytes it contains. */
#include "codec_private.h"

#include <errno.h>
#include <math.h>
#include <string.h>

void esp_encode_fail(struct esp_encoder *e, const char *what, const char *why)
{
    if (e->rc == 0) {
        e->rc = esp_error_set(e->error, -EINVAL, "cannot send: %s %s.", what, why);
    }
}

static void fail_memory(struct esp_encoder *e)
{
    if (e->rc == 0) {
        e->rc = esp_error_set(e->error, -ENOMEM, "out of memory for a message.");
    }
}

static void *take(struct esp_encoder *e, size_t size)
{
    void *piece = esp_arena_take(e->arena, size);
    if (!piece) {
        fail_memory(e);
    }
    return piece;
}

void *esp_encode_array(
    struct esp_encoder *e, uint32_t count, uint32_t limit, size_t size, const char *what)
{
    if (count > limit) {
        esp_encode_fail(e, what, "are too many");
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
    return pointers;
}

char *esp_encode_text(struct esp_encoder *e, const char *value, size_t limit, const char *what)
{
    size_t length = value ? strlen(value) : 0;
    if (length >= limit) {
        esp_encode_fail(e, what, "is too long");
    } else if (esp_text_valid(value, length) != length) {
        esp_encode_fail(e, what, "is not UTF-8 text");
    }
    return (char *)(value ? value : "");
}

char *esp_encode_name(struct esp_encoder *e, const char *value, size_t limit, const char *what)
{
    if (!value || !value[0]) {
        esp_encode_fail(e, what, "is empty");
    }
    return esp_encode_text(e, value, limit, what);
}

char *esp_encode_prose(struct esp_encoder *e, const char *value)
{
    size_t length = value ? strlen(value) : 0;
    if (length < ESP_MESSAGE_TEXT_MAX && esp_text_valid(value, length) == length) {
        return (char *)(value ? value : "");
    }
    char *clean = esp_wire_text_clean(e->arena, value, length, ESP_MESSAGE_TEXT_MAX, false);
    if (!clean) {
        fail_memory(e);
    }
    return clean;
}

ProtobufCBinaryData esp_encode_log(struct esp_encoder *e, const char *value)
{
    value = value ? value : "";
    char *tail = esp_wire_text_clean(e->arena, value, strlen(value), ESP_LOG_TAIL_MAX, true);
    if (!tail) {
        fail_memory(e);
        return (ProtobufCBinaryData){0};
    }
    return (ProtobufCBinaryData){.len = strlen(tail), .data = (uint8_t *)tail};
}

double esp_encode_finite(struct esp_encoder *e, double value, const char *what)
{
    if (!isfinite(value)) {
        esp_encode_fail(e, what, "is not finite");
    }
    return value;
}

static void encode_setting(struct esp_encoder *e,
                           const char *name,
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
    out->name = esp_encode_name(e, name, ESP_NAME_MAX, "a setting's name");
    out->value = v;
    switch (value->type) {
    case ESP_VALUE_REAL:
        v->kind_case = ESPALIER__VALUE__KIND_REAL;
        v->real = esp_encode_finite(e, value->real, name);
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
        v->text = esp_encode_text(e, value->text, text_limit, name);
        break;
    default:
        esp_encode_fail(e, name, "has no known type");
    }
}

Espalier__Setting **esp_encode_settings(struct esp_encoder *e,
                                        const struct esp_setting *values,
                                        uint32_t count,
                                        uint32_t limit,
                                        size_t *n,
                                        const char *what)
{
    Espalier__Setting **out = esp_encode_array(e, count, limit, sizeof **out, what);
    for (uint32_t i = 0; out && i < count && e->rc == 0; i++) {
        encode_setting(e, values[i].name, &values[i].value, ESP_TEXT_MAX, out[i]);
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

Espalier__Setting **
esp_encode_trainer(struct esp_encoder *e, const struct esp_trainer *value, size_t *n)
{
    uint32_t fields = (uint32_t)esp_trainer_field_count;
    struct esp_trainer *defaults = take(e, sizeof *defaults);
    Espalier__Setting **out =
        esp_encode_array(e, fields, fields, sizeof **out, "the trainer's settings");
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
            encode_setting(e, field->name, &now, ESP_PATH_MAX, out[(*n)++]);
        }
    }
    return out;
}

Espalier__Directive *esp_encode_directive(struct esp_encoder *e,
                                          const struct esp_directive *value)
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
        esp_encode_fail(e, "a directive's action", "is unknown");
    }
    return out;
}
