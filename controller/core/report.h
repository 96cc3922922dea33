/* Reports of attempts. */
#ifndef ESPALIER_CORE_REPORT_H
#define ESPALIER_CORE_REPORT_H

#include "state.h"

void esp_report_handle(struct esp_core *core,
                       struct esp_trial *trial,
                       const struct esp_report *report);

/* After a start or a report: the trial has reached its horizon, or the scheduler is asked.
 * `waiting`: the attempt waits for a directive. */
void esp_trial_decide(struct esp_core *core, struct esp_trial *trial, bool waiting);

#endif
