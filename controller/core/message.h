/* Messages of peers, by role and kind. */
#ifndef ESPALIER_CORE_MESSAGE_H
#define ESPALIER_CORE_MESSAGE_H

#include "state.h"

void esp_message_take(struct esp_core *core,
                      struct esp_peer peer,
                      const struct esp_message *message);

/* The connection of `peer` is known to be dead. */
void esp_peer_disconnected(struct esp_core *core, struct esp_peer peer);

#endif
