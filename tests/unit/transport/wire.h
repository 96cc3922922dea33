/* Shared by the tests of router, client and serve: a study's folder, the controller's socket in
 * it, and waiting for messages. Waits are bounded only so that a failing test ends. */
#ifndef TESTS_TRANSPORT_WIRE_H
#define TESTS_TRANSPORT_WIRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../proto/transport/dealer.h"
#include "../../../proto/transport/endpoint.h"
#include "../../../proto/transport/router.h"

#define WAIT_MS 20000

struct wire {
    char dir[64];
    char endpoint[ESP_ENDPOINT_MAX];
    struct esp_router *router;
};

void wire_open(struct wire *w);
void wire_listen(struct wire *w); /* starts a controller */
void wire_stop(struct wire *w);   /* ends it */
void wire_close(struct wire *w);

/* Returns the next message of `kind` (ESP_MESSAGE_NONE: any kind) at the controller; others are
 * skipped. */
struct esp_message
wire_expect(struct wire *w, enum esp_message_kind kind, struct esp_peer *peer);

/* Returns the next result of esp_router_receive that is not -EAGAIN; -EAGAIN after `ms`. */
int wire_receive(struct wire *w,
                 struct esp_peer *peer,
                 struct esp_message *message,
                 struct esp_error *error,
                 int64_t ms);

void wire_send(struct wire *w, struct esp_peer peer, const struct esp_message *message);
void wire_welcome(struct wire *w, struct esp_peer peer, uint32_t lease_ms);

/* Returns the next message at a dealer, which must be of `kind`; meanwhile the controller's
 * socket is read too. */
struct esp_message
wire_answer(struct wire *w, struct esp_dealer *d, enum esp_message_kind kind);

#endif
