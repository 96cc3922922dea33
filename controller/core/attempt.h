/* Messages of a trial process about one of its attempts. */
#ifndef ESPALIER_CORE_ATTEMPT_H
#define ESPALIER_CORE_ATTEMPT_H

#include "state.h"

/* STARTED, REPORT, SAVED, FAILED, RELEASED. */
void esp_attempt_message(struct esp_core *core,
                         struct esp_trial_process *p,
                         const struct esp_message *message);

#endif
