/* The faults of a document: added in any order, printed in the order of the file, each with its
 * source line and a caret. */
#include "yaml_tree.h"

#include <espalier/suggest.h>
#include <espalier/utf8.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Characters of a source line to show; a longer line is cut around the fault. */
#define SHOWN_MAX 88
/* Characters to the left of the fault to show when a line is cut. */
#define SHOWN_LEFT 60
/* Size of one fault as text: file name, message, numbers, and four bytes for each character of
 * the source line and of the line with the caret. */
#define RENDERED_MAX (ESP_PATH_MAX + FAULT_TEXT_MAX + 64 + 8 * SHOWN_MAX + 64)

static void note(struct esp_yaml *yaml, size_t offset, const char *format, va_list args)
{
    struct fault *fault;

    if (yaml->fault_count == ESP_YAML_FAULTS_MAX) {
        yaml->more_count++;
        return;
    }
    fault = &yaml->faults[yaml->fault_count];
    fault->order = yaml->fault_count++;
    fault->offset = offset;
    vsnprintf(fault->text, sizeof fault->text, format, args);
    if (offset != SIZE_MAX) {
        esp_yaml_locate(yaml, offset, &fault->line, &fault->column);
    }
}

void esp_yaml_fault_at(struct esp_yaml *yaml, size_t offset, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    note(yaml, offset, format, args);
    va_end(args);
}

void esp_yaml_fault(struct esp_yaml *yaml,
                    const struct esp_yaml_node *node,
                    const char *format,
                    ...)
{
    va_list args;

    va_start(args, format);
    note(yaml, node ? node->offset : SIZE_MAX, format, args);
    va_end(args);
}

void esp_yaml_check_keys(struct esp_yaml *yaml,
                         const struct esp_yaml_node *mapping,
                         const char *const *names,
                         const char *where)
{
    size_t count = 0;

    while (names[count]) {
        count++;
    }
    for (size_t i = 0; mapping && i < mapping->size && mapping->kind == ESP_YAML_MAPPING; i++) {
        const char *key = mapping->keys[i]->text;
        const char *nearest;
        bool known = false;
        for (size_t j = 0; j < count && !known; j++) {
            known = strcmp(key, names[j]) == 0;
        }
        if (known) {
            continue;
        }
        nearest =
            yaml->fault_count < ESP_YAML_FAULTS_MAX ? esp_suggest(key, names, count) : NULL;
        esp_yaml_fault(yaml,
                       mapping->keys[i],
                       "unknown key \"%.100s\"%s%s%s%s%s",
                       key,
                       where[0] ? " " : "",
                       where,
                       nearest ? "; did you mean \"" : "",
                       nearest ? nearest : "",
                       nearest ? "\"?" : "");
    }
}

bool esp_yaml_has_near(const struct esp_yaml_node *mapping, const char *key)
{
    for (size_t i = 0; i < mapping->size && mapping->kind == ESP_YAML_MAPPING; i++) {
        if (strcmp(mapping->keys[i]->text, key) != 0 &&
            esp_suggest(mapping->keys[i]->text, &key, 1)) {
            return true;
        }
    }
    return false;
}

int esp_yaml_fault_count(const struct esp_yaml *yaml)
{
    return yaml->fault_count + yaml->more_count;
}

static int by_place(const void *left, const void *right)
{
    const struct fault *a = left;
    const struct fault *b = right;

    if (a->offset != b->offset) {
        return a->offset < b->offset ? -1 : 1;
    }
    return a->order - b->order;
}

/* Writes the source line and a caret under the fault. A tab is written as one space, so that
 * the caret is at the right column. */
static size_t
render_source(const struct esp_yaml *yaml, const struct fault *fault, char *out, size_t size)
{
    size_t at = yaml->line_starts[fault->line - 1];
    int first = fault->column > SHOWN_MAX - 8 ? fault->column - SHOWN_LEFT : 1;
    int column = 1;
    size_t used = (size_t)snprintf(out, size, "\n%5d | %s", fault->line, first > 1 ? "…" : "");

    while (at < yaml->size && yaml->text[at] != '\n' && yaml->text[at] != '\r') {
        size_t step = esp_utf8_length(yaml->text + at, yaml->size - at);
        unsigned char byte = (unsigned char)yaml->text[at];
        step = step ? step : 1;
        if (column >= first + SHOWN_MAX) {
            used += (size_t)snprintf(out + used, size - used, "…");
            break;
        }
        if (column >= first) {
            if (byte < 0x20 || byte == 0x7f || (step == 1 && byte >= 0x80)) {
                used += (size_t)snprintf(out + used, size - used, " ");
            } else {
                used += (size_t)snprintf(
                    out + used, size - used, "%.*s", (int)step, yaml->text + at);
            }
        }
        at += step;
        column++;
    }
    used += (size_t)snprintf(
        out + used, size - used, "\n      | %*s^", fault->column - first + (first > 1), "");
    return used;
}

static size_t
render(const struct esp_yaml *yaml, const struct fault *fault, char *out, size_t size)
{
    if (fault->offset == SIZE_MAX) {
        return (size_t)snprintf(out, size, "%s: %s", yaml->name, fault->text);
    }
    size_t used = (size_t)snprintf(
        out, size, "%s:%d:%d: %s", yaml->name, fault->line, fault->column, fault->text);
    return used + render_source(yaml, fault, out + used, size - used);
}

static void sort(struct esp_yaml *yaml)
{
    qsort(yaml->faults, (size_t)yaml->fault_count, sizeof yaml->faults[0], by_place);
}

char *esp_yaml_faults_text(struct esp_yaml *yaml)
{
    size_t size = 128 + (size_t)yaml->fault_count * (RENDERED_MAX + 1);
    char *text = malloc(size);
    size_t used = 0;
    char *fitting;

    if (!text) {
        return NULL;
    }
    sort(yaml);
    text[0] = '\0';
    for (int i = 0; i < yaml->fault_count; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s", i ? "\n" : "");
        used += render(yaml, &yaml->faults[i], text + used, size - used);
    }
    if (yaml->more_count > 0) {
        snprintf(text + used, size - used, "\nand %d more", yaml->more_count);
    }
    fitting = realloc(text, strlen(text) + 1);
    return fitting ? fitting : text;
}

int esp_yaml_faults(struct esp_yaml *yaml, struct esp_error *error)
{
    char *one;
    size_t used = 0;
    int shown = 0;
    /* Leaves room for the line with the number of further faults. */
    size_t room = ESP_ERROR_TEXT_MAX - 32;

    if (yaml->fault_count == 0) {
        return 0;
    }
    one = malloc(RENDERED_MAX);
    if (!error || !one) {
        free(one);
        return esp_error_set(error, -EINVAL, "%s has errors", yaml->name);
    }
    sort(yaml);
    for (; shown < yaml->fault_count; shown++) {
        size_t length = render(yaml, &yaml->faults[shown], one, RENDERED_MAX);
        if (used + length + 1 >= room && shown > 0) {
            break;
        }
        used += (size_t)snprintf(
            error->text + used, ESP_ERROR_TEXT_MAX - used, "%s%s", shown ? "\n" : "", one);
        used = used < room ? used : room;
    }
    if (shown < yaml->fault_count + yaml->more_count) {
        snprintf(error->text + used,
                 ESP_ERROR_TEXT_MAX - used,
                 "\nand %d more",
                 yaml->fault_count + yaml->more_count - shown);
    }
    free(one);
    return -EINVAL;
}
