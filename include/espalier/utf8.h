/* The one definition of well-formed UTF-8: Unicode 15, table 3-7 (as RFC 3629: no overlong
 * forms, no surrogates, nothing above U+10FFFF). */
#ifndef ESPALIER_UTF8_H
#define ESPALIER_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For `size`: the text ends with a NUL. */
#define ESP_UTF8_TERMINATED SIZE_MAX

/* Number of bytes, 1 to 4, of the character at the start of a text of `size` bytes. 0: it is
 * not well formed, or the text ends within it. A NUL is a character of one byte. */
static inline size_t esp_utf8_length(const char *text, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;
    if (size == 0) {
        return 0;
    }
    size_t length = s[0] < 0x80                    ? 1
                    : s[0] >= 0xc2 && s[0] <= 0xdf ? 2
                    : (s[0] & 0xf0) == 0xe0        ? 3
                    : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                                   : 0;
    if (length > size) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) { /* also true for the NUL that ends the text */
            return 0;
        }
    }
    bool excluded = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
                    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return excluded ? 0 : length;
}

#endif
