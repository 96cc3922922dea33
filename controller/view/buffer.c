#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
