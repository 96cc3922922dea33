/* The controller's socket with well-behaved and misbehaving peers. */
#include "wire.h"

#include <errno.h>
#include <espalier/clock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#define PEERS 200

static int open_wire(void **state)
{
    static struct wire w;
    wire_open(&w);
    wire_listen(&w);
    *state = &w;
    return 0;
}

static int close_wire(void **state)
{
    wire_close(*state);
    return 0;
}

static struct esp_dealer *connect_dealer(struct wire *w)
{
    struct esp_dealer *d = NULL;
    struct esp_error error = {""};
    if (esp_dealer_connect(&(struct esp_endpoint){.address = w->endpoint}, &d, &error) < 0) {
        fail_msg("%s", error.text);
    }
    return d;
}

static void hello(struct esp_dealer *d, enum esp_role role, uint64_t key)
{
    struct esp_message message = {.kind = ESP_MESSAGE_HELLO};
    message.hello.role = role;
    message.hello.key = key;
    message.hello.protocol = ESP_PROTOCOL_VERSION;
    assert_int_equal(esp_dealer_send(d, &message, NULL), 0);
}

/* Connects, is asked for a Hello, and sends it. */
static struct esp_dealer *join(struct wire *w, enum esp_role role, uint64_t key)
{
    struct esp_peer peer;
    struct esp_dealer *d = connect_dealer(w);
    wire_answer(w, d, ESP_MESSAGE_INTRODUCE);
    hello(d, role, key);
    wire_expect(w, ESP_MESSAGE_HELLO, &peer);
    assert_int_equal(peer.role, role);
    if (role != ESP_ROLE_CLIENT) {
        assert_int_equal(peer.key, key);
    }
    return d;
}

static void beat(struct esp_dealer *d, uint64_t progress)
{
    struct esp_message message = {.kind = ESP_MESSAGE_HEARTBEAT};
    message.heartbeat.progress = progress;
    assert_int_equal(esp_dealer_send(d, &message, NULL), 0);
}

static void the_socket_file_is_private_and_removed_with_the_router(void **state)
{
    struct wire *w = *state;
    struct stat s;
    const char *path = w->endpoint + strlen("ipc://");
    assert_int_equal(stat(path, &s), 0);
    assert_true(S_ISSOCK(s.st_mode));
    assert_int_equal(s.st_mode & 0177, 0);
    wire_stop(w);
    assert_int_equal(stat(path, &s), -1);
}

static void messages_before_the_hello_are_dropped_and_answered_by_a_request(void **state)
{
    struct wire *w = *state;
    struct esp_peer peer;
    struct esp_dealer *d = connect_dealer(w);
    wire_answer(w, d, ESP_MESSAGE_INTRODUCE); /* sent on connecting */
    struct esp_message released = {.kind = ESP_MESSAGE_RELEASED};
    assert_int_equal(esp_dealer_send(d, &released, NULL), 0);
    hello(d, ESP_ROLE_AGENT, 4);
    beat(d, 1);
    struct esp_message first = wire_expect(w, ESP_MESSAGE_NONE, &peer);
    assert_int_equal(first.kind, ESP_MESSAGE_HELLO);
    assert_int_equal(wire_expect(w, ESP_MESSAGE_NONE, &peer).kind, ESP_MESSAGE_HEARTBEAT);
    assert_int_equal(peer.role, ESP_ROLE_AGENT);
    assert_int_equal(peer.key, 4);
    assert_int_equal(esp_router_counts(w->router).unknown, 1);
    assert_int_equal(esp_router_counts(w->router).peers, 1);
    esp_dealer_close(d, 0);
}

static void sending_fails_before_a_hello(void **state)
{
    struct wire *w = *state;
    struct esp_peer peer = {ESP_ROLE_TRIAL, 9};
    struct esp_message fenced = {.kind = ESP_MESSAGE_FENCED};
    assert_int_equal(esp_router_send(w->router, &peer, &fenced, NULL), -EHOSTUNREACH);
}

static void a_newer_connection_of_a_peer_replaces_the_older(void **state)
{
    struct wire *w = *state;
    struct esp_peer peer = {ESP_ROLE_TRIAL, 9};
    struct esp_message fenced = {.kind = ESP_MESSAGE_FENCED};
    struct esp_dealer *older = join(w, ESP_ROLE_TRIAL, 9);
    struct esp_dealer *newer = join(w, ESP_ROLE_TRIAL, 9);
    fenced.fenced.trial = 5;
    wire_send(w, peer, &fenced);
    assert_int_equal(wire_answer(w, newer, ESP_MESSAGE_FENCED).fenced.trial, 5);
    /* Messages of the older connection are dropped, its Hello too. */
    beat(older, 1);
    hello(older, ESP_ROLE_TRIAL, 9);
    beat(older, 2);
    beat(newer, 3);
    while (wire_expect(w, ESP_MESSAGE_HEARTBEAT, &peer).heartbeat.progress != 3) {
        fail_msg("a message of the older connection was accepted");
    }
    wire_send(w, peer, &fenced);
    wire_answer(w, newer, ESP_MESSAGE_FENCED);
    struct esp_message none;
    assert_int_equal(esp_dealer_receive(older, &none, NULL), -EAGAIN);
    assert_int_equal(esp_router_counts(w->router).peers, 1);
    esp_dealer_close(older, 0);
    esp_dealer_close(newer, 0);
}

static const char *
admit_others_than_9(void *context, const struct esp_peer *peer, const struct esp_hello *hello)
{
    assert_int_equal(peer->role, hello->role);
    return peer->key == 9 && *(bool *)context ? "not you" : NULL;
}

static void a_refused_hello_binds_nothing(void **state)
{
    struct wire *w = *state;
    struct esp_peer peer = {ESP_ROLE_TRIAL, 9};
    struct esp_message fenced = {.kind = ESP_MESSAGE_FENCED};
    bool refuse = false;
    esp_router_admission(w->router, admit_others_than_9, &refuse);
    struct esp_dealer *real = join(w, ESP_ROLE_TRIAL, 9);
    refuse = true;
    struct esp_dealer *refused = connect_dealer(w);
    wire_answer(w, refused, ESP_MESSAGE_INTRODUCE);
    hello(refused, ESP_ROLE_TRIAL, 9);
    beat(refused, 1);
    assert_string_equal(wire_answer(w, refused, ESP_MESSAGE_WELCOME).welcome.refused,
                        "not you");
    /* The peer keeps its connection, in both directions. */
    beat(refused, 2);
    beat(real, 3);
    assert_int_equal(wire_expect(w, ESP_MESSAGE_NONE, &peer).heartbeat.progress, 3);
    assert_int_equal(peer.key, 9);
    wire_send(w, peer, &fenced);
    wire_answer(w, real, ESP_MESSAGE_FENCED);
    /* On a busy machine the refused connection may have been asked for another Hello. */
    struct esp_message none;
    while (esp_dealer_receive(refused, &none, NULL) == 0) {
        assert_int_equal(none.kind, ESP_MESSAGE_INTRODUCE);
    }
    /* The messages of the refused connection may arrive after those of the other one. */
    struct esp_error error = {""};
    for (int64_t end = esp_clock_ms() + WAIT_MS;
         esp_router_counts(w->router).unknown < 2 && esp_clock_ms() < end;) {
        assert_int_equal(wire_receive(w, &peer, &none, &error, 10), -EAGAIN);
    }
    assert_int_equal(esp_router_counts(w->router).unknown, 2);
    assert_int_equal(esp_router_counts(w->router).peers, 1);
    assert_int_equal(esp_router_counts(w->router).refused, 1);
    peer = (struct esp_peer){ESP_ROLE_TRIAL, 9};
    /* A refused connection may try again. */
    refuse = false;
    hello(refused, ESP_ROLE_TRIAL, 9);
    wire_expect(w, ESP_MESSAGE_HELLO, &peer);
    esp_dealer_close(real, 0);
    esp_dealer_close(refused, 0);
}

static void each_client_gets_its_own_number(void **state)
{
    struct wire *w = *state;
    struct esp_peer a, b;
    struct esp_dealer *first = connect_dealer(w), *second = connect_dealer(w);
    wire_answer(w, first, ESP_MESSAGE_INTRODUCE);
    hello(first, ESP_ROLE_CLIENT, 0);
    wire_expect(w, ESP_MESSAGE_HELLO, &a);
    wire_answer(w, second, ESP_MESSAGE_INTRODUCE);
    hello(second, ESP_ROLE_CLIENT, a.key); /* the key that a client claims is ignored */
    struct esp_message m = wire_expect(w, ESP_MESSAGE_HELLO, &b);
    assert_int_equal(a.role, ESP_ROLE_CLIENT);
    assert_int_not_equal(a.key, 0);
    assert_int_not_equal(a.key, b.key);
    assert_int_equal(m.hello.key, b.key);
    hello(first, ESP_ROLE_CLIENT, 0); /* repeated on the same connection: the same number */
    struct esp_peer again;
    wire_expect(w, ESP_MESSAGE_HELLO, &again);
    assert_int_equal(again.key, a.key);
    esp_dealer_close(first, 0);
    esp_dealer_close(second, 0);
}

static void a_connection_cannot_change_its_peer(void **state)
{
    struct wire *w = *state;
    struct esp_peer peer;
    struct esp_message message;
    struct esp_error error = {""};
    struct esp_dealer *d = join(w, ESP_ROLE_TRIAL, 9);
    hello(d, ESP_ROLE_AGENT, 1);
    assert_int_equal(wire_receive(w, &peer, &message, &error, WAIT_MS), ESP_ROUTER_MALFORMED);
    assert_int_equal(peer.role, ESP_ROLE_TRIAL);
    assert_non_null(strstr(error.text, "another peer"));
    hello(d, ESP_ROLE_TRIAL, 9);
    wire_expect(w, ESP_MESSAGE_HELLO, NULL);
    esp_dealer_close(d, 0);
}

static void heartbeats_are_answered_when_nothing_else_was_sent(void **state)
{
    struct wire *w = *state;
    struct esp_dealer *d = join(w, ESP_ROLE_TRIAL, 9);
    struct esp_message m;
    int rc;
    do { /* the Introduce counts as sent: for half a heartbeat there is no answer */
        beat(d, 1);
        wire_expect(w, ESP_MESSAGE_HEARTBEAT, NULL);
        esp_dealer_wait(d, false, NULL, 0, 100);
        rc = esp_dealer_receive(d, &m, NULL);
    } while (rc == -EAGAIN);
    assert_int_equal(rc, 0);
    assert_int_equal(m.kind, ESP_MESSAGE_HEARTBEAT);
    esp_dealer_close(d, 0);
}

/* A connection of raw frames. */
struct raw {
    void *context, *socket;
};

static struct raw raw_open(struct wire *w, int hwm, const char *identity)
{
    struct raw r = {zmq_ctx_new(), NULL};
    int zero = 0;
    r.socket = zmq_socket(r.context, ZMQ_DEALER);
    assert_non_null(r.socket);
    zmq_setsockopt(r.socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(r.socket, ZMQ_RCVHWM, &hwm, sizeof hwm);
    if (identity) {
        zmq_setsockopt(r.socket, ZMQ_ROUTING_ID, identity, strlen(identity));
    }
    assert_int_equal(zmq_connect(r.socket, w->endpoint), 0);
    return r;
}

static void raw_close(struct raw *r)
{
    zmq_close(r->socket);
    zmq_ctx_term(r->context);
}

static void expect_malformed(struct wire *w, const char *expected)
{
    struct esp_peer peer;
    struct esp_message message;
    struct esp_error error = {""};
    assert_int_equal(wire_receive(w, &peer, &message, &error, WAIT_MS), ESP_ROUTER_MALFORMED);
    assert_int_equal(peer.role, ESP_ROLE_NONE);
    if (!strstr(error.text, expected)) {
        fail_msg("'%s' lacks '%s'", error.text, expected);
    }
}

static void malformed_messages_are_reported_and_others_are_served(void **state)
{
    struct wire *w = *state;
    struct esp_dealer *good = join(w, ESP_ROLE_TRIAL, 9);
    struct raw r = raw_open(w, 1000, NULL);
    char *large = calloc(1, 300 * 1024);
    zmq_send(r.socket, "\xff\xff\xff\xff", 4, 0);
    expect_malformed(w, "4 bytes that are not a message");
    zmq_send(r.socket, "\x0a\x7f", 2, 0); /* a field that is longer than the message */
    expect_malformed(w, "2 bytes that are not a message");
    zmq_send(r.socket, large, 300 * 1024, 0);
    expect_malformed(w, "a message of 307200 bytes");
    for (int i = 0; i < 7; i++) {
        zmq_send(r.socket, "x", 1, ZMQ_SNDMORE);
    }
    zmq_send(r.socket, "x", 1, 0);
    expect_malformed(w, "8 frames");
    struct raw named = raw_open(w, 1000, "admin");
    zmq_send(named.socket, "x", 1, 0);
    expect_malformed(w, "chose its own identity");
    beat(good, 7);
    assert_int_equal(wire_expect(w, ESP_MESSAGE_HEARTBEAT, NULL).heartbeat.progress, 7);
    assert_int_equal(esp_router_counts(w->router).malformed, 5);
    free(large);
    raw_close(&named);
    raw_close(&r);
    esp_dealer_close(good, 0);
}

static void malformed_messages_are_reported_at_a_limited_rate(void **state)
{
    struct wire *w = *state;
    struct esp_dealer *good = join(w, ESP_ROLE_TRIAL, 9);
    struct raw r = raw_open(w, 1000, NULL);
    struct esp_peer peer;
    struct esp_message message;
    struct esp_error error;
    int reported = 0;
    int64_t begin = esp_clock_ms();
    for (int i = 0; i < 900; i++) {
        assert_int_equal(zmq_send(r.socket, "\xff", 1, 0), 1);
    }
    while (esp_router_counts(w->router).malformed < 900) {
        int rc = wire_receive(w, &peer, &message, &error, 10);
        assert_true(rc == ESP_ROUTER_MALFORMED || rc == -EAGAIN);
        reported += rc == ESP_ROUTER_MALFORMED;
        assert_true(esp_clock_ms() - begin < WAIT_MS);
    }
    assert_in_range(reported, 10, 11 + (esp_clock_ms() - begin) / 1000);
    beat(good, 7);
    assert_int_equal(wire_expect(w, ESP_MESSAGE_HEARTBEAT, NULL).heartbeat.progress, 7);
    raw_close(&r);
    esp_dealer_close(good, 0);
}

static void a_frame_above_the_limit_closes_only_its_connection(void **state)
{
    struct wire *w = *state;
    struct esp_dealer *good = join(w, ESP_ROLE_TRIAL, 9);
    struct raw r = raw_open(w, 1000, NULL);
    size_t size = 8 * 1024 * 1024;
    char *large = calloc(1, size);
    zmq_send(r.socket, large, size, 0);
    zmq_send(r.socket, "\xff", 1, 0);
    expect_malformed(
        w, "1 bytes"); /* sent on the next connection; the large frame never arrived */
    beat(good, 7);
    assert_int_equal(wire_expect(w, ESP_MESSAGE_HEARTBEAT, NULL).heartbeat.progress, 7);
    free(large);
    raw_close(&r);
    esp_dealer_close(good, 0);
}

static void bytes_that_are_not_zeromq_disturb_nobody(void **state)
{
    struct wire *w = *state;
    struct esp_dealer *good = join(w, ESP_ROLE_TRIAL, 9);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    static const char *const greetings[] = {"GET / HTTP/1.1\r\n\r\n", "\xff", "", "\0\0\0\0"};
    strcpy(address.sun_path, w->endpoint + strlen("ipc://"));
    for (int i = 0; i < 4; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
        assert_true(write(fd, greetings[i], i == 3 ? 4 : strlen(greetings[i])) >= 0);
        close(fd);
    }
    beat(good, 7);
    assert_int_equal(wire_expect(w, ESP_MESSAGE_HEARTBEAT, NULL).heartbeat.progress, 7);
    esp_dealer_close(good, 0);
}

static void a_peer_that_does_not_read_is_unknown_until_its_next_hello(void **state)
{
    struct wire *w = *state;
    struct esp_dealer *good = join(w, ESP_ROLE_TRIAL, 9);
    struct raw slow = raw_open(w, 1, NULL);
    struct esp_peer peer = {ESP_ROLE_TRIAL, 8}, from;
    struct esp_message message = {.kind = ESP_MESSAGE_HELLO};
    uint8_t bytes[] = {0x0a, 11, 0x08, 2, 0x19, 8, 0, 0, 0, 0, 0, 0, 0}; /* Hello, TRIAL, 8 */
    assert_int_equal(zmq_send(slow.socket, bytes, sizeof bytes, 0), sizeof bytes);
    wire_expect(w, ESP_MESSAGE_HELLO, &from);
    assert_int_equal(from.key, 8);
    message = (struct esp_message){.kind = ESP_MESSAGE_FAILED};
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    message.failed.text = text;
    int rc = 0;
    for (int i = 0; i < 100000 && rc == 0; i++) {
        rc = esp_router_send(w->router, &peer, &message, NULL);
    }
    assert_int_equal(rc, -EAGAIN);
    assert_int_equal(esp_router_send(w->router, &peer, &message, NULL), -EHOSTUNREACH);
    beat(good, 7); /* others are served */
    assert_int_equal(wire_expect(w, ESP_MESSAGE_HEARTBEAT, NULL).heartbeat.progress, 7);
    char buffer[4096];
    while (zmq_recv(slow.socket, buffer, sizeof buffer, ZMQ_DONTWAIT) >= 0 || errno == EINTR) {
    }
    assert_int_equal(zmq_send(slow.socket, bytes, sizeof bytes, 0), sizeof bytes);
    wire_expect(w, ESP_MESSAGE_HELLO, &from);
    assert_int_equal(from.key, 8);
    raw_close(&slow);
    esp_dealer_close(good, 0);
}

static void sending_to_a_closed_connection_fails(void **state)
{
    struct wire *w = *state;
    struct esp_peer peer = {ESP_ROLE_TRIAL, 9};
    struct esp_message fenced = {.kind = ESP_MESSAGE_FENCED};
    struct esp_dealer *other = join(w, ESP_ROLE_TRIAL, 10);
    struct esp_dealer *d = join(w, ESP_ROLE_TRIAL, 9);
    esp_dealer_close(d, 0);
    int rc;
    do { /* the end of a connection is noticed while messages are received */
        beat(other, 1);
        wire_expect(w, ESP_MESSAGE_HEARTBEAT, NULL);
        rc = esp_router_send(w->router, &peer, &fenced, NULL);
    } while (rc == 0);
    assert_int_equal(rc, -EHOSTUNREACH);
    esp_dealer_close(other, 0);
}

static void many_peers_find_a_new_controller(void **state)
{
    struct wire *w = *state;
    static struct esp_dealer *dealers[PEERS];
    for (int i = 0; i < PEERS; i++) {
        dealers[i] = join(w, ESP_ROLE_TRIAL, 100 + (uint64_t)i);
    }
    assert_int_equal(esp_router_counts(w->router).peers, PEERS);
    wire_stop(w);
    wire_listen(w);
    for (int i = 0; i < PEERS; i++) {
        wire_answer(w, dealers[i], ESP_MESSAGE_INTRODUCE);
        hello(dealers[i], ESP_ROLE_TRIAL, 100 + (uint64_t)i);
        wire_expect(w, ESP_MESSAGE_HELLO, NULL);
    }
    assert_int_equal(esp_router_counts(w->router).peers, PEERS);
    for (int i = 0; i < PEERS; i++) {
        struct esp_message fenced = {.kind = ESP_MESSAGE_FENCED};
        fenced.fenced.trial = (uint32_t)i;
        wire_send(w, (struct esp_peer){ESP_ROLE_TRIAL, 100 + (uint64_t)i}, &fenced);
    }
    for (int i = 0; i < PEERS; i++) {
        assert_int_equal(wire_answer(w, dealers[i], ESP_MESSAGE_FENCED).fenced.trial, i);
        esp_dealer_close(dealers[i], 0);
    }
}

/* Z85 keys made for each test; `server` marks the end that listens. */
struct curve {
    bool server;
    char public_key[41], secret_key[41];
    const char *server_key;
};

/* An esp_endpoint's `prepare` that encrypts the connections of that endpoint. */
static int set_curve_keys(void *context, void *socket)
{
    const struct curve *curve = context;
    int yes = 1, rc;
    rc = zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, curve->secret_key, 40);
    if (rc == 0 && curve->server) {
        rc = zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes);
    } else if (rc == 0) {
        rc = zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, curve->public_key, 40);
        rc = rc == 0 ? zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, curve->server_key, 40) : rc;
    }
    return rc < 0 ? -errno : 0;
}

static int refuse_to_prepare(void *context, void *socket)
{
    (void)context;
    (void)socket;
    return -EPERM;
}

static void peers_of_several_endpoints_reach_one_router(void **state)
{
    struct wire *w = *state;
    struct curve server = {.server = true}, client = {.server_key = server.public_key};
    char address[128];
    struct esp_error error = {""};
    wire_stop(w);
    if (!zmq_has("curve")) {
        skip();
    }
    assert_int_equal(zmq_curve_keypair(server.public_key, server.secret_key), 0);
    assert_int_equal(zmq_curve_keypair(client.public_key, client.secret_key), 0);
    snprintf(address, sizeof address, "ipc://%s/encrypted.sock", w->dir);
    struct esp_endpoint endpoints[] = {
        {.address = w->endpoint},
        {.address = address, .prepare = set_curve_keys, .context = &server},
    };
    assert_int_equal(esp_router_create(endpoints, 2, &w->router, &error), 0);
    struct esp_dealer *local = join(w, ESP_ROLE_TRIAL, 9), *encrypted = NULL;
    struct esp_endpoint there = {
        .address = address, .prepare = set_curve_keys, .context = &client};
    assert_int_equal(esp_dealer_connect(&there, &encrypted, &error), 0);
    wire_answer(w, encrypted, ESP_MESSAGE_INTRODUCE);
    hello(encrypted, ESP_ROLE_AGENT, 4);
    struct esp_peer peer;
    wire_expect(w, ESP_MESSAGE_HELLO, &peer);
    assert_int_equal(peer.role, ESP_ROLE_AGENT);
    assert_int_equal(esp_router_counts(w->router).peers, 2);
    struct esp_message order = {.kind = ESP_MESSAGE_KILL, .kill = {.key = 5}};
    wire_send(w, peer, &order);
    assert_int_equal(wire_answer(w, encrypted, ESP_MESSAGE_KILL).kill.key, 5);
    /* A peer without keys cannot connect to the encrypted endpoint. */
    struct esp_dealer *plain = NULL;
    struct esp_message none;
    there.prepare = NULL;
    assert_int_equal(esp_dealer_connect(&there, &plain, &error), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(wire_receive(w, &peer, &none, &error, 10), -EAGAIN);
    }
    assert_int_equal(esp_dealer_receive(plain, &none, NULL), -EAGAIN);
    esp_dealer_close(plain, 0);
    esp_dealer_close(encrypted, 0);
    esp_dealer_close(local, 0);
    wire_stop(w);
    assert_int_equal(access(address + strlen("ipc://"), F_OK), -1);
    assert_int_equal(access(w->endpoint + strlen("ipc://"), F_OK), -1);
}

static void an_endpoint_that_fails_is_named_and_leaves_no_file(void **state)
{
    struct wire *w = *state;
    struct esp_error error = {""};
    struct esp_endpoint endpoints[] = {
        {.address = w->endpoint},
        {.address = "tcp://127.0.0.1:0", .prepare = refuse_to_prepare},
    };
    wire_stop(w);
    assert_int_equal(esp_router_create(endpoints, 2, &w->router, &error), -EPERM);
    assert_non_null(strstr(error.text, "tcp://127.0.0.1:0"));
    assert_int_equal(access(w->endpoint + strlen("ipc://"), F_OK), -1);
    endpoints[1] = (struct esp_endpoint){.address = "nonsense"};
    assert_int_equal(esp_router_create(endpoints, 2, &w->router, &error), -EINVAL);
    assert_non_null(strstr(error.text, "'nonsense'"));
    struct esp_dealer *dealer = NULL;
    assert_int_equal(esp_dealer_connect(&endpoints[1], &dealer, &error), -EINVAL);
    assert_non_null(strstr(error.text, "'nonsense'"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_wire, close_wire)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_socket_file_is_private_and_removed_with_the_router),
        TEST(messages_before_the_hello_are_dropped_and_answered_by_a_request),
        TEST(sending_fails_before_a_hello),
        TEST(a_newer_connection_of_a_peer_replaces_the_older),
        TEST(a_refused_hello_binds_nothing),
        TEST(each_client_gets_its_own_number),
        TEST(a_connection_cannot_change_its_peer),
        TEST(heartbeats_are_answered_when_nothing_else_was_sent),
        TEST(malformed_messages_are_reported_and_others_are_served),
        TEST(malformed_messages_are_reported_at_a_limited_rate),
        TEST(a_frame_above_the_limit_closes_only_its_connection),
        TEST(bytes_that_are_not_zeromq_disturb_nobody),
        TEST(a_peer_that_does_not_read_is_unknown_until_its_next_hello),
        TEST(sending_to_a_closed_connection_fails),
        TEST(many_peers_find_a_new_controller),
        TEST(peers_of_several_endpoints_reach_one_router),
        TEST(an_endpoint_that_fails_is_named_and_leaves_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
