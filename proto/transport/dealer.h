/* The peers' end of a connection to the controller: a DEALER socket, used by agents, commands
 * and trial processes. Only the thread that made a dealer may use it.
 *
 *   - The controller need not be running: connecting succeeds, and messages can be sent as soon
 *     as it listens (-EAGAIN before).
 *   - Every new connection begins with an ESP_MESSAGE_INTRODUCE from the controller: the first
 *     one, and each one after a break or after another controller took over. The user of a
 *     dealer answers it with a Hello, and after the Welcome sends again what was not answered.
 *   - Messages in transit when a connection breaks are lost. */
#ifndef PROTO_TRANSPORT_DEALER_H
#define PROTO_TRANSPORT_DEALER_H

#include "endpoint.h"
#include "socket.h"

#include <espalier/message.h>

struct esp_dealer;

/* -EINVAL: the address is not valid; -ENOMEM and other -errno of the socket calls. */
int esp_dealer_connect(const struct esp_endpoint *endpoint,
                       struct esp_dealer **out,
                       struct esp_error *error);
/* Buffered messages have `linger_ms` to leave. NULL is fine. */
void esp_dealer_close(struct esp_dealer *dealer, int linger_ms);

/* -EAGAIN: nothing was sent, because there is no connection or the controller does not read.
 * -EINVAL: the message breaks a limit. */
int esp_dealer_send(struct esp_dealer *dealer,
                    const struct esp_message *message,
                    struct esp_error *error);

/* The same for a message already encoded by esp_codec_encode. */
int esp_dealer_send_bytes(struct esp_dealer *dealer, const void *data, size_t length);

/* Receives the next message; it is valid until the next call. -EAGAIN: there is none. -EBADMSG,
 * -EMSGSIZE: the message cannot be read, and `error` says why; the next may be readable. */
int esp_dealer_receive(struct esp_dealer *dealer,
                       struct esp_message *message,
                       struct esp_error *error);

/* The encoded bytes of the message received last, valid until the next receive. */
const void *esp_dealer_received(const struct esp_dealer *dealer, size_t *length);

/* Waits as esp_socket_poll does. */
int esp_dealer_wait(struct esp_dealer *dealer,
                    bool want_send,
                    struct pollfd *fds,
                    size_t count,
                    int64_t timeout_ms);

#endif
