#include "codec_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *allocate(void *context, size_t size)
{
    return esp_arena_take(context, size);
}

/* Does nothing: the arena frees everything at once. */
static void free_nothing(void *context, void *piece)
{
    (void)context;
    (void)piece;
}

void esp_bytes_release(struct esp_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct esp_bytes){0};
}

int esp_codec_create(struct esp_codec **out)
{
    struct esp_codec *codec = calloc(1, sizeof *codec);
    if (!codec) {
        return -ENOMEM;
    }
    codec->arena.limit = ESP_MESSAGE_HEAP_MAX;
    codec->allocator = (ProtobufCAllocator){
        .alloc = allocate, .free = free_nothing, .allocator_data = &codec->arena};
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

static const struct esp_message_codec *const tables[] = {
    esp_peer_messages,
    esp_attempt_messages,
    esp_process_messages,
    esp_command_messages,
};

/* Finds the row of a kind of message, or by the case of the envelope when `kind` is NONE. NULL:
 * there is none. */
static const struct esp_message_codec *find_row(enum esp_message_kind kind,
                                                Espalier__Envelope__BodyCase body_case)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        for (const struct esp_message_codec *row = tables[i]; row->type; row++) {
            if (kind != ESP_MESSAGE_NONE ? row->kind == kind : row->body_case == body_case) {
                return row;
            }
        }
    }
    return NULL;
}

/* Fills *out from an envelope that lives in the arena. */
static int decode_envelope(struct esp_arena *arena,
                           const Espalier__Envelope *envelope,
                           struct esp_message *out,
                           struct esp_error *error)
{
    struct esp_decoder d = {.arena = arena, .error = error};
    const struct esp_message_codec *row = find_row(ESP_MESSAGE_NONE, envelope->body_case);
    memset(out, 0, sizeof *out);
    if (!row) {
        esp_decode_fail(&d, "the kind", "is unknown");
        return d.rc;
    }
    out->kind = row->kind;
    if (row->decode) {
        row->decode(&d, envelope->hello, out); /* every member of the union is one pointer */
    }
    return d.rc;
}

/* Fills *envelope, which borrows from the message and the arena. */
static int encode_envelope(struct esp_arena *arena,
                           const struct esp_message *message,
                           Espalier__Envelope *envelope,
                           struct esp_error *error)
{
    struct esp_encoder e = {.arena = arena, .error = error};
    const struct esp_message_codec *row =
        message->kind != ESP_MESSAGE_NONE ? find_row(message->kind, 0) : NULL;
    if (!row) {
        esp_encode_fail(&e, "the kind", "is unknown");
        return e.rc;
    }
    ProtobufCMessage *body = esp_arena_take(arena, row->type->sizeof_message);
    if (!body) {
        return esp_error_set(error, -ENOMEM, "out of memory for a message.");
    }
    protobuf_c_message_init(row->type, body);
    envelope->body_case = row->body_case;
    envelope->hello = (Espalier__Hello *)body; /* every member of the union is one pointer */
    if (row->encode) {
        row->encode(&e, message, body);
    }
    return e.rc;
}

int esp_codec_decode(struct esp_codec *codec,
                     const void *data,
                     size_t length,
                     struct esp_message *out,
                     struct esp_error *error)
{
    struct esp_message message;
    esp_arena_reset(&codec->arena);
    if (length > ESP_MESSAGE_MAX) {
        return esp_error_set(error,
                             -EMSGSIZE,
                             "a message of %zu bytes; the limit is %d.",
                             length,
                             ESP_MESSAGE_MAX);
    }
    Espalier__Envelope *envelope = espalier__envelope__unpack(&codec->allocator, length, data);
    if (!envelope && codec->arena.full) {
        return esp_error_set(error,
                             -EMSGSIZE,
                             "a message of %zu bytes that needs more than %d to be decoded.",
                             length,
                             ESP_MESSAGE_HEAP_MAX);
    }
    if (!envelope) {
        return esp_error_set(error, -EBADMSG, "%zu bytes that are not a message.", length);
    }
    int rc = esp_wire_check_texts(&espalier__envelope__descriptor, data, length, error);
    if (rc == 0) {
        rc = decode_envelope(&codec->arena, envelope, &message, error);
    }
    if (rc == 0) {
        *out = message;
    }
    return rc;
}

static int reserve(struct esp_bytes *bytes, size_t size)
{
    if (size <= bytes->capacity) {
        return 0;
    }
    uint8_t *data = realloc(bytes->data, size < 256 ? 256 : size);
    if (!data) {
        return -ENOMEM;
    }
    bytes->data = data;
    bytes->capacity = size < 256 ? 256 : size;
    return 0;
}

int esp_codec_encode(const struct esp_message *message,
                     struct esp_bytes *out,
                     struct esp_error *error)
{
    struct esp_arena arena = {.limit = ESP_MESSAGE_HEAP_MAX};
    Espalier__Envelope envelope = ESPALIER__ENVELOPE__INIT;
    int rc = encode_envelope(&arena, message, &envelope, error);
    if (rc < 0) {
        goto out;
    }
    size_t size = espalier__envelope__get_packed_size(&envelope);
    if (size > ESP_MESSAGE_MAX) {
        rc = esp_error_set(
            error, -EINVAL, "a message of %zu bytes; the limit is %d.", size, ESP_MESSAGE_MAX);
        goto out;
    }
    rc = reserve(out, size);
    if (rc < 0) {
        esp_error_set(error, rc, "out of memory for a message of %zu bytes.", size);
        goto out;
    }
    out->length = espalier__envelope__pack(&envelope, out->data);
out:
    esp_arena_release(&arena);
    return rc;
}
