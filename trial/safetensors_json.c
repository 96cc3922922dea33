/* The part of JSON that headers of safetensors files need. See safetensors_json.h. */
#include "safetensors_json.h"

#include <espalier/utf8.h>
#include <string.h>

static bool refuse(struct esp_json *json, const char *fault)
{
    json->fault = json->fault ? json->fault : fault;
    return false;
}

static void skip_space(struct esp_json *json)
{
    while (json->at < json->size && memchr(" \t\n\r", json->text[json->at], 4)) {
        json->at++;
    }
}

bool esp_json_sign(struct esp_json *json, char sign)
{
    if (json->fault) {
        return false;
    }
    skip_space(json);
    if (json->at == json->size || json->text[json->at] != sign) {
        return false;
    }
    json->at++;
    return true;
}

bool esp_json_expect(struct esp_json *json, char sign, const char *fault)
{
    return esp_json_sign(json, sign) || refuse(json, fault);
}

bool esp_json_end(struct esp_json *json)
{
    skip_space(json);
    return (!json->fault && json->at == json->size) ||
           refuse(json, "there is more after the end");
}

bool esp_json_integer(struct esp_json *json, int64_t *number)
{
    int64_t value = 0;
    if (json->fault) {
        return false;
    }
    skip_space(json);
    size_t first = json->at;
    while (json->at < json->size && json->text[json->at] >= '0' &&
           json->text[json->at] <= '9') {
        int digit = json->text[json->at] - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return refuse(json, "a number is beyond 2^63");
        }
        json->at++;
    }
    if (json->at == first || (json->text[first] == '0' && json->at > first + 1)) {
        return refuse(json, "a whole number is expected");
    }
    if (json->at < json->size && memchr(".eE", json->text[json->at], 3)) {
        return refuse(json, "a number is not whole");
    }
    *number = value;
    return true;
}

/* Four hexadecimal digits after "\u". */
static bool take_unit(struct esp_json *json, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        char c = json->at < json->size ? json->text[json->at] : '\0';
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return refuse(json, "\\u needs four hexadecimal digits");
        }
        *unit = *unit * 16 + (uint32_t)digit;
        json->at++;
    }
    return true;
}

static bool take_code(struct esp_json *json, uint32_t *code)
{
    uint32_t low;
    if (!take_unit(json, code)) {
        return false;
    }
    if (*code >= 0xD800 && *code <= 0xDFFF) {
        bool pair = *code <= 0xDBFF && json->size - json->at >= 2 &&
                    json->text[json->at] == '\\' && json->text[json->at + 1] == 'u';
        json->at += pair ? 2 : 0;
        if (!pair || !take_unit(json, &low) || low < 0xDC00 || low > 0xDFFF) {
            return refuse(json, "half of a surrogate pair");
        }
        *code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
    }
    return *code != 0 || refuse(json, "a string holds U+0000");
}

/* Writes no more bytes than the escape had: 3 for 6, 4 for 12. */
static size_t put_code(char *to, uint32_t code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    to[0] = (char)(lead[more] | code >> (6 * more));
    for (int i = 1; i <= more; i++) {
        to[i] = (char)(0x80 | (code >> (6 * (more - i)) & 0x3F));
    }
    return (size_t)more + 1;
}

static bool take_escape(struct esp_json *json, char *to, size_t *length)
{
    static const char escapes[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
    char c = json->at < json->size ? json->text[json->at++] : '\0';
    const char *found = c ? strchr(escapes, c) : NULL;
    uint32_t code;
    if (found) {
        to[(*length)++] = plain[found - escapes];
        return true;
    }
    if (c != 'u') {
        return refuse(json, "an unknown escape");
    }
    if (!take_code(json, &code)) {
        return false;
    }
    *length += put_code(to + *length, code);
    return true;
}

bool esp_json_read_string(struct esp_json *json, char **text)
{
    size_t length = 0;
    if (!esp_json_expect(json, '"', "a string is expected")) {
        return false;
    }
    char *to = json->text + json->at; /* never past the byte that is read */
    while (json->at < json->size) {
        unsigned char c = (unsigned char)json->text[json->at];
        if (c == '"') {
            json->at++;
            to[length] = '\0'; /* at the latest this overwrites the closing quote */
            *text = to;
            return true;
        }
        if (c < ' ') {
            return refuse(json, "a control character within a string");
        }
        if (c == '\\') {
            json->at++;
            if (!take_escape(json, to, &length)) {
                return false;
            }
            continue;
        }
        size_t n = esp_utf8_length(json->text + json->at, json->size - json->at);
        if (n == 0) {
            return refuse(json, "bytes that are no UTF-8");
        }
        memmove(to + length, json->text + json->at, n);
        length += n;
        json->at += n;
    }
    return refuse(json, "a string does not end");
}
