/* START: a controller begins its incarnation. */
#ifndef ESPALIER_CORE_STARTUP_H
#define ESPALIER_CORE_STARTUP_H

#include "state.h"

void esp_startup(struct esp_core *core, const char *version);

#endif
