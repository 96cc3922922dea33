/* Encodes messages as protobuf and decodes them; the only code that includes the generated
 * protobuf header.
 *
 * What a peer sends is checked here for its form: counts, lengths, UTF-8, enumerations, numbers
 * that must be finite. Whether it makes sense (does this trial exist?) is for the core to
 * check. */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include <espalier/error.h>
#include <espalier/message.h>
#include <stddef.h>

/* A growing buffer that can be reused; a zeroed one is empty. */
struct esp_bytes {
    uint8_t *data;
    size_t length, capacity;
};

void esp_bytes_release(struct esp_bytes *bytes);

/* Replaces the content of `out` by the encoded message. -EINVAL: the message has no kind or
 * breaks a limit, which the error names; -ENOMEM. */
int esp_codec_encode(const struct esp_message *message,
                     struct esp_bytes *out,
                     struct esp_error *error);

/* A decoder with its memory: what a decoded message points to is valid until the next decode.
 */
struct esp_codec;

int esp_codec_create(struct esp_codec **out);
void esp_codec_destroy(struct esp_codec *codec); /* NULL is fine */

/* Decodes one message; `out` is set on success only. -EBADMSG: the bytes are not a message, or
 * it breaks a limit, which the error names; -EMSGSIZE: it is larger than ESP_MESSAGE_MAX, or
 * needs more than ESP_MESSAGE_HEAP_MAX to be decoded. */
int esp_codec_decode(struct esp_codec *codec,
                     const void *data,
                     size_t length,
                     struct esp_message *out,
                     struct esp_error *error);

#endif
