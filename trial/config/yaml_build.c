/* From libfyaml's events to the tree. The only file that includes libfyaml.h.
 *
 * Events rather than libfyaml's document, because a document expands merge keys and stops at
 * the first duplicate key, and has no limit on what aliases multiply. Here each node is built
 * once, an alias points at it, and its weight (nodes at full length) and depth are added up on
 * the way: what grows beyond a limit is refused where it does. */
#include "yaml_tree.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

/* A long text counts as several nodes, so that aliases to it are bounded in bytes too:
 * ESP_YAML_NODES_MAX × 256 = 25 MB. */
#define BYTES_PER_NODE 256

struct frame {
    struct esp_yaml_node *node;
    const struct esp_yaml_node *key; /* MAPPING: waits for its value */
    bool skip;                       /* the next value belongs to a key that is no text */
    const struct esp_yaml_node **keys;
    const struct esp_yaml_node **values;
    size_t size;
    size_t capacity;
};

struct anchor {
    const char *name;
    size_t name_length;
    const struct esp_yaml_node *node;
    bool open; /* an alias to it would contain itself */
};

struct builder {
    struct esp_yaml *yaml;
    struct fy_parser *parser;
    struct frame frames[ESP_YAML_DEPTH_MAX];
    int depth;
    struct anchor anchors[ESP_YAML_ANCHORS_MAX];
    int anchor_count;
    size_t last_offset; /* where the last event with a place began */
    size_t node_count;
    int document_count;
    bool ended; /* a fault after which no sense can be made of the rest */
};

/* A fault that ends the building; the words name the place, so the caller just returns. */
#define REFUSE(b, offset, ...)                                                                 \
    do {                                                                                       \
        esp_yaml_fault_at((b)->yaml, offset, __VA_ARGS__);                                     \
        (b)->ended = true;                                                                     \
    } while (0)

static size_t event_offset(struct builder *b, struct fy_event *event)
{
    const struct fy_mark *mark = fy_event_start_mark(event);

    /* Events of empty values have no place: they are where the last thing was. */
    if (mark && mark->input_pos <= b->yaml->size) {
        b->last_offset = mark->input_pos;
    }
    return b->last_offset;
}

static struct esp_yaml_node *new_node(struct builder *b, enum esp_yaml_kind kind, size_t offset)
{
    struct esp_yaml_node *node;

    if (++b->node_count > ESP_YAML_NODES_MAX) {
        REFUSE(b, offset, "more than %d values in one file", ESP_YAML_NODES_MAX);
        return NULL;
    }
    node = esp_yaml_take(b->yaml, sizeof *node);
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

static int
copy_text(struct builder *b, struct fy_token *token, const char **out, size_t *length)
{
    size_t size = 0;
    const char *text = token ? fy_token_get_text(token, &size) : "";
    char *copy = esp_yaml_take(b->yaml, size + 1);

    if (!copy || !text) {
        return -ENOMEM;
    }
    memcpy(copy, text, size);
    *out = copy;
    *length = size;
    return 0;
}

static int grow_frame(struct frame *frame)
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

static int add_entry(struct frame *frame,
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

/* Adds what a new child weighs to its parent, at `offset` of the child or of the alias to it.
 */
static void weigh(struct builder *b,
                  struct esp_yaml_node *parent,
                  const struct esp_yaml_node *child,
                  size_t offset)
{
    parent->weight += child->weight;
    if (child->depth + 1 > parent->depth) {
        parent->depth = child->depth + 1;
    }
    if (parent->weight > ESP_YAML_NODES_MAX) {
        REFUSE(b,
               offset,
               "the aliases up to here multiply to more than %d values",
               ESP_YAML_NODES_MAX);
    } else if (parent->depth + (size_t)b->depth > ESP_YAML_DEPTH_MAX + 1) {
        REFUSE(b, offset, "nested deeper than %d levels", ESP_YAML_DEPTH_MAX);
    }
}

/* A finished node goes to the frame on top: as an item, a key, or the value of the key before.
 */
static int place(struct builder *b, const struct esp_yaml_node *node, size_t offset)
{
    struct frame *frame;

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
        return add_entry(frame, NULL, node);
    }
    if (frame->skip) {
        frame->skip = false;
        return 0;
    }
    if (!frame->key) {
        if (node->kind != ESP_YAML_SCALAR) {
            esp_yaml_fault_at(
                b->yaml, offset, "a key must be a text, not %s", esp_yaml_kind_words(node));
            frame->skip = true;
            return 0;
        }
        frame->key = node;
        return 0;
    }
    const struct esp_yaml_node *key = frame->key;
    frame->key = NULL;
    return add_entry(frame, key, node);
}

static struct anchor *find_anchor(struct builder *b, const char *name, size_t length)
{
    for (int i = b->anchor_count - 1; i >= 0; i--) {
        struct anchor *anchor = &b->anchors[i];
        if (anchor->name_length == length && memcmp(anchor->name, name, length) == 0) {
            return anchor;
        }
    }
    return NULL;
}

static int note_anchor(struct builder *b,
                       struct fy_token *token,
                       const struct esp_yaml_node *node,
                       bool open)
{
    struct anchor *anchor;

    if (!token) {
        return 0;
    }
    if (b->anchor_count == ESP_YAML_ANCHORS_MAX) {
        REFUSE(b, node->offset, "more than %d anchors in one file", ESP_YAML_ANCHORS_MAX);
        return 0;
    }
    anchor = &b->anchors[b->anchor_count];
    if (copy_text(b, token, &anchor->name, &anchor->name_length) < 0) {
        return -ENOMEM;
    }
    anchor->node = node;
    anchor->open = open;
    b->anchor_count++;
    return 0;
}

static void close_anchors(struct builder *b, const struct esp_yaml_node *node)
{
    for (int i = 0; i < b->anchor_count; i++) {
        if (b->anchors[i].node == node) {
            b->anchors[i].open = false;
        }
    }
}

/* `!!str 5` is a text; other tags change nothing. */
static bool is_text_tag(struct fy_event *event)
{
    struct fy_token *tag = fy_event_get_tag_token(event);
    size_t length = 0;
    const char *text = tag ? fy_token_get_text(tag, &length) : NULL;

    return text && length >= 4 && memcmp(text + length - 4, ":str", 4) == 0;
}

static int take_scalar(struct builder *b, struct fy_event *event, size_t offset)
{
    struct fy_token *token = event->scalar.value;
    enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
    struct esp_yaml_node *node;

    /* libfyaml's mark of a quoted scalar stands behind the quote. */
    if (offset > 0 && (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) &&
        strchr("'\"", b->yaml->text[offset - 1])) {
        offset--;
    }
    node = new_node(b, ESP_YAML_SCALAR, offset);
    if (!node) {
        return b->ended ? 0 : -ENOMEM;
    }
    node->plain = style == FYSS_PLAIN && !is_text_tag(event);
    if (copy_text(b, token, &node->text, &node->text_length) < 0 ||
        note_anchor(b, event->scalar.anchor, node, false) < 0) {
        return -ENOMEM;
    }
    if (memchr(node->text, '\0', node->text_length)) {
        REFUSE(b, offset, "the escape \\0 does not belong in a text");
        return 0;
    }
    node->weight += node->text_length / BYTES_PER_NODE;
    return place(b, node, offset);
}

static int take_alias(struct builder *b, struct fy_event *event, size_t offset)
{
    size_t length = 0;
    const char *name = fy_token_get_text(event->alias.anchor, &length);
    const struct anchor *anchor = name ? find_anchor(b, name, length) : NULL;

    if (!anchor) {
        REFUSE(b,
               offset,
               "no anchor &%.*s stands before this alias",
               (int)(length < 64 ? length : 64),
               name ? name : "");
        return 0;
    }
    if (anchor->open) {
        REFUSE(b,
               offset,
               "the alias *%.*s contains itself",
               (int)(length < 64 ? length : 64),
               name);
        return 0;
    }
    return place(b, anchor->node, offset);
}

static int open_collection(struct builder *b,
                           enum esp_yaml_kind kind,
                           struct fy_token *anchor,
                           size_t offset)
{
    struct esp_yaml_node *node;

    if (b->depth == ESP_YAML_DEPTH_MAX) {
        REFUSE(b, offset, "nested deeper than %d levels", ESP_YAML_DEPTH_MAX);
        return 0;
    }
    node = new_node(b, kind, offset);
    if (!node) {
        return b->ended ? 0 : -ENOMEM;
    }
    memset(&b->frames[b->depth], 0, sizeof b->frames[0]);
    b->frames[b->depth].node = node;
    b->depth++;
    return note_anchor(b, anchor, node, true);
}

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

/* Sorted, so that a file of nothing but keys is still read in no time. */
static int check_duplicates(struct builder *b, const struct frame *frame)
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

static bool has_key(const struct frame *frame, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(frame->keys[i]->text, text) == 0) {
            return true;
        }
    }
    return false;
}

/* The entries of one merged mapping that the mapping has not itself; the earlier ones win. */
static int
merge_mapping(struct builder *b, struct frame *frame, const struct esp_yaml_node *from)
{
    if (from->kind != ESP_YAML_MAPPING) {
        esp_yaml_fault_at(b->yaml, from->offset, "<< takes a mapping or a list of mappings");
        return 0;
    }
    for (size_t i = 0; i < from->size; i++) {
        int rc;
        if (has_key(frame, frame->size, from->keys[i]->text)) {
            continue;
        }
        /* Merging compares every pair of keys: mappings of settings are short. */
        if (frame->size >= ESP_CHOICES_MAX) {
            REFUSE(b, from->offset, "merged to more than %d keys", ESP_CHOICES_MAX);
            return 0;
        }
        rc = add_entry(frame, from->keys[i], from->values[i]);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int merge(struct builder *b, struct frame *frame)
{
    const struct esp_yaml_node *from = NULL;
    int rc = 0;

    for (size_t i = 0; i < frame->size && !from; i++) {
        if (is_merge(frame->keys[i])) {
            from = frame->values[i];
            frame->size--;
            memmove(&frame->keys[i],
                    &frame->keys[i + 1],
                    (frame->size - i) * sizeof frame->keys[0]);
            memmove(&frame->values[i],
                    &frame->values[i + 1],
                    (frame->size - i) * sizeof frame->values[0]);
        }
    }
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

static int close_collection(struct builder *b)
{
    struct frame *frame = &b->frames[b->depth - 1];
    struct esp_yaml_node *node = frame->node;
    size_t bytes;
    int rc = 0;

    if (node->kind == ESP_YAML_MAPPING) {
        rc = check_duplicates(b, frame);
        rc = rc < 0 ? rc : merge(b, frame);
    }
    bytes = frame->size * sizeof(const struct esp_yaml_node *);
    if (rc == 0 && frame->size > 0) {
        node->values = esp_yaml_take(b->yaml, bytes);
        node->keys = esp_yaml_take(b->yaml, bytes);
        if (!node->values || !node->keys) {
            rc = -ENOMEM;
        } else {
            memcpy(node->values, frame->values, bytes);
            memcpy(node->keys, frame->keys, bytes);
            node->size = frame->size;
        }
    }
    free(frame->values);
    free(frame->keys);
    b->depth--;
    if (rc < 0 || b->ended) {
        return rc;
    }
    close_anchors(b, node);
    return place(b, node, node->offset);
}

static int take_event(struct builder *b, struct fy_event *event)
{
    size_t offset = event_offset(b, event);

    switch (event->type) {
    case FYET_DOCUMENT_START:
        if (b->document_count++ > 0) {
            REFUSE(b, offset, "a second document begins here; one file is one study");
        }
        return 0;
    case FYET_SCALAR:
        return take_scalar(b, event, offset);
    case FYET_ALIAS:
        return take_alias(b, event, offset);
    case FYET_SEQUENCE_START:
        return open_collection(b, ESP_YAML_SEQUENCE, event->sequence_start.anchor, offset);
    case FYET_MAPPING_START:
        return open_collection(b, ESP_YAML_MAPPING, event->mapping_start.anchor, offset);
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
        return close_collection(b);
    default:
        return 0;
    }
}

/* A tab among the spaces before a line's first word: libfyaml's words do not always say so. */
static bool is_tab_indented(const struct esp_yaml *yaml, int line)
{
    size_t at;

    if (line < 1 || (size_t)line > yaml->line_count) {
        return false;
    }
    for (at = yaml->line_starts[line - 1]; yaml->text[at] == ' '; at++) {
    }
    return yaml->text[at] == '\t';
}

/* libfyaml's first words; those that follow describe the same trouble from further out. */
static void fault_from_library(struct builder *b, struct fy_diag *diag)
{
    void *iterator = NULL;
    struct fy_diag_error *e = fy_diag_errors_iterate(diag, &iterator);
    size_t offset = b->last_offset;
    const char *words = e && e->msg && e->msg[0] ? e->msg : "this is not YAML";
    const char *remedy = "";

    if (e && e->line >= 1 && (size_t)e->line <= b->yaml->line_count) {
        size_t start = b->yaml->line_starts[e->line - 1];
        size_t column = e->column > 0 ? (size_t)e->column - 1 : 0;
        offset = start;
        while (column-- > 0 && offset < b->yaml->size && b->yaml->text[offset] != '\n') {
            size_t step = esp_yaml_utf8_length((const unsigned char *)b->yaml->text + offset,
                                               b->yaml->size - offset);
            offset += step ? step : 1;
        }
        if (is_tab_indented(b->yaml, e->line) || is_tab_indented(b->yaml, e->line + 1)) {
            remedy = "; indent with spaces instead of tabs";
        }
    }
    esp_yaml_fault_at(b->yaml, offset, "%s%s", words, remedy);
}

static int run_parser(struct builder *b, struct fy_diag *diag)
{
    int rc = 0;

    if (fy_parser_set_string(b->parser, b->yaml->text, b->yaml->size) != 0) {
        return -ENOMEM;
    }
    while (rc == 0 && !b->ended) {
        struct fy_event *event = fy_parser_parse(b->parser);
        if (!event) {
            break;
        }
        rc = take_event(b, event);
        fy_parser_event_free(b->parser, event);
    }
    if (rc == 0 && !b->ended && (fy_parser_get_stream_error(b->parser) || b->depth > 0)) {
        fault_from_library(b, diag);
        b->ended = true;
    }
    return rc;
}

int esp_yaml_build(struct esp_yaml *yaml)
{
    struct builder *b = calloc(1, sizeof *b);
    struct fy_diag_cfg diag_cfg;
    struct fy_diag *diag = NULL;
    struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG |
                                        FYPCF_DISABLE_ACCELERATORS | FYPCF_JSON_NONE};
    int rc = -ENOMEM;

    if (!b) {
        goto out;
    }
    b->yaml = yaml;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.colorize = false;
    diag = fy_diag_create(&diag_cfg);
    if (!diag) {
        goto out;
    }
    fy_diag_set_collect_errors(diag, true);
    cfg.diag = diag;
    b->parser = fy_parser_create(&cfg);
    if (!b->parser) {
        goto out;
    }
    rc = run_parser(b, diag);
    if (rc < 0 || b->ended) {
        yaml->root = NULL;
    }

out:
    if (b) {
        for (int i = 0; i < b->depth; i++) {
            free(b->frames[i].values);
            free(b->frames[i].keys);
        }
        fy_parser_destroy(b->parser);
    }
    fy_diag_destroy(diag);
    free(b);
    return rc;
}
