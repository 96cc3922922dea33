/* The client of a trial process with a scripted controller and a real socket. */
#include "../transport/wire.h"

#include "../../../trial/client/client.h"

#include <errno.h>
#include <espalier/clock.h>
#include <math.h>
#include <poll.h>
#include <string.h>

#define KEY 77
#define LEASE_MS 60000

struct fixture {
    struct wire wire;
    struct esp_client *client;
    struct esp_peer peer;
};

static struct esp_peer trial_peer(void)
{
    return (struct esp_peer){ESP_ROLE_TRIAL, KEY};
}

static void start_client(struct fixture *f)
{
    struct esp_client_options options = {.endpoint = f->wire.endpoint,
                                         .key = KEY,
                                         .study = 5,
                                         .device = "cpu",
                                         .heartbeat_ms = 50};
    assert_int_equal(esp_client_create(&options, &f->client, NULL), 0);
}

static int open_both(void **state)
{
    static struct fixture f;
    wire_open(&f.wire);
    wire_listen(&f.wire);
    start_client(&f);
    f.peer = trial_peer();
    *state = &f;
    return 0;
}

static int close_both(void **state)
{
    struct fixture *f = *state;
    esp_client_destroy(f->client);
    wire_close(&f->wire);
    return 0;
}

static struct esp_client_event next_event(struct fixture *f)
{
    struct esp_client_event event;
    int64_t end = esp_clock_ms() + WAIT_MS;
    for (esp_client_next(f->client, &event);
         event.kind == ESP_CLIENT_NONE && esp_clock_ms() < end;
         esp_client_next(f->client, &event)) {
        struct pollfd fd = {.fd = esp_client_fd(f->client), .events = POLLIN};
        poll(&fd, 1, 1000);
    }
    return event;
}

static void welcome(struct fixture *f)
{
    struct esp_peer peer;
    struct esp_message hello = wire_expect(&f->wire, ESP_MESSAGE_HELLO, &peer);
    assert_int_equal(peer.role, ESP_ROLE_TRIAL);
    assert_int_equal(peer.key, KEY);
    assert_int_equal(hello.hello.study, 5);
    assert_int_equal(hello.hello.protocol, ESP_PROTOCOL_VERSION);
    wire_welcome(&f->wire, f->peer, LEASE_MS);
}

static void assign(struct fixture *f, uint32_t trial, uint32_t attempt)
{
    struct esp_trainer trainer;
    struct esp_setting param = {"learning_rate", {.type = ESP_VALUE_REAL, .real = 0.003}};
    struct esp_message message = {.kind = ESP_MESSAGE_ASSIGN};
    esp_trainer_init(&trainer);
    trainer.width += 8;
    message.assign.trial = trial;
    message.assign.attempt = attempt;
    message.assign.params = &param;
    message.assign.param_count = 1;
    message.assign.trainer = &trainer;
    message.assign.directive.until = 1000;
    wire_send(&f->wire, f->peer, &message);
    struct esp_client_event event = next_event(f);
    assert_int_equal(event.kind, ESP_CLIENT_ASSIGNED);
    assert_int_equal(event.trial, trial);
    assert_int_equal(event.attempt, attempt);
    assert_int_equal(event.assign->trainer->width, trainer.width);
    assert_string_equal(event.assign->params[0].name, "learning_rate");
    assert_true(event.assign->params[0].value.real == 0.003);
    assert_int_equal(event.directive.until, 1000);
}

static int report(struct fixture *f, uint32_t trial, uint32_t attempt, int64_t step)
{
    struct esp_point point = {
        .step = step, .tokens = step * 10, .value = 3.5, .train_loss = NAN};
    struct esp_message message = {.kind = ESP_MESSAGE_REPORT};
    message.report.at = (struct esp_attempt_key){.trial = trial, .attempt = attempt};
    message.report.points = &point;
    message.report.point_count = 1;
    return esp_client_send(f->client, &message, NULL);
}

static int released(struct fixture *f, uint32_t trial, uint32_t attempt)
{
    struct esp_message message = {.kind = ESP_MESSAGE_RELEASED};
    message.released.at = (struct esp_attempt_key){.trial = trial, .attempt = attempt};
    return esp_client_send(f->client, &message, NULL);
}

static void ack(struct fixture *f, uint32_t trial, uint32_t attempt, uint64_t sequence)
{
    struct esp_message message = {.kind = ESP_MESSAGE_ACK};
    message.ack = (struct esp_ack){.trial = trial, .attempt = attempt, .sequence = sequence};
    wire_send(&f->wire, f->peer, &message);
}

static void expect_report(struct fixture *f, uint64_t sequence)
{
    struct esp_message message = wire_expect(&f->wire, ESP_MESSAGE_REPORT, NULL);
    assert_int_equal(message.report.at.sequence, sequence);
    assert_int_equal(message.report.point_count, 1);
    assert_int_equal(message.report.points[0].step, sequence);
}

static void a_controller_that_starts_later_is_found(void **state)
{
    static struct fixture f;
    (void)state;
    wire_open(&f.wire);
    f.peer = trial_peer();
    start_client(&f);
    wire_listen(&f.wire);
    welcome(&f);
    void *fixture = &f;
    close_both(&fixture);
}

static void messages_are_numbered_and_arrive_in_order(void **state)
{
    struct fixture *f = *state;
    welcome(f);
    assign(f, 3, 1);
    assign(f, 4, 2);
    for (int i = 1; i <= 50; i++) {
        assert_int_equal(report(f, 3, 1, i), 0);
    }
    for (uint64_t i = 1; i <= 50; i++) {
        expect_report(f, i);
    }
    assert_int_equal(report(f, 4, 2, 1), 0);
    expect_report(f, 1);
    ack(f, 3, 1, 50);
    ack(f, 4, 2, 1);
    assert_int_equal(esp_client_flush(f->client, WAIT_MS), 0);
}

static void a_new_controller_receives_the_messages_not_acknowledged(void **state)
{
    struct fixture *f = *state;
    welcome(f);
    assign(f, 3, 1);
    for (int i = 1; i <= 6; i++) {
        assert_int_equal(report(f, 3, 1, i), 0);
        expect_report(f, (uint64_t)i);
    }
    struct esp_message direct = {.kind = ESP_MESSAGE_DIRECT};
    ack(f, 3, 1, 4);
    direct.direct = (struct esp_direct){.trial = 3, .attempt = 1, .directive = {.number = 1}};
    wire_send(&f->wire, f->peer, &direct); /* received only after the Ack before it */
    assert_int_equal(next_event(f).kind, ESP_CLIENT_DIRECTED);
    wire_stop(&f->wire);
    for (int i = 7; i <= 9; i++) {
        assert_int_equal(report(f, 3, 1, i), 0);
    }
    assert_int_equal(esp_client_flush(f->client, 10), -ETIMEDOUT);
    wire_listen(&f->wire);
    struct esp_peer peer;
    struct esp_message hello = wire_expect(&f->wire, ESP_MESSAGE_HELLO, &peer);
    assert_int_equal(peer.key, KEY);
    assert_int_equal(hello.hello.held_count, 1);
    assert_int_equal(hello.hello.held[0].trial, 3);
    assert_int_equal(hello.hello.held[0].attempt, 1);
    assert_int_equal(hello.hello.held[0].acked, 4);
    assert_int_equal(hello.hello.held[0].last, 9);
    wire_welcome(&f->wire, f->peer, LEASE_MS);
    for (uint64_t i = 5; i <= 9; i++) {
        expect_report(f, i);
    }
    ack(f, 3, 1, 9);
    assert_int_equal(esp_client_flush(f->client, WAIT_MS), 0);
}

static void a_released_attempt_is_removed_once_acknowledged(void **state)
{
    struct fixture *f = *state;
    welcome(f);
    assign(f, 3, 1);
    assert_int_equal(released(f, 3, 1), 0);
    assert_int_equal(report(f, 3, 1, 1), -ESTALE);
    struct esp_message message = wire_expect(&f->wire, ESP_MESSAGE_RELEASED, NULL);
    assert_int_equal(message.released.at.sequence, 1);
    wire_stop(&f->wire);
    wire_listen(&f->wire);
    message = wire_expect(&f->wire, ESP_MESSAGE_HELLO, NULL);
    assert_int_equal(message.hello.held_count, 1);
    wire_welcome(&f->wire, f->peer, LEASE_MS);
    message = wire_expect(&f->wire, ESP_MESSAGE_RELEASED, NULL);
    assert_int_equal(message.released.at.sequence, 1);
    ack(f, 3, 1, 1);
    assert_int_equal(esp_client_flush(f->client, WAIT_MS), 0);
    wire_stop(&f->wire);
    wire_listen(&f->wire);
    message = wire_expect(&f->wire, ESP_MESSAGE_HELLO, NULL);
    assert_int_equal(message.hello.held_count, 0);
}

static void a_repeated_assignment_begins_once(void **state)
{
    struct fixture *f = *state;
    struct esp_message message = {.kind = ESP_MESSAGE_ASSIGN};
    message.assign.trial = 3;
    message.assign.attempt = 1;
    welcome(f);
    assign(f, 3, 1);
    wire_send(&f->wire, f->peer, &message);
    message.assign.trial = 4;
    wire_send(&f->wire, f->peer, &message);
    struct esp_client_event event = next_event(f);
    assert_int_equal(event.kind, ESP_CLIENT_ASSIGNED);
    assert_int_equal(event.trial, 4);
}

static void only_the_latest_directive_is_returned(void **state)
{
    struct fixture *f = *state;
    static const uint32_t numbers[] = {2, 5, 3, 5};
    struct esp_message message = {.kind = ESP_MESSAGE_DIRECT};
    welcome(f);
    assign(f, 3, 1);
    for (size_t i = 0; i < 4; i++) {
        message.direct = (struct esp_direct){
            .trial = 3,
            .attempt = 1,
            .directive = {.number = numbers[i], .action = ESP_DIRECT_SAVE, .until = (int)i}};
        wire_send(&f->wire, f->peer, &message);
    }
    message.kind = ESP_MESSAGE_FENCED; /* its answer shows that the others were read */
    message.fenced = (struct esp_fenced){.trial = 9, .attempt = 9};
    wire_send(&f->wire, f->peer, &message);
    wire_expect(&f->wire, ESP_MESSAGE_RELEASED, NULL);
    struct esp_client_event event = next_event(f);
    assert_int_equal(event.kind, ESP_CLIENT_DIRECTED);
    assert_int_equal(event.directive.number, 5);
    assert_int_equal(event.directive.until, 1);
    esp_client_next(f->client, &event);
    assert_int_equal(event.kind, ESP_CLIENT_NONE);
}

static void a_fenced_is_answered_after_the_attempt_was_stopped(void **state)
{
    struct fixture *f = *state;
    struct esp_message message = {.kind = ESP_MESSAGE_FENCED};
    struct esp_peer peer;
    welcome(f);
    assign(f, 3, 1);
    assert_int_equal(report(f, 3, 1, 1), 0);
    expect_report(f, 1);
    message.fenced = (struct esp_fenced){.trial = 3, .attempt = 1};
    wire_send(&f->wire, f->peer, &message);
    wire_send(&f->wire, f->peer, &message);
    struct esp_client_event event = next_event(f);
    assert_int_equal(event.kind, ESP_CLIENT_FENCED);
    assert_int_equal(report(f, 3, 1, 2), -ESTALE);
    /* The attempt may still be training: heartbeats are sent, but no Released. */
    for (int beats = 0; beats < 3;) {
        struct esp_message any = wire_expect(&f->wire, ESP_MESSAGE_NONE, &peer);
        assert_int_not_equal(any.kind, ESP_MESSAGE_RELEASED);
        beats += any.kind == ESP_MESSAGE_HEARTBEAT;
    }
    assert_int_equal(released(f, 3, 1), 0);
    message = wire_expect(&f->wire, ESP_MESSAGE_RELEASED, NULL);
    assert_int_equal(message.released.at.trial, 3);
    assert_int_equal(message.released.at.sequence, 0);
    assert_int_equal(released(f, 3, 1), -ESTALE);
}

static void a_fenced_for_an_unknown_attempt_is_answered_at_once(void **state)
{
    struct fixture *f = *state;
    struct esp_message message = {.kind = ESP_MESSAGE_FENCED};
    welcome(f);
    message.fenced = (struct esp_fenced){.trial = 8, .attempt = 2};
    wire_send(&f->wire, f->peer, &message);
    message = wire_expect(&f->wire, ESP_MESSAGE_RELEASED, NULL);
    assert_int_equal(message.released.at.trial, 8);
    assert_int_equal(message.released.at.attempt, 2);
    assert_int_equal(message.released.at.sequence, 0);
}

static void the_lease_lapses_only_without_messages_from_the_controller(void **state)
{
    struct fixture *f = *state;
    wire_expect(&f->wire, ESP_MESSAGE_HELLO, NULL);
    int64_t begin = esp_clock_ms();
    wire_welcome(&f->wire, f->peer, 700);
    for (int beats = 0; beats < 5; beats++) {
        wire_expect(&f->wire, ESP_MESSAGE_HEARTBEAT, NULL);
    }
    struct esp_client_event event = next_event(f); /* from now on nobody reads or answers */
    assert_int_equal(event.kind, ESP_CLIENT_LAPSED);
    assert_true(esp_clock_ms() - begin > 700);
    esp_client_next(f->client, &event); /* returned once */
    assert_int_equal(event.kind, ESP_CLIENT_NONE);
}

static void reports_wait_when_too_many_are_not_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct esp_client_event event;
    int sent = 0;
    welcome(f);
    assign(f, 3, 1);
    while (report(f, 3, 1, sent + 1) == 0) {
        sent++;
        assert_true(sent <= ESP_UNACKED_MAX);
    }
    assert_int_equal(report(f, 3, 1, sent + 1), -EAGAIN);
    assert_false(esp_client_has_room(f->client));
    struct esp_message saved = {.kind = ESP_MESSAGE_SAVED};
    saved.saved.at = (struct esp_attempt_key){.trial = 3, .attempt = 1};
    saved.saved.path = "checkpoints/3/1-10";
    assert_int_equal(esp_client_send(f->client, &saved, NULL), 0);
    for (uint64_t i = 1; i <= (uint64_t)sent; i++) {
        expect_report(f, i);
    }
    ack(f, 3, 1, (uint64_t)sent);
    event = next_event(f);
    assert_int_equal(event.kind, ESP_CLIENT_ROOM);
    assert_true(esp_client_has_room(f->client));
    assert_int_equal(report(f, 3, 1, sent + 2), 0);
}

static void a_refusal_is_returned_with_its_reason(void **state)
{
    struct fixture *f = *state;
    struct esp_message message = {.kind = ESP_MESSAGE_WELCOME};
    wire_expect(&f->wire, ESP_MESSAGE_HELLO, NULL);
    message.welcome.refused = "another study";
    wire_send(&f->wire, f->peer, &message);
    struct esp_client_event event = next_event(f);
    assert_int_equal(event.kind, ESP_CLIENT_REFUSED);
    assert_string_equal(event.reason, "another study");
}

static void capacities_are_sent_to_every_controller(void **state)
{
    struct fixture *f = *state;
    struct esp_capacity capacity = {.group = 9, .members = 1, .bytes = 100};
    struct esp_message message;
    esp_client_set_capacity(f->client, &capacity);
    welcome(f);
    capacity.members = 3;
    esp_client_set_capacity(f->client, &capacity);
    do {
        message = wire_expect(&f->wire, ESP_MESSAGE_CAPACITY, NULL);
        assert_int_equal(message.capacity.group, 9);
    } while (message.capacity.members != 3);
    wire_stop(&f->wire);
    wire_listen(&f->wire);
    welcome(f);
    message = wire_expect(&f->wire, ESP_MESSAGE_CAPACITY, NULL);
    assert_int_equal(message.capacity.members, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_both, close_both)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_controller_that_starts_later_is_found),
        TEST(messages_are_numbered_and_arrive_in_order),
        TEST(a_new_controller_receives_the_messages_not_acknowledged),
        TEST(a_released_attempt_is_removed_once_acknowledged),
        TEST(a_repeated_assignment_begins_once),
        TEST(only_the_latest_directive_is_returned),
        TEST(a_fenced_is_answered_after_the_attempt_was_stopped),
        TEST(a_fenced_for_an_unknown_attempt_is_answered_at_once),
        TEST(the_lease_lapses_only_without_messages_from_the_controller),
        TEST(reports_wait_when_too_many_are_not_acknowledged),
        TEST(a_refusal_is_returned_with_its_reason),
        TEST(capacities_are_sent_to_every_controller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
