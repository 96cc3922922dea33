#include "buffer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

void esp_buffer_release(struct esp_buffer *text)
{
    free(text->data);
    *text = (struct esp_buffer){0};
}

void esp_buffer_clear(struct esp_buffer *text)
{
    text->size = 0;
    if (text->data) {
        text->data[0] = '\0';
    }
}

const char *esp_buffer_get(const struct esp_buffer *text)
{
    return text->data ? text->data : "";
}

static bool reserve(struct esp_buffer *text, size_t more)
{
    size_t needed = text->size + more + 1;
    if (needed <= text->capacity) {
        return true;
    }
    size_t capacity = text->capacity ? text->capacity : 256;
    while (capacity < needed) {
        capacity *= 2;
    }
    char *data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void esp_buffer_add_bytes(struct esp_buffer *text, const char *bytes, size_t size)
{
    if (reserve(text, size)) {
        memcpy(text->data + text->size, bytes, size);
        text->size += size;
        text->data[text->size] = '\0';
    }
}

void esp_buffer_add(struct esp_buffer *text, const char *string)
{
    esp_buffer_add_bytes(text, string, strlen(string));
}

void esp_buffer_addf(struct esp_buffer *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length >= 0 && reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->size, (size_t)length + 1, format, again);
        text->size += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

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

void esp_buffer_json_string(struct esp_buffer *text, const char *string)
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

void esp_buffer_json_real(struct esp_buffer *text, double value)
{
    if (isfinite(value)) {
        add_shortest(text, value);
    } else {
        esp_buffer_add(text, "null");
    }
}

void esp_buffer_json_value(struct esp_buffer *text, const struct esp_value *value)
{
    switch (value->type) {
    case ESP_VALUE_REAL:
        esp_buffer_json_real(text, value->real);
        break;
    case ESP_VALUE_INTEGER:
        esp_buffer_addf(text, "%lld", (long long)value->integer);
        break;
    case ESP_VALUE_BOOLEAN:
        esp_buffer_add(text, value->integer ? "true" : "false");
        break;
    case ESP_VALUE_TEXT:
        esp_buffer_json_string(text, value->text);
        break;
    }
}

void esp_buffer_csv_string(struct esp_buffer *text, const char *string)
{
    if (!string) {
        return;
    }
    if (!strpbrk(string, ",\"\r\n")) {
        esp_buffer_add(text, string);
        return;
    }
    esp_buffer_add(text, "\"");
    for (const char *p = string; *p; p++) {
        esp_buffer_add_bytes(text, p, 1);
        if (*p == '"') {
            esp_buffer_add(text, "\"");
        }
    }
    esp_buffer_add(text, "\"");
}

void esp_buffer_csv_real(struct esp_buffer *text, double value)
{
    if (isfinite(value)) {
        add_shortest(text, value);
    } else if (!isnan(value)) {
        esp_buffer_add(text, value > 0 ? "inf" : "-inf");
    }
}

void esp_buffer_csv_value(struct esp_buffer *text, const struct esp_value *value)
{
    switch (value->type) {
    case ESP_VALUE_REAL:
        esp_buffer_csv_real(text, value->real);
        break;
    case ESP_VALUE_TEXT:
        esp_buffer_csv_string(text, value->text);
        break;
    default:
        esp_buffer_json_value(text, value);
    }
}

void esp_buffer_value(struct esp_buffer *text, const struct esp_value *value)
{
    if (value->type == ESP_VALUE_REAL) {
        esp_buffer_addf(text, "%.4g", value->real);
    } else if (value->type == ESP_VALUE_TEXT) {
        esp_buffer_add(text, value->text ? value->text : "");
    } else {
        esp_buffer_json_value(text, value);
    }
}

void esp_buffer_count(struct esp_buffer *text, double count)
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P"};
    int unit = 0;
    while (fabs(count) >= 999.5 && unit < 5) {
        count /= 1000;
        unit++;
    }
    if (unit == 0) {
        esp_buffer_addf(text, "%.0f", count);
    } else {
        esp_buffer_addf(text, "%.3g%s", count, units[unit]);
    }
}

void esp_buffer_seconds(struct esp_buffer *text, double seconds)
{
    if (!isfinite(seconds) || seconds < 0) {
        esp_buffer_add(text, "?");
    } else if (seconds < 10) {
        esp_buffer_addf(text, "%.1f s", seconds);
    } else if (seconds < 59.5) {
        esp_buffer_addf(text, "%.0f s", seconds);
    } else if (seconds < 3599.5) {
        long whole = lround(seconds);
        esp_buffer_addf(text, "%ld min %ld s", whole / 60, whole % 60);
    } else {
        long minutes = lround(seconds / 60);
        esp_buffer_addf(text, "%ld h %ld min", minutes / 60, minutes % 60);
    }
}

void esp_buffer_ago(struct esp_buffer *text, long long elapsed_ms)
{
    esp_buffer_seconds(text, elapsed_ms < 0 ? 0 : (double)(elapsed_ms / 1000));
    esp_buffer_add(text, " ago");
}

int esp_buffer_width(const char *string)
{
    mbstate_t state = {0};
    int width = 0;
    const char *p = string;
    while (*p) {
        wchar_t wide;
        size_t length = mbrtowc(&wide, p, strlen(p), &state);
        if (length == (size_t)-1 || length == (size_t)-2) {
            state = (mbstate_t){0};
            width++;
            p++;
            continue;
        }
        int columns = wcwidth(wide);
        width += columns > 0 ? columns : 0;
        p += length;
    }
    return width;
}
