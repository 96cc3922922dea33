/* What a trial has spent, where checkpoints lie beyond the last report: the core's count, and
 * the ledger's of the same events. */
#include "driver.h"

#include "../../../controller/store/reader.h"
#include "../../../controller/store/store.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct driver d;

/* Another trial keeps the study going while the first is held. */
static void set_up(void)
{
    struct esp_study study;
    driver_study(&study, 2);
    driver_begin(&d, &study);
    driver_open(&d, 2);
}

/* Folds the log into a ledger of its own. */
static struct esp_reader_totals in_the_ledger(void)
{
    char dir[] = "/tmp/espalier-spent-XXXXXX", command[64];
    const struct esp_store_origin origin = {.file = "", .base = "", .nonce = NONCE};
    struct esp_reader_totals totals;
    struct esp_store *store = NULL;
    struct esp_reader *reader = NULL;
    struct esp_error error = {""};
    assert_non_null(mkdtemp(dir));
    strcpy(d.study.name, "spent");
    strcpy(d.study.metric, "val_loss");
    d.study.source = (char *)"";
    if (esp_store_create(dir, &d.study, &origin, NULL, &store, &error) < 0 ||
        esp_store_append(store, d.log, d.logged, &error) < 0 ||
        esp_store_commit(store, &error) < 0) {
        fail_msg("%s", error.text);
    }
    esp_store_close(store);
    if (esp_reader_open(dir, &reader, &error) < 0 ||
        esp_reader_totals(reader, &totals, &error) < 0) {
        fail_msg("%s", error.text);
    }
    esp_reader_close(reader);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
    return totals;
}

static void expect_spent(int64_t steps)
{
    struct esp_core_totals ours = esp_core_totals(d.core);
    struct esp_reader_totals theirs = in_the_ledger();
    assert_int_equal(ours.spent_tokens, steps * 40);
    assert_true(fabs(ours.device_seconds - (double)steps) < 1e-9);
    assert_int_equal(driver_trial(&d, 0).spent_tokens, steps * 40);
    assert_int_equal(theirs.spent_tokens, ours.spent_tokens);
    assert_true(fabs(theirs.device_seconds - ours.device_seconds) < 1e-9);
}

static void pause_at(int64_t step)
{
    driver_command(&d, 1 + (uint64_t)step, ESP_VERB_PAUSE, 0);
    driver_expect(&d, 0, ESP_TRIAL_PAUSING);
    driver_saved(&d, 0, step);
    driver_released(&d, 0);
    driver_expect(&d, 0, ESP_TRIAL_PAUSED);
}

static void steps_saved_beyond_the_last_report_are_spent(void **state)
{
    (void)state;
    set_up();
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 10, 4, false);
    pause_at(17);
    expect_spent(17);
    driver_command(&d, 90, ESP_VERB_CONTINUE, 0);
    driver_started(&d, 0, 17 * 40);
    driver_report(&d, 0, 20, 3, false);
    expect_spent(20);
    driver_end(&d);
}

static void a_trial_that_never_reports_before_it_is_paused_spends_all_the_same(void **state)
{
    (void)state;
    set_up();
    driver_started(&d, 0, 0);
    pause_at(3);
    driver_command(&d, 90, ESP_VERB_CONTINUE, 0);
    driver_started(&d, 0, 3 * 40);
    pause_at(6);
    expect_spent(6);
    driver_end(&d);
}

static void what_is_trained_again_after_a_crash_is_spent_again(void **state)
{
    (void)state;
    set_up();
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 10, 4, false);
    driver_saved(&d, 0, 15);
    driver_report(&d, 0, 20, 3, false);
    driver_exited(&d, driver_trial(&d, 0).process, -1, 9);
    driver_greet(&d);
    driver_started(&d, 0, 15 * 40);
    pause_at(18); /* before the furthest report */
    expect_spent(20 + 3);
    driver_command(&d, 90, ESP_VERB_CONTINUE, 0);
    driver_started(&d, 0, 18 * 40);
    driver_report(&d, 0, 30, 3, false);
    expect_spent(20 + 3 + 12);
    driver_end(&d);
}

static void a_checkpoint_beyond_the_last_report_lets_a_pause_go_at_once(void **state)
{
    (void)state;
    set_up();
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 10, 4, false);
    driver_saved(&d, 0, 15);
    driver_command(&d, 1, ESP_VERB_PAUSE, 0);
    driver_released(&d, 0);
    driver_expect(&d, 0, ESP_TRIAL_PAUSED);
    assert_int_equal(driver_recorded(&d, ESP_EVENT_MOVED), 1);
    driver_end(&d);
}

static void a_report_beyond_the_checkpoint_asks_for_another(void **state)
{
    (void)state;
    set_up();
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 10, 4, false);
    driver_saved(&d, 0, 15);
    driver_report(&d, 0, 20, 4, false);
    driver_command(&d, 1, ESP_VERB_PAUSE, 0);
    driver_released(&d, 0);
    /* A lost attempt, by way of QUEUED. */
    assert_int_equal(driver_recorded(&d, ESP_EVENT_MOVED), 3);
    driver_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_saved_beyond_the_last_report_are_spent),
        cmocka_unit_test(a_trial_that_never_reports_before_it_is_paused_spends_all_the_same),
        cmocka_unit_test(what_is_trained_again_after_a_crash_is_spent_again),
        cmocka_unit_test(a_checkpoint_beyond_the_last_report_lets_a_pause_go_at_once),
        cmocka_unit_test(a_report_beyond_the_checkpoint_asks_for_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
