#include "router.h"

#include "../codec.h"
#include "peers.h"

#include "endpoint.h"
#include <assert.h>
#include <errno.h>
#include <espalier/clock.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

/* Messages queued for one peer, and from one: 4096 peers × 1000 × 200 bytes would be 800 MB,
 * but only for peers that all stop reading at once. */
#define QUEUE_MESSAGES 1000

/* Connections that wait for accept: all processes of a study may come at once. */
#define BACKLOG 4096

/* Larger than ESP_MESSAGE_MAX, so that what is a little too large is told of; beyond this
 * ZeroMQ ends the connection. */
#define FRAME_MAX (1024 * 1024)

#define HANDSHAKE_MS 5000

/* A stranger is asked for its Hello this often. */
#define ASK_MS 1000

/* A connection unheard for this long may be forgotten: ten leases. */
#define FORGET_MS (10 * (int64_t)ESP_LEASE_MS)

/* Malformed messages told of: so many at once, then one more for each interval. */
#define TELL_BURST 10
#define TELL_EVERY_MS 1000

/* Unreadable and unwanted messages looked at before the caller gets its turn. */
#define SKIPPED_MAX 256

struct esp_router {
    void *context;
    void *socket;
    char path[ESP_ENDPOINT_MAX]; /* of the socket's file, once it is ours; else "" */
    struct esp_codec *codec;
    struct esp_bytes out;
    zmq_msg_t body;
    struct esp_peers *peers;
    uint64_t last_client;
    struct esp_router_counts counts;
    int64_t
        tell_from_ms; /* the telling of malformed messages: a bucket, as the time it is full */
    uint64_t untold;
};

static int set_options(struct esp_router *router)
{
    static const int options[][2] = {
        {ZMQ_LINGER, 0},
        {ZMQ_ROUTER_MANDATORY, 1}, /* without it what cannot be delivered vanishes silently */
        {ZMQ_SNDHWM, QUEUE_MESSAGES},
        {ZMQ_RCVHWM, QUEUE_MESSAGES},
        {ZMQ_BACKLOG, BACKLOG},
        {ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS},
    };
    int64_t largest = FRAME_MAX;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (zmq_setsockopt(
                router->socket, options[i][0], &options[i][1], sizeof options[i][1]) < 0) {
            return -errno;
        }
    }
    if (zmq_setsockopt(router->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) < 0) {
        return -errno;
    }
    return 0;
}

int esp_router_create(const char *endpoint, struct esp_router **out, struct esp_error *error)
{
    struct esp_router *router = calloc(1, sizeof *router);
    int rc = router ? esp_codec_create(&router->codec) : -ENOMEM;
    if (rc == 0) {
        zmq_msg_init(&router->body);
        rc = esp_peers_create(&router->peers);
    }
    if (rc < 0) {
        goto out;
    }
    router->context = zmq_ctx_new();
    router->socket = router->context ? zmq_socket(router->context, ZMQ_ROUTER) : NULL;
    if (!router->socket) {
        rc = -errno;
        goto out;
    }
    rc = set_options(router);
    if (rc == 0) {
        mode_t before = umask(0177); /* the socket's file is made with mode 0600 */
        rc = zmq_bind(router->socket, endpoint) < 0 ? -errno : 0;
        umask(before);
    }
    if (rc == 0 && strncmp(endpoint, "ipc://", 6) == 0) {
        snprintf(router->path, sizeof router->path, "%s", endpoint + 6);
    }
out:
    if (rc < 0) {
        esp_error_set(error,
                      rc,
                      "cannot listen at '%s': %s.",
                      endpoint,
                      rc == -EINVAL ? "this is no endpoint" : zmq_strerror(-rc));
        esp_router_destroy(router, 0);
        return rc;
    }
    *out = router;
    return 0;
}

void esp_router_destroy(struct esp_router *router, int linger_ms)
{
    if (!router) {
        return;
    }
    if (router->socket) {
        zmq_setsockopt(router->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        zmq_close(router->socket);
    }
    if (router->path[0]) {
        unlink(
            router
                ->path); /* ZeroMQ leaves it; peers would find a file that nobody listens at */
    }
    if (router->context) {
        zmq_msg_close(&router->body);
        while (zmq_ctx_term(router->context) < 0 && errno == EINTR) {
        }
    }
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
    /* The id is refused with EHOSTUNREACH or EAGAIN; once it is taken, the body is too. */
    while (zmq_send(router->socket, c->route, ESP_ROUTE_SIZE, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    while (zmq_send(router->socket, router->out.data, router->out.length, ZMQ_DONTWAIT) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    c->sent_ms = esp_clock_ms();
    router->counts.sent++;
    return 0;
}

/* A stranger spoke: who is it? */
static void ask(struct esp_router *router, struct esp_connection *c, int64_t now)
{
    static const struct esp_message introduce = {.kind = ESP_MESSAGE_INTRODUCE};
    if (c->asked_ms == INT64_MIN || now - c->asked_ms >= ASK_MS) {
        c->asked_ms = now;
        send_to(
            router, c, &introduce, NULL); /* a failure: it is gone, or will be asked again */
    }
}

/* Whether it is time to tell again of something unreadable, of which `error` speaks. */
static bool tell(struct esp_router *router, int64_t now, struct esp_error *error)
{
    router->counts.malformed++;
    if (router->tell_from_ms < now - TELL_BURST * TELL_EVERY_MS) {
        router->tell_from_ms = now - TELL_BURST * TELL_EVERY_MS;
    }
    if (router->tell_from_ms + TELL_EVERY_MS > now) {
        router->untold++;
        return false;
    }
    router->tell_from_ms += TELL_EVERY_MS;
    if (router->untold > 0) {
        size_t used = strlen(error->text);
        snprintf(error->text + used,
                 sizeof error->text - used,
                 " (%llu more were not told of)",
                 (unsigned long long)router->untold);
        router->untold = 0;
    }
    return true;
}

/* Reads [id, body] and drops further frames. Returns the number of frames, or -errno. */
static int receive_frames(struct esp_router *router, uint8_t route[ESP_ROUTE_SIZE], bool *ours)
{
    int frames = 1, more = 1;
    int n = zmq_recv(router->socket, route, ESP_ROUTE_SIZE, ZMQ_DONTWAIT);
    if (n < 0) {
        return -errno;
    }
    *ours = n == ESP_ROUTE_SIZE && route[0] == 0;
    for (; more; frames++) {
        zmq_msg_t extra, *into = frames == 1 ? &router->body : &extra;
        if (into == &extra) {
            zmq_msg_init(&extra);
        }
        int rc = zmq_msg_recv(into, router->socket, ZMQ_DONTWAIT) < 0 ? -errno : 0;
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

/* Nothing for the caller; look at the next one. */
#define SKIP 2

static int take_hello(struct esp_router *router,
                      struct esp_connection *c,
                      struct esp_hello *hello,
                      int64_t now,
                      struct esp_error *error)
{
    if (hello->role == ESP_ROLE_CLIENT) {
        hello->key = c->peer.role == ESP_ROLE_CLIENT ? c->peer.key : ++router->last_client;
    }
    struct esp_peer peer = {.role = hello->role, .key = hello->key};
    if (peer.key == 0) {
        esp_error_set(error, 0, "a Hello without a key.");
        return tell(router, now, error) ? ESP_ROUTER_MALFORMED : SKIP;
    }
    switch (esp_peers_name(router->peers, c, &peer)) {
    case ESP_NAMED:
        return 0;
    case ESP_NAMED_OLDER:
        router->counts.unknown++;
        return SKIP;
    default:
        esp_error_set(error, 0, "a Hello of another peer than before on the same connection.");
        return tell(router, now, error) ? ESP_ROUTER_MALFORMED : SKIP;
    }
}

static void answer_heartbeat(struct esp_router *router, struct esp_connection *c, int64_t now)
{
    static const struct esp_message beat = {.kind = ESP_MESSAGE_HEARTBEAT};
    if (now - c->sent_ms >= ESP_HEARTBEAT_MS / 2) {
        send_to(router, c, &beat, NULL); /* a failure shows at the next send of the core */
    }
}

/* One message that came by `c`. */
static int take(struct esp_router *router,
                struct esp_connection *c,
                int frames,
                int64_t now,
                struct esp_message *message,
                struct esp_error *error)
{
    size_t size = zmq_msg_size(&router->body);
    int rc = 0;
    if (c->state == ESP_CONNECTION_REPLACED) {
        router->counts.unknown++;
        return SKIP;
    }
    if (frames == 2 && size == 0) { /* a new connection shows itself */
        if (c->state == ESP_CONNECTION_STRANGER) {
            ask(router, c, now);
        }
        return SKIP;
    }
    if (frames != 2) {
        rc = esp_error_set(
            error, -EBADMSG, "a message of %d frames instead of one.", frames - 1);
    } else {
        rc = esp_codec_decode(router->codec, zmq_msg_data(&router->body), size, message, error);
    }
    if (rc < 0) {
        return tell(router, now, error) ? ESP_ROUTER_MALFORMED : SKIP;
    }
    router->counts.received++;
    if (message->kind == ESP_MESSAGE_HELLO) {
        return take_hello(router, c, &message->hello, now, error);
    }
    if (c->state == ESP_CONNECTION_STRANGER) {
        router->counts.unknown++;
        ask(router, c, now);
        return SKIP;
    }
    if (message->kind == ESP_MESSAGE_HEARTBEAT) {
        answer_heartbeat(router, c, now);
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
    for (int skipped = 0; skipped < SKIPPED_MAX; skipped++) {
        uint8_t route[ESP_ROUTE_SIZE];
        bool ours = false;
        int frames = receive_frames(router, route, &ours);
        if (frames == -EINTR) {
            continue;
        }
        if (frames < 0) {
            return frames;
        }
        int64_t now = esp_clock_ms();
        *peer = (struct esp_peer){0};
        if (!ours) {
            esp_error_set(error, 0, "a message from a connection with an identity of its own.");
            if (tell(router, now, error)) {
                return ESP_ROUTER_MALFORMED;
            }
            continue;
        }
        struct esp_connection *c = esp_peers_meet(router->peers, route, now, FORGET_MS);
        if (!c) {
            return -ENOMEM;
        }
        int rc = take(router, c, frames, now, message, error);
        if (rc != SKIP) {
            *peer = c->peer;
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
                      rc == -EAGAIN ? "a peer does not read what it is sent."
                                    : "a peer has no connection.");
        if (c) {
            esp_peers_unname(router->peers, c);
        }
    }
    return rc;
}

int esp_router_poll(struct esp_router *router,
                    struct pollfd *fds,
                    size_t count,
                    int64_t timeout_ms)
{
    zmq_pollitem_t items[1 + ESP_ROUTER_FDS_MAX];
    assert(count <= ESP_ROUTER_FDS_MAX);
    items[0] = (zmq_pollitem_t){.socket = router->socket, .events = ZMQ_POLLIN};
    for (size_t i = 0; i < count; i++) {
        items[1 + i] = (zmq_pollitem_t){.fd = fds[i].fd, .events = ZMQ_POLLIN};
    }
    long timeout = timeout_ms > INT_MAX ? INT_MAX : timeout_ms < 0 ? -1 : (long)timeout_ms;
    int rc = zmq_poll(items, (int)count + 1, timeout);
    if (rc < 0) {
        return -errno;
    }
    for (size_t i = 0; i < count; i++) {
        fds[i].revents = items[1 + i].revents ? POLLIN : 0;
    }
    return items[0].revents != 0;
}

struct esp_router_counts esp_router_counts(const struct esp_router *router)
{
    struct esp_router_counts counts = router->counts;
    counts.peers = esp_peers_count(router->peers);
    return counts;
}
