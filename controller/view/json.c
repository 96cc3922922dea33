#include "json.h"

#include <espalier/utf8.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void esp_json_string(struct esp_buffer *text, const char *string)
{
    if (!string) {
        esp_buffer_add(text, "null");
        return;
    }
    esp_buffer_add(text, "\"");
    for (const unsigned char *p = (const unsigned char *)string; *p;) {
        size_t length = esp_utf8_length((const char *)p, ESP_UTF8_TERMINATED);
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
