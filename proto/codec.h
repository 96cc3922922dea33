/* Messages to bytes and back (DESIGN 4). The only code that sees the generated protobuf.
 *
 * What comes from a peer is checked here: counts, lengths, UTF-8, enumerations, numbers that
 * must be finite. What the core must know to judge (does this trial exist?) is not. */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include <espalier/error.h>
#include <espalier/message.h>
#include <stddef.h>

/* A growing buffer, reused; zeroed is empty. */
struct esp_bytes {
    uint8_t *data;
    size_t length, capacity;
};

void esp_bytes_release(struct esp_bytes *bytes);

/* Replaces what `out` holds by the encoded message. -EINVAL: an empty message or one that
 * breaks a limit (the error names it); -ENOMEM. */
int esp_codec_encode(const struct esp_message *message,
                     struct esp_bytes *out,
                     struct esp_error *error);

/* A decoder with its arena: what a decoded message points to lives until the next decode or
 * reset. */
struct esp_codec;

int esp_codec_create(struct esp_codec **out);
void esp_codec_destroy(struct esp_codec *codec); /* NULL is fine */
void esp_codec_reset(struct esp_codec *codec);

/* -EBADMSG: not a message of ours, or one that breaks a limit; the error says which. -EMSGSIZE:
 * larger than ESP_MESSAGE_MAX, or needs more than ESP_MESSAGE_HEAP_MAX to decode. `out` is set
 * on success. */
int esp_codec_decode(struct esp_codec *codec,
                     const void *data,
                     size_t length,
                     struct esp_message *out,
                     struct esp_error *error);

#endif
