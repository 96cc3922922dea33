/* The id of an agent. A restarted agent has the same id, so that the controller recognizes it.
 */
#ifndef CONTROLLER_AGENT_AGENT_ID_H
#define CONTROLLER_AGENT_AGENT_ID_H

#include <espalier/error.h>
#include <stdint.h>

/* Reads the id of DIR's agent on this host from DIR/agent/id-HOST; the first call makes a
 * random one and writes it there. Never 0. -errno when the file cannot be written. */
int esp_agent_id(const char *dir, uint64_t *id, struct esp_error *error);

#endif
