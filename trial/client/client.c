/* Functions for the caller's thread: they number and keep messages, and return events. */
#include "client_private.h"

#include <assert.h>
#include <errno.h>
#include <espalier/clock.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Time for the last messages to be sent when the client is closed. */
#define LINGER_MS 200

/* Reports are accepted while fewer messages than this are not acknowledged. */
#define REPORTS_KEPT_MAX (ESP_UNACKED_MAX - ESP_CLIENT_RESERVE)
_Static_assert(REPORTS_KEPT_MAX > ESP_UNACKED_MAX / 2, "the reserve leaves room for reports");

void esp_client_signal(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one); /* fails only if the counter is full, and then the
                                                eventfd is readable already */
    (void)n;
}

static int start_thread(struct esp_client *client)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = -pthread_create(&client->thread, NULL, esp_client_run, client);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static void release(struct esp_client *client)
{
    esp_dealer_close(client->dealer, LINGER_MS);
    esp_codec_destroy(client->codec);
    esp_bytes_release(&client->bytes);
    esp_attempts_clear(&client->attempts);
    pthread_cond_destroy(&client->acked);
    pthread_mutex_destroy(&client->lock);
    if (client->wake >= 0) {
        close(client->wake);
    }
    if (client->ready >= 0) {
        close(client->ready);
    }
    free(client);
}

int esp_client_create(const struct esp_client_options *options,
                      struct esp_client **out,
                      struct esp_error *error)
{
    struct esp_client *client = calloc(1, sizeof *client);
    if (!client) {
        return esp_error_set(error, -ENOMEM, "out of memory.");
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&client->acked, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&client->lock, NULL);
    snprintf(client->device, sizeof client->device, "%s", options->device);
    if (gethostname(client->host, sizeof client->host - 1) < 0) {
        snprintf(client->host, sizeof client->host, "?");
    }
    client->key = options->key;
    client->study = options->study;
    client->lease_ms = options->lease_ms > 0 ? options->lease_ms : ESP_LEASE_MS;
    client->heartbeat_ms = options->heartbeat_ms > 0 ? options->heartbeat_ms : ESP_HEARTBEAT_MS;
    client->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    client->ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = client->wake < 0 || client->ready < 0 ? -errno : esp_codec_create(&client->codec);
    if (rc < 0) {
        esp_error_set(error, rc, "cannot start: %s.", strerror(-rc));
        goto out;
    }
    rc = esp_dealer_connect(
        &(struct esp_endpoint){.address = options->endpoint}, &client->dealer, error);
    if (rc < 0) {
        goto out;
    }
    rc = start_thread(client);
    if (rc < 0) {
        esp_error_set(error, rc, "cannot start a thread: %s.", strerror(-rc));
    }
out:
    if (rc < 0) {
        release(client);
        return rc;
    }
    *out = client;
    return 0;
}

void esp_client_destroy(struct esp_client *client)
{
    if (!client) {
        return;
    }
    pthread_mutex_lock(&client->lock);
    client->stopping = true;
    pthread_mutex_unlock(&client->lock);
    esp_client_signal(client->wake);
    pthread_join(client->thread, NULL);
    release(client);
}

int esp_client_fd(const struct esp_client *client)
{
    return client->ready;
}

static void decode_assign(struct esp_client *client,
                          struct esp_attempt *a,
                          struct esp_message *message,
                          struct esp_client_event *event)
{
    /* It was decoded once on receipt, so that this cannot fail. */
    int rc = esp_codec_decode(client->codec, a->assign, a->assign_length, message, NULL);
    assert(rc == 0 && message->kind == ESP_MESSAGE_ASSIGN);
    (void)rc;
    free(a->assign);
    a->assign = NULL;
    event->kind = ESP_CLIENT_ASSIGNED;
    event->directive = message->assign.directive;
    event->assign = &message->assign;
}

static void next_of_attempt(struct esp_client *client,
                            struct esp_attempt *a,
                            struct esp_client_event *event)
{
    event->trial = a->trial;
    event->attempt = a->attempt;
    if (a->fenced) {
        a->fenced = a->directed = false;
        event->kind = ESP_CLIENT_FENCED;
    } else if (a->assign) {
        decode_assign(client, a, &client->assign, event);
    } else if (a->directed) {
        a->directed = false;
        event->kind = ESP_CLIENT_DIRECTED;
        event->directive = a->directive;
    }
}

void esp_client_next(struct esp_client *client, struct esp_client_event *event)
{
    memset(event, 0, sizeof *event);
    pthread_mutex_lock(&client->lock);
    if (client->refused_pending) {
        client->refused_pending = false;
        event->kind = ESP_CLIENT_REFUSED;
        event->reason = client->refused;
    } else if (client->lapsed_pending) {
        client->lapsed_pending = false;
        event->kind = ESP_CLIENT_LAPSED;
    } else if (client->room_pending) {
        client->room_pending = false;
        event->kind = ESP_CLIENT_ROOM;
    }
    for (uint32_t i = 0; i < client->attempts.count && event->kind == ESP_CLIENT_NONE; i++) {
        next_of_attempt(client, &client->attempts.items[i], event);
    }
    if (event->kind == ESP_CLIENT_NONE) {
        uint64_t count; /* under the lock, so that an event set later signals again */
        ssize_t n = read(client->ready, &count, sizeof count);
        (void)n;
    }
    pthread_mutex_unlock(&client->lock);
}

static struct esp_attempt_key *key_of(struct esp_message *m)
{
    switch (m->kind) {
    case ESP_MESSAGE_STARTED:
        return &m->started.at;
    case ESP_MESSAGE_REPORT:
        return &m->report.at;
    case ESP_MESSAGE_SAVED:
        return &m->saved.at;
    case ESP_MESSAGE_FAILED:
        return &m->failed.at;
    case ESP_MESSAGE_RELEASED:
        return &m->released.at;
    default:
        return NULL;
    }
}

/* Whether a report is accepted. If not, ESP_CLIENT_ROOM will follow. */
static bool has_room(struct esp_client *client)
{
    if (client->attempts.unacked < REPORTS_KEPT_MAX) {
        return true;
    }
    client->room_wanted = true;
    return false;
}

static int keep(struct esp_client *client, struct esp_message *message, struct esp_error *error)
{
    struct esp_attempt_key *key = key_of(message);
    struct esp_attempt *a = esp_attempts_find(&client->attempts, key->trial, key->attempt);
    bool released = message->kind == ESP_MESSAGE_RELEASED;
    if (a && a->state == ESP_ATTEMPT_FENCED && released) {
        a->state = ESP_ATTEMPT_ANSWER;
        return 0;
    }
    if (!a || a->state != ESP_ATTEMPT_HELD) {
        return esp_error_set(error,
                             -ESTALE,
                             "attempt %u at trial %u is not held any more.",
                             key->attempt,
                             key->trial);
    }
    if (message->kind == ESP_MESSAGE_REPORT ? !has_room(client)
                                            : client->attempts.unacked >= ESP_UNACKED_MAX) {
        return esp_error_set(
            error, -EAGAIN, "%u messages are not acknowledged yet.", client->attempts.unacked);
    }
    key->sequence = a->sequence + 1;
    int rc = esp_codec_encode(message, &client->bytes, error);
    if (rc == 0) {
        rc =
            esp_attempts_append(&client->attempts, a, client->bytes.data, client->bytes.length);
    }
    if (rc == 0 && released) {
        a->state = ESP_ATTEMPT_RELEASED;
    }
    return rc;
}

int esp_client_send(struct esp_client *client,
                    const struct esp_message *message,
                    struct esp_error *error)
{
    struct esp_message numbered = *message;
    assert(key_of(&numbered));
    pthread_mutex_lock(&client->lock);
    int rc = keep(client, &numbered, error);
    pthread_mutex_unlock(&client->lock);
    if (rc == 0) {
        esp_client_signal(client->wake);
    }
    return rc;
}

bool esp_client_has_room(struct esp_client *client)
{
    pthread_mutex_lock(&client->lock);
    bool room = has_room(client);
    pthread_mutex_unlock(&client->lock);
    return room;
}

void esp_client_set_capacity(struct esp_client *client, const struct esp_capacity *capacity)
{
    pthread_mutex_lock(&client->lock);
    uint32_t at = 0;
    while (at < client->capacity_count && client->capacities[at].group != capacity->group) {
        at++;
    }
    if (at == ESP_CLIENT_GROUPS_MAX) { /* replace the oldest */
        at--;
        memmove(client->capacities, client->capacities + 1, at * sizeof *client->capacities);
        memmove(client->capacity_unsent, client->capacity_unsent + 1, at);
    } else if (at == client->capacity_count) {
        client->capacity_count++;
    }
    client->capacities[at] = *capacity;
    client->capacity_unsent[at] = true;
    pthread_mutex_unlock(&client->lock);
    esp_client_signal(client->wake);
}

void esp_client_set_progress(struct esp_client *client, uint64_t steps)
{
    atomic_store_explicit(&client->progress, steps, memory_order_relaxed);
}

int esp_client_flush(struct esp_client *client, int64_t timeout_ms)
{
    int64_t until_ns = esp_clock_ns() + timeout_ms * ESP_NS_PER_MS;
    struct timespec until = {.tv_sec = until_ns / ESP_NS_PER_SECOND,
                             .tv_nsec = until_ns % ESP_NS_PER_SECOND};
    int rc = 0;
    pthread_mutex_lock(&client->lock);
    while (client->attempts.unacked > 0 && rc == 0) {
        rc = -pthread_cond_timedwait(&client->acked, &client->lock, &until);
    }
    rc = client->attempts.unacked > 0 ? -ETIMEDOUT : 0;
    pthread_mutex_unlock(&client->lock);
    return rc;
}
