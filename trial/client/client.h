/* A trial process's side of the conversation with the controller (DESIGN 4).
 *
 * Two threads. The caller's trains; a thread of the client's own owns the socket and keeps
 * heartbeats, acknowledgements, resends and the lease going however long a step takes.
 *
 * An attempt, as the client keeps it:
 *
 *   Assign ──> HELD ──say(RELEASED)──> RELEASED ──all acknowledged──> forgotten
 *               │ Fenced
 *               └──> FENCED ──say(RELEASED)──> answered with sequence 0, forgotten
 *
 * Messages of an attempt are numbered from 1 without gaps, kept until acknowledged, and sent
 * again after every Welcome. A Fenced for an attempt that is not held is answered at once. */
#ifndef ESPALIER_TRIAL_CLIENT_H
#define ESPALIER_TRIAL_CLIENT_H

#include <espalier/error.h>
#include <espalier/message.h>
#include <stdbool.h>
#include <stdint.h>

/* Of the ESP_UNACKED_MAX kept messages, this many places are not for reports, so that every
 * member can still say Saved, Failed and Released, twice: 2 × 3 × ESP_MEMBERS_MAX. */
#define ESP_CLIENT_RESERVE (6 * ESP_MEMBERS_MAX)

struct esp_client;

struct esp_client_options {
    const char *endpoint;
    uint64_t key;       /* of this process */
    uint64_t study;     /* the study's nonce */
    const char *device; /* told in Hello */
    int64_t lease_ms;   /* until a Welcome says otherwise; 0: ESP_LEASE_MS */
    int64_t heartbeat_ms;
};

enum esp_client_event_kind {
    ESP_CLIENT_NONE,
    ESP_CLIENT_ASSIGNED, /* `assign`: begin, answer by STARTED or FAILED */
    ESP_CLIENT_DIRECTED, /* `directive`: newer than all before; only the latest is told */
    ESP_CLIENT_FENCED,   /* stop training it, then say RELEASED */
    ESP_CLIENT_ROOM,     /* after esp_client_send returned -EAGAIN: reports fit again */
    ESP_CLIENT_REFUSED,  /* `words`: the controller does not want this process: leave */
    ESP_CLIENT_LAPSED,   /* the lease is over: save and leave */
};

struct esp_client_event {
    enum esp_client_event_kind kind;
    uint32_t trial, attempt;
    struct esp_directive directive;
    const struct esp_assign *assign; /* lives until the next call of esp_client_next */
    const char *words;
};

/* Starts the client's thread; the controller need not be there yet. Signals are blocked in the
 * thread. Strings are copied. */
int esp_client_create(const struct esp_client_options *options,
                      struct esp_client **out,
                      struct esp_error *error);
/* Ends the thread; what was not acknowledged is dropped. NULL is fine. */
void esp_client_destroy(struct esp_client *client);

/* The next event, or ESP_CLIENT_NONE; never waits. */
void esp_client_next(struct esp_client *client, struct esp_client_event *event);

/* Readable while esp_client_next has something to tell. */
int esp_client_fd(const struct esp_client *client);

/* Takes a STARTED, REPORT, SAVED, FAILED or RELEASED of a held attempt; its sequence number is
 * filled in here. -EAGAIN: a REPORT, and too much is unacknowledged: wait for ESP_CLIENT_ROOM.
 * -ESTALE: the attempt is not held, or fenced (only RELEASED is taken then). -EINVAL: it breaks
 * a limit, with words. -ENOMEM. */
int esp_client_send(struct esp_client *client,
                    const struct esp_message *message,
                    struct esp_error *error);

/* Whether a REPORT would be taken; when not, ESP_CLIENT_ROOM will follow. */
bool esp_client_has_room(struct esp_client *client);

/* Told now, and again after every Welcome; the latest for each group. */
void esp_client_set_capacity(struct esp_client *client, const struct esp_capacity *capacity);

/* For heartbeats: steps trained so far by this process. */
void esp_client_set_progress(struct esp_client *client, uint64_t steps);

/* Waits until all that was said is acknowledged: 0; -ETIMEDOUT. */
int esp_client_flush(struct esp_client *client, int64_t timeout_ms);

#endif
