/* Events to JSON. */
#include "database.h"
#include "event_fields.h"
#include "event_text.h"
#include <errno.h>
#include <espalier/json_text.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct esp_text *text, size_t more)
{
    size_t need = text->length + more + 1;
    if (text->failed) {
        return false;
    }
    if (need > text->capacity) {
        size_t capacity = need < 512 ? 512 : need * 2;
        char *data = realloc(text->data, capacity);
        if (!data) {
            text->failed = true;
            return false;
        }
        text->data = data;
        text->capacity = capacity;
    }
    return true;
}

static void put(struct esp_text *text, const char *bytes, size_t count)
{
    if (reserve(text, count)) {
        memcpy(text->data + text->length, bytes, count);
        text->length += count;
        text->data[text->length] = '\0';
    }
}

void esp_text_release(struct esp_text *text)
{
    free(text->data);
    *text = (struct esp_text){0};
}

void esp_text_raw(struct esp_text *text, const char *string)
{
    put(text, string, strlen(string));
}

bool esp_text_clean(struct esp_text *text, const char *string)
{
    const unsigned char *s = (const unsigned char *)string;
    size_t length;
    while (*s && (length = esp_utf8_length((const char *)s, ESP_UTF8_TERMINATED)) > 0) {
        s += length;
    }
    if (!*s) {
        return false;
    }
    text->length = 0;
    for (s = (const unsigned char *)string; *s; s += length ? length : 1) {
        length = esp_utf8_length((const char *)s, ESP_UTF8_TERMINATED);
        put(text, length ? (const char *)s : "\xef\xbf\xbd", length ? length : 3);
    }
    return true;
}

void esp_text_quote(struct esp_text *text, const char *string)
{
    char piece[ESP_JSON_PIECE_SIZE];
    put(text, "\"", 1);
    for (size_t used; (used = esp_json_piece(string, piece)) > 0; string += used) {
        put(text, piece, strlen(piece));
    }
    put(text, "\"", 1);
}

void esp_text_real(struct esp_text *text, double value)
{
    char digits[40];
    if (isnan(value)) {
        esp_text_raw(text, "\"NaN\"");
        return;
    }
    if (isinf(value)) {
        esp_text_raw(text, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    /* 15 digits suffice for numbers that people write, 17 for all. */
    snprintf(digits, sizeof digits, "%.15g", value);
    if (strtod(digits, NULL) != value) {
        snprintf(digits, sizeof digits, "%.17g", value);
    }
    esp_text_raw(text, digits);
}

static void put_integer(struct esp_text *text, int64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, value);
    esp_text_raw(text, digits);
}

static void put_word(struct esp_text *text, const struct esp_words *words, int64_t value)
{
    const char *word =
        words && value >= 0 && value <= INT32_MAX ? words->name((int)value) : NULL;
    if (word) {
        esp_text_quote(text, word);
    } else {
        put_integer(text, value);
    }
}

static void put_rivals(struct esp_text *text, const int32_t *rivals, int count)
{
    for (int i = 0; i < count; i++) {
        esp_text_raw(text, i ? "," : "[");
        put_integer(text, rivals[i]);
    }
    esp_text_raw(text, "]");
}

static void put_reals(struct esp_text *text, const struct esp_reals *reals)
{
    esp_text_raw(text, "[");
    for (uint32_t i = 0; i < reals->count; i++) {
        esp_text_raw(text, i ? "," : "");
        esp_text_real(text, reals->data[i]);
    }
    esp_text_raw(text, "]");
}

/* A flat array: ["name",value,"name",value]. */
static void put_measures(struct esp_text *text, const struct esp_point *point)
{
    esp_text_raw(text, "[");
    for (uint32_t i = 0; i < point->measure_count; i++) {
        esp_text_raw(text, i ? "," : "");
        esp_text_quote(text, point->measures[i].name);
        esp_text_raw(text, ",");
        esp_text_real(text, point->measures[i].value);
    }
    esp_text_raw(text, "]");
}

static int rival_count(const int32_t *rivals)
{
    int count = ESP_RIVALS_MAX;
    while (count > 0 && rivals[count - 1] == -1) {
        count--;
    }
    return count;
}

/* Reals compare as bits, so that -0 is kept. */
static bool is_default(const struct esp_json_field *field, const void *member)
{
    static const double zero = 0.0;
    switch (field->type) {
    case ESP_JSON_BOOL:
        return !*(const bool *)member;
    case ESP_JSON_INT32:
    case ESP_JSON_UINT32:
    case ESP_JSON_ENUM:
        return *(const int32_t *)member == (field->none ? -1 : 0);
    case ESP_JSON_INT64:
    case ESP_JSON_UINT64:
    case ESP_JSON_KEY:
        return *(const int64_t *)member == (field->none ? -1 : 0);
    case ESP_JSON_REAL:
        return field->none ? isnan(*(const double *)member)
                           : memcmp(member, &zero, sizeof zero) == 0;
    case ESP_JSON_TEXT:
        return !*(const char *const *)member;
    case ESP_JSON_RIVALS:
        return rival_count(member) == 0;
    case ESP_JSON_REALS:
        return ((const struct esp_reals *)member)->count == 0;
    case ESP_JSON_MEASURES:
        return ((const struct esp_point *)member)->measure_count == 0;
    case ESP_JSON_REPEATS:
        return ((const struct esp_event_created *)member)->repeats < 0;
    }
    return false;
}

static void
put_member(struct esp_text *text, const struct esp_json_field *field, const void *member)
{
    char hex[ESP_HEX_MAX];
    switch (field->type) {
    case ESP_JSON_BOOL:
        esp_text_raw(text, *(const bool *)member ? "true" : "false");
        break;
    case ESP_JSON_INT32:
        put_integer(text, *(const int32_t *)member);
        break;
    case ESP_JSON_UINT32:
        put_integer(text, *(const uint32_t *)member);
        break;
    case ESP_JSON_INT64:
    case ESP_JSON_UINT64:
        put_integer(text, *(const int64_t *)member);
        break;
    case ESP_JSON_ENUM:
        put_word(text, field->words, *(const int32_t *)member);
        break;
    case ESP_JSON_KEY:
        esp_hex_write(*(const uint64_t *)member, hex);
        esp_text_quote(text, hex);
        break;
    case ESP_JSON_REAL:
        esp_text_real(text, *(const double *)member);
        break;
    case ESP_JSON_TEXT:
        esp_text_quote(text, *(const char *const *)member);
        break;
    case ESP_JSON_RIVALS:
        put_rivals(text, member, rival_count(member));
        break;
    case ESP_JSON_REALS:
        put_reals(text, member);
        break;
    case ESP_JSON_MEASURES:
        put_measures(text, member);
        break;
    case ESP_JSON_REPEATS:
        put_word(text,
                 field->words,
                 is_default(field, member) ? ESP_VERDICT_NONE : ESP_VERDICT_REPEAT);
        break;
    }
}

int esp_event_encode(const struct esp_event *event, struct esp_text *text)
{
    struct esp_event_fields kind = esp_event_fields(event->kind);
    const char *separator = "{";
    text->length = 0;
    for (size_t i = 0; i < kind.count; i++) {
        const struct esp_json_field *field = &kind.fields[i];
        const void *member = (const char *)event + field->offset;
        bool always = field->always && field->type != ESP_JSON_TEXT;
        if (!always && is_default(field, member)) {
            continue;
        }
        esp_text_raw(text, separator);
        esp_text_quote(text, field->key);
        esp_text_raw(text, ":");
        put_member(text, field, member);
        separator = ",";
    }
    esp_text_raw(text, separator[0] == '{' ? "{}" : "}");
    return text->failed ? -ENOMEM : 0;
}
