/* The sections of the study file and the rows of their keys; reading a key by its row.
 *
 * A reader takes a key out of a mapping by its section and name, and the name must have a row:
 * no key can be read that the reference does not list. Used by the controller and by
 * `espalier-trial train`. */
#ifndef ESPALIER_STUDY_SECTION_H
#define ESPALIER_STUDY_SECTION_H

#include <espalier/study_key.h>
#include <espalier/yaml.h>

/* A mapping of the study file and the keys that it may have. */
struct esp_key_section {
    const char *path;   /* "metric"; "": the top level */
    const char *where;  /* "in metric": the place of an unknown key, for messages */
    const char *prefix; /* "metric.": before a key's name in messages */
    const struct esp_key *keys;
    size_t count;
};

/* Most keys that a section may have. */
#define ESP_SECTION_KEYS_MAX 64

extern const struct esp_key_section esp_section_top;
extern const struct esp_key_section esp_section_metric;
extern const struct esp_key_section esp_section_prior;
extern const struct esp_key_section esp_section_budget;
extern const struct esp_key_section esp_section_parameter; /* an entry of `parameters` */

/* The words of metric.goal: minimize (0) and maximize (1); NULL-terminated. */
extern const char *const esp_goal_words[];

/* The row of a key. A section that has none of that name fails an assertion. */
const struct esp_key *esp_section_key(const struct esp_key_section *section, const char *name);

/* The value of a key in a mapping of the file, and the node of the key itself; NULL where the
 * file does not have it, or `mapping` is NULL or no mapping. The key must have a row. */
const struct esp_yaml_node *esp_section_get(const struct esp_key_section *section,
                                            const struct esp_yaml_node *mapping,
                                            const char *name);
const struct esp_yaml_node *esp_section_get_key(const struct esp_key_section *section,
                                                const struct esp_yaml_node *mapping,
                                                const char *name);

/* Adds a fault, with a suggestion, at every key of the mapping that has no row. */
void esp_section_check(const struct esp_key_section *section,
                       struct esp_yaml *yaml,
                       const struct esp_yaml_node *mapping);

/* Reads a key of type REAL, WHOLE, BOOLEAN or WORD and checks its range: into `out` goes the
 * number, 0 or 1, or the index of the word. Where the file does not have the key, `out` stays
 * as it was. False, with a fault, where the value is wrong; `out` then stays as well. */
bool esp_section_read(const struct esp_key_section *section,
                      struct esp_yaml *yaml,
                      const struct esp_yaml_node *mapping,
                      const char *name,
                      double *out);

/* The same for a WHOLE key, exact in all of its 64 bits. */
bool esp_section_read_whole(const struct esp_key_section *section,
                            struct esp_yaml *yaml,
                            const struct esp_yaml_node *mapping,
                            const char *name,
                            int64_t *out);

#endif
