#include "dealer.h"

#include "../codec.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* Messages in a connection's queue: reports of a few seconds; more wait at their owner. */
#define QUEUE_MESSAGES 1000

/* A controller that comes back is found this soon; the wait doubles while it does not. */
#define RECONNECT_MS 20
#define RECONNECT_MAX_MS 500

#define HANDSHAKE_MS 5000

struct esp_dealer {
    void *context;
    void *socket;
    struct esp_codec *codec;
    struct esp_bytes out;
    zmq_msg_t in;
};

static int set(struct esp_dealer *dealer, int option, int value)
{
    return zmq_setsockopt(dealer->socket, option, &value, sizeof value) < 0 ? -errno : 0;
}

/* IMMEDIATE: nothing is queued for a controller that is not there, so that after a break only
 * what the peer chooses to send again is sent. PROBE_ROUTER: each new connection shows itself,
 * and the controller asks who it is. */
static int set_options(struct esp_dealer *dealer)
{
    static const int options[][2] = {
        {ZMQ_LINGER, 0},
        {ZMQ_IMMEDIATE, 1},
        {ZMQ_PROBE_ROUTER, 1},
        {ZMQ_SNDHWM, QUEUE_MESSAGES},
        {ZMQ_RCVHWM, QUEUE_MESSAGES},
        {ZMQ_RECONNECT_IVL, RECONNECT_MS},
        {ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS},
        {ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS},
    };
    int64_t largest = 1024 * 1024;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        int rc = set(dealer, options[i][0], options[i][1]);
        if (rc < 0) {
            return rc;
        }
    }
    if (zmq_setsockopt(dealer->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) < 0) {
        return -errno;
    }
    return 0;
}

int esp_dealer_connect(const char *endpoint, struct esp_dealer **out, struct esp_error *error)
{
    struct esp_dealer *dealer = calloc(1, sizeof *dealer);
    int rc = dealer ? esp_codec_create(&dealer->codec) : -ENOMEM;
    if (rc < 0) {
        goto out;
    }
    zmq_msg_init(&dealer->in);
    dealer->context = zmq_ctx_new();
    dealer->socket = dealer->context ? zmq_socket(dealer->context, ZMQ_DEALER) : NULL;
    if (!dealer->socket) {
        rc = -errno;
        goto out;
    }
    rc = set_options(dealer);
    if (rc == 0 && zmq_connect(dealer->socket, endpoint) < 0) {
        rc = -errno;
    }
out:
    if (rc < 0) {
        esp_error_set(error,
                      rc,
                      "cannot connect to '%s': %s.",
                      endpoint,
                      rc == -EINVAL ? "this is no endpoint" : zmq_strerror(-rc));
        esp_dealer_close(dealer, 0);
        return rc;
    }
    *out = dealer;
    return 0;
}

void esp_dealer_close(struct esp_dealer *dealer, int linger_ms)
{
    if (!dealer) {
        return;
    }
    if (dealer->socket) {
        set(dealer, ZMQ_LINGER, linger_ms);
        zmq_close(dealer->socket);
    }
    if (dealer->context) {
        zmq_msg_close(&dealer->in);
        while (zmq_ctx_term(dealer->context) < 0 && errno == EINTR) {
        }
    }
    esp_codec_destroy(dealer->codec);
    esp_bytes_release(&dealer->out);
    free(dealer);
}

int esp_dealer_send_bytes(struct esp_dealer *dealer, const void *data, size_t length)
{
    while (zmq_send(dealer->socket, data, length, ZMQ_DONTWAIT) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

int esp_dealer_send(struct esp_dealer *dealer,
                    const struct esp_message *message,
                    struct esp_error *error)
{
    int rc = esp_codec_encode(message, &dealer->out, error);
    if (rc < 0) {
        return rc;
    }
    rc = esp_dealer_send_bytes(dealer, dealer->out.data, dealer->out.length);
    return rc == 0 ? 0
                   : esp_error_set(
                         error, rc, "cannot send to the controller: %s.", zmq_strerror(-rc));
}

/* The rest of a message of several frames; 0 when there was none. */
static int drop_rest(struct esp_dealer *dealer)
{
    int dropped = 0;
    while (zmq_msg_more(&dealer->in)) {
        if (zmq_msg_recv(&dealer->in, dealer->socket, ZMQ_DONTWAIT) < 0) {
            break;
        }
        dropped++;
    }
    return dropped;
}

int esp_dealer_receive(struct esp_dealer *dealer,
                       struct esp_message *message,
                       struct esp_error *error)
{
    while (zmq_msg_recv(&dealer->in, dealer->socket, ZMQ_DONTWAIT) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    if (drop_rest(dealer) > 0) {
        return esp_error_set(error, -EBADMSG, "a message of several frames.");
    }
    return esp_codec_decode(
        dealer->codec, zmq_msg_data(&dealer->in), zmq_msg_size(&dealer->in), message, error);
}

const void *esp_dealer_received(const struct esp_dealer *dealer, size_t *length)
{
    zmq_msg_t *in = (zmq_msg_t *)&dealer->in;
    *length = zmq_msg_size(in);
    return zmq_msg_data(in);
}

int esp_dealer_wait(struct esp_dealer *dealer,
                    bool want_send,
                    struct pollfd *fds,
                    size_t count,
                    int64_t timeout_ms)
{
    zmq_pollitem_t items[1 + ESP_DEALER_FDS_MAX];
    assert(count <= ESP_DEALER_FDS_MAX);
    items[0] = (zmq_pollitem_t){
        .socket = dealer->socket,
        .events = (short)(ZMQ_POLLIN | (want_send ? ZMQ_POLLOUT : 0)),
    };
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
