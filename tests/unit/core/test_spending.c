/* Spent tokens and device seconds when checkpoints follow the last report, as the core and the
 * ledger count them from the same events. */
#include "driver.h"

#include "../../../controller/store/reader.h"
#include "../../../controller/store/store.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct driver d;

/* Another trial keeps the study running while the first is held. */
static void set_up(void)
{
    struct esp_study study;
    driver_study(&study, 2);
    driver_begin(&d, &study);
    driver_open(&d, 2);
}

/* Writes the log to a new ledger. */
static struct esp_reader_totals totals_of_the_ledger(void)
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
    struct esp_reader_totals theirs = totals_of_the_ledger();
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

static void steps_saved_after_the_last_report_are_spent(void **state)
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

static void a_trial_paused_before_its_first_report_has_spent_tokens(void **state)
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

static void steps_retrained_after_a_crash_are_spent_again(void **state)
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

/* Each attempt is killed before it brings a new point or a checkpoint. */
static void steps_that_are_reported_again_are_spent_at_once(void **state)
{
    (void)state;
    set_up();
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 10, 4, false);
    driver_report(&d, 0, 20, 3, false);
    for (int i = 1; i <= 2; i++) {
        driver_exited(&d, driver_trial(&d, 0).process, -1, 9);
        driver_greet(&d);
        driver_started(&d, 0, 0);
        driver_report(&d, 0, 10, 4, false);
        assert_int_equal(driver_recorded(&d, ESP_EVENT_REPORT), 0);
        expect_spent(20 * i + 10);
        driver_report(&d, 0, 20, 4, false);
        expect_spent(20 * i + 20);
    }
    assert_true(driver_trial(&d, 0).value == 3);
    driver_report(&d, 0, 30, 2, false);
    expect_spent(70);
    driver_end(&d);
}

static void a_checkpoint_after_the_last_report_completes_a_pause(void **state)
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

static void a_report_after_the_checkpoint_requires_another_one(void **state)
{
    (void)state;
    set_up();
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 10, 4, false);
    driver_saved(&d, 0, 15);
    driver_report(&d, 0, 20, 4, false);
    driver_command(&d, 1, ESP_VERB_PAUSE, 0);
    driver_released(&d, 0);
    /* The attempt is lost: STOPPING, QUEUED, PAUSED. */
    assert_int_equal(driver_recorded(&d, ESP_EVENT_MOVED), 3);
    driver_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_saved_after_the_last_report_are_spent),
        cmocka_unit_test(a_trial_paused_before_its_first_report_has_spent_tokens),
        cmocka_unit_test(steps_retrained_after_a_crash_are_spent_again),
        cmocka_unit_test(steps_that_are_reported_again_are_spent_at_once),
        cmocka_unit_test(a_checkpoint_after_the_last_report_completes_a_pause),
        cmocka_unit_test(a_report_after_the_checkpoint_requires_another_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
