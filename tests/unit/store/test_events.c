/* Events are written to the ledger and read back unchanged. */
#include "fixture.h"
#include <errno.h>
#include <event_text.h>
#include <event_fields.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void append(struct esp_store *store, const struct esp_event *events, size_t count)
{
    struct esp_error error = {""};
    if (esp_store_append(store, events, count, &error) < 0 ||
        esp_store_commit(store, &error) < 0) {
        fail_msg("%s", error.text);
    }
}

static struct esp_store *reopen(struct esp_store *store, const char *dir)
{
    struct esp_error error = {""};
    esp_store_close(store);
    if (esp_store_open(dir, NULL, &store, &error) < 0 ||
        esp_store_bind(store, fixture_study(), &error) < 0) {
        fail_msg("%s", error.text);
    }
    return store;
}

static void every_kind_round_trips_with_every_member(void **state)
{
    struct esp_store *store = fixture_create(*state);
    struct esp_event events[ESP_EVENT_KIND_COUNT];
    uint64_t random = 7;
    size_t count = 0;
    for (int kind = 1; kind < ESP_EVENT_KIND_COUNT; kind++) {
        events[count] = fixture_event(&random, kind, count + 1);
        count++;
    }
    append(store, events, count);
    fixture_assert_holds(store, events, count);
    store = reopen(store, *state);
    assert_int_equal(esp_store_seq(store), count);
    fixture_assert_holds(store, events, count);
    esp_store_close(store);
}

/* Generates the same events again while they are loaded. */
static int check_random(void *context, const struct esp_event *event)
{
    uint64_t *random = context;
    enum esp_event_kind kind =
        (enum esp_event_kind)(1 + fixture_random(random) % (ESP_EVENT_KIND_COUNT - 1));
    struct esp_event expected = fixture_event(random, kind, event->seq);
    assert_int_equal(event->kind, kind);
    fixture_assert_same(&expected, event);
    return 0;
}

static void random_events_round_trip(void **state)
{
    struct esp_store *store = fixture_create(*state);
    enum { COUNT = 5000, BATCH = 37 };
    struct esp_decoded memory = {0};
    struct esp_text text = {0};
    uint64_t random = 99;
    for (uint64_t seq = 1; seq <= COUNT; seq++) {
        enum esp_event_kind kind =
            (enum esp_event_kind)(1 + fixture_random(&random) % (ESP_EVENT_KIND_COUNT - 1));
        struct esp_event event = fixture_event(&random, kind, seq);
        struct esp_event back = {.seq = event.seq,
                                 .time_ms = event.time_ms,
                                 .kind = event.kind,
                                 .trial = esp_event_subject(&event),
                                 .attempt = event.attempt};
        assert_int_equal(esp_event_encode(&event, &text), 0);
        assert_int_equal(esp_event_decode(text.data, text.length, &memory, &back), 0);
        fixture_assert_same(&event, &back);
        struct esp_error error;
        if (esp_store_append(store, &event, 1, &error) < 0) {
            fail_msg("%s", error.text);
        }
        if (seq % BATCH == 0) {
            assert_int_equal(esp_store_commit(store, NULL), 0);
        }
    }
    assert_int_equal(esp_store_commit(store, NULL), 0);
    store = reopen(store, *state);
    assert_int_equal(fixture_query(*state, "SELECT min(json_valid(data)) FROM event"), 1);
    random = 99;
    assert_int_equal(esp_store_load(store, check_random, &random, NULL), 0);
    esp_decoded_release(&memory);
    esp_text_release(&text);
    esp_store_close(store);
}

/* Past one bucket of the loader (65536), with events and reports of interleaved trials mixed.
 */
struct long_study {
    uint64_t next, reports;
};

enum { LONG = 200000 };

static struct esp_event long_event(uint64_t seq)
{
    uint64_t random = seq;
    if (fixture_random(&random) % 10 == 0) {
        return (struct esp_event){
            .seq = seq, .time_ms = 3, .kind = ESP_EVENT_NOTE, .trial = -1, .text = "n"};
    }
    struct esp_event event = fixture_report(
        seq, (int64_t)(seq * 7919 % 1000), (int64_t)(LONG - seq), sin((double)seq));
    static const struct esp_measure measure = {"accuracy", 0.25};
    if (seq % 1000 == 1) {
        event.point.measures = &measure;
        event.point.measure_count = 1;
    }
    return event;
}

static int check_long(void *context, const struct esp_event *event)
{
    uint64_t *seq = context;
    struct esp_event expected = long_event(++*seq);
    fixture_assert_same(&expected, event);
    return 0;
}

static void a_long_study_loads_in_order(void **state)
{
    struct esp_store *store = fixture_create(*state);
    uint64_t seen = 0;
    for (uint64_t seq = 1; seq <= LONG; seq++) {
        struct esp_event event = long_event(seq);
        assert_int_equal(esp_store_append(store, &event, 1, NULL), 0);
        if (seq % 20000 == 0) {
            assert_int_equal(esp_store_commit(store, NULL), 0);
        }
    }
    assert_int_equal(esp_store_commit(store, NULL), 0);
    assert_int_equal(esp_store_load(store, check_long, &seen, NULL), 0);
    assert_int_equal(seen, LONG);
    esp_store_close(store);
}

static int stop_at_three(void *context, const struct esp_event *event)
{
    (void)event;
    return ++*(int *)context == 3 ? 42 : 0;
}

static void a_non_zero_return_of_the_callback_stops_the_load(void **state)
{
    struct esp_store *store = fixture_create(*state);
    struct esp_event events[5];
    int seen = 0;
    for (int i = 0; i < 5; i++) {
        events[i] = fixture_report((uint64_t)i + 1, 0, i, 1);
    }
    append(store, events, 5);
    assert_int_equal(esp_store_load(store, stop_at_three, &seen, NULL), 42);
    assert_int_equal(seen, 3);
    esp_store_close(store);
}

static void a_step_keeps_its_first_value_and_a_second_report_stays_an_event(void **state)
{
    struct esp_store *store = fixture_create(*state);
    struct esp_event events[] = {fixture_report(1, 4, 10, 2.5),
                                 fixture_report(2, 4, 10, 9.5),
                                 fixture_report(3, 4, 20, 2.25)};
    events[1].attempt = 2;
    append(store, events, 3);
    assert_int_equal(fixture_query(*state, "SELECT count(*) FROM report"), 2);
    assert_int_equal(fixture_query(*state, "SELECT value * 100 FROM report WHERE step = 10"),
                     250);
    assert_int_equal(fixture_query(*state, "SELECT attempt FROM report WHERE step = 10"), 1);
    fixture_assert_holds(store, events, 3);
    esp_store_close(store);
}

static void invalid_utf8_is_replaced(void **state)
{
    struct esp_store *store = fixture_create(*state);
    struct esp_event event = {.seq = 1,
                              .kind = ESP_EVENT_NOTE,
                              .trial = -1,
                              .text = "a\xff"
                                      "b\xc0\x80"
                                      "c\xed\xa0\x80"
                                      "d\xe2\x82"};
    append(store, &event, 1);
    event.text = "a\xef\xbf\xbd"
                 "b\xef\xbf\xbd\xef\xbf\xbd"
                 "c\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                 "d\xef\xbf\xbd\xef\xbf\xbd";
    fixture_assert_holds(store, &event, 1);
    assert_int_equal(fixture_query(*state, "SELECT length(text) FROM note"), 12);
    esp_store_close(store);
}

static void malformed_data_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{}x",
                                        "{\"number\":}",
                                        "{\"number\":1,}",
                                        "{\"number\":1 \"extra\":2}",
                                        "{\"unknown\":1}",
                                        "{\"number\":1.5}",
                                        "{\"number\":99999999999999999999}",
                                        "{\"text\":\"open}",
                                        "{\"text\":\"\\q\"}",
                                        "{\"text\":\"\\ud800\"}",
                                        "{\"text\":1}",
                                        "{\"process\":\"12\"}",
                                        "{\"process\":12}",
                                        "{\"cause\":\"nonsense\"}",
                                        "{\"flag\":maybe}",
                                        "{\"values\":[1,}",
                                        "{\"values\":[\"x\"]}",
                                        "{\"rivals\":[1,2,3,4,5]}",
                                        "{\"measures\":[\"a\"]}",
                                        "{\"real\":--1}",
                                        "{\"from\":\"RUNNING\",\"to\":\"running\"}"};
    struct esp_decoded memory = {0};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct esp_event event = {.kind = ESP_EVENT_NONE + 9};
        /* A copy of the exact size, so that a sanitizer detects a read past its end. */
        size_t length = strlen(texts[i]);
        char *data = malloc(length + !length);
        memcpy(data, texts[i], length);
        if (esp_event_decode(data, length, &memory, &event) != -EBADMSG) {
            fail_msg("accepted: %s", texts[i]);
        }
        free(data);
    }
    esp_decoded_release(&memory);
}

/* Two members with the same key could not be told apart when reading. */
static void no_kind_has_two_members_with_the_same_key(void **state)
{
    (void)state;
    for (int kind = 1; kind < ESP_EVENT_KIND_COUNT; kind++) {
        for (size_t i = 0; i < esp_column_count; i++) {
            for (size_t j = 0; j < i; j++) {
                assert_string_not_equal(esp_column_key(kind, i), esp_column_key(kind, j));
            }
        }
    }
}

static void truncated_and_altered_data_never_crashes(void **state)
{
    struct esp_decoded memory = {0};
    struct esp_text text = {0};
    uint64_t random = 3;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        enum esp_event_kind kind =
            (enum esp_event_kind)(1 + fixture_random(&random) % (ESP_EVENT_KIND_COUNT - 1));
        struct esp_event event = fixture_event(&random, kind, 1), back = {.kind = kind};
        assert_int_equal(esp_event_encode(&event, &text), 0);
        size_t length = fixture_random(&random) % (text.length + 1);
        char *data = malloc(length + !length);
        memcpy(data, text.data, length);
        for (uint64_t n = fixture_random(&random) % 4; length && n > 0; n--) {
            data[fixture_random(&random) % length] = (char)fixture_random(&random);
        }
        int code = esp_event_decode(data, length, &memory, &back);
        assert_true(code == 0 || code == -EBADMSG);
        free(data);
    }
    esp_decoded_release(&memory);
    esp_text_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        WITH_DIR(every_kind_round_trips_with_every_member),
        WITH_DIR(random_events_round_trip),
        WITH_DIR(a_long_study_loads_in_order),
        WITH_DIR(a_non_zero_return_of_the_callback_stops_the_load),
        WITH_DIR(a_step_keeps_its_first_value_and_a_second_report_stays_an_event),
        WITH_DIR(invalid_utf8_is_replaced),
        cmocka_unit_test(malformed_data_is_refused),
        cmocka_unit_test(no_kind_has_two_members_with_the_same_key),
        cmocka_unit_test(truncated_and_altered_data_never_crashes),
    };
    return cmocka_run_group_tests_name("store events", tests, NULL, NULL);
}
