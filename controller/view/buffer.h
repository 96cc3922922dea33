/* Text that grows, and how numbers and strings are written in JSON, CSV and for people. */
#ifndef ESPALIER_VIEW_BUFFER_H
#define ESPALIER_VIEW_BUFFER_H

#include <espalier/trainer.h>
#include <stdbool.h>
#include <stddef.h>

/* Zero-initialised is empty. Out of memory is remembered in `failed`; what was added before
 * stays. */
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

/* JSON. A string of any bytes, quoted: control characters escaped, each byte that is not UTF-8
 * as U+FFFD; NULL is null. Numbers in the fewest digits that read back as the same double; NaN
 * and infinities are null. */
void esp_buffer_json_string(struct esp_buffer *text, const char *string);
void esp_buffer_json_real(struct esp_buffer *text, double value);
void esp_buffer_json_value(struct esp_buffer *text, const struct esp_value *value);

/* CSV (RFC 4180): quoted where it holds a comma, a quote or a line end. NaN is an empty field,
 * infinities inf and -inf. */
void esp_buffer_csv_string(struct esp_buffer *text, const char *string);
void esp_buffer_csv_real(struct esp_buffer *text, double value);
void esp_buffer_csv_value(struct esp_buffer *text, const struct esp_value *value);

/* For people. */
void esp_buffer_value(struct esp_buffer *text, const struct esp_value *value); /* 4 digits */
void esp_buffer_count(struct esp_buffer *text, double count); /* 950, 1.25M, 20.3G */
void esp_buffer_seconds(struct esp_buffer *text,
                        double seconds); /* 3.2 s, 4 min 10 s, 2 h 5 min */
void esp_buffer_ago(struct esp_buffer *text, long long elapsed_ms); /* "12 s ago" */

/* Terminal columns that a UTF-8 string takes. */
int esp_buffer_width(const char *string);

#endif
