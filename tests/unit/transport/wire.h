/* What the tests of net and client share: a study's folder, a socket in it, and waiting for
 * messages. Waits have a bound only so that a failing test ends. */
#ifndef TESTS_NET_WIRE_H
#define TESTS_NET_WIRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../proto/transport/router.h"

#include "../../../proto/transport/dealer.h"
#include "../../../proto/transport/endpoint.h"

#define WAIT_MS 20000

struct wire {
    char dir[64];
    char endpoint[ESP_ENDPOINT_MAX];
    struct esp_router *router;
};

void wire_open(struct wire *w);
void wire_listen(struct wire *w); /* a controller starts */
void wire_stop(struct wire *w);   /* and ends */
void wire_close(struct wire *w);

/* The next message of `kind` (any: ESP_MESSAGE_NONE) at the controller, heartbeats and others
 * passed over. */
struct esp_message
wire_expect(struct wire *w, enum esp_message_kind kind, struct esp_peer *peer);

/* The next result of esp_router_receive that is not -EAGAIN, within `ms`; -EAGAIN. */
int wire_receive(struct wire *w,
                 struct esp_peer *peer,
                 struct esp_message *message,
                 struct esp_error *error,
                 int64_t ms);

void wire_send(struct wire *w, struct esp_peer peer, const struct esp_message *message);
void wire_welcome(struct wire *w, struct esp_peer peer, uint32_t lease_ms);

/* The next message at a dealer while the controller's socket is read too; it must be `kind`. */
struct esp_message
wire_answer(struct wire *w, struct esp_dealer *d, enum esp_message_kind kind);

#endif
