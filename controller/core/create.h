/* Creating trials. */
#ifndef ESPALIER_CORE_CREATE_H
#define ESPALIER_CORE_CREATE_H

#include "state.h"

/* A trial with these values. `start`: the verdict that started it; its `until` is limited to
 * the horizon. */
void esp_create_trial(struct esp_core *core,
                      const double *values,
                      const struct esp_reason *reason,
                      struct esp_verdict *start);

/* A trial with the settings of verdict->trial and its next seed. */
void esp_repeat_trial(struct esp_core *core, const struct esp_verdict *verdict);

#endif
