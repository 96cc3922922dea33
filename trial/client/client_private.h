/* The client's state, shared by its two threads under `lock`. */
#ifndef CLIENT_PRIVATE_H
#define CLIENT_PRIVATE_H

#include "../../proto/codec.h"
#include "attempts.h"
#include "client.h"

#include "../../proto/transport/dealer.h"
#include <pthread.h>
#include <stdatomic.h>

/* Groups whose capacity is remembered. A group is a shape of model; few occur in one study. */
#define ESP_CLIENT_GROUPS_MAX 16

struct esp_client {
    /* set before the thread starts, then constant */
    char device[ESP_NAME_MAX];
    char host[ESP_NAME_MAX];
    uint64_t key, study;
    int wake;  /* eventfd: wakes the client's thread */
    int ready; /* eventfd: readable while esp_client_next has an event */
    pthread_t thread;

    /* used by the client's thread only */
    struct esp_dealer *dealer;
    int64_t heard_ms, heartbeat_due_ms;
    int64_t heartbeat_ms, lease_ms;

    /* used by the caller's thread only */
    struct esp_bytes bytes;
    struct esp_codec *codec;
    struct esp_message assign; /* the Assign returned last; it borrows from the codec */

    atomic_uint_fast64_t progress;

    pthread_mutex_t lock; /* protects all that follows */
    pthread_cond_t acked;
    struct esp_attempts attempts;
    bool stopping;
    bool welcomed;                      /* a Welcome was received after the last Hello */
    bool room_wanted;                   /* a report was refused for lack of room */
    bool lapsed;                        /* the lease is over */
    char refused[ESP_MESSAGE_TEXT_MAX]; /* why the controller refused; "": it did not */
    bool room_pending, lapsed_pending, refused_pending; /* events not returned yet */
    struct esp_capacity capacities[ESP_CLIENT_GROUPS_MAX];
    bool capacity_unsent[ESP_CLIENT_GROUPS_MAX];
    uint32_t capacity_count;
};

/* The function of the client's thread. */
void *esp_client_run(void *client);

/* Makes an eventfd readable. */
void esp_client_signal(int fd);

#endif
