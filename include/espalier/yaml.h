/* A YAML reader that reports all errors of a file at once: a tree of nodes with their line and
 * column, and a list of faults.
 *
 * A fault does not stop the code that reads the tree: it adds the fault at a node and goes on,
 * and calls `esp_yaml_faults` at the end. A fault is printed as
 *
 *     study.yaml:7:3: unknown key "lerning_rate"; did you mean "learning_rate"?
 *         7 |   lerning_rate: {min: 1e-4, max: 3e-2}
 *           |   ^
 *
 * Scalars follow YAML 1.2's core schema, with forms of 1.1 that are in common use: 1e-5, .5,
 * 1_000, yes/no/on/off. Where the two read a whole number differently, it is as in 1.1, which
 * W&B's reader follows: 010 is 8. Quoted scalars are text. An alias is the node that it names;
 * merge keys are merged. Lines and columns count from 1, columns in characters. */
#ifndef ESPALIER_YAML_H
#define ESPALIER_YAML_H

#include <espalier/error.h>
#include <espalier/trainer.h>
#include <stdbool.h>

/* The largest study: ESP_PARAMS_MAX × ESP_CHOICES_MAX values of 16 characters are 1 MiB. */
#define ESP_YAML_BYTES_MAX (1024 * 1024)
/* Nodes, where an alias counts as all nodes that it names, so that an alias bomb is refused:
 * ESP_PARAMS_MAX × ESP_CHOICES_MAX = 65,536 values, and the rest of the file. */
#define ESP_YAML_NODES_MAX 100000
/* Levels of nesting; the deepest study uses 6. This bounds the recursion of every reader. */
#define ESP_YAML_DEPTH_MAX 32
#define ESP_YAML_ANCHORS_MAX 256
/* Faults that are kept; further ones are only counted. */
#define ESP_YAML_FAULTS_MAX 50

struct esp_yaml;
struct esp_yaml_node;

enum esp_yaml_kind {
    ESP_YAML_SCALAR,
    ESP_YAML_SEQUENCE,
    ESP_YAML_MAPPING,
};

/* Reads a text of `size` bytes, which is copied; `name` is the file's name for messages. Syntax
 * errors, text that is not UTF-8, duplicate keys and exceeded limits become faults: the root
 * may then be NULL, and `esp_yaml_faults` fails. -ENOMEM. */
int esp_yaml_open_text(const char *text,
                       size_t size,
                       const char *name,
                       struct esp_yaml **out,
                       struct esp_error *error);

/* The same from a file; a file that cannot be read is an error (-errno), not a fault. */
int esp_yaml_open_file(const char *path, struct esp_yaml **out, struct esp_error *error);

void esp_yaml_destroy(struct esp_yaml *yaml);

/* Adds a fault at a node, or about the whole file where `node` is NULL. */
__attribute__((format(printf, 3, 4))) void esp_yaml_fault(struct esp_yaml *yaml,
                                                          const struct esp_yaml_node *node,
                                                          const char *format,
                                                          ...);

/* Adds a fault at every key of a mapping that is not in `names` (NULL-terminated), with the
 * most similar name. `where` is the place for the message: "in trainer.model", or "". */
void esp_yaml_check_keys(struct esp_yaml *yaml,
                         const struct esp_yaml_node *mapping,
                         const char *const *names,
                         const char *where);

/* Whether the mapping has a key that looks like `key` misspelt: that is a fault already, and
 * the missing `key` need not be a second one. */
bool esp_yaml_has_near(const struct esp_yaml_node *mapping, const char *key);

/* 0 when there are no faults. Else -EINVAL, with the faults in the error: as many as fit, in
 * the order of the file, and the number of the rest. */
int esp_yaml_faults(struct esp_yaml *yaml, struct esp_error *error);
int esp_yaml_fault_count(const struct esp_yaml *yaml);
/* All faults that were kept, in the order of the file; the caller frees the text. NULL when out
 * of memory. */
char *esp_yaml_faults_text(struct esp_yaml *yaml);

/* The document; NULL when it could not be parsed or is empty. */
const struct esp_yaml_node *esp_yaml_root(const struct esp_yaml *yaml);
/* The text of the file, NUL-terminated. */
const char *esp_yaml_text(const struct esp_yaml *yaml);
const char *esp_yaml_name(const struct esp_yaml *yaml);

enum esp_yaml_kind esp_yaml_kind(const struct esp_yaml_node *node);
/* The kind of the node for messages: "text", "a number", "a list", … */
const char *esp_yaml_kind_name(const struct esp_yaml_node *node);
int esp_yaml_line(const struct esp_yaml_node *node);
int esp_yaml_column(const struct esp_yaml_node *node);

/* Number of items of a sequence or entries of a mapping; 0 for a scalar. */
size_t esp_yaml_size(const struct esp_yaml_node *node);
/* An item of a sequence, or the value of a mapping's entry. */
const struct esp_yaml_node *esp_yaml_item(const struct esp_yaml_node *node, size_t index);
/* The key of a mapping's entry: always a scalar. */
const struct esp_yaml_node *esp_yaml_key(const struct esp_yaml_node *node, size_t index);
/* The value of a key; NULL where there is none, and where `node` is NULL or no mapping. */
const struct esp_yaml_node *esp_yaml_get(const struct esp_yaml_node *node, const char *key);
/* The node of the key itself, for faults at it. */
const struct esp_yaml_node *esp_yaml_get_key(const struct esp_yaml_node *node, const char *key);

/* The characters of a scalar, NUL-terminated; "" for other kinds. */
const char *esp_yaml_scalar(const struct esp_yaml_node *node);
/* Whether the node is an empty or `null` plain scalar. */
bool esp_yaml_is_null(const struct esp_yaml_node *node);
/* The value of a scalar; its text points into the document. Null is text, and so are nodes of
 * other kinds. */
struct esp_value esp_yaml_value(const struct esp_yaml_node *node);

/* Whether YAML 1.1 and 1.2 read the scalar as different numbers, or only one of them as a
 * number. Then writes a clause that says so: "010 is 8, as in …". */
bool esp_yaml_differs(const struct esp_yaml_node *node, char *out, size_t size);

/* Each reads a value of one type into `out`. False where the node is of another type or not
 * finite: adds a fault, which begins with `what`, and leaves `out` as it was. */
bool esp_yaml_read_real(struct esp_yaml *yaml,
                        const struct esp_yaml_node *node,
                        const char *what,
                        double *out);
/* Whole numbers may be written 2e7 or 3.0. */
bool esp_yaml_read_integer(struct esp_yaml *yaml,
                           const struct esp_yaml_node *node,
                           const char *what,
                           int64_t *out);
bool esp_yaml_read_boolean(struct esp_yaml *yaml,
                           const struct esp_yaml_node *node,
                           const char *what,
                           bool *out);
/* The characters of any scalar but null, in fewer than `size` bytes. */
bool esp_yaml_read_text(struct esp_yaml *yaml,
                        const struct esp_yaml_node *node,
                        const char *what,
                        char *out,
                        size_t size);
/* The index of a word in `names` (NULL-terminated). Case does not matter, and '-' equals '_'.
 * The fault suggests the most similar word. */
bool esp_yaml_read_word(struct esp_yaml *yaml,
                        const struct esp_yaml_node *node,
                        const char *what,
                        const char *const *names,
                        int *out);

/* Any node as one line of JSON, which the caller frees; NULL when out of memory. */
char *esp_yaml_json(const struct esp_yaml_node *node);

#endif
