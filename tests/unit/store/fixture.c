#include "fixture.h"
#include <inttypes.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fixture_setup(void **state)
{
    const char *base = getenv("TMPDIR");
    char path[256];
    snprintf(path, sizeof path, "%s/espalier-store-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path)) {
        return -1;
    }
    *state = strdup(path);
    return *state ? 0 : -1;
}

int fixture_teardown(void **state)
{
    char command[320];
    snprintf(command,
             sizeof command,
             "chmod -R u+w '%s'; rm -rf '%s'",
             (char *)*state,
             (char *)*state);
    int rc = system(command);
    free(*state);
    return rc;
}

const struct esp_study *fixture_study(void)
{
    static struct esp_value batches[] = {{ESP_VALUE_INTEGER, 8, 8, NULL},
                                         {ESP_VALUE_INTEGER, 16, 16, NULL},
                                         {ESP_VALUE_INTEGER, 32, 32, NULL}};
    static struct esp_value words[] = {{ESP_VALUE_TEXT, 0, 0, "cosine"},
                                       {ESP_VALUE_TEXT, 0, 0, "it's \"wsd\""}};
    static struct esp_study study;
    if (!study.param_count) {
        strcpy(study.name, "quick");
        strcpy(study.metric, "val_loss");
        study.source = (char *)"name: quick\nmethod: random\n";
        study.param_count = 4;
        study.params[0] = (struct esp_param){.name = "learning_rate",
                                             .distribution = ESP_LOG_UNIFORM_VALUES,
                                             .min = 1e-5,
                                             .max = 0.1};
        study.params[1] = (struct esp_param){.name = "batch_size",
                                             .distribution = ESP_CATEGORICAL,
                                             .choices = batches,
                                             .choice_count = 3};
        study.params[2] = (struct esp_param){.name = "layers",
                                             .distribution = ESP_INT_UNIFORM,
                                             .integral = true,
                                             .min = 1,
                                             .max = 9};
        study.params[3] = (struct esp_param){.name = "schedule.type",
                                             .distribution = ESP_CATEGORICAL,
                                             .choices = words,
                                             .choice_count = 2};
    }
    return &study;
}

struct esp_store *fixture_create(const char *dir)
{
    const struct esp_store_origin origin = {
        .file = "quick.yaml", .base = "/studies", .nonce = 0xfedcba9876543210u, .time_ms = 5};
    struct esp_store *store = NULL;
    struct esp_error error = {""};
    if (esp_store_create(dir, fixture_study(), &origin, NULL, &store, &error) < 0) {
        fail_msg("%s", error.text);
    }
    return store;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t fixture_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double odd_real(uint64_t *random)
{
    static const double odd[] = {0.0, -0.0, 1.0, 0.1, -1e-310, 1e308, 3e-5};
    uint64_t pick = fixture_random(random), bits = fixture_random(random);
    double value;
    switch (pick % 8) {
    case 0:
        return NAN;
    case 1:
        return pick & 256 ? INFINITY : -INFINITY;
    case 2:
    case 3:
        return odd[bits % 7];
    default:
        memcpy(&value, &bits, sizeof value);
        return isnan(value) ? 2.5 : value;
    }
}

static const char *odd_text(uint64_t *random)
{
    static const char *const texts[] = {"",
                                        "plain",
                                        "a \"quoted\" \\ back\\slash",
                                        "line\nline\ttab\r\x01\x1f\x7f",
                                        "umlaut \xc3\xa4, euro \xe2\x82\xac, \xf0\x9f\x8c\xb1",
                                        "{\"verdict\":\"prune\"}"};
    uint64_t pick = fixture_random(random) % 7;
    return pick == 6 ? NULL : texts[pick];
}

static int64_t any_integer(uint64_t *random)
{
    uint64_t bits = fixture_random(random);
    return (int64_t)(bits >> (fixture_random(random) % 64));
}

static struct esp_reason any_reason(uint64_t *random)
{
    struct esp_reason reason = {
        .rule = (enum esp_rule)(fixture_random(random) % ESP_RULE_COUNT),
        .rung = (int32_t)(fixture_random(random) % 5) - 1,
        .at = any_integer(random) - 1,
        .rank = (int32_t)(fixture_random(random) % 9) - 1,
        .of = (int32_t)(fixture_random(random) % 9) - 1,
        .value = odd_real(random),
        .threshold = odd_real(random),
        .expected = odd_real(random),
        .cost = odd_real(random),
        .cost_seconds = odd_real(random),
    };
    for (int i = 0; i < ESP_RIVALS_MAX; i++) {
        reason.rivals[i] = (int32_t)(fixture_random(random) % 4) - 1;
    }
    return reason;
}

static struct esp_point any_point(uint64_t *random)
{
    static struct esp_measure measures[64][3];
    static unsigned next;
    struct esp_measure *mine = measures[next++ % 64];
    struct esp_point point = {.step = any_integer(random) & 0xffff,
                              .tokens = any_integer(random) & 0xffffffff,
                              .device_seconds = odd_real(random),
                              .value = odd_real(random),
                              .train_loss = odd_real(random)};
    mine[0] = (struct esp_measure){"z last", odd_real(random)};
    mine[1] = (struct esp_measure){"a \"first\"", odd_real(random)};
    mine[2] = (struct esp_measure){"m\xc3\xb6re", odd_real(random)};
    point.measure_count = (uint32_t)(fixture_random(random) % 4);
    point.measures = point.measure_count ? mine : NULL;
    return point;
}

static const double *any_values(uint64_t *random, uint32_t count)
{
    static double values[64][ESP_PARAMS_MAX];
    static unsigned next;
    double *mine = values[next++ % 64];
    for (uint32_t i = 0; i < count; i++) {
        mine[i] = odd_real(random);
    }
    return mine;
}

static void fill_created(struct esp_event *event, uint64_t *random)
{
    static double values[64][4];
    static unsigned next;
    double *mine = values[next++ % 64];
    for (int i = 0; i < 4; i++) {
        double u = (double)(fixture_random(random) >> 11) * 0x1p-53;
        mine[i] = esp_param_draw(&fixture_study()->params[i], u);
    }
    event->values = mine;
    event->value_count = 4;
    event->verdict = (struct esp_verdict){
        .action = ESP_VERDICT_START, .trial = -1, .reason = any_reason(random)};
}

struct esp_event fixture_event(uint64_t *random, enum esp_event_kind kind, uint64_t seq)
{
    struct esp_event event = {
        .seq = seq,
        .time_ms = any_integer(random),
        .kind = kind,
        .trial = (int64_t)(fixture_random(random) % 50),
        .attempt = (uint32_t)fixture_random(random),
        .sequence = (uint64_t)any_integer(random),
    };
    if (kind == ESP_EVENT_REPORT) {
        event.flag = fixture_random(random) & 1;
        event.point = any_point(random);
        return event;
    }
    event.trial = fixture_random(random) % 8 ? event.trial : -1;
    event.process = fixture_random(random);
    event.trigger = (enum esp_trigger)(fixture_random(random) % ESP_TRIGGER_COUNT);
    event.from = (enum esp_trial_state)(fixture_random(random) % ESP_TRIAL_STATE_COUNT);
    event.to = (enum esp_trial_state)(fixture_random(random) % ESP_TRIAL_STATE_COUNT);
    event.cause = (enum esp_cause)(fixture_random(random) % ESP_CAUSE_COUNT);
    event.number = any_integer(random);
    event.extra = -any_integer(random);
    event.code = (int32_t)any_integer(random);
    event.flag = fixture_random(random) & 1;
    event.real = odd_real(random);
    event.text = odd_text(random);
    event.text2 = odd_text(random);
    switch (kind) {
    case ESP_EVENT_CREATED:
        event.trial = event.trial < 0 ? 7 : event.trial;
        fill_created(&event, random);
        break;
    case ESP_EVENT_VERDICT:
        event.verdict = (struct esp_verdict){
            .action = (enum esp_verdict_action)(fixture_random(random) % 8),
            .trial = (int64_t)(fixture_random(random) % 9) - 1,
            .until = any_integer(random),
            .reason = any_reason(random)};
        break;
    case ESP_EVENT_DIRECTED:
        event.directive = (struct esp_directive){
            .number = (uint32_t)fixture_random(random),
            .action = (enum esp_directive_action)(fixture_random(random) % 4),
            .until = any_integer(random),
            .keep = fixture_random(random) & 1};
        break;
    case ESP_EVENT_SAVED:
        event.trial = event.trial < 0 ? 7 : event.trial;
        event.saved = (struct esp_saved){.at = {(uint32_t)event.trial, event.attempt, 77},
                                         .path = "checkpoints/3/1-4096",
                                         .host = odd_text(random),
                                         .step = any_integer(random),
                                         .tokens = any_integer(random),
                                         .bytes = (uint64_t)any_integer(random),
                                         .hash = fixture_random(random),
                                         .device_seconds = odd_real(random)};
        break;
    case ESP_EVENT_FIT:
    case ESP_EVENT_CALIBRATED:
        event.value_count = (uint32_t)(fixture_random(random) % 9);
        event.values = any_values(random, event.value_count);
        break;
    default:
        break;
    }
    return event;
}

static void same_real(double a, double b)
{
    if (isnan(a) || isnan(b)) {
        assert_true(isnan(a) && isnan(b));
    } else {
        assert_memory_equal(&a, &b, sizeof a);
    }
}

static void same_text(const char *a, const char *b)
{
    if (!a || !b) {
        assert_ptr_equal(a, b);
    } else {
        assert_string_equal(a, b);
    }
}

static void same_reason(const struct esp_reason *a, const struct esp_reason *b)
{
    assert_int_equal(a->rule, b->rule);
    assert_int_equal(a->rung, b->rung);
    assert_int_equal(a->at, b->at);
    assert_int_equal(a->rank, b->rank);
    assert_int_equal(a->of, b->of);
    same_real(a->value, b->value);
    same_real(a->threshold, b->threshold);
    same_real(a->expected, b->expected);
    same_real(a->cost, b->cost);
    same_real(a->cost_seconds, b->cost_seconds);
    assert_memory_equal(a->rivals, b->rivals, sizeof a->rivals);
}

/* SQLite stores -0 in a REAL column as 0. */
static void same_number(double a, double b)
{
    same_real(a == 0 ? 0 : a, b == 0 ? 0 : b);
}

static void same_point(const struct esp_point *a, const struct esp_point *b)
{
    assert_int_equal(a->step, b->step);
    assert_int_equal(a->tokens, b->tokens);
    same_number(a->device_seconds, b->device_seconds);
    same_number(a->value, b->value);
    same_number(a->train_loss, b->train_loss);
    assert_int_equal(a->measure_count, b->measure_count);
    for (uint32_t i = 0; i < a->measure_count; i++) {
        same_text(a->measures[i].name, b->measures[i].name);
        same_number(a->measures[i].value, b->measures[i].value);
    }
}

static void same_saved(const struct esp_saved *a, const struct esp_saved *b)
{
    assert_int_equal(a->at.trial, b->at.trial);
    assert_int_equal(a->at.attempt, b->at.attempt);
    assert_int_equal(a->at.sequence, b->at.sequence);
    same_text(a->path, b->path);
    same_text(a->host, b->host);
    assert_int_equal(a->step, b->step);
    assert_int_equal(a->tokens, b->tokens);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->hash, b->hash);
    same_real(a->device_seconds, b->device_seconds);
}

void fixture_assert_same(const struct esp_event *a, const struct esp_event *b)
{
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->time_ms, b->time_ms);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->trial, b->trial);
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->process, b->process);
    assert_int_equal(a->trigger, b->trigger);
    assert_int_equal(a->from, b->from);
    assert_int_equal(a->to, b->to);
    assert_int_equal(a->cause, b->cause);
    assert_int_equal(a->number, b->number);
    assert_int_equal(a->extra, b->extra);
    assert_int_equal(a->code, b->code);
    assert_int_equal(a->flag, b->flag);
    same_real(a->real, b->real);
    same_text(a->text, b->text);
    same_text(a->text2, b->text2);
    assert_int_equal(a->value_count, b->value_count);
    for (uint32_t i = 0; i < a->value_count; i++) {
        same_real(a->values[i], b->values[i]);
    }
    if (a->kind == ESP_EVENT_VERDICT || a->kind == ESP_EVENT_CREATED) {
        assert_int_equal(a->verdict.action, b->verdict.action);
        assert_int_equal(a->verdict.trial, b->verdict.trial);
        assert_int_equal(a->verdict.until, b->verdict.until);
        same_reason(&a->verdict.reason, &b->verdict.reason);
    }
    if (a->kind == ESP_EVENT_DIRECTED) {
        assert_int_equal(a->directive.number, b->directive.number);
        assert_int_equal(a->directive.action, b->directive.action);
        assert_int_equal(a->directive.until, b->directive.until);
        assert_int_equal(a->directive.keep, b->directive.keep);
    }
    same_point(&a->point, &b->point);
    same_saved(&a->saved, &b->saved);
}

struct comparison {
    const struct esp_event *events;
    size_t count, at;
};

static int compare(void *context, const struct esp_event *event)
{
    struct comparison *comparison = context;
    assert_true(comparison->at < comparison->count);
    fixture_assert_same(&comparison->events[comparison->at++], event);
    return 0;
}

void fixture_assert_holds(struct esp_store *store, const struct esp_event *events, size_t count)
{
    struct comparison comparison = {events, count, 0};
    struct esp_error error = {""};
    if (esp_store_load(store, compare, &comparison, &error) < 0) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(comparison.at, count);
}

int64_t fixture_query(const char *dir, const char *sql)
{
    char path[320];
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    snprintf(path, sizeof path, "%s/study.db", dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return value;
}

struct esp_event fixture_created(uint64_t seq, int64_t trial)
{
    static const double values[] = {0.001, 1, 4, 0};
    return (struct esp_event){.seq = seq,
                              .time_ms = 1000 + (int64_t)seq,
                              .kind = ESP_EVENT_CREATED,
                              .trial = trial,
                              .number = 4096,
                              .extra = 1 + trial,
                              .values = values,
                              .value_count = 4,
                              .verdict = {.action = ESP_VERDICT_START, .trial = trial}};
}

struct esp_event fixture_moved(uint64_t seq,
                               int64_t trial,
                               enum esp_trigger trigger,
                               enum esp_trial_state from,
                               enum esp_trial_state to)
{
    return (struct esp_event){.seq = seq,
                              .time_ms = 1000 + (int64_t)seq,
                              .kind = ESP_EVENT_MOVED,
                              .trial = trial,
                              .attempt = 1,
                              .trigger = trigger,
                              .from = from,
                              .to = to};
}

struct esp_event fixture_report(uint64_t seq, int64_t trial, int64_t step, double value)
{
    return (struct esp_event){.seq = seq,
                              .time_ms = 1000 + (int64_t)seq,
                              .kind = ESP_EVENT_REPORT,
                              .trial = trial,
                              .attempt = 1,
                              .sequence = (uint64_t)step,
                              .point = {.step = step,
                                        .tokens = step * 1024,
                                        .device_seconds = (double)step * 0.5,
                                        .value = value,
                                        .train_loss = value + 0.1}};
}
