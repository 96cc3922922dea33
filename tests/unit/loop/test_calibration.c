/* Which finished studies a new study calibrates on. */
#include "loop/calibration.h"

#include "../scratch.h"
#include "store/store.h"
#include "study/study.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct scratch root;
static int seeds;

/* A study with a grid of 12 points. `repeats` keeps half of run_cap, or of the trainings in the
 * budget, for repeats; at most three. */
static struct esp_study *
read_planned(const char *method, const char *limit, int count, int repeats)
{
    char text[1024];
    struct esp_error error = {""};
    struct esp_study *study = NULL;
    snprintf(text,
             sizeof text,
             "name: hand\nseed: %d\nmethod: %s\n%s%d%s\n"
             "metric: {name: val_loss, goal: minimize}\n"
             "parameters:\n"
             "  learning_rate: {values: [1e-4, 3e-4, 1e-3, 3e-3]}\n"
             "  batch_size: {values: [4, 8, 16]}\n"
             "early_terminate: {type: asha, eta: 2, risk: 0.5, repeats: %d}\n"
             "trainer: {data: text.txt, tokens: 400, model: {layers: 1, width: 16, heads: 2, "
             "context: 8}}\n",
             seeds++,
             method,
             limit,
             count,
             strchr(limit, '{') ? "00}" : "",
             repeats);
    if (esp_study_read_text(text, "hand.yaml", root.path, &study, NULL, &error) < 0) {
        fail_msg("%s", error.text);
    }
    return study;
}

static struct esp_study *read_study(const char *method, int run_cap, int repeats)
{
    return read_planned(method, "run_cap: ", run_cap, repeats);
}

/* A study with a budget in quarters of a training. */
static struct esp_study *read_budget(int quarters, int repeats)
{
    return read_planned("random", "budget: {tokens: ", quarters, repeats);
}

/* Records a study that has ended with a score. */
static void finish_as(const char *folder, struct esp_study *study, enum esp_scored scored)
{
    char dir[128];
    struct esp_error error = {""};
    struct esp_store *store = NULL;
    const struct esp_store_origin origin = {
        .file = "hand.yaml", .base = root.path, .nonce = 7, .time_ms = 5};
    const struct esp_store_options unsafe = {.unsafe = true};
    const struct esp_event ended = {
        .kind = ESP_EVENT_ENDED,
        .seq = 1,
        .time_ms = 9,
        .trial = -1,
        .ended = {
            .state = ESP_STUDY_COMPLETE, .scored = true, .scored_by = scored, .score = 2}};
    int fd = -1;
    snprintf(dir, sizeof dir, "%s/%s", root.path, folder);
    if (esp_store_lock(dir, &fd, &error) < 0 ||
        esp_store_create(dir, study, &origin, &unsafe, &store, &error) < 0 ||
        esp_store_append(store, &ended, 1, &error) < 0 || esp_store_commit(store, &error) < 0) {
        fail_msg("%s", error.text);
    }
    close(fd);
    esp_store_close(store);
    esp_study_destroy(study);
}

static void finish(const char *folder, struct esp_study *study)
{
    finish_as(folder, study, ESP_SCORED_SEEDS);
}

/* Whether `study` calibrates on the one in `folder`, its only neighbour. */
static bool uses(const char *folder, struct esp_study *study)
{
    char dir[128];
    struct esp_calibration found;
    struct esp_error error = {""};
    snprintf(
        dir, sizeof dir, "%s/%.*s/new", root.path, (int)(strchr(folder, '/') - folder), folder);
    if (esp_calibration_gather(study, dir, "hand.yaml", root.path, &found, &error) < 0) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(found.examined_count, 1);
    bool used = found.count == 1;
    esp_calibration_release(&found);
    esp_study_destroy(study);
    return used;
}

static void make_folder(const char *name)
{
    char dir[128];
    snprintf(dir, sizeof dir, "%s/%s", root.path, name);
    assert_int_equal(mkdir(dir, 0700), 0);
}

static void without_repeats_plans_are_compared_in_trials(void **state)
{
    (void)state;
    make_folder("plain");
    finish("plain/a", read_study("random", 10, 0));
    assert_true(uses("plain/a", read_study("random", 10, 0)));
    assert_true(uses("plain/a", read_study("random", 11, 0)));
    assert_false(uses("plain/a", read_study("random", 12, 0)));
    assert_true(uses("plain/a", read_study("random", 5, 0)));
    assert_false(uses("plain/a", read_study("random", 4, 0)));
}

static void studies_with_and_without_repeats_are_not_compared(void **state)
{
    (void)state;
    make_folder("mixed");
    finish("mixed/a", read_study("random", 10, 1));
    assert_false(uses("mixed/a", read_study("random", 10, 0)));
    assert_false(uses("mixed/a", read_study("random", 7, 0)));
}

/* A score counts rivals, and repeats are not rivals: 15 trials of a grid of 12 are 12 settings,
 * 12 trials may be 9 settings. */
static void trials_kept_for_repeats_are_not_rivals(void **state)
{
    (void)state;
    make_folder("grid");
    finish("grid/a", read_study("grid", 12, 1));
    assert_true(uses("grid/a", read_study("grid", 12, 1)));
    assert_false(uses("grid/a", read_study("grid", 15, 1)));
    make_folder("whole");
    finish("whole/a", read_study("grid", 15, 1));
    assert_true(uses("whole/a", read_study("grid", 15, 1)));
    assert_true(uses("whole/a", read_study("grid", 12, 1)));
    /* Of three trials none is kept for repeats, of four two are. */
    make_folder("few");
    finish("few/a", read_study("random", 4, 1));
    assert_true(uses("few/a", read_study("random", 4, 1)));
    assert_false(uses("few/a", read_study("random", 3, 1)));
}

/* The best trial by a single seed may differ from the best over all seeds. Whether a study had
 * repeats must not decide whether its score is used. */
static void an_older_score_is_used_only_where_no_repeats_are_possible(void **state)
{
    (void)state;
    make_folder("older");
    finish_as("older/a", read_study("random", 10, 1), ESP_SCORED_SINGLE);
    assert_false(uses("older/a", read_study("random", 10, 1)));
    make_folder("single");
    finish_as("single/a", read_study("random", 10, 0), ESP_SCORED_SINGLE);
    assert_true(uses("single/a", read_study("random", 10, 0)));
}

/* A score depends on where trials lie, and older versions of bayes started elsewhere. */
static void an_older_score_of_bayes_is_not_used(void **state)
{
    (void)state;
    make_folder("bayes");
    finish_as("bayes/a", read_study("bayes", 10, 0), ESP_SCORED_SINGLE);
    assert_false(uses("bayes/a", read_study("bayes", 10, 0)));
    make_folder("newer");
    finish("newer/a", read_study("bayes", 10, 0));
    assert_true(uses("newer/a", read_study("bayes", 10, 0)));
}

/* Ten trainings are seven settings, and nine are six, which is more than a tenth fewer. */
static void trainings_kept_for_repeats_are_not_rivals(void **state)
{
    (void)state;
    make_folder("budget");
    finish("budget/a", read_budget(36, 1));
    assert_true(uses("budget/a", read_budget(36, 1)));
    assert_false(uses("budget/a", read_budget(40, 1)));
    make_folder("spent");
    finish("spent/a", read_budget(36, 0));
    assert_true(uses("spent/a", read_budget(40, 0)));
}

static int make_root(void **state)
{
    (void)state;
    root = scratch_make();
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    scratch_remove(&root);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_repeats_plans_are_compared_in_trials),
        cmocka_unit_test(studies_with_and_without_repeats_are_not_compared),
        cmocka_unit_test(trials_kept_for_repeats_are_not_rivals),
        cmocka_unit_test(trainings_kept_for_repeats_are_not_rivals),
        cmocka_unit_test(an_older_score_is_used_only_where_no_repeats_are_possible),
        cmocka_unit_test(an_older_score_of_bayes_is_not_used),
    };
    return cmocka_run_group_tests_name("loop/calibration", tests, make_root, remove_root);
}
