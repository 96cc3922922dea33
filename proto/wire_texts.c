/* Checks the strings of an encoded message: protobuf-c returns them as C strings, which end at
 * a NUL without notice. */
#include "codec_private.h"

#include <errno.h>

/* The deepest nesting of the format is Envelope → Assign → Setting → Value. */
#define DEPTH_MAX 8

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct place {
    const uint8_t *at, *end;
};

static bool read_varint(struct place *p, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && p->at < p->end; shift += 7) {
        uint8_t byte = *p->at++;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return true;
        }
    }
    return false;
}

static bool skip(struct place *p, uint64_t bytes)
{
    if (bytes > (uint64_t)(p->end - p->at)) {
        return false;
    }
    p->at += bytes;
    return true;
}

static int bad(struct esp_error *error)
{
    return esp_error_set(error, -EBADMSG, "a message is not well formed.");
}

static int check(const ProtobufCMessageDescriptor *type,
                 struct place p,
                 int depth,
                 struct esp_error *error)
{
    while (p.at < p.end) {
        uint64_t tag, length;
        if (depth > DEPTH_MAX || !read_varint(&p, &tag)) {
            return bad(error);
        }
        bool good = true;
        switch (tag & 7) {
        case WIRE_VARINT:
            good = read_varint(&p, &length);
            break;
        case WIRE_64:
            good = skip(&p, 8);
            break;
        case WIRE_32:
            good = skip(&p, 4);
            break;
        case WIRE_BYTES:
            good = read_varint(&p, &length) && length <= (uint64_t)(p.end - p.at);
            break;
        default:
            good = false;
        }
        if (!good) {
            return bad(error);
        }
        if ((tag & 7) != WIRE_BYTES) {
            continue;
        }
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
        if (field && field->type == PROTOBUF_C_TYPE_STRING &&
            esp_text_valid((const char *)p.at, length) != length) {
            return esp_error_set(error,
                                 -EBADMSG,
                                 "%s.%s is not UTF-8 text or contains a NUL.",
                                 type->short_name,
                                 field->name);
        }
        if (field && field->type == PROTOBUF_C_TYPE_MESSAGE) {
            struct place inner = {p.at, p.at + length};
            int rc = check(field->descriptor, inner, depth + 1, error);
            if (rc < 0) {
                return rc;
            }
        }
        p.at += length;
    }
    return 0;
}

int esp_wire_check_texts(const ProtobufCMessageDescriptor *type,
                         const uint8_t *data,
                         size_t length,
                         struct esp_error *error)
{
    return check(type, (struct place){data, data + length}, 0, error);
}
