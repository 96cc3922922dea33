/* The tables of the ledger as a fold of the events: one function per kind of event.
 *
 * Rules that are more than copies:
 *   - A trial's step, tokens, value and train_loss are those of its furthest report row.
 *   - spent_tokens and device_seconds sum what each report, checkpoint and SPENT adds to the
 *     position of its attempt. An attempt begins at the tokens of STARTED_AT and at the device
 *     seconds of the checkpoint with that many tokens.
 *   - `held` is set by the user's pause and cleared by a grant, an end, RESUME and CONTINUE.
 *   - A trial's checkpoint is the latest one that was not dropped. */
#include "internal.h"
#include <errno.h>
#include <espalier/plant.h>
#include <math.h>
#include <string.h>

/* Limits that keep sums within their columns whatever a trainer claims: more seconds than this
 * (30 million years) are not counted, and tokens count up to 2^56, so that a sum below 2^62 and
 * one more value fit. */
#define SECONDS_MAX 1e15
#define TOKENS_MAX ((int64_t)1 << 56)

static int64_t clamp_tokens(int64_t tokens)
{
    return tokens < 0 ? 0 : tokens > TOKENS_MAX ? TOKENS_MAX : tokens;
}

/* Text of this program, or checked text. NULL binds NULL. */
static void bind_text(sqlite3_stmt *s, int index, const char *text)
{
    sqlite3_bind_text(s, index, text, -1, SQLITE_STATIC);
}

/* Text from outside: logs, notes, paths. Bytes that are not UTF-8 are replaced; when there is
 * no memory for that the text stays as it is, because readers accept any bytes. */
static void bind_words(struct esp_store *store, sqlite3_stmt *s, int index, const char *text)
{
    if (text && esp_text_clean(&store->text, text) && !store->text.failed) {
        sqlite3_bind_text(
            s, index, store->text.data, (int)store->text.length, SQLITE_TRANSIENT);
    } else {
        bind_text(s, index, text);
    }
}

static void bind_id(sqlite3_stmt *s, int index, int64_t id)
{
    if (id < 0) {
        sqlite3_bind_null(s, index);
    } else {
        sqlite3_bind_int64(s, index, id);
    }
}

static void bind_key(sqlite3_stmt *s, int index, uint64_t key)
{
    char hex[ESP_HEX_MAX];
    esp_hex_write(key, hex);
    sqlite3_bind_text(s, index, hex, -1, SQLITE_TRANSIENT);
}

/* Runs a bound statement and clears its bindings, so that none outlives what it points to. */
static int run(sqlite3_stmt *s)
{
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int insert_event(struct esp_store *store, const struct esp_event *event)
{
    sqlite3_stmt *s = store->sql[ESP_SQL_EVENT];
    int code = esp_event_encode(event, &store->text);
    if (code < 0) {
        return code;
    }
    sqlite3_bind_int64(s, 1, (int64_t)event->seq);
    sqlite3_bind_int64(s, 2, event->time_ms);
    bind_text(s, 3, esp_event_kind_name(event->kind));
    bind_id(s, 4, event->trial);
    sqlite3_bind_int64(s, 5, event->attempt);
    sqlite3_bind_text(s, 6, store->text.data, (int)store->text.length, SQLITE_STATIC);
    return run(s);
}

static bool measure_is_new(const struct esp_point *point, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++) {
        if (strcmp(point->measures[i].name, point->measures[index].name) == 0) {
            return false;
        }
    }
    return true;
}

static int insert_measures(struct esp_store *store, const struct esp_event *event)
{
    sqlite3_stmt *s = store->sql[ESP_SQL_MEASURE];
    int rc = SQLITE_OK;
    const struct esp_point *point = &event->report.point;
    for (uint32_t i = 0; rc == SQLITE_OK && i < point->measure_count; i++) {
        if (measure_is_new(point, i)) {
            sqlite3_bind_int64(s, 1, event->trial);
            sqlite3_bind_int64(s, 2, point->step);
            bind_words(store, s, 3, point->measures[i].name);
            sqlite3_bind_double(s, 4, point->measures[i].value);
            sqlite3_bind_int64(s, 5, i);
            rc = run(s);
        }
    }
    return rc;
}

static void bind_seconds(sqlite3_stmt *s, int index, double seconds)
{
    if (seconds >= 0 && seconds <= SECONDS_MAX) {
        sqlite3_bind_double(s, index, seconds);
    }
}

/* Updates the trial after a report. `first`: the point is the first one of its step, and may be
 * the furthest of the trial. */
static int advance(struct esp_store *store, const struct esp_event *event, bool first)
{
    const struct esp_point *point = &event->report.point;
    sqlite3_stmt *s = store->sql[ESP_SQL_ADVANCE];
    sqlite3_bind_int64(s, 1, event->trial);
    sqlite3_bind_int64(s, 2, point->tokens);
    bind_seconds(s, 3, point->device_seconds);
    sqlite3_bind_int64(s, 4, point->step);
    sqlite3_bind_double(s, 5, point->value); /* NaN binds NULL */
    sqlite3_bind_double(s, 6, point->train_loss);
    sqlite3_bind_int(s, 7, first);
    sqlite3_bind_int64(s, 8, clamp_tokens(point->tokens));
    int rc = run(s);
    if (rc == SQLITE_OK && first && sqlite3_changes(store->db) == 0) {
        return advance(store, event, false); /* it was not the furthest */
    }
    return rc;
}

static int fold_report(struct esp_store *store, const struct esp_event *event)
{
    const struct esp_point *point = &event->report.point;
    sqlite3_stmt *s = store->sql[ESP_SQL_REPORT];
    uint32_t measures = 0;
    for (uint32_t i = 0; i < point->measure_count; i++) {
        measures += measure_is_new(point, i);
    }
    if (event->trial < 0 || event->trial >= ESP_TRIALS_MAX || point->step < 0) {
        return -EINVAL;
    }
    sqlite3_bind_int64(s, 1, event->trial);
    sqlite3_bind_int64(s, 2, point->step);
    sqlite3_bind_int64(s, 3, (int64_t)event->seq);
    sqlite3_bind_int64(s, 4, event->attempt);
    sqlite3_bind_int64(s, 5, point->tokens);
    sqlite3_bind_double(s, 6, point->device_seconds);
    sqlite3_bind_double(s, 7, point->value);
    sqlite3_bind_double(s, 8, point->train_loss);
    sqlite3_bind_int64(s, 9, event->time_ms);
    sqlite3_bind_int64(s, 10, (int64_t)event->sequence);
    sqlite3_bind_int(s, 11, event->report.waiting);
    sqlite3_bind_int64(s, 12, measures);
    int rc = run(s);
    if (rc != SQLITE_OK) {
        return rc;
    }
    bool first = sqlite3_changes(store->db) == 1;
    rc = first ? insert_measures(store, event) : insert_event(store, event);
    if (rc == SQLITE_OK && !first && ESP_PLANT("store-report-replaced")) {
        char sql[256];
        snprintf(sql,
                 sizeof sql,
                 "UPDATE report SET value = %.17g, attempt = %u WHERE trial = %lld AND step = "
                 "%lld",
                 isfinite(point->value) ? point->value : 0,
                 event->attempt,
                 (long long)event->trial,
                 (long long)point->step);
        sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    }
    return rc == SQLITE_OK ? advance(store, event, first) : rc;
}

static void bind_value(sqlite3_stmt *s, int index, const struct esp_value *value)
{
    static const char *const types[] = {[ESP_VALUE_REAL] = "real",
                                        [ESP_VALUE_INTEGER] = "integer",
                                        [ESP_VALUE_BOOLEAN] = "boolean",
                                        [ESP_VALUE_TEXT] = "text"};
    switch (value->type) {
    case ESP_VALUE_REAL:
        sqlite3_bind_double(s, index, value->real);
        break;
    case ESP_VALUE_INTEGER:
    case ESP_VALUE_BOOLEAN:
        sqlite3_bind_int64(s, index, value->integer);
        break;
    case ESP_VALUE_TEXT:
        bind_text(s, index, value->text);
        break;
    }
    bind_text(s, index + 1, types[value->type]);
}

static int set_attribute(struct esp_store *store, int64_t trial, enum esp_trial_state state)
{
    sqlite3_stmt *s = store->sql[ESP_SQL_ATTRIBUTE];
    sqlite3_bind_int64(s, 1, trial);
    bind_text(s, 2, esp_trial_state_name(state));
    return run(s);
}

static int fold_created(struct esp_store *store, const struct esp_event *event)
{
    const struct esp_event_created *created = &event->created;
    sqlite3_stmt *s = store->sql[ESP_SQL_CREATED];
    sqlite3_bind_int64(s, 1, event->trial);
    sqlite3_bind_int64(s, 2, created->horizon);
    sqlite3_bind_int64(s, 3, created->seed);
    sqlite3_bind_int64(s, 4, event->time_ms);
    bind_id(s, 5, created->repeats);
    int rc = run(s);
    s = store->sql[ESP_SQL_PARAM];
    for (uint32_t i = 0; rc == SQLITE_OK && i < created->values.count; i++) {
        const struct esp_param *param = &store->study->params[i];
        struct esp_value value = esp_param_value(param, created->values.data[i]);
        sqlite3_bind_int64(s, 1, event->trial);
        sqlite3_bind_int64(s, 2, i);
        bind_text(s, 3, param->name);
        bind_value(s, 4, &value);
        sqlite3_bind_double(s, 6, created->values.data[i]);
        rc = run(s);
    }
    return rc == SQLITE_OK ? set_attribute(store, event->trial, ESP_TRIAL_QUEUED) : rc;
}

static int fold_granted(struct esp_store *store, const struct esp_event *event)
{
    sqlite3_stmt *s = store->sql[ESP_SQL_GRANTED];
    bind_key(s, 1, event->moved.process);
    sqlite3_bind_int64(s, 2, event->trial);
    return run(s);
}

static int fold_moved(struct esp_store *store, const struct esp_event *event)
{
    sqlite3_stmt *s = store->sql[ESP_SQL_MOVED];
    const struct esp_event_moved *moved = &event->moved;
    bool granted = moved->trigger == ESP_TRIGGER_GRANT;
    bool ended = moved->to >= ESP_TRIAL_COMPLETE;
    sqlite3_bind_int64(s, 1, event->trial);
    bind_text(s, 2, esp_trial_state_name(moved->to));
    bind_text(s, 3, esp_cause_name(moved->cause));
    sqlite3_bind_int64(s, 4, event->attempt);
    if (moved->trigger == ESP_TRIGGER_HOLD) {
        sqlite3_bind_int(s, 5, 1);
    } else if (granted || ended || moved->trigger == ESP_TRIGGER_RESUME ||
               moved->trigger == ESP_TRIGGER_CONTINUE) {
        sqlite3_bind_int(s, 5, 0);
    }
    if (granted) {
        bind_key(s, 6, moved->process);
        sqlite3_bind_int64(s, 7, moved->until);
    }
    if (moved->to == ESP_TRIAL_RUNNING) {
        sqlite3_bind_int64(s, 8, event->time_ms);
    }
    if (ended) {
        sqlite3_bind_int64(s, 9, event->time_ms);
    }
    bind_words(store, s, 10, moved->text);
    int rc = run(s);
    if (rc == SQLITE_OK) {
        rc = set_attribute(store, event->trial, moved->to);
    }
    return rc == SQLITE_OK && granted ? fold_granted(store, event) : rc;
}

static int fold_started(struct esp_store *store, const struct esp_event *event)
{
    sqlite3_stmt *s = store->sql[ESP_SQL_STARTED];
    sqlite3_bind_int64(s, 1, event->trial);
    sqlite3_bind_int64(s, 2, event->attempt);
    sqlite3_bind_int64(s, 3, event->started.tokens);
    sqlite3_bind_int64(s, 4, event->started.horizon);
    return run(s);
}

static int set_until(struct esp_store *store, int64_t trial, int64_t until)
{
    sqlite3_stmt *s = store->sql[ESP_SQL_UNTIL];
    sqlite3_bind_int64(s, 1, trial);
    sqlite3_bind_int64(s, 2, until);
    return run(s);
}

static int set_latest_checkpoint(struct esp_store *store, int64_t trial)
{
    sqlite3_stmt *s = store->sql[ESP_SQL_LATEST];
    sqlite3_bind_int64(s, 1, trial);
    return run(s);
}

/* Counts what was trained since the last report. There is no value: the trial's furthest report
 * stays the same. */
static int spend(struct esp_store *store, int64_t trial, int64_t tokens, double seconds)
{
    sqlite3_stmt *s = store->sql[ESP_SQL_ADVANCE];
    sqlite3_bind_int64(s, 1, trial);
    bind_seconds(s, 3, seconds);
    sqlite3_bind_int(s, 7, 0);
    sqlite3_bind_int64(s, 8, clamp_tokens(tokens));
    return run(s);
}

static int fold_saved(struct esp_store *store, const struct esp_event *event)
{
    const struct esp_saved *saved = &event->saved;
    sqlite3_stmt *s = store->sql[ESP_SQL_SAVED];
    if (ESP_PLANT("store-checkpoint-forgotten")) {
        return SQLITE_OK;
    }
    int rc = spend(store, event->trial, saved->tokens, saved->device_seconds);
    if (rc != SQLITE_OK) {
        return rc;
    }
    sqlite3_bind_int64(s, 1, (int64_t)event->seq);
    sqlite3_bind_int64(s, 2, event->trial);
    sqlite3_bind_int64(s, 3, event->attempt);
    sqlite3_bind_int64(s, 4, saved->step);
    sqlite3_bind_int64(s, 5, saved->tokens);
    sqlite3_bind_int64(s, 6, (int64_t)saved->bytes);
    bind_key(s, 7, saved->hash);
    bind_words(store, s, 8, saved->host);
    bind_words(store, s, 9, saved->path);
    sqlite3_bind_int64(s, 10, event->time_ms);
    rc = run(s);
    return rc == SQLITE_OK ? set_latest_checkpoint(store, event->trial) : rc;
}

static int fold_dropped(struct esp_store *store, const struct esp_event *event)
{
    sqlite3_stmt *s = store->sql[ESP_SQL_DROPPED];
    sqlite3_bind_int64(s, 1, (int64_t)event->dropped.checkpoint);
    sqlite3_bind_int64(s, 2, event->time_ms);
    int rc = run(s);
    return rc == SQLITE_OK ? set_latest_checkpoint(store, event->trial) : rc;
}

static int fold_failed(struct esp_store *store, const struct esp_event *event)
{
    sqlite3_stmt *s = store->sql[ESP_SQL_FAILED];
    sqlite3_bind_int64(s, 1, event->trial);
    bind_words(store, s, 2, event->failed.text);
    return run(s);
}

static int fold_agent(struct esp_store *store, const struct esp_event *event)
{
    sqlite3_stmt *s = store->sql[ESP_SQL_WORKER];
    bind_key(s, 1, event->agent.id);
    bind_text(s, 2, "agent");
    sqlite3_bind_int64(s, 4, event->agent.slots);
    bind_words(store, s, 5, event->agent.host);
    bind_words(store, s, 6, event->agent.device);
    sqlite3_bind_int64(s, 7, event->time_ms);
    return run(s);
}

static int fold_spawned(struct esp_store *store, const struct esp_event *event)
{
    sqlite3_stmt *s = store->sql[ESP_SQL_WORKER];
    bind_key(s, 1, event->spawned.process);
    bind_text(s, 2, "trial");
    bind_key(s, 3, event->spawned.agent);
    sqlite3_bind_int64(s, 4, event->spawned.slot);
    sqlite3_bind_int64(s, 7, event->time_ms);
    return run(s);
}

static int fold_exited(struct esp_store *store, const struct esp_event *event)
{
    sqlite3_stmt *s = store->sql[ESP_SQL_EXITED];
    bind_key(s, 1, event->exited.process);
    sqlite3_bind_int64(s, 2, event->time_ms);
    sqlite3_bind_int64(s, 3, event->exited.status);
    sqlite3_bind_int64(s, 4, event->exited.signal);
    sqlite3_bind_int(s, 5, event->exited.asked);
    bind_words(store, s, 6, event->exited.tail);
    return run(s);
}

static int fold_note(struct esp_store *store, const struct esp_event *event)
{
    sqlite3_stmt *s = store->sql[ESP_SQL_NOTE];
    sqlite3_bind_int64(s, 1, (int64_t)event->seq);
    bind_id(s, 2, event->trial);
    sqlite3_bind_int64(s, 3, event->time_ms);
    bind_words(store, s, 4, event->note.text ? event->note.text : "");
    return run(s);
}

static int fold(struct esp_store *store, const struct esp_event *event)
{
    switch (event->kind) {
    case ESP_EVENT_CREATED:
        return fold_created(store, event);
    case ESP_EVENT_VERDICT:
        return event->verdict.action == ESP_VERDICT_CONTINUE
                   ? set_until(store, event->trial, event->verdict.until)
                   : SQLITE_OK;
    case ESP_EVENT_DIRECTED:
        return event->directive.action == ESP_DIRECT_CONTINUE
                   ? set_until(store, event->trial, event->directive.until)
                   : SQLITE_OK;
    case ESP_EVENT_MOVED:
        return fold_moved(store, event);
    case ESP_EVENT_STARTED_AT:
        return fold_started(store, event);
    case ESP_EVENT_SAVED:
        return fold_saved(store, event);
    case ESP_EVENT_DROPPED:
        return fold_dropped(store, event);
    case ESP_EVENT_FAILED:
        return fold_failed(store, event);
    case ESP_EVENT_AGENT:
        return fold_agent(store, event);
    case ESP_EVENT_SPAWNED:
        return fold_spawned(store, event);
    case ESP_EVENT_EXITED:
        return fold_exited(store, event);
    case ESP_EVENT_NOTE:
        return fold_note(store, event);
    case ESP_EVENT_SPENT:
        return spend(store, event->trial, event->spent.tokens, event->spent.device_seconds);
    default:
        return SQLITE_OK;
    }
}

/* False: the tables cannot hold the event, or reading it would fail. */
static bool can_be_kept(const struct esp_store *store, const struct esp_event *event)
{
    switch (event->kind) {
    case ESP_EVENT_CREATED:
        return event->trial >= 0 && event->trial < ESP_TRIALS_MAX && store->study &&
               event->created.values.count <= (uint32_t)store->study->param_count;
    case ESP_EVENT_SAVED:
        return event->saved.path && event->trial >= 0;
    default:
        return event->kind > ESP_EVENT_NONE && event->kind < ESP_EVENT_KIND_COUNT;
    }
}

int esp_fold_event(struct esp_store *store, const struct esp_event *event)
{
    if (!can_be_kept(store, event)) {
        return -EINVAL;
    }
    if (event->kind == ESP_EVENT_REPORT) {
        return fold_report(store, event);
    }
    int rc = insert_event(store, event);
    return rc == SQLITE_OK ? fold(store, event) : rc;
}
