/* Shared by the sources of the codec: the table of messages, and the values of which messages
 * are made.
 *
 * A message is one row here: esp_codec_encode and esp_codec_decode look the row up, and its two
 * functions copy the fields. To add a message, add it to espalier.proto and to
 * <espalier/message.h>, then add its row to one of the messages_*.c. */
#ifndef PROTO_CODEC_PRIVATE_H
#define PROTO_CODEC_PRIVATE_H

#include "arena.h"
#include "codec.h"
#include "espalier.pb-c.h"

struct esp_codec {
    struct esp_arena arena; /* protobuf-c's structures and the plain values made from them */
    ProtobufCAllocator allocator;
};

/* State while a message is encoded or decoded. The first failure is kept in `rc` and `error`;
 * after it the functions below do nothing harmful. */
struct esp_encoder {
    struct esp_arena *arena;
    struct esp_error *error;
    int rc;
};

struct esp_decoder {
    struct esp_arena *arena;
    struct esp_error *error;
    int rc;
};

struct esp_message_codec {
    enum esp_message_kind kind;
    Espalier__Envelope__BodyCase body_case;
    const ProtobufCMessageDescriptor *type;
    /* Fill `body`, an initialized message of `type`, from the message, and the message (zeroed
     * except for its kind) from `body`. NULL: the message has no fields. */
    void (*encode)(struct esp_encoder *e, const struct esp_message *message, void *body);
    void (*decode)(struct esp_decoder *d, const void *body, struct esp_message *message);
};

/* Each table ends with a row without a type. */
extern const struct esp_message_codec esp_peer_messages[];
extern const struct esp_message_codec esp_attempt_messages[];
extern const struct esp_message_codec esp_process_messages[];
extern const struct esp_message_codec esp_command_messages[];

/* encode_values.c: plain values to the structures of protobuf-c, which borrow from the message
 * and the arena. Values that break a limit fail with -EINVAL, and `what` names them in the
 * error. */

void esp_encode_fail(struct esp_encoder *e, const char *what, const char *why);

/* Makes an array of pointers to `count` structures of `size` bytes, not initialized. NULL when
 * `count` is 0 or above `limit`, and after a failure. */
void *esp_encode_array(
    struct esp_encoder *e, uint32_t count, uint32_t limit, size_t size, const char *what);
/* A text below `limit` bytes with its NUL; NULL is sent as "". */
char *esp_encode_text(struct esp_encoder *e, const char *value, size_t limit, const char *what);
/* A text that must not be empty. */
char *esp_encode_name(struct esp_encoder *e, const char *value, size_t limit, const char *what);
/* A text for people. It never fails for its content: it is cut at ESP_MESSAGE_TEXT_MAX, and
 * bytes that are not UTF-8 become '?'. */
char *esp_encode_prose(struct esp_encoder *e, const char *value);
/* The last ESP_LOG_TAIL_MAX bytes of a log, in the same way. */
ProtobufCBinaryData esp_encode_log(struct esp_encoder *e, const char *value);
double esp_encode_finite(struct esp_encoder *e, double value, const char *what);
Espalier__Setting **esp_encode_settings(struct esp_encoder *e,
                                        const struct esp_setting *values,
                                        uint32_t count,
                                        uint32_t limit,
                                        size_t *n,
                                        const char *what);
/* The fields of the trainer that differ from their defaults. */
Espalier__Setting **
esp_encode_trainer(struct esp_encoder *e, const struct esp_trainer *value, size_t *n);
Espalier__Directive *esp_encode_directive(struct esp_encoder *e,
                                          const struct esp_directive *value);

/* decode_values.c: the inverse. Texts and arrays of numbers are borrowed from the structures of
 * protobuf-c, which live in the same arena. Values that break a limit fail with -EBADMSG. */

void esp_decode_fail(struct esp_decoder *d, const char *what, const char *why);

/* Makes an array of `count` items of `size` bytes. NULL when `count` is 0 or above `limit`, and
 * after a failure. */
void *esp_decode_array(
    struct esp_decoder *d, size_t count, size_t limit, size_t size, const char *what);
const char *
esp_decode_text(struct esp_decoder *d, const char *value, size_t limit, const char *what);
/* A text that must not be empty. */
const char *
esp_decode_name(struct esp_decoder *d, const char *value, size_t limit, const char *what);
/* NULL for a text that is empty. */
const char *
esp_decode_optional(struct esp_decoder *d, const char *value, size_t limit, const char *what);
double esp_decode_finite(struct esp_decoder *d, double value, const char *what);
struct esp_setting *esp_decode_settings(struct esp_decoder *d,
                                        Espalier__Setting *const *in,
                                        size_t count,
                                        size_t limit,
                                        uint32_t *n,
                                        const char *what);
const struct esp_trainer *
esp_decode_trainer(struct esp_decoder *d, Espalier__Setting *const *in, size_t count);
/* A directive that is absent has only zeros; `required`: it must be present. */
struct esp_directive
esp_decode_directive(struct esp_decoder *d, const Espalier__Directive *in, bool required);

/* wire_texts.c */

/* Checks that every string in the encoded message is UTF-8 without a NUL: protobuf-c checks
 * neither, and C strings would end at the NUL. 0, or -EBADMSG with the name of the field. */
int esp_wire_check_texts(const ProtobufCMessageDescriptor *type,
                         const uint8_t *data,
                         size_t length,
                         struct esp_error *error);

/* text.c */

/* Number of bytes at the start of `text` that are valid UTF-8: `length` when all of it is. A
 * NUL is not valid. */
size_t esp_text_valid(const char *text, size_t length);

/* A copy of at most limit − 1 bytes, with '?' for every byte that is not UTF-8. `tail`: keeps
 * the end of the text, not the beginning. NULL when the arena is full. */
char *esp_wire_text_clean(
    struct esp_arena *arena, const char *text, size_t length, size_t limit, bool tail);

#endif
