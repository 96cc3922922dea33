#include "peers.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Hash table; a slot holds the index of a connection plus 1, or 0: free. At most half full. */
struct table {
    uint32_t *slots;
    uint32_t size; /* a power of two */
};

struct esp_peers {
    struct esp_connection *items;
    uint32_t count, capacity;
    size_t bound;
    struct table by_route, by_peer;
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static uint64_t hash_route(const uint8_t route[ESP_ROUTE_SIZE])
{
    uint64_t x = 0;
    memcpy(&x, route, ESP_ROUTE_SIZE);
    return mix(x);
}

static uint64_t hash_peer(const struct esp_peer *peer)
{
    return mix(peer->key ^ mix((uint64_t)peer->role));
}

static bool same_peer(const struct esp_peer *a, const struct esp_peer *b)
{
    return a->role == b->role && a->key == b->key;
}

static void put(struct table *table, uint64_t hash, uint32_t index)
{
    uint32_t at = (uint32_t)hash & (table->size - 1);
    while (table->slots[at]) {
        at = (at + 1) & (table->size - 1);
    }
    table->slots[at] = index + 1;
}

/* Rebuilds both tables from the array. */
static void refill(struct esp_peers *peers)
{
    memset(peers->by_route.slots, 0, peers->by_route.size * sizeof *peers->by_route.slots);
    memset(peers->by_peer.slots, 0, peers->by_peer.size * sizeof *peers->by_peer.slots);
    peers->bound = 0;
    for (uint32_t i = 0; i < peers->count; i++) {
        put(&peers->by_route, hash_route(peers->items[i].route), i);
        if (peers->items[i].state == ESP_CONNECTION_PEER) {
            put(&peers->by_peer, hash_peer(&peers->items[i].peer), i);
            peers->bound++;
        }
    }
}

static int resize(struct esp_peers *peers, uint32_t capacity)
{
    struct esp_connection *items = realloc(peers->items, capacity * sizeof *items);
    if (!items) {
        return -ENOMEM;
    }
    peers->items = items;
    uint32_t *routes = calloc(2 * (size_t)capacity, sizeof *routes);
    uint32_t *names = calloc(2 * (size_t)capacity, sizeof *names);
    if (!routes || !names) {
        free(routes);
        free(names);
        return -ENOMEM;
    }
    free(peers->by_route.slots);
    free(peers->by_peer.slots);
    peers->by_route = (struct table){routes, 2 * capacity};
    peers->by_peer = (struct table){names, 2 * capacity};
    peers->capacity = capacity;
    refill(peers);
    return 0;
}

int esp_peers_create(struct esp_peers **out)
{
    struct esp_peers *peers = calloc(1, sizeof *peers);
    if (!peers || resize(peers, 64) < 0) {
        esp_peers_destroy(peers);
        return -ENOMEM;
    }
    *out = peers;
    return 0;
}

void esp_peers_destroy(struct esp_peers *peers)
{
    if (peers) {
        free(peers->items);
        free(peers->by_route.slots);
        free(peers->by_peer.slots);
        free(peers);
    }
}

static int by_last_heard(const void *a, const void *b)
{
    int64_t x = ((const struct esp_connection *)a)->heard_ms;
    int64_t y = ((const struct esp_connection *)b)->heard_ms;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* ZeroMQ does not report the end of a connection: those silent for long count as ended. */
static int make_room(struct esp_peers *peers, int64_t now_ms, int64_t forget_ms)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < peers->count; i++) {
        if (now_ms - peers->items[i].heard_ms < forget_ms) {
            peers->items[kept++] = peers->items[i];
        }
    }
    peers->count = kept;
    if (kept == ESP_CONNECTIONS_MAX) {
        qsort(peers->items, kept, sizeof *peers->items, by_last_heard);
        peers->count = kept - kept / 8; /* so that the next new ones need no sort */
    }
    refill(peers);
    if (peers->count > peers->capacity / 2 && peers->capacity < ESP_CONNECTIONS_MAX) {
        int rc = resize(peers, 2 * peers->capacity);
        return peers->count < peers->capacity ? 0 : rc;
    }
    return 0;
}

struct esp_connection *esp_peers_touch(struct esp_peers *peers,
                                       const uint8_t route[ESP_ROUTE_SIZE],
                                       int64_t now_ms,
                                       int64_t forget_ms)
{
    uint64_t hash = hash_route(route);
    uint32_t mask = peers->by_route.size - 1;
    for (uint32_t at = (uint32_t)hash & mask; peers->by_route.slots[at]; at = (at + 1) & mask) {
        struct esp_connection *c = &peers->items[peers->by_route.slots[at] - 1];
        if (memcmp(c->route, route, ESP_ROUTE_SIZE) == 0) {
            c->heard_ms = now_ms;
            return c;
        }
    }
    if (peers->count == peers->capacity && make_room(peers, now_ms, forget_ms) < 0) {
        return NULL;
    }
    assert(peers->count < peers->capacity);
    struct esp_connection *c = &peers->items[peers->count];
    *c = (struct esp_connection){.heard_ms = now_ms, .sent_ms = now_ms, .asked_ms = INT64_MIN};
    memcpy(c->route, route, ESP_ROUTE_SIZE);
    put(&peers->by_route, hash, peers->count++);
    return c;
}

/* Finds the slot of `peer`, or the free one where it belongs. */
static uint32_t *peer_slot(struct esp_peers *peers, const struct esp_peer *peer)
{
    uint32_t mask = peers->by_peer.size - 1;
    uint32_t at = (uint32_t)hash_peer(peer) & mask;
    while (peers->by_peer.slots[at] &&
           !same_peer(&peers->items[peers->by_peer.slots[at] - 1].peer, peer)) {
        at = (at + 1) & mask;
    }
    return &peers->by_peer.slots[at];
}

struct esp_connection *esp_peers_find(struct esp_peers *peers, const struct esp_peer *peer)
{
    uint32_t slot = *peer_slot(peers, peer);
    struct esp_connection *c = slot ? &peers->items[slot - 1] : NULL;
    return c && c->state == ESP_CONNECTION_PEER ? c : NULL;
}

/* Whether `a` was made after `b`. */
static bool newer(const struct esp_connection *a, const struct esp_connection *b)
{
    uint32_t x, y;
    memcpy(&x, a->route + 1, sizeof x);
    memcpy(&y, b->route + 1, sizeof y);
    return (int32_t)(be32toh(x) - be32toh(y)) > 0; /* the number wraps */
}

enum esp_bind_result esp_peers_bind(struct esp_peers *peers,
                                    struct esp_connection *connection,
                                    const struct esp_peer *peer)
{
    if (connection->peer.role != ESP_ROLE_NONE && !same_peer(&connection->peer, peer)) {
        return ESP_BIND_CONFLICT;
    }
    uint32_t *slot = peer_slot(peers, peer);
    struct esp_connection *other = *slot ? &peers->items[*slot - 1] : NULL;
    if (other && other != connection) {
        if (newer(other, connection)) {
            connection->state = ESP_CONNECTION_REPLACED;
            return ESP_BIND_STALE;
        }
        peers->bound -= other->state == ESP_CONNECTION_PEER;
        other->state = ESP_CONNECTION_REPLACED;
    }
    peers->bound += connection->state != ESP_CONNECTION_PEER;
    connection->state = ESP_CONNECTION_PEER;
    connection->peer = *peer;
    *slot = (uint32_t)(connection - peers->items) + 1;
    return ESP_BIND_DONE;
}

void esp_peers_unbind(struct esp_peers *peers, struct esp_connection *connection)
{
    peers->bound -= connection->state == ESP_CONNECTION_PEER;
    connection->state = ESP_CONNECTION_UNKNOWN;
    connection->asked_ms = INT64_MIN;
}

size_t esp_peers_count(const struct esp_peers *peers)
{
    return peers->bound;
}
