/* Which connection is whose. Two open-addressed tables over one array of connections: by
 * routing id, and by peer. */
#ifndef PROTO_TRANSPORT_PEERS_H
#define PROTO_TRANSPORT_PEERS_H

#include <espalier/message.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What ZeroMQ gives: a zero byte and a number that grows. */
#define ESP_ROUTE_SIZE 5

/* Connections remembered at once, a power of two: every process and agent there may be, each
 * with an older connection, and clients: 2 × (4096 + 256) = 8704 < 16384. */
#define ESP_CONNECTIONS_MAX 16384

enum esp_connection_state {
    ESP_CONNECTION_STRANGER, /* no Hello yet */
    ESP_CONNECTION_PEER,
    ESP_CONNECTION_REPLACED, /* its peer has a newer one */
};

struct esp_connection {
    uint8_t route[ESP_ROUTE_SIZE];
    enum esp_connection_state state;
    struct esp_peer peer; /* role NONE: it never said Hello */
    int64_t heard_ms;
    int64_t sent_ms;  /* when it was last sent anything */
    int64_t asked_ms; /* when it was last asked for a Hello; INT64_MIN: never */
};

struct esp_peers;

int esp_peers_create(struct esp_peers **out);
void esp_peers_destroy(struct esp_peers *peers);

/* The connection with this routing id, made as a stranger when there is none. Connections
 * unheard for `forget_ms` make room when it is needed, then the one unheard longest. Pointers
 * hold until the next call of this function. NULL: out of memory. */
struct esp_connection *esp_peers_meet(struct esp_peers *peers,
                                      const uint8_t route[ESP_ROUTE_SIZE],
                                      int64_t now_ms,
                                      int64_t forget_ms);

/* The connection of a peer, or NULL. */
struct esp_connection *esp_peers_find(struct esp_peers *peers, const struct esp_peer *peer);

/* A connection has one name for life, a peer one connection: its newest. Routing ids grow, so
 * what an older connection still had under way cannot take the name back. */
enum esp_naming {
    ESP_NAMED,         /* an older connection of the peer became REPLACED */
    ESP_NAMED_OLDER,   /* this one did: the peer has a newer one */
    ESP_NAMED_ANOTHER, /* this one has another name; nothing was changed */
};

enum esp_naming esp_peers_name(struct esp_peers *peers,
                               struct esp_connection *connection,
                               const struct esp_peer *peer);

/* The connection is a stranger's again, until it says the same Hello. */
void esp_peers_unname(struct esp_peers *peers, struct esp_connection *connection);

size_t esp_peers_count(const struct esp_peers *peers); /* those with a name */

#endif
