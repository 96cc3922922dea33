/* Whole numbers that YAML 1.1 and 1.2 read differently. W&B reads its sweep files with PyYAML,
 * so they are read as in 1.1 here:
 *
 *     text    1.1     1.2
 *     010     8       10
 *     0x1F    31      31
 *     0b11    3       text
 *     1:30    90      text
 *     08      text    8
 *     0o17    text    15 */
#include "yaml_tree.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static int digit_of(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : INT_MAX;
}

/* Appends a digit: `integer` is exact unless `*whole` becomes false, `real` is near. */
static void append(struct esp_value *value, bool *whole, int base, int digit)
{
    value->real = value->real * base + digit;
    *whole = *whole && !__builtin_mul_overflow(value->integer, base, &value->integer) &&
             !__builtin_add_overflow(value->integer, digit, &value->integer);
}

/* Digits of a base, with underscores between them, to the end of the text. */
static bool read_digits(const char *text, int base, struct esp_value *value, bool *whole)
{
    int count = 0;

    for (; *text; text++) {
        if (*text == '_') {
            if (count == 0 || text[1] == '\0' || text[1] == '_') {
                return false;
            }
            continue;
        }
        if (digit_of(*text) >= base) {
            return false;
        }
        append(value, whole, base, digit_of(*text));
        count++;
    }
    return count > 0;
}

/* Base 60: 1:30 is 90. Each part but the first is in [0, 59]. */
static bool read_base_60(const char *text, struct esp_value *value, bool *whole)
{
    if (*text < '1' || *text > '9') {
        return false;
    }
    for (; isdigit((unsigned char)*text); text++) {
        append(value, whole, 10, *text - '0');
    }
    if (*text != ':') {
        return false;
    }
    while (*text == ':') {
        int part = 0;
        int digits = 0;
        for (text++; isdigit((unsigned char)*text) && digits < 2; text++, digits++) {
            part = part * 10 + (*text - '0');
        }
        if (digits == 0 || part > 59) {
            return false;
        }
        append(value, whole, 60, part);
    }
    return *text == '\0';
}

enum esp_yaml_integer esp_yaml_integer(const char *text, struct esp_value *value)
{
    struct esp_value number = {ESP_VALUE_INTEGER, 0, 0, NULL};
    bool negative = *text == '-';
    bool whole = true;
    bool good;

    text += *text == '-' || *text == '+';
    if (text[0] == '0' && text[1] == 'o') {
        return ESP_YAML_INTEGER_TEXT;
    }
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'b')) {
        good = read_digits(text + 2, text[1] == 'x' ? 16 : 2, &number, &whole);
    } else if (text[0] == '0' && text[1] != '\0' &&
               strspn(text, "0123456789_") == strlen(text)) {
        if (strpbrk(text, "89")) {
            return ESP_YAML_INTEGER_TEXT;
        }
        good = read_digits(text, 8, &number, &whole);
    } else {
        good = read_base_60(text, &number, &whole);
    }
    if (!good) {
        return ESP_YAML_INTEGER_NO;
    }
    number.type = whole ? ESP_VALUE_INTEGER : ESP_VALUE_REAL;
    number.integer = !whole ? 0 : negative ? -number.integer : number.integer;
    number.real = whole ? (double)number.integer : negative ? -number.real : number.real;
    *value = number;
    return ESP_YAML_INTEGER_NUMBER;
}

bool esp_yaml_differs(const struct esp_yaml_node *node, char *out, size_t size)
{
    struct esp_value here;
    struct esp_value other = {ESP_VALUE_INTEGER, 0, 0, NULL};
    bool whole = true;

    if (node->kind != ESP_YAML_SCALAR || !node->plain || strlen(node->text) > 40) {
        return false;
    }
    const char *text = node->text;
    const char *digits = text + (*text == '-' || *text == '+');
    enum esp_yaml_integer form = esp_yaml_integer(text, &here);
    if (form == ESP_YAML_INTEGER_NO || digits[1] == 'x') {
        return false;
    }
    bool octal_12 = digits[1] == 'o';
    bool number_12 =
        read_digits(digits + (octal_12 ? 2 : 0), octal_12 ? 8 : 10, &other, &whole) && whole;
    const char *sign = *text == '-' && other.integer ? "-" : "";
    if (form == ESP_YAML_INTEGER_TEXT && number_12) {
        snprintf(out,
                 size,
                 "%s is text, as in YAML 1.1, which W&B reads; in YAML 1.2 it is %s%lld",
                 text,
                 sign,
                 (long long)other.integer);
        return true;
    }
    if (form == ESP_YAML_INTEGER_TEXT ||
        (number_12 && (double)other.integer * (*text == '-' ? -1 : 1) == here.real)) {
        return false;
    }
    int used = snprintf(out,
                        size,
                        "%s is %.17g, as in YAML 1.1, which W&B reads; in YAML 1.2 it is ",
                        text,
                        here.real);
    if (number_12) {
        snprintf(out + used, size - (size_t)used, "%s%lld", sign, (long long)other.integer);
    } else {
        snprintf(out + used, size - (size_t)used, "text");
    }
    return true;
}
