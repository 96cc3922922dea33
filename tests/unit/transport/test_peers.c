/* The table of connections: growth, forgetting, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../proto/transport/peers.h"

#include <string.h>

static struct esp_connection *meet(struct esp_peers *p, uint32_t number, int64_t now)
{
    uint8_t route[ESP_ROUTE_SIZE] = {0,
                                     (uint8_t)(number >> 24),
                                     (uint8_t)(number >> 16),
                                     (uint8_t)(number >> 8),
                                     (uint8_t)number};
    struct esp_connection *c = esp_peers_meet(p, route, now, 1000);
    assert_non_null(c);
    assert_memory_equal(c->route, route, sizeof route);
    return c;
}

static void name(struct esp_peers *p, struct esp_connection *c, uint64_t key)
{
    assert_int_equal(esp_peers_name(p, c, &(struct esp_peer){ESP_ROLE_TRIAL, key}), ESP_NAMED);
}

static void names_survive_growth(void **state)
{
    struct esp_peers *p;
    (void)state;
    assert_int_equal(esp_peers_create(&p), 0);
    for (uint32_t i = 0; i < 5000; i++) {
        name(p, meet(p, i, 1), i + 1);
    }
    assert_int_equal(esp_peers_count(p), 5000);
    for (uint32_t i = 0; i < 5000; i++) {
        struct esp_connection *c = esp_peers_find(p, &(struct esp_peer){ESP_ROLE_TRIAL, i + 1});
        assert_ptr_equal(c, meet(p, i, 2));
    }
    assert_null(esp_peers_find(p, &(struct esp_peer){ESP_ROLE_AGENT, 1}));
    esp_peers_destroy(p);
}

static void connections_unheard_for_long_make_room(void **state)
{
    struct esp_peers *p;
    (void)state;
    assert_int_equal(esp_peers_create(&p), 0);
    for (uint32_t i = 0; i < 10 * ESP_CONNECTIONS_MAX; i++) {
        meet(p, 1000000 + i, 10 * (int64_t)i); /* 100 of them within the second */
        if (i % 50 == 0) {
            name(p, meet(p, 7, 10 * (int64_t)i), 42);
        }
    }
    assert_int_equal(esp_peers_count(p), 1);
    assert_ptr_equal(esp_peers_find(p, &(struct esp_peer){ESP_ROLE_TRIAL, 42}),
                     meet(p, 7, 10 * (int64_t)10 * ESP_CONNECTIONS_MAX));
    esp_peers_destroy(p);
}

static void a_flood_of_strangers_pushes_out_strangers(void **state)
{
    struct esp_peers *p;
    (void)state;
    assert_int_equal(esp_peers_create(&p), 0);
    for (uint32_t i = 0; i < 4 * ESP_CONNECTIONS_MAX; i++) {
        meet(p, 1000000 + i, i / 100); /* none is old */
        if (i % 50 == 0) {
            name(p, meet(p, 7, i / 100), 42); /* a peer that speaks */
        }
    }
    assert_non_null(esp_peers_find(p, &(struct esp_peer){ESP_ROLE_TRIAL, 42}));
    esp_peers_destroy(p);
}

static void the_newest_connection_has_the_name_across_the_wrap(void **state)
{
    struct esp_peers *p;
    struct esp_peer peer = {ESP_ROLE_TRIAL, 5};
    (void)state;
    assert_int_equal(esp_peers_create(&p), 0);
    meet(p, 1, 1); /* after the wrap */
    name(p, meet(p, UINT32_MAX, 1), 5);
    name(p, meet(p, 1, 1), 5);
    assert_int_equal(meet(p, UINT32_MAX, 1)->state, ESP_CONNECTION_REPLACED);
    assert_int_equal(esp_peers_name(p, meet(p, UINT32_MAX, 1), &peer), ESP_NAMED_OLDER);
    assert_ptr_equal(esp_peers_find(p, &peer), meet(p, 1, 1));
    peer.key = 6;
    assert_int_equal(esp_peers_name(p, meet(p, 1, 1), &peer), ESP_NAMED_ANOTHER);
    esp_peers_destroy(p);
}

static void an_unnamed_connection_is_not_found_until_named_again(void **state)
{
    struct esp_peers *p;
    struct esp_peer peer = {ESP_ROLE_TRIAL, 5};
    (void)state;
    assert_int_equal(esp_peers_create(&p), 0);
    name(p, meet(p, 3, 1), 5);
    esp_peers_unname(p, meet(p, 3, 1));
    assert_null(esp_peers_find(p, &peer));
    assert_int_equal(esp_peers_count(p), 0);
    name(p, meet(p, 3, 1), 5);
    assert_ptr_equal(esp_peers_find(p, &peer), meet(p, 3, 1));
    assert_int_equal(esp_peers_count(p), 1);
    esp_peers_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_survive_growth),
        cmocka_unit_test(connections_unheard_for_long_make_room),
        cmocka_unit_test(a_flood_of_strangers_pushes_out_strangers),
        cmocka_unit_test(the_newest_connection_has_the_name_across_the_wrap),
        cmocka_unit_test(an_unnamed_connection_is_not_found_until_named_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
