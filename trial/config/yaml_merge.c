/* Keys of one mapping: duplicates are faults, and the merge key "<<" adds the entries of other
 * mappings (https://yaml.org/type/merge.html). */
#include "yaml_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_key(const void *left, const void *right)
{
    const struct esp_yaml_node *a = *(const struct esp_yaml_node *const *)left;
    const struct esp_yaml_node *b = *(const struct esp_yaml_node *const *)right;
    int order = strcmp(a->text, b->text);

    if (order != 0) {
        return order;
    }
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* Sorts the keys instead of comparing every pair: a file may consist of 100,000 keys. */
int esp_yaml_check_duplicates(struct esp_yaml_builder *b, const struct esp_yaml_frame *frame)
{
    const struct esp_yaml_node **sorted;

    if (frame->size < 2) {
        return 0;
    }
    sorted = malloc(frame->size * sizeof(const struct esp_yaml_node *));
    if (!sorted) {
        return -ENOMEM;
    }
    memcpy(sorted, frame->keys, frame->size * sizeof(const struct esp_yaml_node *));
    qsort(sorted, frame->size, sizeof(const struct esp_yaml_node *), by_key);
    for (size_t i = 1; i < frame->size; i++) {
        if (strcmp(sorted[i - 1]->text, sorted[i]->text) == 0) {
            esp_yaml_fault_at(b->yaml,
                              sorted[i]->offset,
                              "the key \"%.100s\" is given twice, first on line %d",
                              sorted[i]->text,
                              sorted[i - 1]->line);
        }
    }
    free(sorted);
    return 0;
}

static bool is_merge(const struct esp_yaml_node *key)
{
    return key->plain && strcmp(key->text, "<<") == 0;
}

static bool has_key(const struct esp_yaml_frame *frame, const char *text)
{
    for (size_t i = 0; i < frame->size; i++) {
        if (strcmp(frame->keys[i]->text, text) == 0) {
            return true;
        }
    }
    return false;
}

/* Adds the entries of `from` whose keys the frame does not have yet: its own entries and those
 * of mappings merged earlier take precedence. */
static int merge_mapping(struct esp_yaml_builder *b,
                         struct esp_yaml_frame *frame,
                         const struct esp_yaml_node *from)
{
    if (from->kind != ESP_YAML_MAPPING) {
        esp_yaml_fault_at(b->yaml, from->offset, "<< takes a mapping or a list of mappings");
        return 0;
    }
    for (size_t i = 0; i < from->size; i++) {
        int rc;
        if (has_key(frame, from->keys[i]->text)) {
            continue;
        }
        /* Every pair of keys is compared, so the number of keys is limited. */
        if (frame->size >= ESP_CHOICES_MAX) {
            ESP_YAML_REFUSE(b, from->offset, "merged to more than %d keys", ESP_CHOICES_MAX);
            return 0;
        }
        rc = esp_yaml_frame_add(frame, from->keys[i], from->values[i]);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* Removes the entry "<<" from the frame. Its value, or NULL where there is none. */
static const struct esp_yaml_node *take_merge(struct esp_yaml_frame *frame)
{
    for (size_t i = 0; i < frame->size; i++) {
        if (is_merge(frame->keys[i])) {
            const struct esp_yaml_node *from = frame->values[i];
            size_t after = --frame->size - i;
            memmove(&frame->keys[i], &frame->keys[i + 1], after * sizeof frame->keys[0]);
            memmove(&frame->values[i], &frame->values[i + 1], after * sizeof frame->values[0]);
            return from;
        }
    }
    return NULL;
}

int esp_yaml_merge(struct esp_yaml_builder *b, struct esp_yaml_frame *frame)
{
    const struct esp_yaml_node *from = take_merge(frame);
    int rc = 0;

    if (!from) {
        return 0;
    }
    if (from->kind != ESP_YAML_SEQUENCE) {
        return merge_mapping(b, frame, from);
    }
    for (size_t i = 0; i < from->size && rc == 0 && !b->ended; i++) {
        rc = merge_mapping(b, frame, from->values[i]);
    }
    return rc;
}
