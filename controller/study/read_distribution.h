/* Parts of reading one parameter's distribution: read_choices.c, read_range.c. */
#ifndef CONTROLLER_STUDY_READ_DISTRIBUTION_H
#define CONTROLLER_STUDY_READ_DISTRIBUTION_H

#include "reader.h"

/* The value of a key of the parameter's mapping, or NULL. */
static inline const struct esp_yaml_node *esp_param_key(const struct esp_yaml_node *node,
                                                        const char *name)
{
    return esp_section_get(&esp_section_parameter, node, name);
}

/* Each reads its keys into `param`; false after a fault. What is allocated belongs to `param`,
 * also after a fault. */
bool esp_read_choice(struct reader *r, const struct esp_yaml_node *node, struct esp_value *out);
bool esp_read_choices(struct reader *r,
                      const struct esp_yaml_node *list,
                      struct esp_param *param);
/* Keeps one of equal values, with as large a probability as all of them have together.
 * `listed`: each value is tried once, so that its probability does not matter. */
void esp_merge_choices(struct reader *r, struct esp_param *param, bool listed);
bool esp_read_probabilities(struct reader *r,
                            const struct esp_yaml_node *list,
                            struct esp_param *param);
/* `min` and `max`, which are there. */
bool esp_read_bounds(struct reader *r,
                     const struct esp_yaml_node *node,
                     struct esp_param *param);
/* `mu` and `sigma`, `a` and `b`, or their defaults. */
bool esp_read_shape(struct reader *r,
                    const struct esp_yaml_node *node,
                    struct esp_param *param);
/* `q` or its default; after the keys above. */
bool esp_read_q(struct reader *r, const struct esp_yaml_node *node, struct esp_param *param);

#endif
