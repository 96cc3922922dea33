/* Messages of an agent. */
#ifndef ESPALIER_CORE_AGENT_MESSAGE_H
#define ESPALIER_CORE_AGENT_MESSAGE_H

#include "state.h"

/* A process has ended; acknowledged also when it is a repeat. */
void esp_exited(struct esp_core *core,
                struct esp_agent *agent,
                const struct esp_exited *exited);

/* The agent's host is about to leave: its trials are saved and go on elsewhere. */
void esp_drain(struct esp_core *core, struct esp_agent *agent);

#endif
