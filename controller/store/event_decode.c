/* Reads events from JSON. It accepts what event_encode.c writes, in any order of keys and with
 * any white space; other text means that the ledger is damaged. */
#include "database.h"
#include "event_fields.h"
#include "event_text.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
    const char *at, *end;
    struct esp_decoded *memory;
    bool repeats; /* CREATED: the trial repeats another */
};

void esp_decoded_release(struct esp_decoded *memory)
{
    free(memory->strings);
    free(memory->values);
    free(memory->measures);
    *memory = (struct esp_decoded){0};
}

static int grow(void **array, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity) {
        return 0;
    }
    void *bigger = realloc(*array, need * 2 * size);
    if (!bigger) {
        return -ENOMEM;
    }
    *array = bigger;
    *capacity = need * 2;
    return 0;
}

int esp_decoded_reserve(struct esp_decoded *memory,
                        size_t bytes,
                        size_t values,
                        size_t measures)
{
    int code = grow((void **)&memory->strings, &memory->string_capacity, bytes, 1);
    if (code == 0) {
        code = grow((void **)&memory->values,
                    &memory->value_capacity,
                    values,
                    sizeof memory->values[0]);
    }
    if (code == 0) {
        code = grow((void **)&memory->measures,
                    &memory->measure_capacity,
                    measures,
                    sizeof memory->measures[0]);
    }
    memory->string_length = 0;
    return code;
}

/* Makes room for everything that `length` bytes of JSON can hold, so that the arrays never move
 * while an event points into them. A decoded string is no longer than its JSON, which has two
 * quotes instead of one NUL; a value in an array takes at least two bytes, a measure four. */
static int make_room(struct esp_decoded *memory, size_t length)
{
    return esp_decoded_reserve(memory, length + 1, length / 2 + 1, length / 4 + 1);
}

static void skip_space(struct cursor *c)
{
    while (c->at < c->end &&
           (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r')) {
        c->at++;
    }
}

/* Takes `mark` when it is next. */
static bool take(struct cursor *c, char mark)
{
    skip_space(c);
    if (c->at < c->end && *c->at == mark) {
        c->at++;
        return true;
    }
    return false;
}

static int hex4(struct cursor *c, unsigned *unit)
{
    *unit = 0;
    if (c->end - c->at < 4) {
        return -EBADMSG;
    }
    for (int i = 0; i < 4; i++, c->at++) {
        unsigned digit = (unsigned char)*c->at;
        if (digit >= '0' && digit <= '9') {
            digit -= '0';
        } else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f') {
            digit = (digit | 0x20) - 'a' + 10;
        } else {
            return -EBADMSG;
        }
        *unit = *unit << 4 | digit;
    }
    return 0;
}

/* \uXXXX. event_encode.c writes it for control characters only, other tools for others. */
static int read_unit(struct cursor *c, char **out)
{
    unsigned u, low;
    if (hex4(c, &u) < 0 || u == 0) {
        return -EBADMSG;
    }
    if (u >= 0xd800 && u <= 0xdfff) {
        if (u >= 0xdc00 || c->end - c->at < 6 || c->at[0] != '\\' || c->at[1] != 'u') {
            return -EBADMSG;
        }
        c->at += 2;
        if (hex4(c, &low) < 0 || low < 0xdc00 || low > 0xdfff) {
            return -EBADMSG;
        }
        u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
    }
    char *s = *out;
    if (u < 0x80) {
        *s++ = (char)u;
    } else if (u < 0x800) {
        *s++ = (char)(0xc0 | u >> 6);
        *s++ = (char)(0x80 | (u & 0x3f));
    } else if (u < 0x10000) {
        *s++ = (char)(0xe0 | u >> 12);
        *s++ = (char)(0x80 | (u >> 6 & 0x3f));
        *s++ = (char)(0x80 | (u & 0x3f));
    } else {
        *s++ = (char)(0xf0 | u >> 18);
        *s++ = (char)(0x80 | (u >> 12 & 0x3f));
        *s++ = (char)(0x80 | (u >> 6 & 0x3f));
        *s++ = (char)(0x80 | (u & 0x3f));
    }
    *out = s;
    return 0;
}

static int read_string(struct cursor *c, const char **string)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    if (!take(c, '"')) {
        return -EBADMSG;
    }
    char *out = c->memory->strings + c->memory->string_length;
    *string = out;
    while (c->at < c->end && *c->at != '"') {
        if (*c->at != '\\') {
            *out++ = *c->at++;
            continue;
        }
        c->at++;
        if (c->at == c->end) {
            return -EBADMSG;
        }
        char escape = *c->at++;
        const char *name = escape ? strchr(names, escape) : NULL;
        if (name) {
            *out++ = bytes[name - names];
        } else if (escape != 'u' || read_unit(c, &out) < 0) {
            return -EBADMSG;
        }
    }
    if (c->at == c->end) {
        return -EBADMSG;
    }
    c->at++;
    *out++ = '\0';
    c->memory->string_length = (size_t)(out - c->memory->strings);
    return 0;
}

/* The text of a number. event_encode.c writes none longer than 38 characters. */
static int read_digits(struct cursor *c, char digits[40])
{
    size_t length = 0;
    skip_space(c);
    while (c->at < c->end && length < 39 && strchr("+-.0123456789eE", *c->at) && *c->at) {
        digits[length++] = *c->at++;
    }
    digits[length] = '\0';
    return length > 0 && length < 39 ? 0 : -EBADMSG;
}

static int read_integer(struct cursor *c, int64_t min, int64_t max, int64_t *value)
{
    char digits[40], *end;
    if (read_digits(c, digits) < 0) {
        return -EBADMSG;
    }
    errno = 0;
    long long parsed = strtoll(digits, &end, 10);
    if (errno || *end || parsed < min || parsed > max) {
        return -EBADMSG;
    }
    *value = parsed;
    return 0;
}

static int read_real(struct cursor *c, double *value)
{
    char digits[40], *end;
    skip_space(c);
    if (c->at < c->end && *c->at == '"') {
        const char *word;
        if (read_string(c, &word) < 0) {
            return -EBADMSG;
        }
        *value = strcmp(word, "NaN") == 0         ? NAN
                 : strcmp(word, "Infinity") == 0  ? INFINITY
                 : strcmp(word, "-Infinity") == 0 ? -INFINITY
                                                  : 0;
        return *value == 0 ? -EBADMSG : 0;
    }
    if (read_digits(c, digits) < 0) {
        return -EBADMSG;
    }
    *value = strtod(digits, &end);
    return *end ? -EBADMSG : 0;
}

/* A word of the table, or a number that has no word. */
static int read_word(
    struct cursor *c, const struct esp_words *words, int64_t min, int64_t max, int64_t *value)
{
    skip_space(c);
    if (words && c->at < c->end && *c->at == '"') {
        const char *word;
        if (read_string(c, &word) < 0) {
            return -EBADMSG;
        }
        *value = words->parse(word);
        return *value < 0 ? -EBADMSG : 0;
    }
    return read_integer(c, min, max, value);
}

static int read_bool(struct cursor *c, bool *value)
{
    skip_space(c);
    for (int truth = 0; truth < 2; truth++) {
        const char *word = truth ? "true" : "false";
        size_t length = strlen(word);
        if ((size_t)(c->end - c->at) >= length && memcmp(c->at, word, length) == 0) {
            c->at += length;
            *value = truth;
            return 0;
        }
    }
    return -EBADMSG;
}

static int read_key(struct cursor *c, uint64_t *value)
{
    const char *hex;
    return read_string(c, &hex) < 0 ? -EBADMSG : esp_hex_read(hex, value);
}

static int read_rivals(struct cursor *c, int32_t *rivals)
{
    int count = 0;
    if (!take(c, '[')) {
        return -EBADMSG;
    }
    while (!take(c, ']')) {
        int64_t rival;
        if ((count && !take(c, ',')) || count == ESP_RIVALS_MAX ||
            read_integer(c, INT32_MIN, INT32_MAX, &rival) < 0) {
            return -EBADMSG;
        }
        rivals[count++] = (int32_t)rival;
    }
    return 0;
}

static int read_reals(struct cursor *c, struct esp_reals *reals)
{
    uint32_t count = 0;
    if (!take(c, '[')) {
        return -EBADMSG;
    }
    while (!take(c, ']')) {
        if ((count && !take(c, ',')) || read_real(c, &c->memory->values[count]) < 0) {
            return -EBADMSG;
        }
        count++;
    }
    *reals = (struct esp_reals){c->memory->values, count};
    return 0;
}

static int read_measures(struct cursor *c, struct esp_point *point)
{
    uint32_t count = 0;
    if (!take(c, '[')) {
        return -EBADMSG;
    }
    while (!take(c, ']')) {
        struct esp_measure *measure = &c->memory->measures[count];
        if ((count && !take(c, ',')) || read_string(c, &measure->name) < 0 || !take(c, ',') ||
            read_real(c, &measure->value) < 0) {
            return -EBADMSG;
        }
        count++;
    }
    point->measures = c->memory->measures;
    point->measure_count = count;
    return 0;
}

static int read_member(struct cursor *c, const struct esp_json_field *field, void *member)
{
    int64_t integer = 0;
    int code = 0;
    switch (field->type) {
    case ESP_JSON_BOOL:
        return read_bool(c, member);
    case ESP_JSON_INT32:
    case ESP_JSON_ENUM:
        code = read_word(c, field->words, INT32_MIN, INT32_MAX, &integer);
        if (code == 0) {
            *(int32_t *)member = (int32_t)integer;
        }
        return code;
    case ESP_JSON_UINT32:
        code = read_integer(c, 0, UINT32_MAX, &integer);
        if (code == 0) {
            *(uint32_t *)member = (uint32_t)integer;
        }
        return code;
    case ESP_JSON_INT64:
    case ESP_JSON_UINT64:
        code = read_integer(c, INT64_MIN, INT64_MAX, &integer);
        if (code == 0) {
            *(int64_t *)member = integer;
        }
        return code;
    case ESP_JSON_KEY:
        return read_key(c, member);
    case ESP_JSON_REAL:
        return read_real(c, member);
    case ESP_JSON_TEXT:
        return read_string(c, member);
    case ESP_JSON_RIVALS:
        return read_rivals(c, member);
    case ESP_JSON_REALS:
        return read_reals(c, member);
    case ESP_JSON_MEASURES:
        return read_measures(c, member);
    case ESP_JSON_REPEATS:
        code = read_word(c, field->words, INT32_MIN, INT32_MAX, &integer);
        c->repeats = integer == ESP_VERDICT_REPEAT;
        return code;
    }
    return -EBADMSG;
}

/* The field called `key`, searched from where the last one was found: keys come in the order of
 * the table, so that nearly every search ends at once. NULL: the kind has no such field. */
static const struct esp_json_field *
find_field(const struct esp_event_fields *kind, const char *key, size_t *next)
{
    for (size_t i = 0; i < kind->count; i++) {
        size_t index = (*next + i) % kind->count;
        if (strcmp(kind->fields[index].key, key) == 0) {
            *next = index + 1;
            return &kind->fields[index];
        }
    }
    return NULL;
}

/* Members whose default is not zero. */
static void set_defaults(const struct esp_event_fields *kind, struct esp_event *event)
{
    for (size_t i = 0; i < kind->count; i++) {
        const struct esp_json_field *field = &kind->fields[i];
        void *member = (char *)event + field->offset;
        if (!field->none) {
            continue;
        }
        switch (field->type) {
        case ESP_JSON_INT32:
            *(int32_t *)member = -1;
            break;
        case ESP_JSON_INT64:
            *(int64_t *)member = -1;
            break;
        case ESP_JSON_REAL:
            *(double *)member = NAN;
            break;
        case ESP_JSON_RIVALS:
            for (int k = 0; k < ESP_RIVALS_MAX; k++) {
                ((int32_t *)member)[k] = -1;
            }
            break;
        default:
            break;
        }
    }
}

static int read_fields(struct cursor *c, struct esp_event *event)
{
    struct esp_event_fields kind = esp_event_fields(event->kind);
    size_t next = 0;
    bool first = true;
    set_defaults(&kind, event);
    if (!take(c, '{')) {
        return -EBADMSG;
    }
    for (; !take(c, '}'); first = false) {
        const char *key;
        if ((!first && !take(c, ',')) || read_string(c, &key) < 0 || !take(c, ':')) {
            return -EBADMSG;
        }
        const struct esp_json_field *field = find_field(&kind, key, &next);
        int code = field ? read_member(c, field, (char *)event + field->offset) : -EBADMSG;
        if (code < 0) {
            return code;
        }
    }
    skip_space(c);
    return c->at == c->end ? 0 : -EBADMSG;
}

int esp_event_decode(const char *data,
                     size_t length,
                     struct esp_decoded *memory,
                     struct esp_event *event)
{
    struct cursor c = {data, data + length, memory, false};
    if (make_room(memory, length) < 0) {
        return -ENOMEM;
    }
    int code = read_fields(&c, event);
    if (code == 0 && event->kind == ESP_EVENT_CREATED && !c.repeats) {
        event->created.repeats = -1;
    }
    if (code == 0 && event->kind == ESP_EVENT_SAVED && !event->saved.path) {
        code = -EBADMSG;
    }
    return code;
}
