/* How many trial processes there are. */
#ifndef ESPALIER_CORE_SPAWN_H
#define ESPALIER_CORE_SPAWN_H

#include "state.h"

/* Processes that exceed the setting `workers`. */
uint32_t esp_processes_surplus(const struct esp_core *core);

/* Ends idle surplus processes. Busy ones are ended when their trial is done, because nothing is
 * granted while there is a surplus. */
void esp_end_surplus(struct esp_core *core);

/* Starts processes while there is work for them. */
void esp_spawn_needed(struct esp_core *core);

#endif
