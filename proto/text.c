#include "codec_private.h"

#include <espalier/utf8.h>
#include <string.h>

size_t esp_text_valid(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t n = esp_utf8_length(text + at, length - at);
        if (n == 0 || text[at] == '\0') {
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
