/* What a trial process may claim about an attempt. */
#ifndef ESPALIER_CORE_ATTEMPT_CHECK_H
#define ESPALIER_CORE_ATTEMPT_CHECK_H

#include "state.h"

/* The fault of a message that must not be taken, or NULL. */
const char *esp_attempt_fault(const struct esp_trial *trial, const struct esp_message *message);

#endif
