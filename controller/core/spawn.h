/* How many trial processes there are. */
#ifndef ESPALIER_CORE_SPAWN_H
#define ESPALIER_CORE_SPAWN_H

#include "state.h"

/* Processes beyond the workers that are wanted. */
uint32_t esp_processes_surplus(const struct esp_core *core);

/* Ends idle ones of the surplus. Busy ones end when their trial is done: nothing new is granted
 * meanwhile. */
void esp_end_surplus(struct esp_core *core);

/* Starts the processes that there is work for. */
void esp_spawn_needed(struct esp_core *core);

#endif
