/* Scalars as numbers, booleans and text, and readers that require one of these types.
 *
 * Numbers are the decimal ones of YAML 1.2's core schema, whole numbers in other bases as in
 * YAML 1.1 (yaml_integer.c), and 1e-5, .5, 6.e-5, 1_000, inf and nan without a dot, which are
 * common in study files. */
#include "yaml_tree.h"

#include <espalier/suggest.h>

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Characters of a number; longer text is not one. */
#define NUMBER_MAX 64

static bool is_word(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(text, *words) == 0) {
            return true;
        }
    }
    return false;
}

bool esp_yaml_is_null(const struct esp_yaml_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};

    return node->kind == ESP_YAML_SCALAR && node->plain && is_word(node->text, words);
}

/* The words of YAML 1.1: yes, Yes, YES, but not yEs. */
static bool is_boolean(const char *text, bool *out)
{
    static const char *const yes[] = {
        "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL};
    static const char *const no[] = {
        "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL};

    *out = is_word(text, yes);
    return *out || is_word(text, no);
}

/* Copies digits without the underscores between them. The end of the digits; NULL where an
 * underscore is not between digits. */
static const char *copy_digits(const char *from, char *to, size_t *used, int *count)
{
    for (*count = 0; isdigit((unsigned char)*from) || *from == '_'; from++) {
        if (*from == '_') {
            if (*count == 0 || !isdigit((unsigned char)from[1])) {
                return NULL;
            }
            continue;
        }
        to[(*used)++] = *from;
        (*count)++;
    }
    return from;
}

static bool is_special(const char *text, double *out)
{
    double sign = *text == '-' ? -1 : 1;

    text += *text == '-' || *text == '+';
    text += *text == '.';
    if (strcasecmp(text, "inf") == 0 || strcasecmp(text, "infinity") == 0) {
        *out = sign * INFINITY;
        return true;
    }
    if (strcasecmp(text, "nan") == 0) {
        *out = NAN;
        return true;
    }
    return false;
}

/* [+-]digits[.digits][e[+-]digits], with a digit on at least one side of the dot. */
static bool is_number(const char *text, struct esp_value *value)
{
    char clean[NUMBER_MAX + 1];
    size_t used = 0;
    int before = 0;
    int after = 0;
    bool whole = true;

    if (strlen(text) > NUMBER_MAX) {
        return false;
    }
    enum esp_yaml_integer other_base = esp_yaml_integer(text, value);
    if (other_base != ESP_YAML_INTEGER_NO) {
        return other_base == ESP_YAML_INTEGER_NUMBER;
    }
    if (is_special(text, &value->real)) {
        value->type = ESP_VALUE_REAL;
        return true;
    }
    if (*text == '-' || *text == '+') {
        clean[used++] = *text++;
    }
    text = copy_digits(text, clean, &used, &before);
    if (text && *text == '.') {
        whole = false;
        clean[used++] = *text++;
        text = copy_digits(text, clean, &used, &after);
    }
    if (!text || before + after == 0) {
        return false;
    }
    if (*text == 'e' || *text == 'E') {
        int digits = 0;
        whole = false;
        clean[used++] = *text++;
        if (*text == '-' || *text == '+') {
            clean[used++] = *text++;
        }
        text = copy_digits(text, clean, &used, &digits);
        if (!text || digits == 0) {
            return false;
        }
    }
    if (*text != '\0') {
        return false;
    }
    clean[used] = '\0';
    errno = 0;
    value->integer = whole ? strtoll(clean, NULL, 10) : 0;
    whole = whole && errno == 0;
    value->type = whole ? ESP_VALUE_INTEGER : ESP_VALUE_REAL;
    value->integer = whole ? value->integer : 0;
    value->real = strtod(clean, NULL);
    return true;
}

struct esp_value esp_yaml_value(const struct esp_yaml_node *node)
{
    struct esp_value value = {ESP_VALUE_TEXT, 0, 0, node->text};
    struct esp_value number = {ESP_VALUE_REAL, 0, 0, NULL};
    bool truth;

    if (node->kind != ESP_YAML_SCALAR || !node->plain) {
        return value;
    }
    if (is_boolean(node->text, &truth)) {
        value.type = ESP_VALUE_BOOLEAN;
        value.integer = truth;
        value.real = truth;
        value.text = NULL;
        return value;
    }
    return is_number(node->text, &number) ? number : value;
}

const char *esp_yaml_scalar(const struct esp_yaml_node *node)
{
    return node->text;
}

const char *esp_yaml_kind_name(const struct esp_yaml_node *node)
{
    if (node->kind != ESP_YAML_SCALAR) {
        return node->kind == ESP_YAML_MAPPING ? "a mapping" : "a list";
    }
    if (esp_yaml_is_null(node)) {
        return "nothing";
    }
    switch (esp_yaml_value(node).type) {
    case ESP_VALUE_BOOLEAN:
        return "a boolean";
    case ESP_VALUE_TEXT:
        return "text";
    default:
        return "a number";
    }
}

/* The node for messages: "a list", or the scalar as it is in the file. */
static const char *shown(const struct esp_yaml_node *node, char *buffer, size_t size)
{
    if (node->kind != ESP_YAML_SCALAR || esp_yaml_is_null(node)) {
        return esp_yaml_kind_name(node);
    }
    if (node->plain) {
        snprintf(buffer, size, "%.60s", node->text);
    } else {
        snprintf(buffer, size, "the text \"%.60s\"", node->text);
    }
    return buffer;
}

static bool refuse(struct esp_yaml *yaml,
                   const struct esp_yaml_node *node,
                   const char *what,
                   const char *is)
{
    char buffer[128];

    esp_yaml_fault(
        yaml, node, "%s must be %s, not %s", what, is, shown(node, buffer, sizeof buffer));
    return false;
}

static bool read_number(const struct esp_yaml_node *node, double *out)
{
    struct esp_value value = esp_yaml_value(node);

    if (node->kind != ESP_YAML_SCALAR ||
        (value.type != ESP_VALUE_INTEGER && value.type != ESP_VALUE_REAL) ||
        !isfinite(value.real)) {
        return false;
    }
    *out = value.real;
    return true;
}

bool esp_yaml_read_real(struct esp_yaml *yaml,
                        const struct esp_yaml_node *node,
                        const char *what,
                        double *out)
{
    return read_number(node, out) || refuse(yaml, node, what, "a finite number");
}

bool esp_yaml_read_integer(struct esp_yaml *yaml,
                           const struct esp_yaml_node *node,
                           const char *what,
                           int64_t *out)
{
    struct esp_value value = esp_yaml_value(node);
    double real;

    if (node->kind == ESP_YAML_SCALAR && value.type == ESP_VALUE_INTEGER) {
        *out = value.integer;
        return true;
    }
    /* 2^63 is the smallest positive double that does not fit into an int64_t. */
    if (!read_number(node, &real) || real != floor(real) || fabs(real) >= 0x1p63) {
        return refuse(yaml, node, what, "a whole number");
    }
    *out = (int64_t)real;
    return true;
}

bool esp_yaml_read_boolean(struct esp_yaml *yaml,
                           const struct esp_yaml_node *node,
                           const char *what,
                           bool *out)
{
    struct esp_value value = esp_yaml_value(node);

    if (node->kind != ESP_YAML_SCALAR || value.type != ESP_VALUE_BOOLEAN) {
        return refuse(yaml, node, what, "true or false");
    }
    *out = value.integer != 0;
    return true;
}

bool esp_yaml_read_text(struct esp_yaml *yaml,
                        const struct esp_yaml_node *node,
                        const char *what,
                        char *out,
                        size_t size)
{
    if (node->kind != ESP_YAML_SCALAR || esp_yaml_is_null(node)) {
        return refuse(yaml, node, what, "text");
    }
    if (node->text_length >= size) {
        esp_yaml_fault(yaml,
                       node,
                       "%s has %zu bytes; it may have at most %zu",
                       what,
                       node->text_length,
                       size - 1);
        return false;
    }
    memcpy(out, node->text, node->text_length);
    out[node->text_length] = '\0';
    return true;
}

bool esp_yaml_read_word(struct esp_yaml *yaml,
                        const struct esp_yaml_node *node,
                        const char *what,
                        const char *const *names,
                        int *out)
{
    char words[256] = "";
    char buffer[128];
    size_t length = 0;
    size_t count = 0;
    const char *nearest = NULL;

    for (; names[count]; count++) {
        if (node->kind == ESP_YAML_SCALAR &&
            esp_suggest_distance(node->text, names[count]) == 0) {
            *out = (int)count;
            return true;
        }
        if (length < sizeof words) {
            length += (size_t)snprintf(
                words + length, sizeof words - length, "%s%s", count ? ", " : "", names[count]);
        }
    }
    if (node->kind == ESP_YAML_SCALAR) {
        nearest = esp_suggest(node->text, names, count);
    }
    esp_yaml_fault(yaml,
                   node,
                   "%s must be one of %s, not %s%s%s%s",
                   what,
                   words,
                   shown(node, buffer, sizeof buffer),
                   nearest ? "; did you mean \"" : "",
                   nearest ? nearest : "",
                   nearest ? "\"?" : "");
    return false;
}
