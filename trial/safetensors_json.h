/* A JSON reader (RFC 8259) that reads one value after another from a text in memory, as the
 * caller expects them: no tree, no recursion, no allocation. Strings are decoded in place. */
#ifndef ESPALIER_TRIAL_SAFETENSORS_JSON_H
#define ESPALIER_TRIAL_SAFETENSORS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct esp_json {
    char *text; /* modified when strings are decoded */
    size_t size;
    size_t at;         /* offset of the next byte */
    const char *fault; /* the fault at `at`; NULL: none so far */
};

/* Skips white space and then the given character; false, without skipping, when another one
 * follows. */
bool esp_json_sign(struct esp_json *json, char sign);

/* The same, but sets `fault` when another character follows. `fault` states what is missing. */
bool esp_json_expect(struct esp_json *json, char sign, const char *fault);

/* Reads a string; `*text` is NUL-terminated in place. False: sets `fault` for a missing string,
 * bad escapes, control characters, invalid UTF-8, or U+0000. */
bool esp_json_read_string(struct esp_json *json, char **text);

/* Reads an integer from 0 to 2^63 − 1, without sign, point or exponent. */
bool esp_json_integer(struct esp_json *json, int64_t *number);

/* Whether only white space is left. */
bool esp_json_end(struct esp_json *json);

#endif
