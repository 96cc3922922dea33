/* Shared by the codec's sources. */
#ifndef PROTO_CODEC_PRIVATE_H
#define PROTO_CODEC_PRIVATE_H

#include "arena.h"
#include "codec.h"
#include "espalier.pb-c.h"

struct esp_codec {
    struct esp_arena arena; /* protobuf's structures and the plain values made of them */
    ProtobufCAllocator allocator;
};

/* Into *out, from an Envelope that lives in the same arena. -EBADMSG, -EMSGSIZE, with words. */
int esp_decode_envelope(struct esp_arena *arena,
                        const Espalier__Envelope *envelope,
                        struct esp_message *out,
                        struct esp_error *error);

/* Into *envelope, which borrows from the message and the arena. -EINVAL, -ENOMEM. */
int esp_encode_envelope(struct esp_arena *arena,
                        const struct esp_message *message,
                        Espalier__Envelope *envelope,
                        struct esp_error *error);

/* Every string in well-formed `data` is UTF-8 without NUL: protobuf-c checks neither, and would
 * cut at a NUL. 0, or -EBADMSG with the field's name. */
int esp_wire_check_texts(const ProtobufCMessageDescriptor *type,
                         const uint8_t *data,
                         size_t length,
                         struct esp_error *error);

/* text.c */

/* Bytes of the valid UTF-8 at the start of `text`: `length` when all of it is. NUL is not. */
size_t esp_text_valid(const char *text, size_t length);

/* A copy of at most limit − 1 bytes with '?' for every byte that is no UTF-8, or NULL when the
 * arena is full. `tail`: the end is kept, not the beginning. */
char *esp_wire_text_clean(
    struct esp_arena *arena, const char *text, size_t length, size_t limit, bool tail);

#endif
