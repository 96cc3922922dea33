/* Text that grows, and how numbers and strings are written in JSON, CSV and for people. */
#ifndef ESPALIER_CLI_TEXT_H
#define ESPALIER_CLI_TEXT_H

#include <espalier/trainer.h>
#include <stdbool.h>
#include <stddef.h>

/* Zero-initialised is empty. Out of memory is remembered in `failed`; what was added before
 * stays. */
struct esp_text {
    char *data; /* NUL-terminated, or NULL when nothing was added */
    size_t size, capacity;
    bool failed;
};

void esp_text_release(struct esp_text *text);
void esp_text_clear(struct esp_text *text);            /* keeps the memory */
const char *esp_text_get(const struct esp_text *text); /* never NULL */

void esp_text_add(struct esp_text *text, const char *string);
void esp_text_add_bytes(struct esp_text *text, const char *bytes, size_t size);
__attribute__((format(printf, 2, 3))) void
esp_text_addf(struct esp_text *text, const char *format, ...);

/* JSON. A string of any bytes, quoted: control characters escaped, each byte that is not UTF-8
 * as U+FFFD; NULL is null. Numbers in the fewest digits that read back as the same double; NaN
 * and infinities are null. */
void esp_text_json_string(struct esp_text *text, const char *string);
void esp_text_json_real(struct esp_text *text, double value);
void esp_text_json_value(struct esp_text *text, const struct esp_value *value);

/* CSV (RFC 4180): quoted where it holds a comma, a quote or a line end. NaN is an empty field,
 * infinities inf and -inf. */
void esp_text_csv_string(struct esp_text *text, const char *string);
void esp_text_csv_real(struct esp_text *text, double value);
void esp_text_csv_value(struct esp_text *text, const struct esp_value *value);

/* For people. */
void esp_text_value(struct esp_text *text, const struct esp_value *value); /* 4 digits */
void esp_text_count(struct esp_text *text, double count);     /* 950, 1.25M, 20.3G */
void esp_text_seconds(struct esp_text *text, double seconds); /* 3.2 s, 4 min 10 s, 2 h 5 min */
void esp_text_ago(struct esp_text *text, long long elapsed_ms); /* "12 s ago" */

/* Terminal columns that a UTF-8 string takes. */
int esp_text_width(const char *string);

#endif
