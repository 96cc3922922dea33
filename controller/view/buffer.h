/* Text that grows. */
#ifndef ESPALIER_VIEW_BUFFER_H
#define ESPALIER_VIEW_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/* Zero-initialized is empty. When memory runs out `failed` is set; the text before stays. */
struct esp_buffer {
    char *data; /* NUL-terminated, or NULL when nothing was added */
    size_t size, capacity;
    bool failed;
};

void esp_buffer_release(struct esp_buffer *text);
void esp_buffer_clear(struct esp_buffer *text);            /* keeps the memory */
const char *esp_buffer_get(const struct esp_buffer *text); /* never NULL */

void esp_buffer_add(struct esp_buffer *text, const char *string);
void esp_buffer_add_bytes(struct esp_buffer *text, const char *bytes, size_t size);
__attribute__((format(printf, 2, 3))) void
esp_buffer_addf(struct esp_buffer *text, const char *format, ...);

#endif
