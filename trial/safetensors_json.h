/* A reader of JSON (RFC 8259) that takes one value after another from a text in memory, as the
 * caller expects them: no tree, no recursion, nothing allocated. Strings are decoded in place.
 */
#ifndef ESPALIER_TRIAL_SAFETENSORS_JSON_H
#define ESPALIER_TRIAL_SAFETENSORS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct esp_json {
    char *text; /* changed as strings are decoded */
    size_t size;
    size_t at;         /* the next byte */
    const char *fault; /* what is wrong at `at`; NULL: nothing so far */
};

/* Passes white space and the sign; false (and nothing is passed) when another comes next. */
bool esp_json_sign(struct esp_json *json, char sign);

/* The same, and a fault when another comes next. `words` says what is missing. */
bool esp_json_expect(struct esp_json *json, char sign, const char *words);

/* A string; `*text` ends with NUL in place. False: a fault is noted: no string, bad escapes,
 * control characters, bytes that are no UTF-8, or U+0000. */
bool esp_json_string(struct esp_json *json, char **text);

/* A whole number from 0 to 2^63 − 1, without sign, point or exponent. */
bool esp_json_whole(struct esp_json *json, int64_t *number);

/* Only white space is left. */
bool esp_json_end(struct esp_json *json);

#endif
