/* Studies in which every trial fails before its first report. */
#include "driver.h"

#include <errno.h>
#include <espalier/limits.h>
#include <string.h>

static struct driver d;

static void set_up(enum esp_scheduler_type type, uint32_t slots)
{
    struct esp_study study;
    driver_study(&study, 0);
    study.stopping.type = type;
    driver_begin(&d, &study);
    driver_open(&d, slots);
}

static void fail_trial(uint32_t trial)
{
    driver_started(&d, trial, 0);
    driver_failed(&d, trial, -EIO, false);
    driver_released(&d, trial);
    driver_expect(&d, trial, ESP_TRIAL_FAILED);
}

static const char *note(void)
{
    for (size_t i = d.logged; i > 0; i--) {
        if (d.log[i - 1].kind == ESP_EVENT_NOTE) {
            return d.log[i - 1].note.text;
        }
    }
    return NULL;
}

static void expect_end(void)
{
    assert_int_equal(esp_core_totals(d.core).state, ESP_STUDY_COMPLETE);
    assert_int_equal(esp_core_totals(d.core).exit_code, 3);
    assert_int_equal(driver_logged(&d, ESP_EVENT_NOTE), 1);
    assert_non_null(strstr(note(), "it broke"));
}

static void a_study_ends_when_every_trial_fails(void **state)
{
    (void)state;
    static const enum esp_scheduler_type types[] = {
        ESP_SCHEDULER_NONE, ESP_SCHEDULER_ASHA, ESP_SCHEDULER_HYPERBAND};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        set_up(types[i], 1);
        for (uint32_t k = 0; k < ESP_FAILED_FIRST_MAX; k++) {
            assert_int_equal(esp_core_trial_count(d.core), k + 1);
            fail_trial(k);
        }
        assert_int_equal(esp_core_trial_count(d.core), ESP_FAILED_FIRST_MAX);
        expect_end();
        driver_end(&d);
    }
}

static void a_running_trial_may_still_report(void **state)
{
    (void)state;
    set_up(ESP_SCHEDULER_NONE, 2);
    fail_trial(0);
    driver_started(&d, 1, 0);
    for (uint32_t k = 2; k <= ESP_FAILED_FIRST_MAX; k++) {
        fail_trial(k);
    }
    assert_int_equal(esp_core_trial_count(d.core), ESP_FAILED_FIRST_MAX + 1);
    assert_int_equal(esp_core_totals(d.core).state, ESP_STUDY_RUNNING);
    driver_report(&d, 1, 0, 5, false);
    assert_int_equal(esp_core_trial_count(d.core), ESP_FAILED_FIRST_MAX + 2);
    driver_end(&d);
}

static void after_one_report_failures_do_not_end_the_study(void **state)
{
    (void)state;
    set_up(ESP_SCHEDULER_NONE, 1);
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 0, 5, false);
    driver_failed(&d, 0, -EIO, false);
    driver_released(&d, 0);
    for (uint32_t k = 1; k < 2 * ESP_FAILED_FIRST_MAX; k++) {
        fail_trial(k);
    }
    assert_int_equal(esp_core_trial_count(d.core), 2 * ESP_FAILED_FIRST_MAX + 1);
    driver_end(&d);
}

static void a_reopened_study_tries_again(void **state)
{
    (void)state;
    set_up(ESP_SCHEDULER_NONE, 1);
    for (uint32_t k = 0; k < ESP_FAILED_FIRST_MAX; k++) {
        fail_trial(k);
    }
    expect_end();
    uint64_t key = driver_find(&d, ESP_MESSAGE_KILL)->kill.key;
    driver_exited(&d, key, 0, 15);
    driver_reload(&d);
    driver_open(&d, 1);
    assert_int_equal(esp_core_totals(d.core).state, ESP_STUDY_RUNNING);
    fail_trial(ESP_FAILED_FIRST_MAX);
    assert_int_equal(esp_core_trial_count(d.core), ESP_FAILED_FIRST_MAX + 2);
    driver_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_study_ends_when_every_trial_fails),
        cmocka_unit_test(a_running_trial_may_still_report),
        cmocka_unit_test(after_one_report_failures_do_not_end_the_study),
        cmocka_unit_test(a_reopened_study_tries_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
