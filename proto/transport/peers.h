/* Which peer each connection belongs to: an array of connections, found by routing id or by
 * peer through two open-addressed hash tables. */
#ifndef PROTO_TRANSPORT_PEERS_H
#define PROTO_TRANSPORT_PEERS_H

#include <espalier/message.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A routing id made by ZeroMQ: a zero byte and a number that grows with each connection. */
#define ESP_ROUTE_SIZE 5

/* Connections in the table at once, a power of two: every trial process and agent, each with an
 * older connection too, and clients: 2 × (4096 + 256) = 8704 < 16384. */
#define ESP_CONNECTIONS_MAX 16384

enum esp_connection_state {
    ESP_CONNECTION_UNKNOWN, /* no Hello yet */
    ESP_CONNECTION_PEER,
    ESP_CONNECTION_REPLACED, /* its peer has a newer one */
};

struct esp_connection {
    uint8_t route[ESP_ROUTE_SIZE];
    enum esp_connection_state state;
    struct esp_peer peer; /* role NONE: it has never sent a Hello */
    int64_t heard_ms;     /* time of the last message from it */
    int64_t sent_ms;      /* time of the last message to it */
    int64_t asked_ms;     /* time of the last request for a Hello; INT64_MIN: never */
};

struct esp_peers;

int esp_peers_create(struct esp_peers **out);
void esp_peers_destroy(struct esp_peers *peers);

/* Finds the connection with this routing id, or adds it as an unknown one. A full table drops
 * the connections that were silent for `forget_ms`; if there is none, the eighth that was
 * silent longest. Pointers are valid until the next call of this function. NULL: out of memory.
 */
struct esp_connection *esp_peers_touch(struct esp_peers *peers,
                                       const uint8_t route[ESP_ROUTE_SIZE],
                                       int64_t now_ms,
                                       int64_t forget_ms);

/* Finds the connection of a peer. NULL: it has none. */
struct esp_connection *esp_peers_find(struct esp_peers *peers, const struct esp_peer *peer);

/* Results of esp_peers_bind. */
enum esp_bind_result {
    ESP_BIND_DONE,     /* an older connection of the peer, if there was one, is now REPLACED */
    ESP_BIND_STALE,    /* the peer has a newer connection, and this one is now REPLACED */
    ESP_BIND_CONFLICT, /* the connection belongs to another peer; nothing was changed */
};

/* Assigns the connection to a peer. A connection belongs to one peer for its whole life, a peer
 * has one connection, its newest: routing ids grow, so that a delayed Hello of an older
 * connection does not replace a newer one. */
enum esp_bind_result esp_peers_bind(struct esp_peers *peers,
                                    struct esp_connection *connection,
                                    const struct esp_peer *peer);

/* Makes the connection unknown again, until it repeats its Hello. */
void esp_peers_unbind(struct esp_peers *peers, struct esp_connection *connection);

/* Number of peers that have a connection. */
size_t esp_peers_count(const struct esp_peers *peers);

#endif
