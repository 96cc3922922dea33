/* A recorded study as a table: every way that a record can end, and studies that cannot be
 * replayed. */
#include "replay/recorded_path.h"
#include "replay/recorded_study.h"
#include "store/store.h"
#include "study/study.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../near.h"

static char root[] = "/tmp/espalier-recorded-XXXXXX";
static char dir[64];
static int made;

static const char source[] =
    "name: hand\nmethod: random\nrun_cap: 9\n"
    "parameters:\n"
    "  learning_rate: {distribution: log_uniform_values, min: 1e-4, max: 1e-2}\n"
    "  batch_size: {values: [2, 4, 32]}\n"
    "  clip: {values: [1, 2]}\n"
    "  schedule.type: {values: [cosine, linear]}\n"
    "early_terminate: {type: none}\n";
static const char trainer[] =
    "metric: {name: val_loss, goal: minimize}\n"
    "trainer: {data: text.txt, tokens: 400, model: {layers: 1, width: 16, heads: 2, "
    "context: 8}}\n";
/* `maximize`: the study of a user's program, whose metric is maximised. */
static const char program[] = "metric: {name: accuracy, goal: maximize}\nprogram: train.py\n";

struct ledger {
    struct esp_study *study;
    struct esp_store *store;
    uint64_t seq;
};

/* Begins a ledger in a new folder. */
static struct ledger begin(bool maximize)
{
    struct ledger l = {0};
    struct esp_error error = {""};
    char text[1024];
    const struct esp_store_origin origin = {
        .file = "hand.yaml", .base = "/studies", .nonce = 7, .time_ms = 5};
    snprintf(dir, sizeof dir, "%s/%d", root, made++);
    snprintf(text, sizeof text, "%s%s", source, maximize ? program : trainer);
    const struct esp_store_options unsafe = {.unsafe = true};
    int fd;
    if (esp_study_read_text(text, "hand.yaml", "/studies", &l.study, NULL, &error) < 0 ||
        esp_store_lock(dir, &fd, &error) < 0 ||
        esp_store_create(dir, l.study, &origin, &unsafe, &l.store, &error) < 0) {
        fail_msg("%s", error.text);
    }
    close(fd);
    return l;
}

static void record(struct ledger *l, struct esp_event event)
{
    struct esp_error error = {""};
    event.seq = ++l->seq;
    event.time_ms = 1000 + (int64_t)l->seq;
    event.attempt = event.attempt ? event.attempt : 1;
    if (esp_store_append(l->store, &event, 1, &error) < 0) {
        fail_msg("%s", error.text);
    }
}

static void create(struct ledger *l, int64_t trial, int64_t horizon)
{
    /* The reader orders parameters by name. */
    double values[] = {(double)(trial % 3), 1, 1e-4 * pow(10, (double)trial / 4), 0};
    record(
        l,
        (struct esp_event){
            .kind = ESP_EVENT_CREATED,
            .trial = trial,
            .created = {.horizon = horizon, .seed = 1, .repeats = -1, .values = {values, 4}}});
}

static void move(struct ledger *l,
                 int64_t trial,
                 enum esp_trigger trigger,
                 enum esp_trial_state from,
                 enum esp_trial_state to,
                 enum esp_cause cause)
{
    record(l,
           (struct esp_event){
               .kind = ESP_EVENT_MOVED,
               .trial = trial,
               .moved = {.trigger = trigger, .from = from, .to = to, .cause = cause}});
}

static void report(struct ledger *l, int64_t trial, int64_t step, double seconds, double value)
{
    record(l,
           (struct esp_event){.kind = ESP_EVENT_REPORT,
                              .trial = trial,
                              .sequence = (uint64_t)step,
                              .report.point = {.step = step,
                                               .tokens = step * 100,
                                               .device_seconds = seconds,
                                               .value = value,
                                               .train_loss = value}});
}

static void end(struct ledger *l, int64_t trial, enum esp_trial_state to, enum esp_cause cause)
{
    move(l, trial, ESP_TRIGGER_RELEASED, ESP_TRIAL_STOPPING, to, cause);
}

static void commit(struct ledger *l)
{
    struct esp_error error = {""};
    if (l->store && esp_store_commit(l->store, &error) < 0) {
        fail_msg("%s", error.text);
    }
}

static void finish(struct ledger *l)
{
    commit(l);
    esp_store_close(l->store);
    esp_study_destroy(l->study);
}

/* Seven trials: 0 and 6 complete, 1 paused half way, 2 diverged, 3 failed, 4 without a report,
 * 5 in training. */
static struct ledger write_all(bool maximize)
{
    struct ledger l = begin(maximize);
    double sign = maximize ? -1 : 1;
    for (int64_t t = 0; t < 7; t++) {
        create(&l, t, t == 6 ? 384 : 400);
        if (t != 4) {
            move(&l,
                 t,
                 ESP_TRIGGER_STARTED,
                 ESP_TRIAL_ASSIGNED,
                 ESP_TRIAL_RUNNING,
                 ESP_CAUSE_NONE);
        }
    }
    report(&l, 0, 1, 1, sign * 5);
    report(&l, 0, 2, 2, sign * 4);
    report(&l, 1, 1, 1, sign * 4);
    report(&l, 0, 3, 1.75, sign * 3.5); /* repeated from a checkpoint, on a faster host */
    report(&l, 0, 4, 2.5, sign * 3);
    report(&l, 1, 2, 2, sign * 3.2);
    report(&l, 2, 1, 1, sign * 6);
    report(&l, 2, 2, 2, NAN);
    report(&l, 3, 1, 1, sign * 5.5);
    report(&l, 5, 0, 0, sign * 7); /* before the first update: not a point */
    report(&l, 5, 1, 1, sign * 4.5);
    report(&l, 5, 2, 2, sign * 4.2);
    record(&l,
           (struct esp_event){.kind = ESP_EVENT_REPORT,
                              .trial = 6,
                              .sequence = 1,
                              .report.point = {.step = 6, .tokens = 384, .value = sign * 3.6}});
    end(&l, 0, ESP_TRIAL_COMPLETE, ESP_CAUSE_COMPLETE);
    end(&l, 6, ESP_TRIAL_COMPLETE, ESP_CAUSE_COMPLETE);
    move(&l, 1, ESP_TRIGGER_RELEASED, ESP_TRIAL_PAUSING, ESP_TRIAL_PAUSED, ESP_CAUSE_NONE);
    end(&l, 2, ESP_TRIAL_PRUNED, ESP_CAUSE_DIVERGED);
    end(&l, 3, ESP_TRIAL_FAILED, ESP_CAUSE_FAILED);
    return l;
}

static void check_all(const struct esp_table *table)
{
    static const enum esp_table_end ends[] = {ESP_TABLE_COMPLETE,
                                              ESP_TABLE_CENSORED,
                                              ESP_TABLE_DIVERGED,
                                              ESP_TABLE_FAILED,
                                              ESP_TABLE_CENSORED,
                                              ESP_TABLE_COMPLETE};
    static const uint32_t first[] = {0, 4, 6, 8, 9, 11, 12};
    static const double losses[] = {5, 4, 3.5, 3, 4, 3.2, 6, NAN, 5.5, 4.5, 4.2, 3.6};
    static const int trials[] = {0, 1, 2, 3, 5, 6}; /* of the study */
    static const double octaves[] = {0, 0.25, 1};   /* 2, 4, 32 */
    assert_string_equal(table->name, "hand");
    assert_int_equal(table->horizon, 400);
    assert_int_equal(table->trial_count, 6);
    assert_int_equal(table->left_out, 1);
    assert_int_equal(table->censored, 2);
    assert_int_equal(table->best, 0);
    assert_memory_equal(table->first, first, sizeof first);
    for (uint32_t t = 0; t < 6; t++) {
        assert_int_equal(table->ends[t], ends[t]);
        assert_int_equal(table->horizons[t], t == 5 ? 384 : 400);
        const double *place = &table->place[t * 4];
        assert_near(place[2], trials[t] / 8.0, 1e-12); /* of two decades */
        assert_near(place[0], octaves[trials[t] % 3], 1e-12);
        assert_true(place[1] == 1 && place[3] == 0);
        assert_true(table->drawn[t * 4] == trials[t] % 3);
    }
    for (int i = 0; i < 12; i++) {
        double loss = table->points[i].loss;
        assert_true(loss == losses[i] || (isnan(loss) && isnan(losses[i])));
        assert_int_equal(table->points[i].cost, table->points[i].tokens);
    }
    assert_true(table->points[2].seconds == 2); /* they never fall */
    assert_true(table->points[3].seconds == 2.5);
    assert_true(esp_table_final(table, 1) == INFINITY);
    assert_true(esp_table_final_bound(table, 1) == 3.2);
    assert_true(esp_table_final_bound(table, 2) == INFINITY);
    assert_true(esp_table_worst(table) == 4.2);
}

static void a_record_ends_as_its_trial_did(void **state)
{
    (void)state;
    for (int maximize = 0; maximize < 2; maximize++) {
        struct ledger l = write_all(maximize);
        struct esp_table table;
        struct esp_study *study;
        struct esp_error error = {""};
        char path[128];
        finish(&l);
        if (esp_recorded_study_read(dir, &table, &error) < 0) {
            fail_msg("%s", error.text);
        }
        check_all(&table);
        assert_int_equal(esp_table_study(&table, &study, &error), 0);
        assert_true(study->abilities.settings_known == !maximize);
        assert_true(maximize || study->trainer.width == 16);
        assert_int_equal(study->trainer.report_every, 100);
        assert_int_equal(study->param_count, 4);
        assert_string_equal(study->params[3].choices[1].text, "linear");
        assert_true(study->run_cap == 0 && !study->maximize);
        esp_study_destroy(study);
        esp_table_release(&table);
        snprintf(path, sizeof path, "%s/study.db", dir);
        assert_true(esp_recorded_path_is_study(path));
        assert_int_equal(esp_recorded_study_read(path, &table, &error), 0);
        esp_table_release(&table);
    }
}

static void a_study_is_read_while_it_is_written(void **state)
{
    (void)state;
    struct ledger l = write_all(false);
    struct esp_table table;
    struct esp_error error = {""};
    commit(&l);
    report(&l, 5, 3, 3, 4.0); /* not committed, so not visible yet */
    assert_int_equal(esp_recorded_study_read(dir, &table, &error), 0);
    check_all(&table);
    esp_table_release(&table);
    commit(&l);
    assert_int_equal(esp_recorded_study_read(dir, &table, &error), 0);
    assert_int_equal(table.first[5] - table.first[4], 3);
    esp_table_release(&table);
    finish(&l);
}

static void refused(const char *path, int code, const char *words)
{
    struct esp_table table;
    struct esp_error error = {""};
    int rc = esp_recorded_study_read(path, &table, &error);
    if (rc != code || !strstr(error.text, words)) {
        fail_msg("%d, %s", rc, error.text);
    }
}

static void errors_say_why_a_study_cannot_be_replayed(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/none", root);
    refused(path, -ENOENT, "there is no study here");
    assert_false(esp_recorded_path_is_study(path));
    assert_true(esp_recorded_path_is_study(root));
    refused(root, -ENOENT, "no study.db");

    struct ledger l = begin(false);
    create(&l, 0, 400);
    finish(&l);
    refused(dir, -EINVAL, "no trial has reported yet");

    l = begin(false);
    create(&l, 0, 400);
    report(&l, 0, 1, 1, 5);
    finish(&l);
    refused(dir, -EINVAL, "none of its 1 trials with reports has reached its horizon");

    l = begin(false);
    create(&l, 0, 400);
    create(&l, 1, 200);
    report(&l, 0, 4, 1, 5);
    report(&l, 1, 2, 1, 5);
    finish(&l);
    refused(dir, -EINVAL, "trial 1 trains to 200 tokens, but the study's horizon is 400");

    snprintf(path, sizeof path, "%s/copy.db", root);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fwrite("SQLite format 3", 1, 16, file);
    fclose(file);
    assert_true(esp_recorded_path_is_study(path));
    refused(path, -EINVAL, "give the folder");
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int drop_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void execute(const char *sql)
{
    char path[128];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/study.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TRIGGER IF EXISTS event_is_never_changed", 0, 0, 0),
                     SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    sqlite3_close(db);
}

/* What a file holds never meets an assertion of the search. */
static void a_ledger_that_contradicts_itself_is_refused(void **state)
{
    static const char *const damage[] = {
        "UPDATE report SET tokens = 400 WHERE trial = 1 AND step = 1",
        "UPDATE report SET tokens = 900 WHERE trial = 0 AND step = 4",
        "DELETE FROM report WHERE trial = 0 AND step >= 3",
        "UPDATE trial SET tokens = 400 WHERE trial = 1",
        "UPDATE trial SET tokens = NULL WHERE trial = 1",
        "UPDATE trial SET horizon = 300 WHERE trial = 0",
        "UPDATE event SET data = json_set(data, '$.values[0]', 'NaN') WHERE trial = 1 AND "
        "kind = 'created'",
        "UPDATE event SET data = json_set(data, '$.values[0]', 3) WHERE trial = 1 AND "
        "kind = 'created'",
        "UPDATE event SET data = json_set(data, '$.values[1]', -1) WHERE trial = 1 AND "
        "kind = 'created'",
        "UPDATE event SET data = json_set(data, '$.values[2]', 'Infinity') WHERE trial = 1 "
        "AND kind = 'created'",
    };
    (void)state;
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        struct esp_error error = {""};
        struct esp_table table;
        struct ledger l = write_all(false);
        finish(&l);
        assert_int_equal(esp_recorded_study_read(dir, &table, &error), 0);
        esp_table_release(&table);
        execute(damage[i]);
        int rc = esp_recorded_study_read(dir, &table, &error);
        if (rc != -EBADMSG || !strstr(error.text, "damaged")) {
            fail_msg("%d \"%s\" after: %s", rc, error.text, damage[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_ends_as_its_trial_did),
        cmocka_unit_test(a_study_is_read_while_it_is_written),
        cmocka_unit_test(errors_say_why_a_study_cannot_be_replayed),
        cmocka_unit_test(a_ledger_that_contradicts_itself_is_refused),
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
