/* The number of trial processes when the setting workers changes. */
#include "driver.h"

static struct driver d;

static void set_workers(uint64_t id, double workers)
{
    struct esp_setting setting = {"workers", {.type = ESP_VALUE_REAL, .real = workers}};
    struct esp_message m = {.kind = ESP_MESSAGE_COMMAND};
    m.command = (struct esp_command){
        .id = id, .verb = ESP_VERB_SET, .settings = &setting, .setting_count = 1};
    driver_message(&d, (struct esp_peer){ESP_ROLE_CLIENT, 1}, &m);
}

static void set_up(void)
{
    struct esp_study study;
    driver_study(&study, 20);
    study.workers = 3;
    driver_begin(&d, &study);
    driver_open(&d, 3);
    assert_int_equal(esp_core_trial_count(d.core), 3);
}

static void finish_trial(uint32_t trial)
{
    driver_started(&d, trial, 0);
    driver_report(&d, trial, 0, 5, false);
    driver_report(&d, trial, 100, 2, true);
    driver_saved(&d, trial, 100);
    driver_released(&d, trial);
    driver_expect(&d, trial, ESP_TRIAL_COMPLETE);
}

static void surplus_processes_end_with_their_trial(void **state)
{
    (void)state;
    set_up();
    uint64_t keys[3];
    for (uint32_t i = 0; i < 3; i++) {
        keys[i] = driver_trial(&d, i).process;
    }
    set_workers(1, 1);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_KILL), 0);
    for (uint32_t i = 0; i < 2; i++) {
        finish_trial(i);
        assert_int_equal(driver_find(&d, ESP_MESSAGE_KILL)->kill.key, keys[i]);
        assert_int_equal(esp_core_trial_count(d.core), 3);
    }
    /* The last process continues the search while the others are still ending. */
    finish_trial(2);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_KILL), 0);
    assert_int_equal(driver_trial(&d, 3).process, keys[2]);
    driver_exited(&d, keys[0], 0, 15);
    driver_exited(&d, keys[1], 0, 15);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_SPAWN), 0);
    assert_int_equal(esp_core_trial_count(d.core), 4);
    driver_end(&d);
}

static void more_workers_are_spawned_at_once(void **state)
{
    (void)state;
    set_up();
    set_workers(1, 2);
    uint64_t first = driver_trial(&d, 0).process;
    finish_trial(0);
    driver_exited(&d, first, 0, 15);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_SPAWN), 0);
    set_workers(2, 3);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_SPAWN), 1);
    driver_greet(&d);
    driver_expect(&d, 3, ESP_TRIAL_ASSIGNED);
    driver_end(&d);
}

static void one_surplus_process_ends_one_process(void **state)
{
    (void)state;
    set_up();
    set_workers(1, 2);
    finish_trial(0);
    /* The first process is still ending when the second gets a free place. */
    uint64_t second = driver_trial(&d, 1).process;
    finish_trial(1);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_KILL), 0);
    assert_int_equal(driver_trial(&d, 3).process, second);
    driver_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(surplus_processes_end_with_their_trial),
        cmocka_unit_test(more_workers_are_spawned_at_once),
        cmocka_unit_test(one_surplus_process_ends_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
