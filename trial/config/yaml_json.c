/* Writes a node as one line of JSON, the form in which a list or mapping among a parameter's
 * values is passed to a program. */
#include "yaml_tree.h"

#include <espalier/json_text.h>
#include <math.h>
#include <string.h>

static void put_scalar(FILE *out, const struct esp_yaml_node *node)
{
    struct esp_value value = esp_yaml_value(node);

    if (esp_yaml_is_null(node)) {
        fputs("null", out);
        return;
    }
    switch (value.type) {
    case ESP_VALUE_INTEGER:
        fprintf(out, "%lld", (long long)value.integer);
        break;
    case ESP_VALUE_REAL:
        /* JSON has neither infinity nor NaN. */
        if (isfinite(value.real)) {
            char digits[ESP_JSON_NUMBER_SIZE];
            esp_json_number(value.real, digits);
            fputs(digits, out);
        } else {
            esp_json_print(out, node->text);
        }
        break;
    case ESP_VALUE_BOOLEAN:
        fputs(value.integer ? "true" : "false", out);
        break;
    case ESP_VALUE_TEXT:
        esp_json_print(out, node->text);
        break;
    }
}

/* The recursion is bounded: a tree has at most ESP_YAML_DEPTH_MAX levels. */
static void put(FILE *out, const struct esp_yaml_node *node)
{
    bool mapping = node->kind == ESP_YAML_MAPPING;

    if (node->kind == ESP_YAML_SCALAR) {
        put_scalar(out, node);
        return;
    }
    fputc(mapping ? '{' : '[', out);
    for (size_t i = 0; i < node->size; i++) {
        fputs(i ? ", " : "", out);
        if (mapping) {
            esp_json_print(out, node->keys[i]->text);
            fputs(": ", out);
        }
        put(out, node->values[i]);
    }
    fputc(mapping ? '}' : ']', out);
}

char *esp_yaml_json(const struct esp_yaml_node *node)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool failed;

    if (!out) {
        return NULL;
    }
    put(out, node);
    failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
