/* The document's parts, shared by the three yaml_*.c files alone. */
#ifndef TRIAL_CONFIG_YAML_TREE_H
#define TRIAL_CONFIG_YAML_TREE_H

#include <espalier/yaml.h>

/* Named by at most this many bytes in messages; longer lines are cut around the column. */
#define FAULT_WORDS_MAX 512

struct esp_yaml_node {
    enum esp_yaml_kind kind;
    bool plain;    /* a scalar without quotes or block style: may be a number */
    size_t offset; /* of its first byte in the text */
    const char *text;
    size_t text_length;
    size_t size;
    const struct esp_yaml_node **keys;   /* MAPPING */
    const struct esp_yaml_node **values; /* MAPPING, SEQUENCE */
    size_t weight; /* nodes in it with aliases and long texts at full length, at least 1 */
    size_t depth;  /* levels in it, at least 1 */
    int line;
    int column;
};

struct fault {
    size_t offset; /* SIZE_MAX: about the whole file */
    int order;
    int line;
    int column;
    char words[FAULT_WORDS_MAX];
};

struct chunk {
    struct chunk *next;
    size_t used;
    size_t size;
    max_align_t bytes[];
};

struct esp_yaml {
    char name[ESP_PATH_MAX];
    char *text; /* [size + 1] */
    size_t size;
    size_t *line_starts; /* [line_count] */
    size_t line_count;
    struct chunk *chunks; /* the nodes and their texts */
    const struct esp_yaml_node *root;
    struct fault faults[ESP_YAML_FAULTS_MAX];
    int fault_count; /* kept ones */
    int more_count;  /* beyond ESP_YAML_FAULTS_MAX */
};

/* Memory that lives as long as the document; zeroed; NULL when there is none. */
void *esp_yaml_take(struct esp_yaml *yaml, size_t size);

/* Line and column (both from 1) of a byte of the text. */
void esp_yaml_locate(const struct esp_yaml *yaml, size_t offset, int *line, int *column);

/* Parses the text into the tree; faults for what is wrong with it. 0 or -ENOMEM. */
int esp_yaml_build(struct esp_yaml *yaml);

/* Notes a fault at a byte of the text. */
__attribute__((format(printf, 3, 4))) void
esp_yaml_fault_at(struct esp_yaml *yaml, size_t offset, const char *format, ...);

#endif
