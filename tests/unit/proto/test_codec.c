#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../proto/codec.h"
#include "messages.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 300

struct fixture {
    struct esp_codec *codec;
    struct esp_bytes bytes;
    struct esp_message out;
    struct esp_error error;
};

static int open_codec(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    *state = &f;
    return esp_codec_create(&f.codec);
}

static int close_codec(void **state)
{
    struct fixture *f = *state;
    esp_codec_destroy(f->codec);
    esp_bytes_release(&f->bytes);
    return 0;
}

static void encode(struct fixture *f, const struct esp_message *m)
{
    if (esp_codec_encode(m, &f->bytes, &f->error) < 0) {
        fail_msg("%s", f->error.text);
    }
}

static int decode(struct fixture *f, const void *data, size_t length)
{
    f->error.text[0] = '\0';
    int rc = esp_codec_decode(f->codec, data, length, &f->out, &f->error);
    assert_true(rc == 0 || strlen(f->error.text) > 0);
    return rc;
}

static void every_kind_of_message_is_decoded_as_it_was_encoded(void **state)
{
    struct fixture *f = *state;
    for (int kind = ESP_MESSAGE_HELLO; kind < ESP_MESSAGE_KIND_COUNT; kind++) {
        for (uint64_t seed = 0; seed < ROUNDS; seed++) {
            struct esp_message m = messages_make((enum esp_message_kind)kind, seed);
            encode(f, &m);
            assert_true(f->bytes.length <= ESP_MESSAGE_MAX);
            if (decode(f, f->bytes.data, f->bytes.length) < 0) {
                fail_msg("kind %d seed %lu: %s", kind, (unsigned long)seed, f->error.text);
            }
            messages_assert_same(&m, &f->out);
        }
    }
}

/* limits.h states that the largest valid messages fit into ESP_MESSAGE_MAX. */
static void the_largest_valid_messages_fit(void **state)
{
    struct fixture *f = *state;
    static char text[ESP_TEXT_MAX], name[ESP_NAME_MAX], path[ESP_PATH_MAX],
        tail[ESP_LOG_TAIL_MAX];
    static struct esp_setting settings[ESP_PARAMS_MAX];
    static struct esp_point points[ESP_REPORT_POINTS_MAX];
    static struct esp_measure measures[ESP_MEASURES_MAX];
    struct esp_trainer trainer;
    memset(text, 't', sizeof text - 1);
    memset(name, 'n', sizeof name - 1);
    memset(path, 'p', sizeof path - 1);
    memset(tail, 'l', sizeof tail - 1);
    esp_trainer_init(&trainer);
    memcpy(trainer.data, path, sizeof path);
    memcpy(trainer.init_from, path, sizeof path);
    for (int i = 0; i < ESP_PARAMS_MAX; i++) {
        settings[i] = (struct esp_setting){name, {.type = ESP_VALUE_TEXT, .text = text}};
    }
    for (int i = 0; i < ESP_MEASURES_MAX; i++) {
        measures[i] = (struct esp_measure){name, 1.5};
    }
    for (int i = 0; i < ESP_REPORT_POINTS_MAX; i++) {
        points[i] = (struct esp_point){.step = INT64_MAX,
                                       .tokens = -1,
                                       .device_seconds = 1,
                                       .value = 1,
                                       .train_loss = 1,
                                       .measures = measures,
                                       .measure_count = ESP_MEASURES_MAX};
    }
    struct esp_message m[] = {
        {.kind = ESP_MESSAGE_ASSIGN,
         .assign = {.params = settings,
                    .param_count = ESP_PARAMS_MAX,
                    .trainer = &trainer,
                    .resume = path}},
        {.kind = ESP_MESSAGE_REPORT,
         .report = {.points = points, .point_count = ESP_REPORT_POINTS_MAX}},
        {.kind = ESP_MESSAGE_EXITED, .exited = {.tail = tail}},
        {.kind = ESP_MESSAGE_COMMAND,
         .command = {.settings = settings, .setting_count = ESP_PARAMS_MAX}},
    };
    for (size_t i = 0; i < sizeof m / sizeof *m; i++) {
        encode(f, &m[i]);
        assert_int_equal(decode(f, f->bytes.data, f->bytes.length), 0);
        messages_assert_same(&m[i], &f->out);
    }
}

static void a_trainer_is_sent_without_its_defaults(void **state)
{
    struct fixture *f = *state;
    struct esp_trainer trainer;
    struct esp_message m = {.kind = ESP_MESSAGE_ASSIGN, .assign = {.trainer = &trainer}};
    esp_trainer_init(&trainer);
    encode(f, &m);
    size_t plain = f->bytes.length;
    trainer.width += 8;
    encode(f, &m);
    assert_true(f->bytes.length > plain);
    assert_true(f->bytes.length < plain + 40);
    assert_int_equal(decode(f, f->bytes.data, f->bytes.length), 0);
    assert_memory_equal(f->out.assign.trainer, &trainer, sizeof trainer);
}

static void a_message_that_breaks_a_limit_is_not_encoded(void **state)
{
    struct fixture *f = *state;
    static char name[ESP_NAME_MAX + 1];
    static struct esp_point points[ESP_REPORT_POINTS_MAX + 1];
    static struct esp_measure measures[ESP_MEASURES_MAX + 1];
    struct esp_setting setting = {"x", {.type = ESP_VALUE_REAL, .real = NAN}};
    memset(name, 'n', ESP_NAME_MAX);
    const struct {
        struct esp_message message;
        const char *expected;
    } bad[] = {
        {{.kind = ESP_MESSAGE_NONE}, "kind"},
        {{.kind = ESP_MESSAGE_KIND_COUNT}, "kind"},
        {{.kind = ESP_MESSAGE_SPAWN, .spawn = {.device = name}}, "device"},
        {{.kind = ESP_MESSAGE_SPAWN, .spawn = {.device = "\xff"}}, "UTF-8"},
        {{.kind = ESP_MESSAGE_SAVED, .saved = {.path = ""}}, "path"},
        {{.kind = ESP_MESSAGE_REPORT,
          .report = {.points = points, .point_count = ESP_REPORT_POINTS_MAX + 1}},
         "points"},
        {{.kind = ESP_MESSAGE_REPORT,
          .report = {.points = &(struct esp_point){.device_seconds = INFINITY},
                     .point_count = 1}},
         "device seconds"},
        {{.kind = ESP_MESSAGE_REPORT,
          .report = {.points = &(struct esp_point){.measures = measures,
                                                   .measure_count = ESP_MEASURES_MAX + 1},
                     .point_count = 1}},
         "measures"},
        {{.kind = ESP_MESSAGE_COMMAND, .command = {.settings = &setting, .setting_count = 1}},
         "finite"},
        {{.kind = ESP_MESSAGE_COMMAND, .command = {.verb = 77}}, "verb"},
        {{.kind = ESP_MESSAGE_DIRECT, .direct = {.directive = {.action = 77}}}, "action"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        f->error.text[0] = '\0';
        assert_int_equal(esp_codec_encode(&bad[i].message, &f->bytes, &f->error), -EINVAL);
        if (!strstr(f->error.text, bad[i].expected)) {
            fail_msg("'%s' lacks '%s'", f->error.text, bad[i].expected);
        }
    }
}

/* A text for people is sent whatever bytes it contains. */
static void texts_for_people_are_cut_and_cleaned(void **state)
{
    struct fixture *f = *state;
    static char text[3 * ESP_MESSAGE_TEXT_MAX];
    struct esp_message m = {.kind = ESP_MESSAGE_FAILED, .failed = {.text = text}};
    memset(text, 'w', sizeof text - 1);
    memcpy(text, "a\xff z", 4);
    memcpy(text + ESP_MESSAGE_TEXT_MAX - 3, "\xe2\x82\xac", 3); /* across the cut */
    encode(f, &m);
    assert_int_equal(decode(f, f->bytes.data, f->bytes.length), 0);
    assert_memory_equal(f->out.failed.text, "a? z", 4);
    assert_int_equal(strlen(f->out.failed.text), ESP_MESSAGE_TEXT_MAX - 3);
}

static void the_end_of_a_long_log_is_kept(void **state)
{
    struct fixture *f = *state;
    static char tail[2 * ESP_LOG_TAIL_MAX];
    struct esp_message m = {.kind = ESP_MESSAGE_EXITED, .exited = {.tail = tail}};
    memset(tail, 'l', sizeof tail - 1);
    memcpy(tail + sizeof tail - 6, "\x80 end", 6);
    encode(f, &m);
    assert_int_equal(decode(f, f->bytes.data, f->bytes.length), 0);
    assert_int_equal(strlen(f->out.exited.tail), ESP_LOG_TAIL_MAX - 1);
    assert_string_equal(f->out.exited.tail + ESP_LOG_TAIL_MAX - 6, "? end");
}

/* Writes a field of length-delimited bytes; returns its size. */
static size_t put(uint8_t *out, unsigned field, const void *data, size_t length)
{
    size_t at = 0;
    uint64_t tag = (uint64_t)field << 3 | 2, numbers[] = {tag, length};
    for (int i = 0; i < 2; i++) {
        do {
            out[at++] = (uint8_t)((numbers[i] & 0x7f) | (numbers[i] > 0x7f ? 0x80 : 0));
            numbers[i] >>= 7;
        } while (numbers[i]);
    }
    memcpy(out + at, data, length);
    return at + length;
}

static void refuse(struct fixture *f, const void *data, size_t length, const char *expected)
{
    assert_int_equal(decode(f, data, length), -EBADMSG);
    if (!strstr(f->error.text, expected)) {
        fail_msg("'%s' lacks '%s'", f->error.text, expected);
    }
}

static void invalid_messages_are_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t inner[4096], outer[5000];
    size_t n;
    refuse(f, "", 0, "kind");
    refuse(f, "\xff\xff", 2, "not a message");
    n = put(inner, 2, "cpu\0!", 5); /* Spawn.device with a NUL in it */
    n = put(outer, 14, inner, n);
    refuse(f, outer, n, "NUL");
    n = put(inner, 2, "\xc0\x80", 2); /* an overlong NUL */
    n = put(outer, 14, inner, n);
    refuse(f, outer, n, "UTF-8");
    n = put(outer, 14, inner, 0); /* no device */
    refuse(f, outer, n, "device");
    refuse(f, outer, put(outer, 1, "\x08\x09", 2), "role");
    refuse(f, outer, put(outer, 1, "", 0), "role");
    refuse(f, outer, put(outer, 12, "", 0), "directive");
    refuse(f, outer, put(outer, 20, "\x10\x4d", 2), "verb");
    memset(inner, 'x', ESP_NAME_MAX);
    n = put(inner + 1000, 6, inner, ESP_NAME_MAX); /* Hello.host */
    memcpy(inner + 1000 + n, "\x08\x01", 2);
    n = put(outer, 1, inner + 1000, n + 2);
    refuse(f, outer, n, "host");
    n = put(inner + 100, 4, inner, put(inner, 3, "", 0)); /* Report, a point, a measure … */
    for (n = 0; n < 2 * (ESP_REPORT_POINTS_MAX + 1); n += 2) {
        memcpy(inner + n, "\x22\x00", 2); /* … or too many points */
    }
    n = put(outer, 7, inner, n);
    refuse(f, outer, n, "points");
    memcpy(inner, "\x0a\x01x", 3); /* a setting without a value */
    n = put(inner + 100, 4, inner, 3);
    n = put(outer, 20, inner + 100, n);
    refuse(f, outer, n, "no value");
}

static void unknown_settings_of_the_trainer_are_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t value[16], setting[64], assign[128], outer[160];
    memcpy(value, "\x11\x00\x00\x00\x00\x00\x00\xf0\x3f", 9);
    value[0] = 0x09; /* Value.real = 1 */
    size_t n = put(setting, 1, "model.wings", 11);
    n += put(setting + n, 2, value, 9);
    size_t at = put(assign, 4, setting, n);
    memcpy(assign + at, "\x28\x01\x5a\x00", 4); /* has_trainer, an empty directive */
    n = put(outer, 5, assign, at + 4);
    refuse(f, outer, n, "model.wings");
}

static void unknown_fields_are_ignored(void **state)
{
    struct fixture *f = *state;
    struct esp_message m = messages_make(ESP_MESSAGE_FENCED, 1);
    encode(f, &m);
    uint8_t longer[256];
    memcpy(longer, f->bytes.data, f->bytes.length);
    size_t n = f->bytes.length;
    n += put(longer + n, 999, "news", 4);
    assert_int_equal(decode(f, longer, n), 0);
    messages_assert_same(&m, &f->out);
}

/* protobuf-c may need much more memory than the message has bytes. */
static void memory_for_decoding_is_limited(void **state)
{
    struct fixture *f = *state;
    size_t n = 250 * 1024, at;
    uint8_t *inner = malloc(n), *outer = malloc(n + 16);
    for (size_t i = 0; i + 1 < n; i += 2) {
        memcpy(inner + i, "\x22\x00", 2); /* Report.points: empty ones */
    }
    at = put(outer, 7, inner, n);
    assert_int_equal(decode(f, outer, at), -EMSGSIZE);
    assert_int_equal(decode(f, outer, ESP_MESSAGE_MAX + 1), -EMSGSIZE);
    struct esp_message m = messages_make(ESP_MESSAGE_REPORT, 3);
    encode(f, &m); /* the codec can still be used */
    assert_int_equal(decode(f, f->bytes.data, f->bytes.length), 0);
    messages_assert_same(&m, &f->out);
    free(inner);
    free(outer);
}

static void truncated_messages_and_flipped_bits_are_handled(void **state)
{
    struct fixture *f = *state;
    for (int kind = ESP_MESSAGE_HELLO; kind < ESP_MESSAGE_KIND_COUNT; kind++) {
        struct esp_message m = messages_make((enum esp_message_kind)kind, 5);
        encode(f, &m);
        size_t length = f->bytes.length < 600 ? f->bytes.length : 600;
        for (size_t i = 0; i < length; i++) {
            uint8_t *cut = malloc(i + 1); /* ends with the memory, for sanitizers */
            memcpy(cut, f->bytes.data, i);
            decode(f, cut, i);
            free(cut);
            for (int bit = 0; bit < 8; bit++) {
                f->bytes.data[i] ^= (uint8_t)(1 << bit);
                decode(f, f->bytes.data, f->bytes.length);
                f->bytes.data[i] ^= (uint8_t)(1 << bit);
            }
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_codec, close_codec)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kind_of_message_is_decoded_as_it_was_encoded),
        TEST(the_largest_valid_messages_fit),
        TEST(a_trainer_is_sent_without_its_defaults),
        TEST(a_message_that_breaks_a_limit_is_not_encoded),
        TEST(texts_for_people_are_cut_and_cleaned),
        TEST(the_end_of_a_long_log_is_kept),
        TEST(invalid_messages_are_refused),
        TEST(unknown_settings_of_the_trainer_are_refused),
        TEST(unknown_fields_are_ignored),
        TEST(memory_for_decoding_is_limited),
        TEST(truncated_messages_and_flipped_bits_are_handled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
