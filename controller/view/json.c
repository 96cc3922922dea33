#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Bytes of the well-formed UTF-8 sequence at `p`, or 0 (Unicode 15, table 3-7). */
static size_t sequence_length(const unsigned char *p)
{
    if (p[0] < 0x80) {
        return 1;
    }
    size_t length = p[0] >= 0xC2 && p[0] <= 0xDF   ? 2
                    : p[0] >= 0xE0 && p[0] <= 0xEF ? 3
                    : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4
                                                   : 0;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F)) {
        return 0;
    }
    return length;
}

void esp_json_string(struct esp_buffer *text, const char *string)
{
    if (!string) {
        esp_buffer_add(text, "null");
        return;
    }
    esp_buffer_add(text, "\"");
    for (const unsigned char *p = (const unsigned char *)string; *p;) {
        size_t length = sequence_length(p);
        if (*p == '"' || *p == '\\') {
            esp_buffer_addf(text, "\\%c", *p);
        } else if (*p == '\n') {
            esp_buffer_add(text, "\\n");
        } else if (*p == '\t') {
            esp_buffer_add(text, "\\t");
        } else if (*p == '\r') {
            esp_buffer_add(text, "\\r");
        } else if (*p < 0x20 || *p == 0x7F) {
            esp_buffer_addf(text, "\\u%04x", *p);
        } else if (length == 0) {
            esp_buffer_add(text, "\\ufffd");
        } else {
            esp_buffer_add_bytes(text, (const char *)p, length);
        }
        p += length ? length : 1;
    }
    esp_buffer_add(text, "\"");
}

static void add_shortest(struct esp_buffer *text, double value)
{
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) {
            break;
        }
    }
    esp_buffer_add(text, digits);
}

void esp_json_real(struct esp_buffer *text, double value)
{
    if (isfinite(value)) {
        add_shortest(text, value);
    } else {
        esp_buffer_add(text, "null");
    }
}

void esp_json_value(struct esp_buffer *text, const struct esp_value *value)
{
    switch (value->type) {
    case ESP_VALUE_REAL:
        esp_json_real(text, value->real);
        break;
    case ESP_VALUE_INTEGER:
        esp_buffer_addf(text, "%lld", (long long)value->integer);
        break;
    case ESP_VALUE_BOOLEAN:
        esp_buffer_add(text, value->integer ? "true" : "false");
        break;
    case ESP_VALUE_TEXT:
        esp_json_string(text, value->text);
        break;
    }
}
