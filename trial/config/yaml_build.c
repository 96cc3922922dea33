/* The tree's nodes and its limits. Each node is built once and an alias points at it. Weight
 * (nodes with aliases counted at full length) and depth are added up while the tree is built,
 * so that a text that exceeds a limit is refused at the place where it does. */
#include "yaml_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A long text counts as several nodes, so that aliases to it are bounded in bytes too:
 * ESP_YAML_NODES_MAX × 256 = 25 MB. */
#define BYTES_PER_NODE 256
/* Bytes of an anchor's name that messages show. */
#define ANCHOR_SHOWN_MAX 64

static struct esp_yaml_node *
new_node(struct esp_yaml_builder *b, enum esp_yaml_kind kind, size_t offset)
{
    struct esp_yaml_node *node;

    if (++b->node_count > ESP_YAML_NODES_MAX) {
        ESP_YAML_REFUSE(b, offset, "more than %d values in one file", ESP_YAML_NODES_MAX);
        return NULL;
    }
    node = esp_yaml_allocate(b->yaml, sizeof *node);
    if (node) {
        node->kind = kind;
        node->offset = offset;
        node->text = "";
        node->weight = 1;
        node->depth = 1;
        esp_yaml_locate(b->yaml, offset, &node->line, &node->column);
    }
    return node;
}

/* NUL-terminated, in the document's memory; NULL when out of memory. */
static const char *copy_text(struct esp_yaml_builder *b, struct esp_yaml_span span)
{
    char *copy = esp_yaml_allocate(b->yaml, span.length + 1);

    if (copy && span.length > 0) {
        memcpy(copy, span.text, span.length);
    }
    return copy;
}

static int grow_frame(struct esp_yaml_frame *frame)
{
    size_t capacity = frame->capacity ? 2 * frame->capacity : 8;
    const struct esp_yaml_node **values =
        realloc(frame->values, capacity * sizeof(const struct esp_yaml_node *));
    const struct esp_yaml_node **keys;

    if (!values) {
        return -ENOMEM;
    }
    frame->values = values;
    keys = realloc(frame->keys, capacity * sizeof(const struct esp_yaml_node *));
    if (!keys) {
        return -ENOMEM;
    }
    frame->keys = keys;
    frame->capacity = capacity;
    return 0;
}

int esp_yaml_frame_add(struct esp_yaml_frame *frame,
                       const struct esp_yaml_node *key,
                       const struct esp_yaml_node *value)
{
    if (frame->size == frame->capacity) {
        int rc = grow_frame(frame);
        if (rc < 0) {
            return rc;
        }
    }
    frame->keys[frame->size] = key;
    frame->values[frame->size] = value;
    frame->size++;
    return 0;
}

/* Adds a child's weight and depth to its parent; `offset` is that of the child, or of the alias
 * to it. */
static void weigh(struct esp_yaml_builder *b,
                  struct esp_yaml_node *parent,
                  const struct esp_yaml_node *child,
                  size_t offset)
{
    parent->weight += child->weight;
    if (child->depth + 1 > parent->depth) {
        parent->depth = child->depth + 1;
    }
    if (parent->weight > ESP_YAML_NODES_MAX) {
        ESP_YAML_REFUSE(b,
                        offset,
                        "the aliases up to here multiply to more than %d values",
                        ESP_YAML_NODES_MAX);
    } else if (parent->depth + (size_t)b->depth > ESP_YAML_DEPTH_MAX + 1) {
        ESP_YAML_REFUSE(b, offset, "nested deeper than %d levels", ESP_YAML_DEPTH_MAX);
    }
}

/* Adds a finished node to the innermost open collection: as an item, as a key, or as the value
 * of the last key. */
static int place(struct esp_yaml_builder *b, const struct esp_yaml_node *node, size_t offset)
{
    struct esp_yaml_frame *frame;

    if (b->depth == 0) {
        b->yaml->root = node;
        return 0;
    }
    frame = &b->frames[b->depth - 1];
    weigh(b, frame->node, node, offset);
    if (b->ended) {
        return 0;
    }
    if (frame->node->kind == ESP_YAML_SEQUENCE) {
        return esp_yaml_frame_add(frame, NULL, node);
    }
    if (frame->skip) {
        frame->skip = false;
        return 0;
    }
    if (!frame->key) {
        if (node->kind != ESP_YAML_SCALAR) {
            esp_yaml_fault_at(
                b->yaml, offset, "a key must be text, not %s", esp_yaml_kind_name(node));
            frame->skip = true;
            return 0;
        }
        frame->key = node;
        return 0;
    }
    const struct esp_yaml_node *key = frame->key;
    frame->key = NULL;
    return esp_yaml_frame_add(frame, key, node);
}

/* The last anchor of that name, as YAML lets a later one replace it. */
static struct esp_yaml_anchor *find_anchor(struct esp_yaml_builder *b,
                                           struct esp_yaml_span name)
{
    for (int i = b->anchor_count - 1; i >= 0; i--) {
        struct esp_yaml_anchor *anchor = &b->anchors[i];
        if (anchor->name_length == name.length &&
            memcmp(anchor->name, name.text, name.length) == 0) {
            return anchor;
        }
    }
    return NULL;
}

static int add_anchor(struct esp_yaml_builder *b,
                      struct esp_yaml_span name,
                      const struct esp_yaml_node *node,
                      bool open)
{
    struct esp_yaml_anchor *anchor;

    if (!name.text) {
        return 0;
    }
    if (b->anchor_count == ESP_YAML_ANCHORS_MAX) {
        ESP_YAML_REFUSE(
            b, node->offset, "more than %d anchors in one file", ESP_YAML_ANCHORS_MAX);
        return 0;
    }
    anchor = &b->anchors[b->anchor_count];
    anchor->name = copy_text(b, name);
    if (!anchor->name) {
        return -ENOMEM;
    }
    anchor->name_length = name.length;
    anchor->node = node;
    anchor->open = open;
    b->anchor_count++;
    return 0;
}

static void close_anchors(struct esp_yaml_builder *b, const struct esp_yaml_node *node)
{
    for (int i = 0; i < b->anchor_count; i++) {
        if (b->anchors[i].node == node) {
            b->anchors[i].open = false;
        }
    }
}

int esp_yaml_build_scalar(struct esp_yaml_builder *b,
                          struct esp_yaml_span text,
                          bool plain,
                          struct esp_yaml_span anchor,
                          size_t offset)
{
    struct esp_yaml_node *node = new_node(b, ESP_YAML_SCALAR, offset);

    if (!node) {
        return b->ended ? 0 : -ENOMEM;
    }
    node->plain = plain;
    node->text = copy_text(b, text);
    node->text_length = text.length;
    if (!node->text || add_anchor(b, anchor, node, false) < 0) {
        return -ENOMEM;
    }
    if (memchr(node->text, '\0', node->text_length)) {
        ESP_YAML_REFUSE(b, offset, "the escape \\0 is not allowed in text");
        return 0;
    }
    node->weight += node->text_length / BYTES_PER_NODE;
    return place(b, node, offset);
}

int esp_yaml_build_alias(struct esp_yaml_builder *b, struct esp_yaml_span name, size_t offset)
{
    const struct esp_yaml_anchor *anchor = name.text ? find_anchor(b, name) : NULL;
    int shown = (int)(name.length < ANCHOR_SHOWN_MAX ? name.length : ANCHOR_SHOWN_MAX);

    if (!anchor) {
        ESP_YAML_REFUSE(b,
                        offset,
                        "there is no anchor &%.*s before this alias",
                        shown,
                        name.text ? name.text : "");
        return 0;
    }
    if (anchor->open) {
        ESP_YAML_REFUSE(b, offset, "the alias *%.*s contains itself", shown, name.text);
        return 0;
    }
    return place(b, anchor->node, offset);
}

int esp_yaml_build_open(struct esp_yaml_builder *b,
                        enum esp_yaml_kind kind,
                        struct esp_yaml_span anchor,
                        size_t offset)
{
    struct esp_yaml_node *node;

    if (b->depth == ESP_YAML_DEPTH_MAX) {
        ESP_YAML_REFUSE(b, offset, "nested deeper than %d levels", ESP_YAML_DEPTH_MAX);
        return 0;
    }
    node = new_node(b, kind, offset);
    if (!node) {
        return b->ended ? 0 : -ENOMEM;
    }
    memset(&b->frames[b->depth], 0, sizeof b->frames[0]);
    b->frames[b->depth].node = node;
    b->depth++;
    return add_anchor(b, anchor, node, true);
}

/* Moves the entries of a frame into its node. */
static int take_entries(struct esp_yaml_builder *b, const struct esp_yaml_frame *frame)
{
    size_t bytes = frame->size * sizeof(const struct esp_yaml_node *);
    struct esp_yaml_node *node = frame->node;

    if (frame->size == 0) {
        return 0;
    }
    node->values = esp_yaml_allocate(b->yaml, bytes);
    node->keys = esp_yaml_allocate(b->yaml, bytes);
    if (!node->values || !node->keys) {
        return -ENOMEM;
    }
    memcpy(node->values, frame->values, bytes);
    memcpy(node->keys, frame->keys, bytes);
    node->size = frame->size;
    return 0;
}

int esp_yaml_build_close(struct esp_yaml_builder *b)
{
    struct esp_yaml_frame *frame = &b->frames[b->depth - 1];
    struct esp_yaml_node *node = frame->node;
    int rc = 0;

    if (node->kind == ESP_YAML_MAPPING) {
        rc = esp_yaml_check_duplicates(b, frame);
        rc = rc < 0 ? rc : esp_yaml_merge(b, frame);
    }
    rc = rc < 0 ? rc : take_entries(b, frame);
    free(frame->values);
    free(frame->keys);
    b->depth--;
    if (rc < 0 || b->ended) {
        return rc;
    }
    close_anchors(b, node);
    return place(b, node, node->offset);
}

void esp_yaml_build_release(struct esp_yaml_builder *b)
{
    for (int i = 0; i < b->depth; i++) {
        free(b->frames[i].values);
        free(b->frames[i].keys);
    }
    b->depth = 0;
}
