/* The table of connections: growth, forgetting, binding to peers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../proto/transport/peers.h"

#include <string.h>

static struct esp_connection *touch(struct esp_peers *p, uint32_t number, int64_t now)
{
    uint8_t route[ESP_ROUTE_SIZE] = {0,
                                     (uint8_t)(number >> 24),
                                     (uint8_t)(number >> 16),
                                     (uint8_t)(number >> 8),
                                     (uint8_t)number};
    struct esp_connection *c = esp_peers_touch(p, route, now, 1000);
    assert_non_null(c);
    assert_memory_equal(c->route, route, sizeof route);
    return c;
}

static void bind_to(struct esp_peers *p, struct esp_connection *c, uint64_t key)
{
    assert_int_equal(esp_peers_bind(p, c, &(struct esp_peer){ESP_ROLE_TRIAL, key}),
                     ESP_BIND_DONE);
}

static void bindings_survive_growth(void **state)
{
    struct esp_peers *p;
    (void)state;
    assert_int_equal(esp_peers_create(&p), 0);
    for (uint32_t i = 0; i < 5000; i++) {
        bind_to(p, touch(p, i, 1), i + 1);
    }
    assert_int_equal(esp_peers_count(p), 5000);
    for (uint32_t i = 0; i < 5000; i++) {
        struct esp_connection *c = esp_peers_find(p, &(struct esp_peer){ESP_ROLE_TRIAL, i + 1});
        assert_ptr_equal(c, touch(p, i, 2));
    }
    assert_null(esp_peers_find(p, &(struct esp_peer){ESP_ROLE_AGENT, 1}));
    esp_peers_destroy(p);
}

static void silent_connections_make_room(void **state)
{
    struct esp_peers *p;
    (void)state;
    assert_int_equal(esp_peers_create(&p), 0);
    for (uint32_t i = 0; i < 10 * ESP_CONNECTIONS_MAX; i++) {
        touch(p, 1000000 + i, 10 * (int64_t)i); /* 100 of them within the second */
        if (i % 50 == 0) {
            bind_to(p, touch(p, 7, 10 * (int64_t)i), 42);
        }
    }
    assert_int_equal(esp_peers_count(p), 1);
    assert_ptr_equal(esp_peers_find(p, &(struct esp_peer){ESP_ROLE_TRIAL, 42}),
                     touch(p, 7, 10 * (int64_t)10 * ESP_CONNECTIONS_MAX));
    esp_peers_destroy(p);
}

static void a_flood_of_unknown_connections_keeps_the_known_peer(void **state)
{
    struct esp_peers *p;
    (void)state;
    assert_int_equal(esp_peers_create(&p), 0);
    for (uint32_t i = 0; i < 4 * ESP_CONNECTIONS_MAX; i++) {
        touch(p, 1000000 + i, i / 100); /* none is silent for long */
        if (i % 50 == 0) {
            bind_to(p, touch(p, 7, i / 100), 42); /* a peer that sends messages */
        }
    }
    assert_non_null(esp_peers_find(p, &(struct esp_peer){ESP_ROLE_TRIAL, 42}));
    esp_peers_destroy(p);
}

static void the_newest_connection_is_bound_across_the_wrap_of_its_number(void **state)
{
    struct esp_peers *p;
    struct esp_peer peer = {ESP_ROLE_TRIAL, 5};
    (void)state;
    assert_int_equal(esp_peers_create(&p), 0);
    touch(p, 1, 1); /* after the wrap */
    bind_to(p, touch(p, UINT32_MAX, 1), 5);
    bind_to(p, touch(p, 1, 1), 5);
    assert_int_equal(touch(p, UINT32_MAX, 1)->state, ESP_CONNECTION_REPLACED);
    assert_int_equal(esp_peers_bind(p, touch(p, UINT32_MAX, 1), &peer), ESP_BIND_STALE);
    assert_ptr_equal(esp_peers_find(p, &peer), touch(p, 1, 1));
    peer.key = 6;
    assert_int_equal(esp_peers_bind(p, touch(p, 1, 1), &peer), ESP_BIND_CONFLICT);
    esp_peers_destroy(p);
}

static void an_unbound_connection_is_not_found_until_bound_again(void **state)
{
    struct esp_peers *p;
    struct esp_peer peer = {ESP_ROLE_TRIAL, 5};
    (void)state;
    assert_int_equal(esp_peers_create(&p), 0);
    bind_to(p, touch(p, 3, 1), 5);
    esp_peers_unbind(p, touch(p, 3, 1));
    assert_null(esp_peers_find(p, &peer));
    assert_int_equal(esp_peers_count(p), 0);
    bind_to(p, touch(p, 3, 1), 5);
    assert_ptr_equal(esp_peers_find(p, &peer), touch(p, 3, 1));
    assert_int_equal(esp_peers_count(p), 1);
    esp_peers_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bindings_survive_growth),
        cmocka_unit_test(silent_connections_make_room),
        cmocka_unit_test(a_flood_of_unknown_connections_keeps_the_known_peer),
        cmocka_unit_test(the_newest_connection_is_bound_across_the_wrap_of_its_number),
        cmocka_unit_test(an_unbound_connection_is_not_found_until_bound_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
