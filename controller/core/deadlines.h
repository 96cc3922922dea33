/* Deadlines that have passed. */
#ifndef ESPALIER_CORE_DEADLINES_H
#define ESPALIER_CORE_DEADLINES_H

#include "state.h"

void esp_deadlines_expire(struct esp_core *core);

#endif
