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

static struct esp_reals any_reals(uint64_t *random)
{
    static double values[64][ESP_PARAMS_MAX];
    static unsigned next;
    double *mine = values[next++ % 64];
    uint32_t count = (uint32_t)(fixture_random(random) % 9);
    for (uint32_t i = 0; i < count; i++) {
        mine[i] = odd_real(random);
    }
    return (struct esp_reals){mine, count};
}

static struct esp_event_created any_created(uint64_t *random)
{
    static double values[64][4];
    static unsigned next;
    double *mine = values[next++ % 64];
    for (int i = 0; i < 4; i++) {
        double u = (double)(fixture_random(random) >> 11) * 0x1p-53;
        mine[i] = esp_param_draw(&fixture_study()->params[i], u);
    }
    return (struct esp_event_created){.horizon = any_integer(random),
                                      .seed = -any_integer(random),
                                      .repeats = (int64_t)(fixture_random(random) % 9) - 1,
                                      .values = {mine, 4},
                                      .reason = any_reason(random)};
}

static struct esp_event_moved any_moved(uint64_t *random)
{
    return (struct esp_event_moved){
        .process = fixture_random(random),
        .trigger = (enum esp_trigger)(fixture_random(random) % ESP_TRIGGER_COUNT),
        .from = (enum esp_trial_state)(fixture_random(random) % ESP_TRIAL_STATE_COUNT),
        .to = (enum esp_trial_state)(fixture_random(random) % ESP_TRIAL_STATE_COUNT),
        .cause = (enum esp_cause)(fixture_random(random) % ESP_CAUSE_COUNT),
        .until = any_integer(random),
        .resumed_from = -any_integer(random),
        .excused = fixture_random(random) & 1,
        .text = odd_text(random)};
}

static struct esp_saved any_saved(uint64_t *random, const struct esp_event *event)
{
    return (struct esp_saved){.at = {(uint32_t)event->trial, event->attempt, 77},
                              .path = "checkpoints/3/1-4096",
                              .host = odd_text(random),
                              .step = any_integer(random),
                              .tokens = any_integer(random),
                              .bytes = (uint64_t)any_integer(random),
                              .hash = fixture_random(random),
                              .device_seconds = odd_real(random)};
}

/* Kinds that are about a trial, each with its own members at random values. */
static void fill_of_trial(struct esp_event *event, uint64_t *random)
{
    switch (event->kind) {
    case ESP_EVENT_CREATED:
        event->trial = event->trial < 0 ? 7 : event->trial;
        event->created = any_created(random);
        break;
    case ESP_EVENT_VERDICT:
        event->verdict = (struct esp_verdict){
            .action = (enum esp_verdict_action)(fixture_random(random) % 8),
            .trial = (int64_t)(fixture_random(random) % 9) - 1,
            .until = any_integer(random),
            .reason = any_reason(random)};
        break;
    case ESP_EVENT_MOVED:
        event->moved = any_moved(random);
        break;
    case ESP_EVENT_STARTED_AT:
        event->started = (struct esp_event_started){.tokens = any_integer(random),
                                                    .horizon = -any_integer(random),
                                                    .can_save = fixture_random(random) & 1,
                                                    .fell_back = odd_text(random)};
        break;
    case ESP_EVENT_SAVED:
        event->trial = event->trial < 0 ? 7 : event->trial;
        event->saved = any_saved(random, event);
        break;
    case ESP_EVENT_DROPPED:
        event->dropped.checkpoint = (uint64_t)any_integer(random);
        break;
    case ESP_EVENT_DIRECTED:
        event->directive = (struct esp_directive){
            .number = (uint32_t)fixture_random(random),
            .action = (enum esp_directive_action)(fixture_random(random) % 4),
            .until = any_integer(random),
            .keep = fixture_random(random) & 1};
        break;
    case ESP_EVENT_FAILED:
        event->failed = (struct esp_event_failed){.code = (int32_t)any_integer(random),
                                                  .save_failed = fixture_random(random) & 1,
                                                  .text = odd_text(random)};
        break;
    case ESP_EVENT_PROTOCOL:
        event->protocol = (struct esp_event_protocol){
            .process = fixture_random(random),
            .trigger = (enum esp_trigger)(fixture_random(random) % ESP_TRIGGER_COUNT),
            .from = (enum esp_trial_state)(fixture_random(random) % ESP_TRIAL_STATE_COUNT),
            .fault = odd_text(random)};
        break;
    default:
        break;
    }
}

/* Kinds that are about the study, an agent or a process. */
static void fill_of_study(struct esp_event *event, uint64_t *random)
{
    switch (event->kind) {
    case ESP_EVENT_OPENED:
        event->opened =
            (struct esp_event_opened){(uint64_t)any_integer(random), odd_text(random)};
        break;
    case ESP_EVENT_ENDED:
        event->ended = (struct esp_event_ended){
            .state = (enum esp_study_state)(fixture_random(random) % ESP_STUDY_STATE_COUNT),
            .exit_code = -(int32_t)(any_integer(random) & INT32_MAX),
            .scored = fixture_random(random) & 1,
            .scored_by = (enum esp_scored)(fixture_random(random) % 2),
            .score = odd_real(random),
            .remedy = {odd_real(random), odd_real(random), odd_real(random), odd_real(random)},
            .reason = (enum esp_end_reason)(fixture_random(random) % ESP_END_REASON_COUNT)};
        break;
    case ESP_EVENT_CHANGED:
        event->changed = (struct esp_event_changed){odd_text(random), odd_real(random)};
        break;
    case ESP_EVENT_AGENT:
        event->agent = (struct esp_event_agent){.id = fixture_random(random),
                                                .slots = (uint32_t)fixture_random(random),
                                                .host = odd_text(random),
                                                .device = odd_text(random)};
        break;
    case ESP_EVENT_SPAWNED:
        event->spawned = (struct esp_event_spawned){
            fixture_random(random), fixture_random(random), (uint32_t)fixture_random(random)};
        break;
    case ESP_EVENT_EXITED:
        event->exited = (struct esp_event_exited){.process = fixture_random(random),
                                                  .status = (int32_t)any_integer(random),
                                                  .signal = (int32_t)any_integer(random),
                                                  .asked = fixture_random(random) & 1,
                                                  .tail = odd_text(random)};
        break;
    case ESP_EVENT_COMMAND:
        event->command = (struct esp_event_command){
            .id = fixture_random(random),
            .verb = (enum esp_command_verb)(fixture_random(random) % (ESP_VERB_PING + 3)),
            .code = (int32_t)any_integer(random),
            .answer = odd_text(random)};
        break;
    case ESP_EVENT_NOTE:
        event->note.text = odd_text(random);
        break;
    case ESP_EVENT_FIT:
        event->fit = (struct esp_event_fit){(enum esp_fitted)(fixture_random(random) % 2),
                                            any_reals(random)};
        break;
    case ESP_EVENT_CALIBRATED:
        event->calibrated =
            (struct esp_event_calibrated){any_integer(random), any_reals(random)};
        break;
    case ESP_EVENT_SPENT:
        event->spent = (struct esp_event_spent){any_integer(random), 0.5};
        break;
    default:
        break;
    }
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
        event.report.waiting = fixture_random(random) & 1;
        event.report.point = any_point(random);
        return event;
    }
    event.trial = fixture_random(random) % 8 ? event.trial : -1;
    fill_of_trial(&event, random);
    fill_of_study(&event, random);
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

static void same_reals(const struct esp_reals *a, const struct esp_reals *b)
{
    assert_int_equal(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        same_real(a->data[i], b->data[i]);
    }
}

static void same_created(const struct esp_event_created *a, const struct esp_event_created *b)
{
    assert_int_equal(a->horizon, b->horizon);
    assert_int_equal(a->seed, b->seed);
    assert_int_equal(a->repeats, b->repeats);
    same_reals(&a->values, &b->values);
    same_reason(&a->reason, &b->reason);
}

static void same_moved(const struct esp_event_moved *a, const struct esp_event_moved *b)
{
    assert_int_equal(a->process, b->process);
    assert_int_equal(a->trigger, b->trigger);
    assert_int_equal(a->from, b->from);
    assert_int_equal(a->to, b->to);
    assert_int_equal(a->cause, b->cause);
    assert_int_equal(a->until, b->until);
    assert_int_equal(a->resumed_from, b->resumed_from);
    assert_int_equal(a->excused, b->excused);
    same_text(a->text, b->text);
}

static void same_of_trial(const struct esp_event *a, const struct esp_event *b)
{
    switch (a->kind) {
    case ESP_EVENT_CREATED:
        same_created(&a->created, &b->created);
        break;
    case ESP_EVENT_VERDICT:
        assert_int_equal(a->verdict.action, b->verdict.action);
        assert_int_equal(a->verdict.trial, b->verdict.trial);
        assert_int_equal(a->verdict.until, b->verdict.until);
        same_reason(&a->verdict.reason, &b->verdict.reason);
        break;
    case ESP_EVENT_MOVED:
        same_moved(&a->moved, &b->moved);
        break;
    case ESP_EVENT_STARTED_AT:
        assert_int_equal(a->started.tokens, b->started.tokens);
        assert_int_equal(a->started.horizon, b->started.horizon);
        assert_int_equal(a->started.can_save, b->started.can_save);
        same_text(a->started.fell_back, b->started.fell_back);
        break;
    case ESP_EVENT_REPORT:
        assert_int_equal(a->report.waiting, b->report.waiting);
        same_point(&a->report.point, &b->report.point);
        break;
    case ESP_EVENT_SAVED:
        same_saved(&a->saved, &b->saved);
        break;
    case ESP_EVENT_DROPPED:
        assert_int_equal(a->dropped.checkpoint, b->dropped.checkpoint);
        break;
    case ESP_EVENT_DIRECTED:
        assert_int_equal(a->directive.number, b->directive.number);
        assert_int_equal(a->directive.action, b->directive.action);
        assert_int_equal(a->directive.until, b->directive.until);
        assert_int_equal(a->directive.keep, b->directive.keep);
        break;
    case ESP_EVENT_FAILED:
        assert_int_equal(a->failed.code, b->failed.code);
        assert_int_equal(a->failed.save_failed, b->failed.save_failed);
        same_text(a->failed.text, b->failed.text);
        break;
    case ESP_EVENT_PROTOCOL:
        assert_int_equal(a->protocol.process, b->protocol.process);
        assert_int_equal(a->protocol.trigger, b->protocol.trigger);
        assert_int_equal(a->protocol.from, b->protocol.from);
        same_text(a->protocol.fault, b->protocol.fault);
        break;
    default:
        break;
    }
}

static void same_of_study(const struct esp_event *a, const struct esp_event *b)
{
    switch (a->kind) {
    case ESP_EVENT_OPENED:
        assert_int_equal(a->opened.incarnation, b->opened.incarnation);
        same_text(a->opened.version, b->opened.version);
        break;
    case ESP_EVENT_ENDED:
        assert_int_equal(a->ended.state, b->ended.state);
        assert_int_equal(a->ended.exit_code, b->ended.exit_code);
        assert_int_equal(a->ended.reason, b->ended.reason);
        assert_int_equal(a->ended.scored, b->ended.scored);
        assert_int_equal(a->ended.scored_by, b->ended.scored_by);
        same_real(a->ended.score, b->ended.score);
        same_real(a->ended.remedy.run_cap, b->ended.remedy.run_cap);
        same_real(a->ended.remedy.tokens, b->ended.remedy.tokens);
        same_real(a->ended.remedy.seconds, b->ended.remedy.seconds);
        same_real(a->ended.remedy.usd, b->ended.remedy.usd);
        break;
    case ESP_EVENT_CHANGED:
        same_text(a->changed.setting, b->changed.setting);
        same_real(a->changed.value, b->changed.value);
        break;
    case ESP_EVENT_AGENT:
        assert_int_equal(a->agent.id, b->agent.id);
        assert_int_equal(a->agent.slots, b->agent.slots);
        same_text(a->agent.host, b->agent.host);
        same_text(a->agent.device, b->agent.device);
        break;
    case ESP_EVENT_SPAWNED:
        assert_int_equal(a->spawned.process, b->spawned.process);
        assert_int_equal(a->spawned.agent, b->spawned.agent);
        assert_int_equal(a->spawned.slot, b->spawned.slot);
        break;
    case ESP_EVENT_EXITED:
        assert_int_equal(a->exited.process, b->exited.process);
        assert_int_equal(a->exited.status, b->exited.status);
        assert_int_equal(a->exited.signal, b->exited.signal);
        assert_int_equal(a->exited.asked, b->exited.asked);
        same_text(a->exited.tail, b->exited.tail);
        break;
    case ESP_EVENT_COMMAND:
        assert_int_equal(a->command.id, b->command.id);
        assert_int_equal(a->command.verb, b->command.verb);
        assert_int_equal(a->command.code, b->command.code);
        same_text(a->command.answer, b->command.answer);
        break;
    case ESP_EVENT_NOTE:
        same_text(a->note.text, b->note.text);
        break;
    case ESP_EVENT_FIT:
        assert_int_equal(a->fit.which, b->fit.which);
        same_reals(&a->fit.values, &b->fit.values);
        break;
    case ESP_EVENT_CALIBRATED:
        assert_int_equal(a->calibrated.examined_count, b->calibrated.examined_count);
        same_reals(&a->calibrated.scores, &b->calibrated.scores);
        break;
    case ESP_EVENT_SPENT:
        assert_int_equal(a->spent.tokens, b->spent.tokens);
        assert_true(a->spent.device_seconds == b->spent.device_seconds);
        break;
    default:
        break;
    }
}

void fixture_assert_same(const struct esp_event *a, const struct esp_event *b)
{
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->time_ms, b->time_ms);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->trial, b->trial);
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->sequence, b->sequence);
    same_of_trial(a, b);
    same_of_study(a, b);
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
    return (struct esp_event){
        .seq = seq,
        .time_ms = 1000 + (int64_t)seq,
        .kind = ESP_EVENT_CREATED,
        .trial = trial,
        .created = {.horizon = 4096, .seed = 1 + trial, .repeats = -1, .values = {values, 4}}};
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
                              .moved = {.trigger = trigger, .from = from, .to = to}};
}

struct esp_event fixture_report(uint64_t seq, int64_t trial, int64_t step, double value)
{
    return (struct esp_event){.seq = seq,
                              .time_ms = 1000 + (int64_t)seq,
                              .kind = ESP_EVENT_REPORT,
                              .trial = trial,
                              .attempt = 1,
                              .sequence = (uint64_t)step,
                              .report.point = {.step = step,
                                               .tokens = step * 1024,
                                               .device_seconds = (double)step * 0.5,
                                               .value = value,
                                               .train_loss = value + 0.1}};
}
