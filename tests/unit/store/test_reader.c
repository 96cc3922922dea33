/* Queries of the reader. */
#include "../../../controller/store/database.h"
#include "../../../controller/store/reader.h"
#include "fixture.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Three trials: 0 complete at its horizon, 1 paused half way with a better value, 2 queued. */
static void write_study(const char *dir)
{
    struct esp_store *store = fixture_create(dir);
    struct esp_error error = {""};
    struct esp_event events[] = {
        {.seq = 1, .time_ms = 50, .kind = ESP_EVENT_OPENED, .trial = -1, .opened = {1, "0.1"}},
        fixture_created(2, 0),
        fixture_created(3, 1),
        fixture_created(4, 2),
        {.seq = 5,
         .kind = ESP_EVENT_AGENT,
         .trial = -1,
         .agent = {.id = 11, .slots = 2, .host = "host", .device = "cpu"}},
        {.seq = 6,
         .kind = ESP_EVENT_SPAWNED,
         .trial = -1,
         .spawned = {.process = 0xabc, .agent = 11, .slot = 1}},
        fixture_moved(7, 0, ESP_TRIGGER_GRANT, ESP_TRIAL_QUEUED, ESP_TRIAL_ASSIGNED),
        {.seq = 8,
         .kind = ESP_EVENT_STARTED_AT,
         .trial = 0,
         .attempt = 1,
         .started = {.horizon = 3072, .can_save = true}},
        fixture_moved(9, 0, ESP_TRIGGER_STARTED, ESP_TRIAL_ASSIGNED, ESP_TRIAL_RUNNING),
        fixture_report(10, 0, 1, 4.0),
        {.seq = 11,
         .time_ms = 77,
         .kind = ESP_EVENT_SAVED,
         .trial = 0,
         .attempt = 1,
         .saved = {.path = "checkpoints/0/1-1024",
                   .host = "host",
                   .step = 1,
                   .tokens = 1024,
                   .bytes = 9,
                   .hash = 0xffff000000000001u}},
        fixture_report(12, 0, 2, 3.0),
        {.seq = 13,
         .kind = ESP_EVENT_EXITED,
         .trial = -1,
         .exited = {.process = 0xabc, .status = -1, .signal = 9, .tail = "out of memory"}},
        /* A second attempt from the checkpoint trains step 3; before it, step 2 once more. */
        {.seq = 14,
         .kind = ESP_EVENT_STARTED_AT,
         .trial = 0,
         .attempt = 2,
         .started = {.tokens = 1024, .horizon = 3072}},
        fixture_report(15, 0, 2, 3.5),
        fixture_report(16, 0, 3, 2.5),
        fixture_moved(17, 0, ESP_TRIGGER_HORIZON, ESP_TRIAL_RUNNING, ESP_TRIAL_STOPPING),
        fixture_moved(18, 0, ESP_TRIGGER_RELEASED, ESP_TRIAL_STOPPING, ESP_TRIAL_COMPLETE),
        fixture_report(19, 1, 1, 2.0),
        {.seq = 20,
         .kind = ESP_EVENT_VERDICT,
         .trial = 1,
         .verdict = {.action = ESP_VERDICT_PAUSE,
                     .trial = 1,
                     .reason = {.rule = ESP_RULE_ASHA_WAIT,
                                .rung = 0,
                                .at = 1024,
                                .rank = 2,
                                .of = 3,
                                .value = 2.0,
                                .threshold = 1.5,
                                .expected = NAN,
                                .cost = NAN,
                                .rivals = {0, -1, -1, -1}}}},
        fixture_moved(21, 1, ESP_TRIGGER_HOLD, ESP_TRIAL_RUNNING, ESP_TRIAL_PAUSED),
        {.seq = 22,
         .kind = ESP_EVENT_NOTE,
         .trial = 1,
         .time_ms = 9,
         .note.text = "looks good"},
        {.seq = 23, .kind = ESP_EVENT_CHANGED, .trial = -1, .changed = {"run_cap", 30}},
        {.seq = 24, .kind = ESP_EVENT_CHANGED, .trial = -1, .changed = {"run_cap", 40}},
    };
    events[6].moved.process = 0xabc;
    events[6].moved.until = 2048;
    events[17].moved.cause = ESP_CAUSE_COMPLETE;
    events[14].attempt = events[15].attempt = 2;
    if (esp_store_append(store, events, sizeof events / sizeof events[0], &error) < 0 ||
        esp_store_commit(store, &error) < 0) {
        fail_msg("%s", error.text);
    }
    esp_store_close(store);
}

static struct esp_reader *open_reader(const char *dir)
{
    struct esp_reader *reader = NULL;
    struct esp_error error = {""};
    if (esp_reader_open(dir, &reader, &error) < 0) {
        fail_msg("%s", error.text);
    }
    return reader;
}

static void the_study_row_holds_what_it_was_created_with(void **state)
{
    struct esp_reader_study study;
    double value = 0;
    write_study(*state);
    struct esp_reader *reader = open_reader(*state);
    assert_int_equal(esp_reader_study(reader, &study, NULL), 0);
    assert_string_equal(study.name, "quick");
    assert_string_equal(study.metric, "val_loss");
    assert_string_equal(study.source, fixture_study()->source);
    assert_string_equal(study.base, "/studies");
    assert_string_equal(study.file, "quick.yaml");
    assert_string_equal(study.created_by, ESP_VERSION);
    assert_false(study.maximize);
    assert_int_equal(study.nonce, 0xfedcba9876543210u);
    assert_int_equal(study.seq, 24);
    assert_int_equal(study.incarnation, 1);
    assert_int_equal(study.opened_ms, 50);
    assert_int_equal(study.exit_code, -1);
    assert_int_equal(esp_reader_changed(reader, "run_cap", &value, NULL), 1);
    assert_true(value == 40);
    assert_int_equal(esp_reader_changed(reader, "workers", &value, NULL), 0);
    esp_reader_close(reader);
}

static void
set_end(const char *dir, uint64_t seq, enum esp_event_kind kind, int64_t number, int64_t extra)
{
    struct esp_store *store = NULL;
    struct esp_event event = {.seq = seq, .time_ms = (int64_t)seq, .kind = kind, .trial = -1};
    if (kind == ESP_EVENT_OPENED) {
        event.opened.incarnation = (uint64_t)number;
    } else {
        event.ended.state = (enum esp_study_state)number;
        event.ended.exit_code = (int32_t)extra;
    }
    assert_int_equal(esp_store_open(dir, NULL, &store, NULL), 0);
    assert_int_equal(esp_store_append(store, &event, 1, NULL), 0);
    assert_int_equal(esp_store_commit(store, NULL), 0);
    esp_store_close(store);
}

static void a_study_runs_only_while_its_lock_is_held(void **state)
{
    struct esp_reader_study study;
    int lock;
    write_study(*state);
    struct esp_reader *reader = open_reader(*state);
    assert_int_equal(esp_reader_study(reader, &study, NULL), 0);
    assert_int_equal(study.state, ESP_STUDY_INTERRUPTED);
    assert_int_equal(esp_store_lock(*state, &lock, NULL), 0);
    assert_int_equal(esp_reader_study(reader, &study, NULL), 0);
    assert_int_equal(study.state, ESP_STUDY_RUNNING);
    assert_true(study.alive);
    assert_int_equal(study.pid, getpid());
    set_end(*state, 25, ESP_EVENT_ENDED, ESP_STUDY_INTERRUPTED, 5);
    assert_int_equal(esp_reader_study(reader, &study, NULL), 0);
    assert_int_equal(study.state, ESP_STUDY_INTERRUPTED);
    assert_int_equal(study.exit_code, 5);
    set_end(*state, 26, ESP_EVENT_OPENED, 2, 0);
    assert_int_equal(esp_reader_study(reader, &study, NULL), 0);
    assert_int_equal(study.state, ESP_STUDY_RUNNING);
    assert_int_equal(study.incarnation, 2);
    assert_int_equal(study.exit_code, -1);
    close(lock);
    set_end(*state, 27, ESP_EVENT_ENDED, ESP_STUDY_BUDGET, 4);
    assert_int_equal(esp_reader_study(reader, &study, NULL), 0);
    assert_int_equal(study.state, ESP_STUDY_BUDGET);
    assert_int_equal(study.exit_code, 4);
    esp_reader_close(reader);
}

static void totals_include_repeated_training(void **state)
{
    struct esp_reader_totals totals;
    write_study(*state);
    struct esp_reader *reader = open_reader(*state);
    assert_int_equal(esp_reader_totals(reader, &totals, NULL), 0);
    assert_int_equal(totals.trials, 3);
    assert_int_equal(totals.by_state[ESP_TRIAL_COMPLETE], 1);
    assert_int_equal(totals.by_state[ESP_TRIAL_PAUSED], 1);
    assert_int_equal(totals.by_state[ESP_TRIAL_QUEUED], 1);
    /* Trial 0: 2048, then from its checkpoint at 1024 to 3072; trial 1: 1024. */
    assert_int_equal(totals.spent_tokens, 2048 + 2048 + 1024);
    /* Trial 0: 1.0 s; the checkpoint carries 0.5 s, from there to 1.5 s. */
    assert_true(totals.device_seconds == 1.0 + 1.0 + 0.5);
    assert_int_equal(totals.full_cost_tokens, 3072 + 4096 + 4096);
    esp_reader_close(reader);
}

/* The horizon of a program's trial is unknown until it reports one. */
static void totals_of_trials_without_a_horizon_do_not_overflow(void **state)
{
    struct esp_reader_totals totals;
    struct esp_error error = {""};
    struct esp_store *store = fixture_create(*state);
    struct esp_event events[4];
    for (int i = 0; i < 3; i++) {
        events[i] = fixture_created(1 + (uint64_t)i, i);
        events[i].created.horizon = i < 2 ? INT64_MAX : 4096;
    }
    events[3] = fixture_report(4, 0, 2, 3.0);
    assert_int_equal(esp_store_append(store, events, 4, &error), 0);
    assert_int_equal(esp_store_commit(store, &error), 0);
    struct esp_reader *reader = open_reader(*state);
    if (esp_reader_totals(reader, &totals, &error) < 0) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(totals.trials, 3);
    assert_int_equal(totals.spent_tokens, 2048);
    assert_int_equal(totals.full_cost_tokens, 0);
    esp_reader_close(reader);
    esp_store_close(store);
}

static void totals_saturate(void **state)
{
    struct esp_reader_totals totals;
    struct esp_store *store = fixture_create(*state);
    struct esp_event events[4];
    for (int i = 0; i < 4; i++) {
        events[i] = fixture_created(1 + (uint64_t)i, i);
        events[i].created.horizon = i < 3 ? INT64_MAX / 2 : 5;
    }
    events[3].kind = ESP_EVENT_NOTE;
    events[3].note.text = "";
    assert_int_equal(esp_store_append(store, events, 4, NULL), 0);
    assert_int_equal(esp_store_commit(store, NULL), 0);
    struct esp_reader *reader = open_reader(*state);
    assert_int_equal(esp_reader_totals(reader, &totals, NULL), 0);
    assert_int_equal(totals.full_cost_tokens, INT64_MAX);
    esp_reader_close(reader);
    esp_store_close(store);
}

static void an_error_in_a_statement_is_not_reported_as_a_disk_error(void **state)
{
    sqlite3 *db = NULL;
    struct esp_error error = {""};
    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    int rc =
        sqlite3_exec(db,
                     "SELECT sum(a) FROM (SELECT 9223372036854775807 AS a UNION ALL SELECT 1)",
                     NULL,
                     NULL,
                     NULL);
    assert_int_equal(rc, SQLITE_ERROR);
    assert_int_equal(esp_database_fail(db, rc, "study.db", "be read", &error), -EPROTO);
    assert_non_null(strstr(error.text, "integer overflow"));
    assert_null(strstr(error.text, "disk"));
    sqlite3_close(db);
}

/* Copies study.db without its -wal and -shm files. */
static void a_closed_ledger_is_one_file(void **state)
{
    char command[1024], other[320];
    struct esp_reader_totals totals;
    struct esp_store *store = fixture_create(*state);
    struct esp_event event = fixture_created(1, 0);
    struct esp_reader *reader = open_reader(*state);
    assert_int_equal(esp_reader_totals(reader, &totals, NULL), 0);
    assert_int_equal(esp_store_append(store, &event, 1, NULL), 0);
    assert_int_equal(esp_store_commit(store, NULL), 0);
    esp_store_close(store);
    snprintf(other, sizeof other, "%s/copy", (char *)*state);
    snprintf(command,
             sizeof command,
             "mkdir '%s' && cp '%s/study.db' '%s'",
             other,
             (char *)*state,
             other);
    assert_int_equal(system(command), 0);
    struct esp_reader *copy = open_reader(other);
    assert_int_equal(esp_reader_totals(copy, &totals, NULL), 0);
    assert_int_equal(totals.trials, 1);
    esp_reader_close(copy);
    esp_reader_close(reader);
}

struct seen {
    int count;
    int64_t trials[8];
    struct esp_reader_trial last;
};

static int see_trial(void *context, const struct esp_reader_trial *trial)
{
    struct seen *seen = context;
    seen->trials[seen->count++] = trial->trial;
    seen->last = *trial;
    assert_int_equal(trial->param_count, 4);
    assert_string_equal(trial->params[0].name, "learning_rate");
    assert_int_equal(trial->params[0].value.type, ESP_VALUE_REAL);
    assert_true(trial->params[0].value.real == 0.001);
    assert_string_equal(trial->params[1].name, "batch_size");
    assert_int_equal(trial->params[1].value.type, ESP_VALUE_INTEGER);
    assert_int_equal(trial->params[1].value.integer, 16);
    assert_int_equal(trial->params[2].value.integer, 4);
    assert_int_equal(trial->params[3].value.type, ESP_VALUE_TEXT);
    assert_string_equal(trial->params[3].value.text, "cosine");
    return 0;
}

static void a_trial_row_has_its_furthest_report(void **state)
{
    struct seen seen = {0};
    write_study(*state);
    struct esp_reader *reader = open_reader(*state);
    assert_int_equal(esp_reader_trial(reader, 0, see_trial, &seen, NULL), 0);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.last.state, ESP_TRIAL_COMPLETE);
    assert_int_equal(seen.last.cause, ESP_CAUSE_COMPLETE);
    assert_int_equal(seen.last.attempts, 2);
    assert_int_equal(seen.last.horizon, 3072);
    assert_int_equal(seen.last.until, 2048);
    assert_int_equal(seen.last.step, 3);
    assert_int_equal(seen.last.tokens, 3072);
    assert_true(seen.last.value == 2.5);
    assert_true(seen.last.finished);
    assert_int_equal(seen.last.checkpoint, 11);
    assert_int_equal(seen.last.ended_ms, 1018);
    assert_int_equal(esp_reader_trial(reader, 1, see_trial, &seen, NULL), 0);
    assert_true(seen.last.held);
    assert_int_equal(seen.last.checkpoint, -1);
    assert_int_equal(esp_reader_trial(reader, 2, see_trial, &seen, NULL), 0);
    assert_int_equal(seen.last.tokens, -1);
    assert_true(isnan(seen.last.value));
    assert_int_equal(esp_reader_trial(reader, 3, see_trial, &seen, NULL), -ENOENT);
    esp_reader_close(reader);
}

static void a_finished_trial_ranks_before_better_unfinished_ones(void **state)
{
    struct seen seen = {0}, all = {0};
    write_study(*state);
    struct esp_reader *reader = open_reader(*state);
    assert_int_equal(esp_reader_best(reader, 0, see_trial, &seen, NULL), 0);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.trials[0], 0);
    assert_int_equal(esp_reader_trials(reader, see_trial, &all, NULL), 0);
    assert_int_equal(all.count, 3);
    esp_reader_close(reader);
}

/* Seven trials with one report each: none finished, then some. */
static void write_values(const char *dir, bool maximize, bool finished)
{
    static struct esp_study study;
    static const double values[] = {3, NAN, 1, INFINITY, 2, 1, -INFINITY};
    struct esp_store_origin origin = {.base = "/"};
    struct esp_store *store = NULL;
    study = *fixture_study();
    study.maximize = maximize;
    assert_int_equal(esp_store_create(dir, &study, &origin, NULL, &store, NULL), 0);
    for (int i = 0; i < 7; i++) {
        struct esp_event pair[2] = {
            fixture_created(2 * (uint64_t)i + 1, i),
            fixture_report(2 * (uint64_t)i + 2, i, finished && i % 2 == 0 ? 4 : 3, values[i])};
        assert_int_equal(esp_store_append(store, pair, 2, NULL), 0);
    }
    assert_int_equal(esp_store_commit(store, NULL), 0);
    esp_store_close(store);
}

static void assert_best(const char *dir, int64_t limit, const int64_t *expected, int count)
{
    struct seen seen = {0};
    struct esp_reader *reader = open_reader(dir);
    assert_int_equal(esp_reader_best(reader, limit, see_trial, &seen, NULL), 0);
    assert_int_equal(seen.count, count);
    assert_memory_equal(seen.trials, expected, (size_t)count * sizeof *expected);
    esp_reader_close(reader);
}

static void repeats_are_not_ranked_as_settings(void **state)
{
    static struct esp_study study;
    struct esp_store_origin origin = {.base = "/"};
    struct esp_store *store = NULL;
    struct seen seen = {0};
    study = *fixture_study();
    assert_int_equal(esp_store_create(*state, &study, &origin, NULL, &store, NULL), 0);
    struct esp_event events[] = {fixture_created(1, 0),
                                 fixture_report(2, 0, 4, 3),
                                 fixture_created(3, 1),
                                 fixture_report(4, 1, 4, 2),
                                 fixture_created(5, 2),
                                 fixture_report(6, 2, 4, 1)};
    events[4].created.repeats = 0;
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        assert_int_equal(esp_store_append(store, &events[i], 1, NULL), 0);
    }
    assert_int_equal(esp_store_commit(store, NULL), 0);
    fixture_assert_holds(store, events, sizeof events / sizeof events[0]);
    esp_store_close(store);
    assert_best(*state, 0, (int64_t[]){1, 0}, 2);
    assert_int_equal(fixture_query(*state, "SELECT repeats FROM trial WHERE trial = 2"), 0);
    assert_int_equal(fixture_query(*state, "SELECT repeats IS NULL FROM trial WHERE trial = 1"),
                     1);
    struct esp_reader *reader = open_reader(*state);
    assert_int_equal(esp_reader_repeats(reader, see_trial, &seen, NULL), 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.trials[0], 0);
    assert_int_equal(seen.trials[1], 2);
    assert_int_equal(seen.last.repeats, 0);
    esp_reader_close(reader);
}

static void before_any_trial_finishes_last_values_are_ranked(void **state)
{
    write_values(*state, false, false);
    assert_best(*state, 0, (int64_t[]){2, 5, 4, 0}, 4);
    assert_best(*state, 2, (int64_t[]){2, 5}, 2);
}

static void a_maximized_metric_reverses_the_ranking(void **state)
{
    write_values(*state, true, false);
    assert_best(*state, 0, (int64_t[]){0, 4, 2, 5}, 4);
}

static void only_finished_trials_are_ranked_once_one_exists(void **state)
{
    write_values(*state, false, true);
    assert_best(*state, 0, (int64_t[]){2, 4, 0}, 3);
}

struct heard {
    int count;
    struct esp_event last;
    char text[64];
};

static int hear(void *context, const struct esp_event *event)
{
    struct heard *heard = context;
    heard->count++;
    heard->last = *event;
    snprintf(heard->text,
             sizeof heard->text,
             "%s",
             esp_event_text(event) ? esp_event_text(event) : "");
    return 0;
}

static void curves_are_ordered_and_keep_first_values(void **state)
{
    struct heard heard = {0};
    write_study(*state);
    struct esp_reader *reader = open_reader(*state);
    assert_int_equal(esp_reader_curves(reader, 0, hear, &heard, NULL), 0);
    assert_int_equal(heard.count, 3);
    assert_int_equal(heard.last.report.point.step, 3);
    heard.count = 0;
    assert_int_equal(esp_reader_curves(reader, -1, hear, &heard, NULL), 0);
    assert_int_equal(heard.count, 4);
    assert_int_equal(heard.last.trial, 1);
    assert_int_equal(
        fixture_query(*state, "SELECT value * 10 FROM report WHERE trial = 0 AND step = 2"),
        30);
    esp_reader_close(reader);
}

static void history_decodes_reasons(void **state)
{
    struct heard heard = {0};
    write_study(*state);
    struct esp_reader *reader = open_reader(*state);
    assert_int_equal(esp_reader_history(reader, 1, hear, &heard, NULL), 0);
    assert_int_equal(heard.count, 4); /* created, verdict, moved, note */
    assert_string_equal(heard.text, "looks good");
    heard.count = 0;
    assert_int_equal(esp_reader_events(reader, 19, hear, &heard, NULL), 0);
    assert_int_equal(heard.count, 5);
    heard.count = 0;
    assert_int_equal(esp_reader_tail(reader, 5, hear, &heard, NULL), 0);
    assert_int_equal(heard.count, 5);
    assert_int_equal(heard.last.seq, 24);
    assert_int_equal(
        fixture_query(*state, "SELECT data ->> 'rank' FROM event WHERE kind = 'verdict'"), 2);
    assert_int_equal(
        fixture_query(*state,
                      "SELECT data ->> 'rule' = 'asha-wait' FROM event WHERE kind = 'verdict'"),
        1);
    esp_reader_close(reader);
}

static int see_worker(void *context, const struct esp_reader_worker *worker)
{
    int *count = context;
    if (++*count == 1) {
        assert_true(worker->is_agent);
        assert_int_equal(worker->key, 11);
        assert_string_equal(worker->device, "cpu");
        assert_false(worker->exited);
    } else {
        assert_int_equal(worker->key, 0xabc);
        assert_int_equal(worker->agent, 11);
        assert_true(worker->exited);
        assert_int_equal(worker->signal, 9);
        assert_string_equal(worker->tail, "out of memory");
        assert_int_equal(worker->trial, 0);
    }
    return 0;
}

static int see_checkpoint(void *context, const struct esp_reader_checkpoint *checkpoint)
{
    ++*(int *)context;
    assert_int_equal(checkpoint->id, 11);
    assert_int_equal(checkpoint->saved.hash, 0xffff000000000001u);
    assert_string_equal(checkpoint->saved.path, "checkpoints/0/1-1024");
    return 0;
}

static int see_note(void *context, const struct esp_reader_note *note)
{
    ++*(int *)context;
    assert_int_equal(note->trial, 1);
    assert_string_equal(note->text, "looks good");
    return 0;
}

static void workers_checkpoints_and_notes_are_listed(void **state)
{
    int workers = 0, checkpoints = 0, notes = 0;
    write_study(*state);
    struct esp_reader *reader = open_reader(*state);
    assert_int_equal(esp_reader_workers(reader, see_worker, &workers, NULL), 0);
    assert_int_equal(esp_reader_checkpoints(reader, -1, see_checkpoint, &checkpoints, NULL), 0);
    assert_int_equal(esp_reader_notes(reader, see_note, &notes, NULL), 0);
    assert_int_equal(workers, 2);
    assert_int_equal(checkpoints, 1);
    assert_int_equal(notes, 1);
    esp_reader_close(reader);
}

static void a_dropped_checkpoint_is_not_listed(void **state)
{
    struct esp_store *store = NULL;
    struct esp_event event = {
        .seq = 25, .kind = ESP_EVENT_DROPPED, .trial = 0, .dropped.checkpoint = 11};
    int checkpoints = 0;
    write_study(*state);
    assert_int_equal(esp_store_open(*state, NULL, &store, NULL), 0);
    assert_int_equal(esp_store_append(store, &event, 1, NULL), 0);
    assert_int_equal(esp_store_commit(store, NULL), 0);
    esp_store_close(store);
    struct esp_reader *reader = open_reader(*state);
    assert_int_equal(esp_reader_checkpoints(reader, 0, see_checkpoint, &checkpoints, NULL), 0);
    assert_int_equal(checkpoints, 0);
    assert_int_equal(
        fixture_query(*state, "SELECT checkpoint IS NULL FROM trial WHERE trial = 0"), 1);
    esp_reader_close(reader);
}

static void a_snapshot_does_not_see_later_commits(void **state)
{
    struct esp_store *store = NULL;
    struct esp_event event = fixture_created(25, 3);
    struct esp_reader_totals totals;
    write_study(*state);
    struct esp_reader *reader = open_reader(*state);
    assert_int_equal(esp_store_open(*state, NULL, &store, NULL), 0);
    assert_int_equal(esp_store_bind(store, fixture_study(), NULL), 0);
    assert_int_equal(esp_reader_begin(reader, NULL), 0);
    assert_int_equal(esp_reader_totals(reader, &totals, NULL), 0);
    assert_int_equal(esp_store_append(store, &event, 1, NULL), 0);
    assert_int_equal(esp_store_commit(store, NULL), 0);
    assert_int_equal(esp_reader_totals(reader, &totals, NULL), 0);
    assert_int_equal(totals.trials, 3);
    esp_reader_end(reader);
    assert_int_equal(esp_reader_totals(reader, &totals, NULL), 0);
    assert_int_equal(totals.trials, 4);
    esp_store_close(store);
    esp_reader_close(reader);
}

static void a_reader_does_not_see_the_open_group(void **state)
{
    struct esp_store *store = fixture_create(*state);
    struct esp_event event = fixture_created(1, 0);
    struct esp_reader_totals totals;
    struct esp_reader *reader = open_reader(*state);
    assert_int_equal(esp_store_append(store, &event, 1, NULL), 0);
    assert_int_equal(esp_reader_totals(reader, &totals, NULL), 0);
    assert_int_equal(totals.trials, 0);
    esp_store_rollback(store);
    assert_int_equal(esp_store_seq(store), 0);
    esp_store_close(store);
    esp_reader_close(reader);
}

static void a_closed_ledger_in_a_read_only_folder_can_be_read(void **state)
{
    struct esp_reader_totals totals;
    write_study(*state);
    if (geteuid() == 0) {
        /* Root ignores permissions, so a child opens the ledger as the user nobody. */
        pid_t child = fork();
        if (child == 0) {
            struct esp_reader *reader = NULL;
            int rc = chmod(*state, 0555) || setuid(65534) ||
                     esp_reader_open(*state, &reader, NULL) ||
                     esp_reader_totals(reader, &totals, NULL) || totals.trials != 3;
            _exit(rc != 0);
        }
        int status = -1;
        assert_int_equal(chmod(*state, 0555), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        return;
    }
    assert_int_equal(chmod(*state, 0555), 0);
    struct esp_reader *reader = open_reader(*state);
    assert_int_equal(esp_reader_totals(reader, &totals, NULL), 0);
    assert_int_equal(totals.trials, 3);
    esp_reader_close(reader);
}

static void an_empty_folder_has_no_study(void **state)
{
    struct esp_reader *reader = NULL;
    struct esp_error error;
    assert_int_equal(esp_reader_open(*state, &reader, &error), -ENOENT);
    assert_non_null(strstr(error.text, *state));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        WITH_DIR(the_study_row_holds_what_it_was_created_with),
        WITH_DIR(a_study_runs_only_while_its_lock_is_held),
        WITH_DIR(totals_include_repeated_training),
        WITH_DIR(totals_of_trials_without_a_horizon_do_not_overflow),
        WITH_DIR(totals_saturate),
        cmocka_unit_test(an_error_in_a_statement_is_not_reported_as_a_disk_error),
        WITH_DIR(a_closed_ledger_is_one_file),
        WITH_DIR(a_trial_row_has_its_furthest_report),
        WITH_DIR(a_finished_trial_ranks_before_better_unfinished_ones),
        WITH_DIR(repeats_are_not_ranked_as_settings),
        WITH_DIR(before_any_trial_finishes_last_values_are_ranked),
        WITH_DIR(a_maximized_metric_reverses_the_ranking),
        WITH_DIR(only_finished_trials_are_ranked_once_one_exists),
        WITH_DIR(curves_are_ordered_and_keep_first_values),
        WITH_DIR(history_decodes_reasons),
        WITH_DIR(workers_checkpoints_and_notes_are_listed),
        WITH_DIR(a_dropped_checkpoint_is_not_listed),
        WITH_DIR(a_snapshot_does_not_see_later_commits),
        WITH_DIR(a_reader_does_not_see_the_open_group),
        WITH_DIR(a_closed_ledger_in_a_read_only_folder_can_be_read),
        WITH_DIR(an_empty_folder_has_no_study),
    };
    return cmocka_run_group_tests_name("store reader", tests, NULL, NULL);
}
