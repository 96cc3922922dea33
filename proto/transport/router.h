/* The controller's socket (DESIGN 4): a ROUTER on an ipc endpoint.
 *
 * Rules it keeps:
 *   - A connection is nobody until it says Hello; whatever else it sends is dropped and
 * answered by INTRODUCE, at most once a second. So after a restart of either side, or a break,
 * peers introduce themselves anew and send again what was not acknowledged.
 *   - One peer (role and key) has one connection: a newer Hello replaces the older one, from
 *     which nothing is taken any more.
 *   - A send that fails ends the introduction: the peer will be asked for a Hello, upon which
 *     the core sends everything outstanding again. The caller tells the core GONE.
 *   - What cannot be read never harms: it is dropped, counted, and told with words at a limited
 *     rate.
 *   - Heartbeats are handed up, and answered here unless something else went to that peer
 *     lately.
 *
 * Routing ids are ZeroMQ's own, new for each connection: none can be claimed or clash. One
 * thread uses a router. */
#ifndef PROTO_TRANSPORT_ROUTER_H
#define PROTO_TRANSPORT_ROUTER_H

#include <espalier/error.h>
#include <espalier/message.h>
#include <poll.h>
#include <stddef.h>

/* Beyond the socket itself: signals, timer, processes of a local agent, the terminal. */
#define ESP_ROUTER_FDS_MAX 64

struct esp_router;

/* Listens at `endpoint` (esp_endpoint); the socket's file is for this user only (0600). The
 * caller holds the lock on DIR: a second bind would take the name from the first. -errno with
 * words. */
int esp_router_create(const char *endpoint, struct esp_router **out, struct esp_error *error);
/* Drops what was not yet delivered, apart from `linger_ms` for it to leave. NULL is fine. */
void esp_router_destroy(struct esp_router *router, int linger_ms);

/* The next message of a peer, living until the next call; a Hello of a client has its key
 * filled in. Returns 0; ESP_ROUTER_MALFORMED: something unreadable came, `error` says what,
 * peer->role is NONE when its sender is nobody yet; -EAGAIN: nothing is there. Call it until
 * -EAGAIN or until enough for one batch was read; esp_router_poll returns at once while more is
 * there. */
#define ESP_ROUTER_MALFORMED 1

int esp_router_receive(struct esp_router *router,
                       struct esp_peer *peer,
                       struct esp_message *message,
                       struct esp_error *error);

/* -EHOSTUNREACH: the peer has no connection; -EAGAIN: it does not read and its queue is full.
 * Both: give the core ESP_INPUT_GONE. -EINVAL: the message breaks a limit, with words. */
int esp_router_send(struct esp_router *router,
                    const struct esp_peer *peer,
                    const struct esp_message *message,
                    struct esp_error *error);

/* Waits until a message is there, one of `fds` is ready (their revents are set), or
 * `timeout_ms` have passed (negative: no limit). Returns 1 when there may be a message, else 0;
 * -EINTR after a signal; other errno. `count` ≤ ESP_ROUTER_FDS_MAX. */
int esp_router_poll(struct esp_router *router,
                    struct pollfd *fds,
                    size_t count,
                    int64_t timeout_ms);

struct esp_router_counts {
    uint64_t received;
    uint64_t sent;
    uint64_t malformed;   /* all of them, told or not */
    uint64_t unknown;     /* messages dropped because their sender had not said Hello */
    uint64_t unreachable; /* sends that failed */
    size_t peers;
};

struct esp_router_counts esp_router_counts(const struct esp_router *router);

#endif
