/* The client's state, shared by its two threads under `lock`. */
#ifndef CLIENT_PRIVATE_H
#define CLIENT_PRIVATE_H

#include "../../proto/codec.h"
#include "attempts.h"
#include "client.h"

#include "../../proto/transport/dealer.h"
#include <pthread.h>
#include <stdatomic.h>

/* Groups whose capacity is remembered: the shapes a study gives to one process. */
#define ESP_CLIENT_GROUPS_MAX 16

struct esp_client {
    /* set before the thread starts, then constant */
    char device[ESP_NAME_MAX];
    char host[ESP_NAME_MAX];
    uint64_t key, study;
    int wake; /* eventfd: the thread has something to do */
    int news; /* eventfd: readable while esp_client_next has something */
    pthread_t thread;

    /* of the communicating thread alone */
    struct esp_dealer *dealer;
    int64_t heard_ms, beat_due_ms;
    int64_t heartbeat_ms, lease_ms;

    /* of the caller's thread alone */
    struct esp_bytes bytes;
    struct esp_codec *codec;
    struct esp_message assign; /* the one told last, in the codec */

    atomic_uint_fast64_t progress;

    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t acked;
    struct esp_attempts attempts;
    bool stopping;
    bool welcomed; /* on the present connection, as far as is known */
    bool room_wanted, room_news;
    bool lapsed, lapse_news;
    bool refuse_news;
    char refused[ESP_MESSAGE_TEXT_MAX]; /* "": no */
    struct esp_capacity capacities[ESP_CLIENT_GROUPS_MAX];
    bool capacity_unsent[ESP_CLIENT_GROUPS_MAX];
    uint32_t capacity_count;
};

/* The body of the communicating thread. */
void *esp_client_run(void *client);

/* Wakes the other side of an eventfd. */
void esp_client_signal(int fd);

#endif
