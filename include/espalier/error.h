/* Words for a person, carried beside a negative errno.
 *
 * Every fallible function returns 0 or a negative errno and takes a nullable `struct esp_error
 * *` last. The error holds one or more lines: what is wrong, where (file, line, value), what to
 * do. */
#ifndef ESPALIER_ERROR_H
#define ESPALIER_ERROR_H

#include <stdarg.h>
#include <stdio.h>

/* Long enough for a path (4096 is refused earlier, see limits.h), a value and a remedy. */
#define ESP_ERROR_TEXT_MAX 2048

struct esp_error {
    char text[ESP_ERROR_TEXT_MAX];
};

/* Writes the words and returns `code`, so that a caller can `return esp_error_set(e, -EINVAL,
 * …)`. `error` may be NULL. Text that is too long is cut. */
__attribute__((format(printf, 3, 4))) static inline int
esp_error_set(struct esp_error *error, int code, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
    }
    return code;
}

/* The same behind "line N: ", where the study file's line is known; 0: what it says came from
 * elsewhere, and the caller names that. */
__attribute__((format(printf, 4, 5))) static inline int
esp_error_line(struct esp_error *error, int code, int line, const char *format, ...)
{
    if (error) {
        va_list args;
        int used = line > 0 ? snprintf(error->text, sizeof error->text, "line %d: ", line) : 0;
        va_start(args, format);
        vsnprintf(error->text + used, sizeof error->text - (size_t)used, format, args);
        va_end(args);
    }
    return code;
}

#endif
