/* Hello of a peer. */
#ifndef ESPALIER_CORE_HELLO_H
#define ESPALIER_CORE_HELLO_H

#include "state.h"

void esp_hello(struct esp_core *core, struct esp_peer peer, const struct esp_hello *hello);

#endif
