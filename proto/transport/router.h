/* The controller's end of all connections: a ROUTER socket that listens at one or more
 * endpoints.
 *
 * Rules it keeps:
 *   - A connection is unknown until it sends a Hello. Whatever else it sends before is dropped
 *     and answered by INTRODUCE, at most once a second. So after a restart of either side, or
 *     after a break, peers introduce themselves again and repeat what was not acknowledged.
 *   - A Hello is shown to the caller's admission function before its connection is bound to the
 *     peer that it names. A refused Hello is answered by a Welcome with the reason and changes
 *     nothing: the connection that the peer has stays bound, and other messages of the refused
 *     connection are dropped as those of an unknown one.
 *   - One peer (role and key) has one connection: a newer Hello replaces the older connection,
 *     from which nothing is accepted any more.
 *   - A send that fails makes the connection unknown again: its peer will be asked for a Hello,
 *     upon which the core sends everything outstanding again. The caller gives the core
 *     ESP_INPUT_GONE.
 *   - A message that cannot be read is dropped, counted, and reported at a limited rate.
 *   - Heartbeats are passed to the caller. They are answered here, unless something else was
 *     sent to that peer recently.
 *
 * Routing ids are made by ZeroMQ, a new one for each connection, so that no peer can claim
 * another's. Only one thread may use a router. */
#ifndef PROTO_TRANSPORT_ROUTER_H
#define PROTO_TRANSPORT_ROUTER_H

#include "endpoint.h"
#include "socket.h"

#include <espalier/message.h>

/* The local socket, TCP over IPv4 and over IPv6, and one to spare. */
#define ESP_ROUTER_ENDPOINTS_MAX 4

struct esp_router;

/* Listens at every one of the 1 to ESP_ROUTER_ENDPOINTS_MAX endpoints. The file of an ipc
 * socket is accessible to this user only (mode 0600). The caller holds the lock on DIR: a
 * second bind would take the file's name from the first. -errno, and `error` names the
 * endpoint. */
int esp_router_create(const struct esp_endpoint *endpoints,
                      size_t endpoint_count,
                      struct esp_router **out,
                      struct esp_error *error);
/* Decides on a Hello of `peer`: NULL accepts it, else the text says why it is refused. The text
 * must stay valid until the next call. */
typedef const char *
esp_router_admit(void *context, const struct esp_peer *peer, const struct esp_hello *hello);

/* Sets the admission function. Without one every Hello is accepted. */
void esp_router_admission(struct esp_router *router, esp_router_admit *admit, void *context);

/* Messages not yet delivered have `linger_ms` to leave. NULL is fine. */
void esp_router_destroy(struct esp_router *router, int linger_ms);

/* esp_router_receive: something arrived that cannot be read. */
#define ESP_ROUTER_MALFORMED 1

/* Receives the next message of a known peer; it is valid until the next call. The key of a
 * client's Hello is filled in. Returns 0; -EAGAIN: there is none; ESP_ROUTER_MALFORMED: `error`
 * says what is wrong, and peer->role is NONE when the sender is unknown; other -errno. Call it
 * until -EAGAIN or until one batch is full; esp_router_poll returns at once while more messages
 * wait. */
int esp_router_receive(struct esp_router *router,
                       struct esp_peer *peer,
                       struct esp_message *message,
                       struct esp_error *error);

/* -EHOSTUNREACH: the peer has no connection; -EAGAIN: it does not read and its queue is full.
 * In both cases give the core ESP_INPUT_GONE. -EINVAL: the message breaks a limit, which
 * `error` names. */
int esp_router_send(struct esp_router *router,
                    const struct esp_peer *peer,
                    const struct esp_message *message,
                    struct esp_error *error);

/* Waits as esp_socket_poll does. */
int esp_router_poll(struct esp_router *router,
                    struct pollfd *fds,
                    size_t count,
                    int64_t timeout_ms);

struct esp_router_counts {
    uint64_t received;
    uint64_t sent;
    uint64_t malformed;   /* reported or not */
    uint64_t refused;     /* Hellos that were not admitted */
    uint64_t unknown;     /* messages dropped because their connection is unknown or replaced */
    uint64_t unreachable; /* sends that failed */
    size_t peers;         /* known now */
};

struct esp_router_counts esp_router_counts(const struct esp_router *router);

#endif
