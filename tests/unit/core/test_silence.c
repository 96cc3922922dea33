/* When a peer counts as silent: not before the messages that wait have been taken, and not for
 * time in which the controller did not run. */
#include "core/running_clock.h"
#include "driver.h"

#include <espalier/limits.h>

static struct driver d;

static void set_up(void)
{
    struct esp_study study;
    driver_study(&study, 2);
    driver_begin(&d, &study);
    driver_open(&d, 2);
    driver_started(&d, 0, 0);
    driver_started(&d, 1, 0);
    driver_report(&d, 0, 10, 4, false);
}

/* The messages of one process are taken long after the lease of both: the other one's wait. */
static void messages_that_wait_are_taken_before_anyone_is_silent(void **state)
{
    (void)state;
    set_up();
    d.now += ESP_LEASE_MS + ESP_LEASE_MARGIN_MS + 1;
    driver_report(&d, 1, 10, 4, false);
    driver_expect(&d, 0, ESP_TRIAL_RUNNING);
    driver_report(&d, 0, 20, 3, false);
    driver_input(&d, ESP_INPUT_TICK);
    driver_expect(&d, 0, ESP_TRIAL_RUNNING);
    driver_expect(&d, 1, ESP_TRIAL_RUNNING);
    assert_int_equal(driver_trial(&d, 0).step, 20);
    driver_end(&d);
}

/* A process that exits without an error has sent its checkpoint before; the report of its exit
 * arrives first, on the connection of its agent. */
static void a_clean_exit_does_not_overtake_the_last_checkpoint(void **state)
{
    (void)state;
    set_up();
    uint64_t key = driver_trial(&d, 0).process;
    driver_exited(&d, key, 0, 0);
    driver_expect(&d, 0, ESP_TRIAL_RUNNING);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_INTRODUCE), 1);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_EXITED_ACK), 0);
    driver_saved(&d, 0, 50);
    driver_released(&d, 0);
    assert_int_equal(driver_trial(&d, 0).checkpoint_tokens, 50 * 40);
    driver_exited(&d, key, 0, 0);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_EXITED_ACK), 1);
    assert_int_equal(driver_logged(&d, ESP_EVENT_EXITED), 1);
    driver_end(&d);
}

/* Nothing else arrives: the second report counts. */
static void the_repeated_report_of_an_exit_counts(void **state)
{
    (void)state;
    set_up();
    uint64_t key = driver_trial(&d, 0).process;
    driver_exited(&d, key, 0, 0);
    driver_exited(&d, key, 0, 0);
    assert_int_equal(driver_logged(&d, ESP_EVENT_EXITED), 1);
    assert_int_not_equal(driver_trial(&d, 0).process, key);
    driver_end(&d);
}

static void time_that_the_controller_did_not_run_does_not_count(void **state)
{
    (void)state;
    struct esp_running_clock clock = {.read_ms = 500};
    assert_int_equal(esp_running_clock_read(&clock, 1500), 1500);
    assert_int_equal(esp_running_clock_read(&clock, 1500 + ESP_CLOCK_GAP_MS), 3500);
    assert_int_equal(esp_running_clock_due(&clock, 9000), 9000);
    assert_int_equal(esp_running_clock_read(&clock, 63500), 3500);
    assert_int_equal(esp_running_clock_read(&clock, 64500), 4500);
    assert_int_equal(esp_running_clock_due(&clock, 9000), 69000);
    assert_int_equal(esp_running_clock_due(&clock, INT64_MAX), INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_that_wait_are_taken_before_anyone_is_silent),
        cmocka_unit_test(a_clean_exit_does_not_overtake_the_last_checkpoint),
        cmocka_unit_test(the_repeated_report_of_an_exit_counts),
        cmocka_unit_test(time_that_the_controller_did_not_run_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
