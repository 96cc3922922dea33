/* Builds the tree of a document from scalars, aliases and the starts and ends of collections,
 * in the order of the text. Shared by yaml_parse.c, which reads them from libfyaml,
 * yaml_build.c and yaml_merge.c.
 *
 * Functions return 0 or -ENOMEM. A text that breaks a limit or makes no sense becomes a fault;
 * `ended` is then set and the rest of the text is to be skipped. */
#ifndef TRIAL_CONFIG_YAML_BUILD_H
#define TRIAL_CONFIG_YAML_BUILD_H

#include "yaml_tree.h"

/* A collection that has not ended yet. */
struct esp_yaml_frame {
    struct esp_yaml_node *node;
    const struct esp_yaml_node *key;     /* MAPPING: the key whose value comes next, or NULL */
    bool skip;                           /* drop the next value: its key is not a scalar */
    const struct esp_yaml_node **keys;   /* [size], room for `capacity` */
    const struct esp_yaml_node **values; /* likewise */
    size_t size;
    size_t capacity;
};

struct esp_yaml_anchor {
    const char *name;
    size_t name_length;
    const struct esp_yaml_node *node;
    bool open; /* its collection has not ended: an alias to it would contain itself */
};

/* A text of `length` bytes, not NUL-terminated; borrowed. */
struct esp_yaml_span {
    const char *text; /* NULL: there is none */
    size_t length;
};

struct esp_yaml_builder {
    struct esp_yaml *yaml;
    struct esp_yaml_frame frames[ESP_YAML_DEPTH_MAX];
    int depth; /* frames in use */
    struct esp_yaml_anchor anchors[ESP_YAML_ANCHORS_MAX];
    int anchor_count;
    size_t node_count;
    bool ended; /* after a fault that makes the rest of the text meaningless */
};

/* Adds a fault that ends the building. */
#define ESP_YAML_REFUSE(b, offset, ...)                                                        \
    do {                                                                                       \
        esp_yaml_fault_at((b)->yaml, offset, __VA_ARGS__);                                     \
        (b)->ended = true;                                                                     \
    } while (0)

/* A scalar that begins at byte `offset` of the text. `plain`: it is neither quoted nor tagged
 * as a string, so it may be a number. `anchor` is the name behind "&". */
int esp_yaml_build_scalar(struct esp_yaml_builder *b,
                          struct esp_yaml_span text,
                          bool plain,
                          struct esp_yaml_span anchor,
                          size_t offset);
int esp_yaml_build_alias(struct esp_yaml_builder *b, struct esp_yaml_span name, size_t offset);
int esp_yaml_build_open(struct esp_yaml_builder *b,
                        enum esp_yaml_kind kind,
                        struct esp_yaml_span anchor,
                        size_t offset);
int esp_yaml_build_close(struct esp_yaml_builder *b);
/* Frees the frames of collections that never ended. */
void esp_yaml_build_release(struct esp_yaml_builder *b);

/* Adds an entry to a frame; `key` is NULL in a sequence. */
int esp_yaml_frame_add(struct esp_yaml_frame *frame,
                       const struct esp_yaml_node *key,
                       const struct esp_yaml_node *value);

/* Adds a fault at every key that the mapping has twice. */
int esp_yaml_check_duplicates(struct esp_yaml_builder *b, const struct esp_yaml_frame *frame);
/* Replaces the key "<<" by the entries of the mappings that it names. */
int esp_yaml_merge(struct esp_yaml_builder *b, struct esp_yaml_frame *frame);

#endif
