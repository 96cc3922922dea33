#include "codec_private.h"

#include <string.h>

/* Number of bytes of the character at `s`, or 0 when it is not valid UTF-8 (RFC 3629: no
 * surrogates, no overlong forms) or is a NUL. */
static size_t character(const unsigned char *s, size_t length)
{
    unsigned char c = s[0];
    size_t more;
    uint32_t code, least;
    if (c == 0) {
        return 0;
    }
    if (c < 0x80) {
        return 1;
    }
    if ((c & 0xe0) == 0xc0) {
        more = 1, code = c & 0x1fu, least = 0x80;
    } else if ((c & 0xf0) == 0xe0) {
        more = 2, code = c & 0x0fu, least = 0x800;
    } else if ((c & 0xf8) == 0xf0) {
        more = 3, code = c & 0x07u, least = 0x10000;
    } else {
        return 0;
    }
    if (more >= length) {
        return 0;
    }
    for (size_t i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (s[i] & 0x3fu);
    }
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return 0;
    }
    return more + 1;
}

size_t esp_text_valid(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t n = character((const unsigned char *)text + at, length - at);
        if (n == 0) {
            break;
        }
        at += n;
    }
    return at;
}

char *esp_wire_text_clean(
    struct esp_arena *arena, const char *text, size_t length, size_t limit, bool tail)
{
    size_t keep = length < limit ? length : limit - 1;
    const char *from = tail ? text + (length - keep) : text;
    if (keep < length && tail) {
        while (keep > 0 && ((unsigned char)*from & 0xc0) == 0x80) { /* start at a character */
            from++;
            keep--;
        }
    } else if (keep < length) {
        while (keep > 0 && ((unsigned char)from[keep] & 0xc0) == 0x80) {
            keep--;
        }
    }
    char *out = esp_arena_take(arena, keep + 1);
    if (!out) {
        return NULL;
    }
    memcpy(out, from, keep);
    out[keep] = '\0';
    for (size_t at = 0; (at += esp_text_valid(out + at, keep - at)) < keep;) {
        out[at] = '?';
    }
    return out;
}
