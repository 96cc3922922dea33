#include "codec_private.h"

#include <errno.h>
#include <stdlib.h>

static void *take(void *context, size_t size)
{
    return esp_arena_take(context, size);
}

/* The arena takes everything back at once. */
static void keep(void *context, void *piece)
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
    codec->allocator =
        (ProtobufCAllocator){.alloc = take, .free = keep, .allocator_data = &codec->arena};
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
                             "a message of %zu bytes; at most %d are taken.",
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
        return esp_error_set(error, -EBADMSG, "%zu bytes that are no message.", length);
    }
    int rc = esp_wire_check_texts(&espalier__envelope__descriptor, data, length, error);
    if (rc == 0) {
        rc = esp_decode_envelope(&codec->arena, envelope, &message, error);
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
    int rc = esp_encode_envelope(&arena, message, &envelope, error);
    if (rc < 0) {
        goto out;
    }
    size_t size = espalier__envelope__get_packed_size(&envelope);
    if (size > ESP_MESSAGE_MAX) {
        rc = esp_error_set(error,
                           -EINVAL,
                           "a message of %zu bytes; at most %d can be sent.",
                           size,
                           ESP_MESSAGE_MAX);
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
