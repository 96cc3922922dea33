#include "dealer.h"

#include "../codec.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

/* A restarted controller is found within this time; the interval doubles with every failed
 * attempt to connect, up to the maximum. */
#define RECONNECT_MS 20
#define RECONNECT_MAX_MS 500

struct esp_dealer {
    struct esp_socket socket;
    struct esp_codec *codec;
    struct esp_bytes out;
    zmq_msg_t in;
};

/* IMMEDIATE: nothing is queued while there is no connection, so that after a break only what
 * the peer chooses to repeat is sent. PROBE_ROUTER: a new connection sends an empty message, so
 * that the controller notices it and requests a Hello. */
static const struct esp_socket_option options[] = {
    {ZMQ_IMMEDIATE, 1},
    {ZMQ_PROBE_ROUTER, 1},
    {ZMQ_RECONNECT_IVL, RECONNECT_MS},
    {ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS},
};

static int open_socket(struct esp_dealer *dealer, const struct esp_endpoint *endpoint)
{
    int rc =
        esp_socket_open(&dealer->socket, ZMQ_DEALER, options, sizeof options / sizeof *options);
    if (rc == 0 && endpoint->prepare) {
        rc = endpoint->prepare(endpoint->context, dealer->socket.handle);
    }
    if (rc == 0 && zmq_connect(dealer->socket.handle, endpoint->address) < 0) {
        rc = -errno;
    }
    return rc;
}

int esp_dealer_connect(const struct esp_endpoint *endpoint,
                       struct esp_dealer **out,
                       struct esp_error *error)
{
    struct esp_dealer *dealer = calloc(1, sizeof *dealer);
    int rc = -ENOMEM;
    if (dealer) {
        zmq_msg_init(&dealer->in);
        rc = esp_codec_create(&dealer->codec);
    }
    rc = rc == 0 ? open_socket(dealer, endpoint) : rc;
    if (rc < 0) {
        esp_error_set(
            error, rc, "cannot connect to '%s': %s.", endpoint->address, esp_socket_error(rc));
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
    zmq_msg_close(&dealer->in);
    esp_socket_close(&dealer->socket, linger_ms);
    esp_codec_destroy(dealer->codec);
    esp_bytes_release(&dealer->out);
    free(dealer);
}

int esp_dealer_send_bytes(struct esp_dealer *dealer, const void *data, size_t length)
{
    return esp_socket_send(&dealer->socket, data, length, false);
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
                         error, rc, "cannot send to the controller: %s.", esp_socket_error(rc));
}

/* Drops the further frames of a message, and returns how many there were. */
static int drop_further_frames(struct esp_dealer *dealer)
{
    int dropped = 0;
    while (zmq_msg_more(&dealer->in)) {
        if (zmq_msg_recv(&dealer->in, dealer->socket.handle, ZMQ_DONTWAIT) < 0) {
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
    while (zmq_msg_recv(&dealer->in, dealer->socket.handle, ZMQ_DONTWAIT) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    int extra = drop_further_frames(dealer);
    if (extra > 0) {
        return esp_error_set(
            error, -EBADMSG, "a message of %d frames instead of one.", 1 + extra);
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
    return esp_socket_poll(&dealer->socket, want_send, fds, count, timeout_ms);
}
