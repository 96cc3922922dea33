/* A diagnosing YAML reader: a tree in which each node knows its line and column, and a list of
 * faults that are reported all at once.
 *
 * A fault never stops a reader: it notes what is wrong at which node and goes on. When it is
 * done it asks `esp_yaml_faults`. A fault is printed as
 *
 *     study.yaml:7:3: unknown key "lerning_rate"; did you mean "learning_rate"?
 *         7 |   lerning_rate: {min: 1e-4, max: 3e-2}
 *           |   ^
 *
 * Scalars follow YAML 1.2's core schema widened by what people write under 1.1: 1e-5, .5,
 * 1_000, yes/no/on/off. Quoted scalars are text. Aliases are shared nodes, merge keys are
 * merged. Lines and columns count from 1, columns in characters. */
#ifndef ESPALIER_YAML_H
#define ESPALIER_YAML_H

#include <espalier/error.h>
#include <espalier/trainer.h>
#include <stdbool.h>

/* A study file is written by hand: the longest lists, ESP_PARAMS_MAX × ESP_CHOICES_MAX values
 * of 16 characters, are 1 MiB. */
#define ESP_YAML_BYTES_MAX (1024 * 1024)
/* Nodes after aliases are counted at full length, so that an alias bomb is refused:
 * ESP_PARAMS_MAX × ESP_CHOICES_MAX = 65,536 values, and the rest of the file. */
#define ESP_YAML_NODES_MAX 100000
/* Levels of nesting; the deepest study uses 6. Bounds the recursion of every reader. */
#define ESP_YAML_DEPTH_MAX 32
#define ESP_YAML_ANCHORS_MAX 256
/* Faults kept; a file with more has one cause. */
#define ESP_YAML_FAULTS_MAX 50

struct esp_yaml;
struct esp_yaml_node;

enum esp_yaml_kind {
    ESP_YAML_SCALAR,
    ESP_YAML_SEQUENCE,
    ESP_YAML_MAPPING,
};

/* Reads a text of `size` bytes; `name` is the file's name for messages. Syntax errors, text
 * that is not UTF-8, duplicate keys and broken limits become faults: the root may then be NULL,
 * and `esp_yaml_faults` fails. -ENOMEM otherwise. The text is copied. */
int esp_yaml_open_text(const char *text,
                       size_t size,
                       const char *name,
                       struct esp_yaml **out,
                       struct esp_error *error);

/* The same from a file; a file that cannot be read is an error (-errno), not a fault. */
int esp_yaml_open_file(const char *path, struct esp_yaml **out, struct esp_error *error);

void esp_yaml_destroy(struct esp_yaml *yaml);

/* Notes a fault at a node, or about the whole file where `node` is NULL. */
__attribute__((format(printf, 3, 4))) void esp_yaml_fault(struct esp_yaml *yaml,
                                                          const struct esp_yaml_node *node,
                                                          const char *format,
                                                          ...);

/* Faults at every key of a mapping that is not in `names` (NULL-terminated), with the nearest
 * that is. `where` says whose key it is: "in trainer.model", or "" at the top. */
void esp_yaml_check_keys(struct esp_yaml *yaml,
                         const struct esp_yaml_node *mapping,
                         const char *const *names,
                         const char *where);

/* Whether a key of the mapping looks like `key` misspelt: then it is no second fault that `key`
 * is missing. */
bool esp_yaml_has_near(const struct esp_yaml_node *mapping, const char *key);

/* 0 when there are none. -EINVAL otherwise: the error gets the faults in the order of the file,
 * as many as fit whole, and a count of the rest. */
int esp_yaml_faults(struct esp_yaml *yaml, struct esp_error *error);
int esp_yaml_fault_count(const struct esp_yaml *yaml);
/* All faults in the order of the file, on the heap for the caller to free; NULL when out of
 * memory. */
char *esp_yaml_faults_text(struct esp_yaml *yaml);

/* The document; NULL when it could not be parsed or is empty. */
const struct esp_yaml_node *esp_yaml_root(const struct esp_yaml *yaml);
/* The text as read, with a NUL behind it. */
const char *esp_yaml_text(const struct esp_yaml *yaml);
const char *esp_yaml_name(const struct esp_yaml *yaml);

enum esp_yaml_kind esp_yaml_kind(const struct esp_yaml_node *node);
/* "a text", "a number", "a list", …: what the node is, for messages. */
const char *esp_yaml_kind_words(const struct esp_yaml_node *node);
int esp_yaml_line(const struct esp_yaml_node *node);
int esp_yaml_column(const struct esp_yaml_node *node);

/* Items of a sequence or entries of a mapping; 0 for a scalar. */
size_t esp_yaml_size(const struct esp_yaml_node *node);
/* An item of a sequence, or the value of a mapping's entry. */
const struct esp_yaml_node *esp_yaml_item(const struct esp_yaml_node *node, size_t index);
/* The key of a mapping's entry: always a scalar. */
const struct esp_yaml_node *esp_yaml_key(const struct esp_yaml_node *node, size_t index);
/* The value of a key, or NULL; also NULL when `node` is NULL or no mapping. */
const struct esp_yaml_node *esp_yaml_get(const struct esp_yaml_node *node, const char *key);
/* The key node of the same entry, to point at. */
const struct esp_yaml_node *esp_yaml_get_key(const struct esp_yaml_node *node, const char *key);

/* A scalar's characters, NUL-terminated ("" for other kinds). */
const char *esp_yaml_scalar(const struct esp_yaml_node *node);
/* An empty or `null` plain scalar. */
bool esp_yaml_is_null(const struct esp_yaml_node *node);
/* The value of a scalar; text points into the document. Null and other kinds read as text. */
struct esp_value esp_yaml_value(const struct esp_yaml_node *node);

/* Each reads a value of one type; false, and a fault that names `what`, where it is of another
 * type or not finite. */
bool esp_yaml_read_real(struct esp_yaml *yaml,
                        const struct esp_yaml_node *node,
                        const char *what,
                        double *out);
/* Integers may be written 2e7 or 3.0. */
bool esp_yaml_read_integer(struct esp_yaml *yaml,
                           const struct esp_yaml_node *node,
                           const char *what,
                           int64_t *out);
bool esp_yaml_read_boolean(struct esp_yaml *yaml,
                           const struct esp_yaml_node *node,
                           const char *what,
                           bool *out);
/* Any scalar but null, as it is written, shorter than `size` bytes. */
bool esp_yaml_read_text(struct esp_yaml *yaml,
                        const struct esp_yaml_node *node,
                        const char *what,
                        char *out,
                        size_t size);
/* The index of a word in `names` (NULL-terminated), as esp_suggest_distance compares: case and
 * '-' against '_' count nothing; or a fault with a suggestion. */
bool esp_yaml_read_word(struct esp_yaml *yaml,
                        const struct esp_yaml_node *node,
                        const char *what,
                        const char *const *names,
                        int *out);

/* Any node as one line of JSON, on the heap; NULL when out of memory. */
char *esp_yaml_json(const struct esp_yaml_node *node);

#endif
