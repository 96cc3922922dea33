/* Shared by the checks of a study that was read. */
#ifndef CONTROLLER_STUDY_CHECK_H
#define CONTROLLER_STUDY_CHECK_H

#include "read_distribution.h"

/* A distribution without bounds must stay within a setting's range but for this share on each
 * side. Those trials, one in 10,000, fail with the error of the setting. */
#define ESP_CHECK_TAIL 1e-4

/* Adds faults for parameters that the built-in trainer does not have, cannot search, or cannot
 * set to every value that they draw. */
void esp_check_parameters(struct reader *r);

bool esp_is_choice(const struct esp_param *param);
bool esp_is_unbounded(const struct esp_param *param);

/* The node of one choice of a parameter. */
const struct esp_yaml_node *esp_choice_node(const struct reader *r, int param, int index);
/* The node of `min` or `max`; that of the parameter where it has no bounds. */
const struct esp_yaml_node *esp_bound_node(const struct reader *r, int param, const char *key);

#endif
