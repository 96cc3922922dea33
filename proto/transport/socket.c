#include "socket.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <zmq.h>

/* Messages queued for one connection, and from one: reports of a few seconds. 4096 trial
 * processes × 1000 × 200 bytes would be 800 MB in the controller, but only if all of them
 * stopped reading at once. */
#define QUEUE_MESSAGES 1000

/* Largest frame that ZeroMQ accepts; beyond it the connection is closed. It is above
 * ESP_MESSAGE_MAX so that a message which is a little too large is reported as such. */
#define FRAME_MAX (1024 * 1024)

#define HANDSHAKE_MS 5000

static int set_option(struct esp_socket *socket, int name, int value)
{
    return zmq_setsockopt(socket->handle, name, &value, sizeof value) < 0 ? -errno : 0;
}

static int
set_options(struct esp_socket *socket, const struct esp_socket_option *options, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = set_option(socket, options[i].name, options[i].value);
    }
    return rc;
}

int esp_socket_open(struct esp_socket *socket,
                    int type,
                    const struct esp_socket_option *options,
                    size_t option_count)
{
    static const struct esp_socket_option common[] = {
        {ZMQ_LINGER, 0},
        {ZMQ_SNDHWM, QUEUE_MESSAGES},
        {ZMQ_RCVHWM, QUEUE_MESSAGES},
        {ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS},
    };
    static const int64_t frame_max = FRAME_MAX;
    *socket = (struct esp_socket){.context = zmq_ctx_new()};
    socket->handle = socket->context ? zmq_socket(socket->context, type) : NULL;
    if (!socket->handle) {
        return -errno;
    }
    if (zmq_setsockopt(socket->handle, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) < 0) {
        return -errno;
    }
    int rc = set_options(socket, common, sizeof common / sizeof *common);
    return rc == 0 ? set_options(socket, options, option_count) : rc;
}

void esp_socket_close(struct esp_socket *socket, int linger_ms)
{
    if (socket->handle) {
        set_option(socket, ZMQ_LINGER, linger_ms);
        zmq_close(socket->handle);
    }
    if (socket->context) {
        while (zmq_ctx_term(socket->context) < 0 && errno == EINTR) {
        }
    }
    *socket = (struct esp_socket){0};
}

int esp_socket_send(struct esp_socket *socket, const void *data, size_t length, bool more)
{
    int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
    while (zmq_send(socket->handle, data, length, flags) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

int esp_socket_poll(struct esp_socket *socket,
                    bool want_send,
                    struct pollfd *fds,
                    size_t count,
                    int64_t timeout_ms)
{
    zmq_pollitem_t items[1 + ESP_SOCKET_FDS_MAX];
    assert(count <= ESP_SOCKET_FDS_MAX);
    items[0] = (zmq_pollitem_t){
        .socket = socket->handle,
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

const char *esp_socket_error(int code)
{
    return code == -EINVAL ? "the endpoint's address is not valid" : zmq_strerror(-code);
}
