/* DIR/agent.lock: one agent per host and study. Its text names the holder. */
#ifndef ESPALIER_AGENT_AGENT_LOCK_H
#define ESPALIER_AGENT_AGENT_LOCK_H

#include <espalier/error.h>

/* The fd holds the lock until it is closed or the process dies. -EBUSY: another one has it. */
int esp_agent_lock(const char *dir, int *fd, struct esp_error *error);

#endif
