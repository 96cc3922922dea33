/* Events are written to the ledger and read back unchanged. */
#include "../../../controller/store/event_fields.h"
#include "../../../controller/store/event_text.h"
#include "fixture.h"
#include <errno.h>
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
                                 .trial = event.trial,
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
            .seq = seq, .time_ms = 3, .kind = ESP_EVENT_NOTE, .trial = -1, .note.text = "n"};
    }
    struct esp_event event = fixture_report(
        seq, (int64_t)(seq * 7919 % 1000), (int64_t)(LONG - seq), sin((double)seq));
    static const struct esp_measure measure = {"accuracy", 0.25};
    if (seq % 1000 == 1) {
        event.report.point.measures = &measure;
        event.report.point.measure_count = 1;
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
                              .note.text = "a\xff"
                                           "b\xc0\x80"
                                           "c\xed\xa0\x80"
                                           "d\xe2\x82"};
    append(store, &event, 1);
    event.note.text = "a\xef\xbf\xbd"
                      "b\xef\xbf\xbd\xef\xbf\xbd"
                      "c\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                      "d\xef\xbf\xbd\xef\xbf\xbd";
    fixture_assert_holds(store, &event, 1);
    assert_int_equal(fixture_query(*state, "SELECT length(text) FROM note"), 12);
    esp_store_close(store);
}

static void malformed_data_is_refused(void **state)
{
    static const struct {
        enum esp_event_kind kind;
        const char *text;
    } cases[] = {{ESP_EVENT_OPENED, ""},
                 {ESP_EVENT_OPENED, "{"},
                 {ESP_EVENT_OPENED, "[]"},
                 {ESP_EVENT_OPENED, "{}x"},
                 {ESP_EVENT_OPENED, "{\"incarnation\":}"},
                 {ESP_EVENT_OPENED, "{\"incarnation\":1,}"},
                 {ESP_EVENT_ENDED, "{\"exit_code\":1 \"code\":2}"},
                 {ESP_EVENT_OPENED, "{\"unknown\":1}"},
                 {ESP_EVENT_OPENED, "{\"exit_code\":1}"}, /* of another kind */
                 {ESP_EVENT_OPENED, "{\"incarnation\":1.5}"},
                 {ESP_EVENT_OPENED, "{\"incarnation\":99999999999999999999}"},
                 {ESP_EVENT_EXITED, "{\"status\":2147483648}"},
                 {ESP_EVENT_AGENT, "{\"slots\":-1}"},
                 {ESP_EVENT_NOTE, "{\"note\":\"open}"},
                 {ESP_EVENT_NOTE, "{\"note\":\"\\q\"}"},
                 {ESP_EVENT_NOTE, "{\"note\":\"\\ud800\"}"},
                 {ESP_EVENT_NOTE, "{\"note\":1}"},
                 {ESP_EVENT_MOVED, "{\"process\":\"12\"}"},
                 {ESP_EVENT_MOVED, "{\"process\":12}"},
                 {ESP_EVENT_MOVED, "{\"cause\":\"nonsense\"}"},
                 {ESP_EVENT_MOVED, "{\"excused\":maybe}"},
                 {ESP_EVENT_FIT, "{\"values\":[1,}"},
                 {ESP_EVENT_FIT, "{\"values\":[\"x\"]}"},
                 {ESP_EVENT_CREATED, "{\"verdict\":\"nonsense\"}"},
                 {ESP_EVENT_VERDICT, "{\"rivals\":[1,2,3,4,5]}"},
                 {ESP_EVENT_REPORT, "{\"measures\":[\"a\"]}"},
                 {ESP_EVENT_CHANGED, "{\"setting_value\":--1}"},
                 {ESP_EVENT_MOVED, "{\"from\":\"RUNNING\",\"to\":\"running\"}"},
                 {ESP_EVENT_SAVED, "{\"saved_step\":1}"}, /* without a path */
                 {ESP_EVENT_NONE, "{\"sequence\":1}"},
                 {ESP_EVENT_KIND_COUNT, "{\"sequence\":1}"}};
    struct esp_decoded memory = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct esp_event event = {.kind = cases[i].kind};
        /* A copy of the exact size, so that a sanitizer detects a read past its end. */
        size_t length = strlen(cases[i].text);
        char *data = malloc(length + !length);
        memcpy(data, cases[i].text, length);
        if (esp_event_decode(data, length, &memory, &event) != -EBADMSG) {
            fail_msg("accepted: %s", cases[i].text);
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
        struct esp_event_fields of = esp_event_fields((enum esp_event_kind)kind);
        assert_true(of.count > 0);
        for (size_t i = 0; i < of.count; i++) {
            for (size_t j = 0; j < i; j++) {
                assert_string_not_equal(of.fields[i].key, of.fields[j].key);
            }
        }
    }
}

#define NO_REASON                                                                              \
    {                                                                                          \
        .rule = ESP_RULE_NEW, .rung = -1, .at = -1, .rank = -1, .of = -1, .value = NAN,        \
        .threshold = NAN, .expected = NAN, .cost = NAN, .cost_seconds = NAN, .rivals = {       \
            -1,                                                                                \
            -1,                                                                                \
            -1,                                                                                \
            -1                                                                                 \
        }                                                                                      \
    }

static const double values[] = {0.5, 2};
static const struct esp_measure measure = {"accuracy", 0.25};
/* An event of every kind, and its text in the ledger. */
static const struct {
    struct esp_event event;
    const char *text;
} cases[] = {
    {{.kind = ESP_EVENT_OPENED, .opened = {1, "0.1"}},
     "{\"incarnation\":1,\"version\":\"0.1\"}"},
    {{.kind = ESP_EVENT_ENDED, .ended = {.state = ESP_STUDY_RUNNING}},
     "{\"state\":\"running\",\"exit_code\":0}"},
    {{.kind = ESP_EVENT_ENDED,
      .ended = {ESP_STUDY_COMPLETE, 3, true, ESP_SCORED_SEEDS, 2.5, {0}, ESP_END_NONE}},
     "{\"state\":\"complete\",\"exit_code\":3,\"code\":1,\"scored\":true,\"score\":2.5}"},
    {{.kind = ESP_EVENT_ENDED,
      .ended = {.state = ESP_STUDY_BUDGET, .exit_code = 4, .remedy = {17, 1e6, 0.5, 2}}},
     "{\"state\":\"budget\",\"exit_code\":4,\"tie_run_cap\":17,\"tie_tokens\":1000000,"
     "\"tie_seconds\":0.5,\"tie_usd\":2}"},
    {{.kind = ESP_EVENT_ENDED,
      .ended = {.state = ESP_STUDY_COMPLETE, .reason = ESP_END_EXHAUSTED}},
     "{\"state\":\"complete\",\"exit_code\":0,\"reason\":\"exhausted\"}"},
    {{.kind = ESP_EVENT_CHANGED, .changed = {"run_cap", 0}},
     "{\"setting_value\":0,\"setting\":\"run_cap\"}"},
    {{.kind = ESP_EVENT_CREATED, .created = {4096, 5, -1, {values, 2}, NO_REASON}},
     "{\"horizon\":4096,\"seed\":5,\"values\":[0.5,2],\"verdict\":\"none\","
     "\"verdict_trial\":-1,\"rule\":\"new\"}"},
    {{.kind = ESP_EVENT_CREATED, .created = {4096, 6, 3, {values, 2}, NO_REASON}},
     "{\"horizon\":4096,\"seed\":6,\"values\":[0.5,2],\"verdict\":\"repeat\","
     "\"verdict_trial\":3,\"rule\":\"new\"}"},
    {{.kind = ESP_EVENT_VERDICT,
      .trial = 2,
      .verdict = {ESP_VERDICT_PAUSE,
                  2,
                  1024,
                  {.rule = ESP_RULE_ASHA_WAIT,
                   .at = 1024,
                   .rank = 2,
                   .of = 3,
                   .value = 2.5,
                   .threshold = NAN,
                   .expected = NAN,
                   .cost = INFINITY,
                   .cost_seconds = NAN,
                   .rivals = {7, -1, -1, -1}}}},
     "{\"verdict\":\"pause\",\"verdict_trial\":2,\"until\":1024,\"rule\":\"asha-wait\","
     "\"rung\":0,\"at\":1024,\"rank\":2,\"of\":3,\"value\":2.5,\"cost\":\"Infinity\","
     "\"rivals\":[7]}"},
    {{.kind = ESP_EVENT_MOVED,
      .moved = {.process = 0xabc,
                .trigger = ESP_TRIGGER_GRANT,
                .from = ESP_TRIAL_QUEUED,
                .to = ESP_TRIAL_ASSIGNED,
                .until = 9,
                .resumed_from = -1}},
     "{\"process\":\"0000000000000abc\",\"trigger\":\"grant\",\"from\":\"QUEUED\","
     "\"to\":\"ASSIGNED\",\"granted_until\":9,\"resumed_from\":-1}"},
    {{.kind = ESP_EVENT_MOVED,
      .sequence = 4,
      .moved = {.trigger = ESP_TRIGGER_LOST,
                .from = ESP_TRIAL_RUNNING,
                .to = ESP_TRIAL_STOPPING,
                .cause = ESP_CAUSE_LOST,
                .excused = true,
                .text = "gone"}},
     "{\"sequence\":4,\"trigger\":\"lost\",\"from\":\"RUNNING\",\"to\":\"STOPPING\","
     "\"cause\":\"lost\",\"excused\":true,\"words\":\"gone\"}"},
    {{.kind = ESP_EVENT_STARTED_AT, .sequence = 1, .started = {0, 4096, true, NULL}},
     "{\"sequence\":1,\"stands_at\":0,\"own_horizon\":4096,\"can_save\":true}"},
    {{.kind = ESP_EVENT_STARTED_AT, .started = {8, 9, false, "hash"}},
     "{\"stands_at\":8,\"own_horizon\":9,\"can_save\":false,\"fell_back\":\"hash\"}"},
    {{.kind = ESP_EVENT_REPORT,
      .sequence = 2,
      .report = {{1, 40, 0.5, NAN, 3, &measure, 1}, true}},
     "{\"sequence\":2,\"waiting\":true,\"step\":1,\"tokens\":40,\"device_seconds\":0.5,"
     "\"metric\":\"NaN\",\"train_loss\":3,\"measures\":[\"accuracy\",0.25]}"},
    {{.kind = ESP_EVENT_SAVED,
      .sequence = 3,
      .saved = {{1, 2, 3}, "a/b", "here", 4, 5, 6, 7, 0.5}},
     "{\"sequence\":3,\"path\":\"a/b\",\"saved_host\":\"here\",\"saved_step\":4,"
     "\"saved_tokens\":5,\"bytes\":6,\"hash\":\"0000000000000007\",\"saved_seconds\":0.5,"
     "\"saved_trial\":1,\"saved_attempt\":2,\"saved_sequence\":3}"},
    {{.kind = ESP_EVENT_DROPPED, .dropped.checkpoint = 11}, "{\"checkpoint\":11}"},
    {{.kind = ESP_EVENT_DIRECTED, .directive = {0, ESP_DIRECT_CONTINUE, 0, false}},
     "{\"directive\":0,\"direct\":\"continue\",\"train_until\":0,\"keep\":false}"},
    {{.kind = ESP_EVENT_FAILED, .failed = {-5, false, "it broke"}},
     "{\"error\":-5,\"words\":\"it broke\"}"},
    {{.kind = ESP_EVENT_FAILED, .failed = {-28, true, NULL}}, "{\"error\":-28,\"flag\":true}"},
    {{.kind = ESP_EVENT_AGENT, .agent = {0xf000000000000001u, 2, "host", "cpu"}},
     "{\"process\":\"f000000000000001\",\"slots\":2,\"host\":\"host\",\"device\":\"cpu\"}"},
    {{.kind = ESP_EVENT_SPAWNED, .spawned = {0xabc, 0xffffffffffffffffu, 0}},
     "{\"process\":\"0000000000000abc\",\"agent\":-1,\"slot\":0}"},
    {{.kind = ESP_EVENT_EXITED, .exited = {0xabc, -1, 9, false, "tail"}},
     "{\"process\":\"0000000000000abc\",\"status\":-1,\"signal\":9,\"asked\":false,"
     "\"tail\":\"tail\"}"},
    {{.kind = ESP_EVENT_COMMAND, .command = {3, ESP_VERB_SET, -22, "no"}},
     "{\"command\":3,\"verb\":\"set\",\"answer_code\":-22,\"answer\":\"no\"}"},
    {{.kind = ESP_EVENT_COMMAND, .command = {3, (enum esp_command_verb)99, 0, NULL}},
     "{\"command\":3,\"verb\":99,\"answer_code\":0}"},
    {{.kind = ESP_EVENT_NOTE, .note.text = "n"}, "{\"note\":\"n\"}"},
    {{.kind = ESP_EVENT_PROTOCOL, .protocol = {.fault = "absurd"}},
     "{\"trigger\":\"grant\",\"from\":\"QUEUED\",\"fault\":\"absurd\"}"},
    {{.kind = ESP_EVENT_FIT, .fit = {ESP_FITTED_SAMPLER, {NULL, 0}}}, "{\"which\":0}"},
    {{.kind = ESP_EVENT_FIT, .fit = {ESP_FITTED_SCHEDULER, {values, 2}}},
     "{\"which\":1,\"values\":[0.5,2]}"},
    {{.kind = ESP_EVENT_CALIBRATED, .calibrated = {4, {NULL, 0}}},
     "{\"looked_at\":4,\"scores\":[]}"},
};

/* The text of an event is a format: ledgers of earlier versions must load, and this one's must
 * read the same to those who query them. */
static void each_kind_is_written_as_it_always_was(void **state)
{
    struct esp_text text = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(esp_event_encode(&cases[i].event, &text), 0);
        assert_string_equal(text.data, cases[i].text);
    }
    esp_text_release(&text);
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
        cmocka_unit_test(each_kind_is_written_as_it_always_was),
        cmocka_unit_test(truncated_and_altered_data_never_crashes),
    };
    return cmocka_run_group_tests_name("store events", tests, NULL, NULL);
}
