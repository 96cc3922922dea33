/* The peers' end of a connection to the controller (DESIGN 4): a DEALER for agents, commands
 * and trial processes. One thread uses it, the one that made it.
 *
 * The controller need not be there: connecting succeeds, and messages can be sent once it is
 * (-EAGAIN before). Every new connection, the first or one after a break or after another
 * controller took over, begins with the controller asking for a Hello (ESP_MESSAGE_INTRODUCE):
 * whoever uses a dealer says Hello when it is asked, and after the Welcome sends again what was
 * not answered. What was under way when a connection broke is lost. */
#ifndef PROTO_TRANSPORT_DEALER_H
#define PROTO_TRANSPORT_DEALER_H

#include <espalier/error.h>
#include <espalier/message.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

struct esp_dealer;

/* -EINVAL: no endpoint; -ENOMEM and other errno of the socket calls. */
int esp_dealer_connect(const char *endpoint, struct esp_dealer **out, struct esp_error *error);
/* What was sent and is still in a buffer gets `linger_ms` to leave. NULL is fine. */
void esp_dealer_close(struct esp_dealer *dealer, int linger_ms);

/* -EAGAIN: not connected, or the controller does not read: nothing was sent. -EINVAL: the
 * message breaks a limit. */
int esp_dealer_send(struct esp_dealer *dealer,
                    const struct esp_message *message,
                    struct esp_error *error);

/* The same for bytes from esp_codec_encode. */
int esp_dealer_send_bytes(struct esp_dealer *dealer, const void *data, size_t length);

/* The next message, living until the next call. -EAGAIN: there is none. -EBADMSG, -EMSGSIZE:
 * one came that cannot be read, with words; the next may be good. */
int esp_dealer_receive(struct esp_dealer *dealer,
                       struct esp_message *message,
                       struct esp_error *error);

/* The bytes of the message received last, for whoever wants to keep it. */
const void *esp_dealer_received(const struct esp_dealer *dealer, size_t *length);

/* Waits until a message is there, one of `fds` is ready (their revents are set) or `timeout_ms`
 * have passed (negative: no limit). `want_send`: also until a message can be sent. Returns 1
 * when receiving (or sending, when wanted) may succeed, else 0; -EINTR after a signal; other
 * errno. `count` is at most ESP_DEALER_FDS_MAX. */
#define ESP_DEALER_FDS_MAX 8

int esp_dealer_wait(struct esp_dealer *dealer,
                    bool want_send,
                    struct pollfd *fds,
                    size_t count,
                    int64_t timeout_ms);

#endif
