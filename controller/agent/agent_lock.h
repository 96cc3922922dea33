/* DIR/agent.lock ensures that there is one agent per host and study. Its content identifies the
 * holder. */
#ifndef ESPALIER_AGENT_AGENT_LOCK_H
#define ESPALIER_AGENT_AGENT_LOCK_H

#include <espalier/error.h>

/* Takes the lock, which is held until `*fd` is closed or the process ends. -EBUSY: another
 * agent holds it. */
int esp_agent_lock(const char *dir, int *fd, struct esp_error *error);

#endif
