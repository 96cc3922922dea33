/* The parts of a document, shared by the yaml_*.c files. */
#ifndef TRIAL_CONFIG_YAML_TREE_H
#define TRIAL_CONFIG_YAML_TREE_H

#include <espalier/yaml.h>

/* Bytes of a fault's message. */
#define FAULT_TEXT_MAX 512

struct esp_yaml_node {
    enum esp_yaml_kind kind;
    bool plain;    /* a scalar that is neither quoted nor a block: it may be a number */
    size_t offset; /* of its first byte in the text */
    const char *text;
    size_t text_length;
    size_t size;
    const struct esp_yaml_node **keys;   /* MAPPING */
    const struct esp_yaml_node **values; /* MAPPING, SEQUENCE */
    size_t weight; /* number of nodes, with aliases and long texts at full length; at least 1 */
    size_t depth;  /* number of levels; at least 1 */
    int line;
    int column;
};

struct fault {
    size_t offset; /* in the text; SIZE_MAX: about the whole file */
    int order;
    int line;
    int column;
    char text[FAULT_TEXT_MAX];
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
    struct chunk *chunks; /* memory of the nodes and their texts */
    const struct esp_yaml_node *root;
    struct fault faults[ESP_YAML_FAULTS_MAX];
    int fault_count; /* of `faults` */
    int more_count;  /* faults that were not kept */
};

/* Zeroed memory that is freed with the document; NULL when out of memory. */
void *esp_yaml_allocate(struct esp_yaml *yaml, size_t size);

/* Finds the line and column (both from 1) of a byte of the text. */
void esp_yaml_locate(const struct esp_yaml *yaml, size_t offset, int *line, int *column);

/* How YAML 1.1 reads a plain scalar that looks like a whole number in another base. */
enum esp_yaml_integer {
    ESP_YAML_INTEGER_NO,     /* it does not look so */
    ESP_YAML_INTEGER_NUMBER, /* a number */
    ESP_YAML_INTEGER_TEXT,   /* text: 08, 0o17 */
};

/* Sets `value` where it is a number. */
enum esp_yaml_integer esp_yaml_integer(const char *text, struct esp_value *value);

/* Parses the text into the tree and adds a fault for each error in it. 0 or -ENOMEM. */
int esp_yaml_build(struct esp_yaml *yaml);

/* Adds a fault at a byte of the text. */
__attribute__((format(printf, 3, 4))) void
esp_yaml_fault_at(struct esp_yaml *yaml, size_t offset, const char *format, ...);

#endif
