/* A trial process's connection to its controller.
 *
 * There are two threads. The caller's thread trains. The client's thread owns the socket, so
 * that heartbeats, acknowledgements, repeated messages and the lease do not depend on how long
 * a training step takes.
 *
 * The states of an attempt:
 *
 *   Assign ──> HELD ──send(RELEASED)──> RELEASED ──all acknowledged──> removed
 *               │ Fenced
 *               └──> FENCED ──send(RELEASED)──> answered with sequence number 0, removed
 *
 * Messages of an attempt are numbered from 1 without gaps, kept until they are acknowledged,
 * and sent again after every Welcome. A Fenced for an attempt that is not held is answered at
 * once. */
#ifndef ESPALIER_TRIAL_CLIENT_H
#define ESPALIER_TRIAL_CLIENT_H

#include <espalier/error.h>
#include <espalier/message.h>
#include <stdbool.h>
#include <stdint.h>

/* Of the ESP_UNACKED_MAX messages, this many are reserved for other messages than reports, so
 * that every member can still send Saved, Failed and Released, twice: 2 × 3 × ESP_MEMBERS_MAX.
 */
#define ESP_CLIENT_RESERVE (6 * ESP_MEMBERS_MAX)

struct esp_client;

struct esp_client_options {
    const char *endpoint;
    uint64_t key;         /* of this process */
    uint64_t study;       /* nonce of the study */
    const char *device;   /* sent in the Hello */
    int64_t lease_ms;     /* until the first Welcome; 0: ESP_LEASE_MS */
    int64_t heartbeat_ms; /* until the first Welcome; 0: ESP_HEARTBEAT_MS */
};

enum esp_client_event_kind {
    ESP_CLIENT_NONE,
    ESP_CLIENT_ASSIGNED, /* `assign`: begin, and send STARTED or FAILED */
    ESP_CLIENT_DIRECTED, /* `directive`: the latest one, newer than any before */
    ESP_CLIENT_FENCED,   /* stop training the attempt, then send RELEASED */
    ESP_CLIENT_ROOM,    /* after esp_client_send returned -EAGAIN: reports are accepted again */
    ESP_CLIENT_REFUSED, /* `reason`: the controller refuses this process; exit */
    ESP_CLIENT_LAPSED,  /* the lease is over: save and exit */
};

struct esp_client_event {
    enum esp_client_event_kind kind;
    uint32_t trial, attempt;
    struct esp_directive directive;
    const struct esp_assign *assign; /* valid until the next call of esp_client_next */
    const char *reason;
};

/* Starts the client's thread, in which signals are blocked. The controller need not be running
 * yet. Strings are copied. -errno. */
int esp_client_create(const struct esp_client_options *options,
                      struct esp_client **out,
                      struct esp_error *error);
/* Ends the thread. Messages that are not acknowledged are dropped. NULL is fine. */
void esp_client_destroy(struct esp_client *client);

/* Returns the next event, or ESP_CLIENT_NONE without waiting. */
void esp_client_next(struct esp_client *client, struct esp_client_event *event);

/* A descriptor that is readable while esp_client_next has an event. */
int esp_client_fd(const struct esp_client *client);

/* Sends a STARTED, REPORT, SAVED, FAILED or RELEASED of a held attempt, and sets its sequence
 * number. -EAGAIN: too many messages are not acknowledged; after a REPORT wait for
 * ESP_CLIENT_ROOM. -ESTALE: the attempt is not held, or it is fenced (then only RELEASED is
 * accepted). -EINVAL: the message breaks a limit, which the error names. -ENOMEM. */
int esp_client_send(struct esp_client *client,
                    const struct esp_message *message,
                    struct esp_error *error);

/* Whether a REPORT would be accepted. If not, ESP_CLIENT_ROOM will follow. */
bool esp_client_has_room(struct esp_client *client);

/* Sends the capacity for a group now, and the latest one of each group after every Welcome. */
void esp_client_set_capacity(struct esp_client *client, const struct esp_capacity *capacity);

/* Sets the progress that heartbeats carry: steps trained so far by this process. */
void esp_client_set_progress(struct esp_client *client, uint64_t steps);

/* Waits until all messages are acknowledged. 0; -ETIMEDOUT. */
int esp_client_flush(struct esp_client *client, int64_t timeout_ms);

#endif
