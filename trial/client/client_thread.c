/* The client's thread, the only one that uses the socket. */
#include "client_private.h"

#include <errno.h>
#include <espalier/clock.h>
#include <string.h>
#include <unistd.h>

/* Messages received before sending gets a turn. */
#define RECEIVE_BATCH 256

static void send_hello(struct esp_client *client)
{
    struct esp_held held[ESP_MEMBERS_MAX];
    struct esp_message message = {.kind = ESP_MESSAGE_HELLO};
    message.hello = (struct esp_hello){
        .role = ESP_ROLE_TRIAL,
        .protocol = ESP_PROTOCOL_VERSION,
        .key = client->key,
        .study = client->study,
        .pid = getpid(),
        .host = client->host,
        .device = client->device,
        .version = ESP_VERSION,
        .held = held,
        .held_count = client->attempts.count,
    };
    for (uint32_t i = 0; i < client->attempts.count; i++) {
        const struct esp_attempt *a = &client->attempts.items[i];
        held[i] = (struct esp_held){
            .trial = a->trial, .attempt = a->attempt, .acked = a->acked, .last = a->sequence};
    }
    client->welcomed = false;
    /* If it cannot be sent, the controller asks again after the next message that can be sent.
     */
    esp_dealer_send(client->dealer, &message, NULL);
}

static void handle_welcome(struct esp_client *client, const struct esp_welcome *welcome)
{
    if (welcome->refused) {
        snprintf(client->refused, sizeof client->refused, "%s", welcome->refused);
        client->refused_pending = true;
        return;
    }
    client->lease_ms = welcome->lease_ms > 0 ? welcome->lease_ms : client->lease_ms;
    client->heartbeat_ms =
        welcome->heartbeat_ms > 0 ? welcome->heartbeat_ms : client->heartbeat_ms;
    client->welcomed = true;
    esp_attempts_rewind(&client->attempts);
    memset(client->capacity_unsent, true, sizeof client->capacity_unsent);
}

static void handle_assign(struct esp_client *client, const struct esp_assign *assign)
{
    struct esp_attempt *a =
        esp_attempts_find(&client->attempts, assign->trial, assign->attempt);
    size_t length;
    const void *frame = esp_dealer_received(client->dealer, &length);
    if (a) { /* a repeated Assign */
        esp_attempt_direct(a, &assign->directive);
    } else if (!client->lapsed) {
        esp_attempts_add(&client->attempts, assign, frame, length);
    }
}

static void send_released(struct esp_client *client, uint32_t trial, uint32_t attempt)
{
    struct esp_message message = {.kind = ESP_MESSAGE_RELEASED};
    message.released.at = (struct esp_attempt_key){.trial = trial, .attempt = attempt};
    esp_dealer_send(
        client->dealer, &message, NULL); /* if it is lost, the controller repeats the Fenced */
}

static void handle_fenced(struct esp_client *client, const struct esp_fenced *fenced)
{
    struct esp_attempt *a =
        esp_attempts_find(&client->attempts, fenced->trial, fenced->attempt);
    if (a && a->state == ESP_ATTEMPT_HELD && !a->assign) {
        a->state = ESP_ATTEMPT_FENCED;
        a->fenced = true;
        esp_attempts_drop_messages(&client->attempts, a);
    } else if (!a || a->state == ESP_ATTEMPT_HELD || a->state == ESP_ATTEMPT_RELEASED) {
        if (a) { /* the trainer never began it, or has released it already */
            esp_attempts_remove(&client->attempts, a);
        }
        send_released(client, fenced->trial, fenced->attempt);
    }
}

static void handle_ack(struct esp_client *client, const struct esp_ack *ack)
{
    struct esp_attempt *a = esp_attempts_find(&client->attempts, ack->trial, ack->attempt);
    if (a) {
        esp_attempt_direct(a, &ack->directive);
        esp_attempts_acknowledge(&client->attempts, a, ack->sequence);
    }
}

static void handle(struct esp_client *client, const struct esp_message *message)
{
    struct esp_attempt *a;
    switch (message->kind) {
    case ESP_MESSAGE_INTRODUCE:
        send_hello(client);
        break;
    case ESP_MESSAGE_WELCOME:
        handle_welcome(client, &message->welcome);
        break;
    case ESP_MESSAGE_ASSIGN:
        handle_assign(client, &message->assign);
        break;
    case ESP_MESSAGE_ACK:
        handle_ack(client, &message->ack);
        break;
    case ESP_MESSAGE_DIRECT:
        a = esp_attempts_find(
            &client->attempts, message->direct.trial, message->direct.attempt);
        if (a) {
            esp_attempt_direct(a, &message->direct.directive);
        }
        break;
    case ESP_MESSAGE_FENCED:
        handle_fenced(client, &message->fenced);
        break;
    default: /* a heartbeat, or a message that is not for trial processes */
        break;
    }
}

static bool has_events(const struct esp_client *client)
{
    bool found = client->refused_pending || client->lapsed_pending || client->room_pending;
    for (uint32_t i = 0; i < client->attempts.count && !found; i++) {
        const struct esp_attempt *a = &client->attempts.items[i];
        found = a->fenced || a->assign || a->directed;
    }
    return found;
}

static void receive(struct esp_client *client, int64_t now)
{
    for (int i = 0; i < RECEIVE_BATCH; i++) {
        struct esp_message message;
        int rc = esp_dealer_receive(client->dealer, &message, NULL);
        if (rc == 0) {
            handle(client, &message);
        }
        if (rc != 0 && rc != -EBADMSG && rc != -EMSGSIZE) {
            break;
        }
        /* Only a controller that knows this process renews the lease. One that asks for a Hello
         * may have assigned its trials to other processes meanwhile. */
        if (rc == 0 && message.kind != ESP_MESSAGE_INTRODUCE) {
            client->heard_ms = now;
        }
    }
    if (client->room_wanted &&
        client->attempts.unacked < ESP_UNACKED_MAX - 2 * ESP_CLIENT_RESERVE) {
        client->room_wanted = false;
        client->room_pending = true;
    }
    if (client->attempts.unacked == 0) {
        pthread_cond_broadcast(&client->acked);
    }
}

/* Sends what is due, in the order of each attempt. -EAGAIN: the rest must wait. */
static int send_due(struct esp_client *client)
{
    int rc = 0;
    for (uint32_t i = client->attempts.count; i-- > 0;) {
        struct esp_attempt *a = &client->attempts.items[i];
        if (a->state == ESP_ATTEMPT_ANSWER) {
            send_released(client, a->trial, a->attempt);
            esp_attempts_remove(&client->attempts, a);
        }
    }
    if (!client->welcomed) {
        return 0;
    }
    for (uint32_t i = 0; i < client->capacity_count && rc == 0; i++) {
        if (client->capacity_unsent[i]) {
            struct esp_message message = {.kind = ESP_MESSAGE_CAPACITY};
            message.capacity = client->capacities[i];
            rc = esp_dealer_send(client->dealer, &message, NULL);
            client->capacity_unsent[i] = rc == -EAGAIN;
        }
    }
    for (uint32_t i = 0; i < client->attempts.count && rc == 0; i++) {
        struct esp_attempt *a = &client->attempts.items[i];
        while (a->unsent && rc == 0) {
            rc = esp_dealer_send_bytes(client->dealer, a->unsent->data, a->unsent->length);
            a->unsent = rc == 0 ? a->unsent->next : a->unsent;
        }
    }
    return rc;
}

static void send_heartbeat(struct esp_client *client, int64_t now)
{
    struct esp_message message = {.kind = ESP_MESSAGE_HEARTBEAT};
    if (now < client->heartbeat_due_ms) {
        return;
    }
    message.heartbeat.progress = atomic_load_explicit(&client->progress, memory_order_relaxed);
    esp_dealer_send(client->dealer, &message, NULL);
    client->heartbeat_due_ms = now + client->heartbeat_ms;
}

/* Called before messages are received: those that wait in the socket may have been sent long
 * ago, while this process was stopped. */
static void check_lease(struct esp_client *client, int64_t now)
{
    if (!client->lapsed && now - client->heard_ms > client->lease_ms) {
        client->lapsed = client->lapsed_pending = true;
    }
}

void *esp_client_run(void *argument)
{
    struct esp_client *client = argument;
    bool blocked = false, stopping = false;
    client->heard_ms = esp_clock_ms();
    client->heartbeat_due_ms = client->heard_ms + client->heartbeat_ms;
    while (!stopping) {
        struct pollfd wake = {.fd = client->wake, .events = POLLIN};
        int64_t due = client->heartbeat_due_ms, now = esp_clock_ms();
        int64_t lease_end = client->heard_ms + client->lease_ms + 1;
        if (!client->lapsed && lease_end < due) {
            due = lease_end;
        }
        esp_dealer_wait(client->dealer, blocked, &wake, 1, due > now ? due - now : 0);
        if (wake.revents) {
            uint64_t count;
            ssize_t n = read(client->wake, &count, sizeof count);
            (void)n;
        }
        now = esp_clock_ms();
        pthread_mutex_lock(&client->lock);
        check_lease(client, now);
        receive(client, now);
        blocked = send_due(client) == -EAGAIN;
        send_heartbeat(client, now);
        if (has_events(client)) {
            esp_client_signal(client->ready);
        }
        stopping = client->stopping;
        pthread_mutex_unlock(&client->lock);
    }
    return NULL;
}
