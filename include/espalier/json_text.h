/* JSON strings and numbers (RFC 8259, sections 6 and 7), for every writer of JSON. */
#ifndef ESPALIER_JSON_TEXT_H
#define ESPALIER_JSON_TEXT_H

#include <espalier/utf8.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest piece: \uXXXX and a NUL. */
#define ESP_JSON_PIECE_SIZE 7

/* Writes the form that the first character of `text` has within a JSON string, with a NUL, and
 * returns the number of bytes of `text` that it replaces; 0: `text` is empty. Quotes and
 * control characters are escaped; a byte that is not UTF-8 becomes \ufffd. */
static inline size_t esp_json_piece(const char *text, char piece[ESP_JSON_PIECE_SIZE])
{
    unsigned char c = (unsigned char)text[0];
    size_t length = esp_utf8_length(text, ESP_UTF8_TERMINATED);
    const char *plain = "\n\t\r", *letters = "ntr", *known = c ? strchr(plain, c) : NULL;
    if (c == '\0') {
        return 0;
    }
    if (length == 0) {
        snprintf(piece, ESP_JSON_PIECE_SIZE, "\\ufffd");
        return 1;
    }
    if (c == '"' || c == '\\' || known) {
        snprintf(piece, ESP_JSON_PIECE_SIZE, "\\%c", known ? letters[known - plain] : c);
    } else if (c < 0x20 || c == 0x7f) {
        snprintf(piece, ESP_JSON_PIECE_SIZE, "\\u%04x", c);
    } else {
        memcpy(piece, text, length);
        piece[length] = '\0';
    }
    return length;
}

/* Writes `text` to a stream as a JSON string with its quotes. */
static inline void esp_json_print(FILE *out, const char *text)
{
    char piece[ESP_JSON_PIECE_SIZE];
    fputc('"', out);
    for (size_t used; (used = esp_json_piece(text, piece)) > 0; text += used) {
        fputs(piece, out);
    }
    fputc('"', out);
}

/* The longest finite double with 17 significant digits, "-2.2250738585072014e-308", and a NUL.
 */
#define ESP_JSON_NUMBER_SIZE 25

/* Writes a finite double with the fewest of 15 to 17 significant digits that read back as the
 * same number. */
static inline void esp_json_number(double value, char digits[ESP_JSON_NUMBER_SIZE])
{
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, ESP_JSON_NUMBER_SIZE, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) {
            break;
        }
    }
}

#endif
