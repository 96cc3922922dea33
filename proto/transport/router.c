#include "router.h"

#include "../codec.h"
#include "peers.h"

#include <assert.h>
#include <errno.h>
#include <espalier/clock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

/* Connections that may wait for accept: all processes of a study may connect at once. */
#define BACKLOG 4096

/* An unknown connection is asked for its Hello at most this often. */
#define INTRODUCE_MS 1000

/* A connection silent for this long may be forgotten: ten leases. */
#define FORGET_MS (10 * (int64_t)ESP_LEASE_MS)

/* Reports of malformed messages: this many at once, then one more per interval. */
#define REPORT_BURST 10
#define REPORT_EVERY_MS 1000

/* Messages dropped in one call before the caller gets a turn. */
#define DROPPED_MAX 256

/* Limits how often malformed messages are reported (a token bucket): each report advances
 * `spent_until_ms` by one interval, and it may lag behind the clock by the burst at most. */
struct report_limit {
    int64_t spent_until_ms;
    uint64_t suppressed; /* since the last report */
};

struct esp_router {
    struct esp_socket socket;
    char paths[ESP_ROUTER_ENDPOINTS_MAX][ESP_ENDPOINT_MAX]; /* of ipc sockets; "": none */
    size_t endpoint_count;                                  /* bound */
    struct esp_codec *codec;
    struct esp_bytes out;
    zmq_msg_t body;
    struct esp_peers *peers;
    uint64_t last_client;
    esp_router_admit *admit; /* NULL: every Hello is accepted */
    void *admit_context;
    struct esp_router_counts counts;
    struct report_limit reports;
};

/* ROUTER_MANDATORY: without it ZeroMQ silently drops what it cannot deliver. */
static const struct esp_socket_option options[] = {
    {ZMQ_ROUTER_MANDATORY, 1},
    {ZMQ_BACKLOG, BACKLOG},
};

static int listen_at(struct esp_router *router, const struct esp_endpoint *endpoint)
{
    int rc =
        endpoint->prepare ? endpoint->prepare(endpoint->context, router->socket.handle) : 0;
    if (rc < 0) {
        return rc;
    }
    mode_t before = umask(0177); /* the file of an ipc socket gets mode 0600 */
    rc = zmq_bind(router->socket.handle, endpoint->address) < 0 ? -errno : 0;
    umask(before);
    if (rc == 0 && strncmp(endpoint->address, "ipc://", 6) == 0) {
        snprintf(router->paths[router->endpoint_count],
                 sizeof router->paths[0],
                 "%s",
                 endpoint->address + 6);
    }
    router->endpoint_count += rc == 0;
    return rc;
}

static int open_parts(struct esp_router *router)
{
    int rc = esp_codec_create(&router->codec);
    rc = rc == 0 ? esp_peers_create(&router->peers) : rc;
    return rc == 0 ? esp_socket_open(
                         &router->socket, ZMQ_ROUTER, options, sizeof options / sizeof *options)
                   : rc;
}

int esp_router_create(const struct esp_endpoint *endpoints,
                      size_t endpoint_count,
                      struct esp_router **out,
                      struct esp_error *error)
{
    assert(endpoint_count > 0 && endpoint_count <= ESP_ROUTER_ENDPOINTS_MAX);
    struct esp_router *router = calloc(1, sizeof *router);
    size_t at = 0;
    int rc = -ENOMEM;
    if (router) {
        zmq_msg_init(&router->body);
        rc = open_parts(router);
    }
    while (rc == 0 && at < endpoint_count) {
        rc = listen_at(router, &endpoints[at]);
        at += rc == 0;
    }
    if (rc < 0) {
        esp_error_set(error,
                      rc,
                      "cannot listen at '%s': %s.",
                      endpoints[at].address,
                      esp_socket_error(rc));
        esp_router_destroy(router, 0);
        return rc;
    }
    *out = router;
    return 0;
}

void esp_router_admission(struct esp_router *router, esp_router_admit *admit, void *context)
{
    router->admit = admit;
    router->admit_context = context;
}

void esp_router_destroy(struct esp_router *router, int linger_ms)
{
    if (!router) {
        return;
    }
    /* ZeroMQ would leave the files, and peers would find sockets at which nobody listens. */
    for (size_t i = 0; i < router->endpoint_count; i++) {
        if (router->paths[i][0]) {
            unlink(router->paths[i]);
        }
    }
    zmq_msg_close(&router->body);
    esp_socket_close(&router->socket, linger_ms);
    esp_peers_destroy(router->peers);
    esp_codec_destroy(router->codec);
    esp_bytes_release(&router->out);
    free(router);
}

static int send_to(struct esp_router *router,
                   struct esp_connection *c,
                   const struct esp_message *message,
                   struct esp_error *error)
{
    int rc = esp_codec_encode(message, &router->out, error);
    if (rc < 0) {
        return rc;
    }
    /* ZeroMQ refuses the id with EHOSTUNREACH or EAGAIN; if it accepts the id, it accepts the
     * body too. */
    rc = esp_socket_send(&router->socket, c->route, ESP_ROUTE_SIZE, true);
    rc = rc == 0 ? esp_socket_send(&router->socket, router->out.data, router->out.length, false)
                 : rc;
    if (rc == 0) {
        c->sent_ms = esp_clock_ms();
        router->counts.sent++;
    }
    return rc;
}

/* Asks an unknown connection for its Hello. */
static void request_hello(struct esp_router *router, struct esp_connection *c, int64_t now_ms)
{
    static const struct esp_message introduce = {.kind = ESP_MESSAGE_INTRODUCE};
    if (c->asked_ms == INT64_MIN || now_ms - c->asked_ms >= INTRODUCE_MS) {
        c->asked_ms = now_ms;
        send_to(router, c, &introduce, NULL); /* if it fails, the next message asks again */
    }
}

/* Nothing for the caller: continue with the next message. */
#define DROPPED 2

/* Counts a malformed message, which `error` describes. ESP_ROUTER_MALFORMED when it is to be
 * reported now; the report then also says how many were suppressed before it. Else DROPPED. */
static int malformed(struct esp_router *router, int64_t now_ms, struct esp_error *error)
{
    struct report_limit *limit = &router->reports;
    router->counts.malformed++;
    if (limit->spent_until_ms < now_ms - REPORT_BURST * REPORT_EVERY_MS) {
        limit->spent_until_ms = now_ms - REPORT_BURST * REPORT_EVERY_MS;
    }
    if (limit->spent_until_ms + REPORT_EVERY_MS > now_ms) {
        limit->suppressed++;
        return DROPPED;
    }
    limit->spent_until_ms += REPORT_EVERY_MS;
    if (limit->suppressed > 0) {
        size_t used = strlen(error->text);
        snprintf(error->text + used,
                 sizeof error->text - used,
                 " (and %llu more malformed messages before)",
                 (unsigned long long)limit->suppressed);
        limit->suppressed = 0;
    }
    return ESP_ROUTER_MALFORMED;
}

/* Reads [id, body] and drops further frames. Returns the number of frames, or -errno.
 * `generated`: the id is one that ZeroMQ made. */
static int
receive_frames(struct esp_router *router, uint8_t route[ESP_ROUTE_SIZE], bool *generated)
{
    int frames = 1, more = 1;
    int n = zmq_recv(router->socket.handle, route, ESP_ROUTE_SIZE, ZMQ_DONTWAIT);
    if (n < 0) {
        return -errno;
    }
    *generated = n == ESP_ROUTE_SIZE && route[0] == 0;
    for (; more; frames++) {
        zmq_msg_t extra, *into = frames == 1 ? &router->body : &extra;
        if (into == &extra) {
            zmq_msg_init(&extra);
        }
        int rc = zmq_msg_recv(into, router->socket.handle, ZMQ_DONTWAIT) < 0 ? -errno : 0;
        more = rc == 0 && zmq_msg_more(into);
        if (into == &extra) {
            zmq_msg_close(&extra);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return frames;
}

/* Answers a Hello that is not admitted. The connection stays what it is. */
static int refuse(struct esp_router *router, struct esp_connection *c, const char *reason)
{
    struct esp_message message = {.kind = ESP_MESSAGE_WELCOME, .welcome.refused = reason};
    router->counts.refused++;
    c->asked_ms = esp_clock_ms(); /* its next messages do not ask for another Hello at once */
    send_to(router, c, &message, NULL); /* a peer that does not get it says Hello again */
    return DROPPED;
}

static int take_hello(struct esp_router *router,
                      struct esp_connection *c,
                      struct esp_hello *hello,
                      int64_t now_ms,
                      struct esp_error *error)
{
    if (hello->role == ESP_ROLE_CLIENT) {
        hello->key = c->peer.role == ESP_ROLE_CLIENT ? c->peer.key : ++router->last_client;
    }
    struct esp_peer peer = {.role = hello->role, .key = hello->key};
    if (peer.key == 0) {
        esp_error_set(error, 0, "a Hello without a key.");
        return malformed(router, now_ms, error);
    }
    const char *refused =
        router->admit ? router->admit(router->admit_context, &peer, hello) : NULL;
    if (refused) {
        return refuse(router, c, refused);
    }
    switch (esp_peers_bind(router->peers, c, &peer)) {
    case ESP_BIND_DONE:
        return 0;
    case ESP_BIND_STALE:
        router->counts.unknown++;
        return DROPPED;
    default:
        esp_error_set(error, 0, "a Hello of another peer than before on the same connection.");
        return malformed(router, now_ms, error);
    }
}

static void
answer_heartbeat(struct esp_router *router, struct esp_connection *c, int64_t now_ms)
{
    static const struct esp_message heartbeat = {.kind = ESP_MESSAGE_HEARTBEAT};
    if (now_ms - c->sent_ms >= ESP_HEARTBEAT_MS / 2) {
        send_to(router, c, &heartbeat, NULL); /* a failure shows at the core's next send */
    }
}

/* Takes one message of `frames` frames that connection `c` sent. */
static int take(struct esp_router *router,
                struct esp_connection *c,
                int frames,
                int64_t now_ms,
                struct esp_message *message,
                struct esp_error *error)
{
    size_t size = zmq_msg_size(&router->body);
    int rc = 0;
    if (c->state == ESP_CONNECTION_REPLACED) {
        router->counts.unknown++;
        return DROPPED;
    }
    if (frames == 2 && size == 0) { /* the probe of a new connection */
        if (c->state == ESP_CONNECTION_UNKNOWN) {
            request_hello(router, c, now_ms);
        }
        return DROPPED;
    }
    if (frames != 2) {
        rc = esp_error_set(
            error, -EBADMSG, "a message of %d frames instead of one.", frames - 1);
    } else {
        rc = esp_codec_decode(router->codec, zmq_msg_data(&router->body), size, message, error);
    }
    if (rc < 0) {
        return malformed(router, now_ms, error);
    }
    router->counts.received++;
    if (message->kind == ESP_MESSAGE_HELLO) {
        return take_hello(router, c, &message->hello, now_ms, error);
    }
    if (c->state == ESP_CONNECTION_UNKNOWN) {
        router->counts.unknown++;
        request_hello(router, c, now_ms);
        return DROPPED;
    }
    if (message->kind == ESP_MESSAGE_HEARTBEAT) {
        answer_heartbeat(router, c, now_ms);
    }
    return 0;
}

int esp_router_receive(struct esp_router *router,
                       struct esp_peer *peer,
                       struct esp_message *message,
                       struct esp_error *error)
{
    struct esp_error unused;
    error = error ? error : &unused;
    for (int dropped = 0; dropped < DROPPED_MAX; dropped++) {
        uint8_t route[ESP_ROUTE_SIZE];
        bool generated = false;
        int frames = receive_frames(router, route, &generated);
        if (frames == -EINTR) {
            continue;
        }
        if (frames < 0) {
            return frames;
        }
        int64_t now_ms = esp_clock_ms();
        struct esp_connection *c = NULL;
        int rc;
        *peer = (struct esp_peer){0};
        if (generated) {
            c = esp_peers_touch(router->peers, route, now_ms, FORGET_MS);
            rc = c ? take(router, c, frames, now_ms, message, error) : -ENOMEM;
        } else {
            esp_error_set(error, 0, "a message from a connection that chose its own identity.");
            rc = malformed(router, now_ms, error);
        }
        if (rc != DROPPED) {
            *peer = c ? c->peer : *peer;
            return rc;
        }
    }
    return -EAGAIN;
}

int esp_router_send(struct esp_router *router,
                    const struct esp_peer *peer,
                    const struct esp_message *message,
                    struct esp_error *error)
{
    struct esp_connection *c = esp_peers_find(router->peers, peer);
    int rc = c ? send_to(router, c, message, error) : -EHOSTUNREACH;
    if (rc == -EHOSTUNREACH || rc == -EAGAIN) {
        router->counts.unreachable++;
        esp_error_set(error,
                      rc,
                      rc == -EAGAIN ? "the peer does not read its messages."
                                    : "the peer has no connection.");
        if (c) {
            esp_peers_unbind(router->peers, c);
        }
    }
    return rc;
}

int esp_router_poll(struct esp_router *router,
                    struct pollfd *fds,
                    size_t count,
                    int64_t timeout_ms)
{
    return esp_socket_poll(&router->socket, false, fds, count, timeout_ms);
}

struct esp_router_counts esp_router_counts(const struct esp_router *router)
{
    struct esp_router_counts counts = router->counts;
    counts.peers = esp_peers_count(router->peers);
    return counts;
}
