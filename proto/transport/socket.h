/* What both ends of a connection do with a ZeroMQ socket: open it with the common options, wait
 * on it together with file descriptors, close it. */
#ifndef PROTO_TRANSPORT_SOCKET_H
#define PROTO_TRANSPORT_SOCKET_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* File descriptors that may be waited for together with a socket: signals, a timer, the
 * terminal, processes of a local agent. */
#define ESP_SOCKET_FDS_MAX 64

struct esp_socket_option {
    int name; /* ZMQ_… */
    int value;
};

struct esp_socket {
    void *context;
    void *handle; /* ZeroMQ's socket */
};

/* Makes a socket of ZeroMQ's `type` with a context of its own and sets the common options, then
 * `options`. -errno; esp_socket_close is then still needed. */
int esp_socket_open(struct esp_socket *socket,
                    int type,
                    const struct esp_socket_option *options,
                    size_t option_count);

/* Closes the socket; buffered messages have `linger_ms` to leave. A zeroed socket is fine. */
void esp_socket_close(struct esp_socket *socket, int linger_ms);

/* Sends one frame without waiting; `more`: further frames of the same message follow. -EAGAIN,
 * -EHOSTUNREACH and other errno of zmq_send. */
int esp_socket_send(struct esp_socket *socket, const void *data, size_t length, bool more);

/* Waits until a message has arrived, one of `fds` is readable (then its revents is POLLIN,
 * otherwise 0), or `timeout_ms` have passed (negative: no limit). `want_send`: also until a
 * message can be sent. Returns 1 when the socket is ready, else 0; -EINTR after a signal; other
 * -errno. `count` is at most ESP_SOCKET_FDS_MAX. */
int esp_socket_poll(struct esp_socket *socket,
                    bool want_send,
                    struct pollfd *fds,
                    size_t count,
                    int64_t timeout_ms);

/* Text for an error of the socket calls, `code` being a negative errno. */
const char *esp_socket_error(int code);

#endif
