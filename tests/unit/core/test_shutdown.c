/* Interrupting, ending and resuming a study. */
#include "driver.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static struct driver d;

static void set_up(int64_t run_cap, uint32_t slots)
{
    struct esp_study study;
    driver_study(&study, run_cap);
    driver_begin(&d, &study);
    driver_open(&d, slots);
}

static void save_and_release(uint32_t trial, int64_t step)
{
    driver_saved(&d, trial, step);
    driver_released(&d, trial);
}

/* The one process ends as asked; the exit code of the controller. */
static int exit_code_after_the_exit(void)
{
    uint64_t key = driver_find(&d, ESP_MESSAGE_KILL)->kill.key;
    driver_exited(&d, key, 0, 0);
    const struct esp_effect *finish = driver_effect(&d, ESP_EFFECT_FINISH);
    assert_non_null(finish);
    return finish->exit_code;
}

static void an_interrupt_saves_ends_and_returns_5(void **state)
{
    (void)state;
    set_up(2, 1);
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 10, 4, false);
    driver_input(&d, ESP_INPUT_INTERRUPT);
    driver_expect(&d, 0, ESP_TRIAL_PAUSING);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_KILL), 0);
    save_and_release(0, 12);
    driver_expect(&d, 0, ESP_TRIAL_PAUSED);
    assert_int_equal(esp_core_trial_count(d.core), 1);
    assert_int_equal(exit_code_after_the_exit(), 5);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_RETIRE), 1);
    assert_int_equal(esp_core_totals(d.core).state, ESP_STUDY_RUNNING);
    driver_end(&d);
}

static void a_resumed_study_continues_from_the_checkpoint(void **state)
{
    (void)state;
    set_up(1, 1);
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 10, 4, false);
    driver_input(&d, ESP_INPUT_INTERRUPT);
    save_and_release(0, 12);
    exit_code_after_the_exit();
    driver_reload(&d);
    driver_input(&d, ESP_INPUT_START);
    driver_expect(&d, 0, ESP_TRIAL_QUEUED);
    driver_agent(&d, 1, NULL, 0);
    driver_greet(&d);
    const struct esp_assign *a = &driver_find(&d, ESP_MESSAGE_ASSIGN)->assign;
    assert_int_equal(a->attempt, 2);
    assert_string_equal(a->resume, "checkpoints/0/1-480");
    assert_int_equal(a->resume_hash, 77);
    assert_int_equal(a->directive.until, 4000);
    assert_int_equal(esp_core_totals(d.core).incarnation, 2);
    driver_end(&d);
}

static void an_interrupt_waits_for_an_assigned_trial_to_start(void **state)
{
    (void)state;
    set_up(1, 1);
    driver_input(&d, ESP_INPUT_INTERRUPT);
    driver_expect(&d, 0, ESP_TRIAL_ASSIGNED);
    driver_started(&d, 0, 0);
    driver_expect(&d, 0, ESP_TRIAL_PAUSING);
    save_and_release(0, 0);
    assert_int_equal(exit_code_after_the_exit(), 5);
    driver_end(&d);
}

static void the_second_signal_does_not_wait_for_saves(void **state)
{
    (void)state;
    set_up(1, 1);
    driver_started(&d, 0, 0);
    driver_input(&d, ESP_INPUT_INTERRUPT);
    driver_input(&d, ESP_INPUT_TERMINATE);
    assert_true(driver_find(&d, ESP_MESSAGE_KILL)->kill.now);
    assert_int_equal(exit_code_after_the_exit(), 130);
    driver_expect(&d, 0, ESP_TRIAL_QUEUED);
    assert_int_equal(driver_trial(&d, 0).fruitless, 0);
    driver_end(&d);
}

static void the_second_signal_finishes_within_ten_seconds(void **state)
{
    (void)state;
    set_up(1, 1);
    driver_input(&d, ESP_INPUT_TERMINATE);
    driver_wait(&d, 9999);
    assert_null(driver_effect(&d, ESP_EFFECT_FINISH));
    driver_wait(&d, 1);
    assert_int_equal(driver_effect(&d, ESP_EFFECT_FINISH)->exit_code, 130);
    driver_end(&d);
}

static void finish_trial(uint32_t trial)
{
    driver_started(&d, trial, 0);
    driver_report(&d, trial, 0, 5, false);
    driver_report(&d, trial, 100, 2, true);
    save_and_release(trial, 100);
}

static void a_complete_study_finishes_at_once_when_started_again(void **state)
{
    (void)state;
    set_up(1, 1);
    finish_trial(0);
    assert_int_equal(exit_code_after_the_exit(), 0);
    driver_reload(&d);
    driver_input(&d, ESP_INPUT_START);
    assert_int_equal(driver_effect(&d, ESP_EFFECT_FINISH)->exit_code, 0);
    assert_int_equal(driver_recorded(&d, ESP_EVENT_OPENED), 1);
    assert_int_equal(d.outcome.event_count, 1);
    driver_end(&d);
}

static void set(uint64_t id, const char *name, double value)
{
    struct esp_setting setting = {name, {.type = ESP_VALUE_REAL, .real = value}};
    struct esp_message m = {.kind = ESP_MESSAGE_COMMAND};
    m.command = (struct esp_command){
        .id = id, .verb = ESP_VERB_SET, .settings = &setting, .setting_count = 1};
    driver_message(&d, (struct esp_peer){ESP_ROLE_CLIENT, 1}, &m);
}

static void a_raised_run_cap_reopens_a_complete_study(void **state)
{
    (void)state;
    set_up(1, 1);
    finish_trial(0);
    exit_code_after_the_exit();
    driver_reload(&d);
    set(9, "run_cap", 2);
    assert_int_equal(driver_find(&d, ESP_MESSAGE_REPLY)->reply.code, 0);
    driver_open(&d, 1);
    assert_int_equal(esp_core_totals(d.core).state, ESP_STUDY_RUNNING);
    driver_expect(&d, 1, ESP_TRIAL_ASSIGNED);
    finish_trial(1);
    assert_int_equal(exit_code_after_the_exit(), 0);
    assert_int_equal(esp_core_trial_count(d.core), 2);
    driver_end(&d);
}

static void a_study_without_one_finite_value_returns_3(void **state)
{
    (void)state;
    set_up(1, 1);
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 0, NAN, false);
    driver_released(&d, 0);
    assert_int_equal(exit_code_after_the_exit(), 3);
    driver_end(&d);
}

static const struct esp_event_ended *last_end(void)
{
    const struct esp_event_ended *ended = NULL;
    for (size_t i = 0; i < d.logged; i++) {
        ended = d.log[i].kind == ESP_EVENT_ENDED ? &d.log[i].ended : ended;
    }
    assert_non_null(ended);
    return ended;
}

static void a_trial_held_by_the_user_is_not_forgotten_at_the_end(void **state)
{
    (void)state;
    set_up(2, 1);
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 10, 4, false);
    driver_command(&d, 1, ESP_VERB_PAUSE, 0);
    save_and_release(0, 10);
    finish_trial(1);
    assert_int_equal(last_end()->reason, ESP_END_HELD);
    assert_int_equal(exit_code_after_the_exit(), 5);
    driver_expect(&d, 0, ESP_TRIAL_PAUSED);
    assert_int_equal(esp_core_totals(d.core).state, ESP_STUDY_RUNNING);
    /* A start without a command ends for the same reason. */
    driver_reload(&d);
    driver_input(&d, ESP_INPUT_START);
    assert_non_null(driver_effect(&d, ESP_EFFECT_FINISH));
    assert_int_equal(driver_effect(&d, ESP_EFFECT_FINISH)->exit_code, 5);
    /* Once it is continued, the study goes on and comes to its end. */
    driver_reload(&d);
    driver_command(&d, 2, ESP_VERB_CONTINUE, 0);
    driver_open(&d, 1);
    driver_expect(&d, 0, ESP_TRIAL_ASSIGNED);
    assert_int_equal(esp_core_totals(d.core).state, ESP_STUDY_RUNNING);
    driver_end(&d);
}

static void the_target_ends_the_search_and_keeps_the_best_model(void **state)
{
    (void)state;
    struct esp_study study;
    driver_study(&study, 10);
    study.has_target = true;
    study.target = 3;
    driver_begin(&d, &study);
    driver_open(&d, 2);
    driver_started(&d, 0, 0);
    driver_started(&d, 1, 0);
    driver_report(&d, 1, 10, 4, false);
    driver_report(&d, 0, 10, 2.9, false);
    driver_expect(&d, 0, ESP_TRIAL_STOPPING);
    driver_expect(&d, 1, ESP_TRIAL_STOPPING);
    assert_true(driver_find(&d, ESP_MESSAGE_ACK)->ack.directive.keep);
    save_and_release(0, 10);
    driver_released(&d, 1);
    struct esp_core_totals totals = esp_core_totals(d.core);
    assert_int_equal(totals.state, ESP_STUDY_COMPLETE);
    assert_int_equal(totals.exit_code, 0);
    assert_int_equal(totals.best_trial, 0);
    driver_expect(&d, 0, ESP_TRIAL_COMPLETE);
    driver_expect(&d, 1, ESP_TRIAL_PRUNED);
    assert_int_equal(last_end()->reason, ESP_END_TARGET);
    assert_int_equal(driver_trial(&d, 0).checkpoint_tokens, 400);
    driver_end(&d);
}

static void a_trial_that_reaches_the_target_while_it_pauses_is_complete(void **state)
{
    (void)state;
    struct esp_study study;
    driver_study(&study, 10);
    study.has_target = true;
    study.target = 3;
    driver_begin(&d, &study);
    driver_open(&d, 1);
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 10, 4, false);
    driver_command(&d, 1, ESP_VERB_PAUSE, 0);
    driver_expect(&d, 0, ESP_TRIAL_PAUSING);
    driver_report(&d, 0, 20, 2.9, false);
    driver_expect(&d, 0, ESP_TRIAL_STOPPING);
    save_and_release(0, 20);
    driver_expect(&d, 0, ESP_TRIAL_COMPLETE);
    assert_int_equal(last_end()->reason, ESP_END_TARGET);
    driver_end(&d);
}

static void a_spent_budget_pauses_running_trials_and_returns_4(void **state)
{
    (void)state;
    struct esp_study study;
    driver_study(&study, 10);
    study.budget.tokens = 5000;
    driver_begin(&d, &study);
    driver_open(&d, 3);
    /* Two trials are committed to 8000 tokens: there is no third. */
    assert_int_equal(esp_core_trial_count(d.core), 2);
    driver_started(&d, 0, 0);
    driver_started(&d, 1, 0);
    driver_report(&d, 0, 60, 4, false);
    driver_report(&d, 1, 60, 4, false);
    driver_report(&d, 0, 65, 4, false);
    driver_expect(&d, 0, ESP_TRIAL_PAUSING);
    driver_expect(&d, 1, ESP_TRIAL_PAUSING);
    save_and_release(0, 65);
    save_and_release(1, 61);
    struct esp_core_totals totals = esp_core_totals(d.core);
    assert_int_equal(totals.state, ESP_STUDY_BUDGET);
    assert_int_equal(totals.exit_code, 4);
    assert_int_equal(totals.by_state[ESP_TRIAL_PAUSED], 2);
    driver_reload(&d);
    set(3, "budget.tokens", 50000);
    driver_input(&d, ESP_INPUT_START);
    driver_expect(&d, 0, ESP_TRIAL_QUEUED);
    driver_expect(&d, 1, ESP_TRIAL_QUEUED);
    driver_end(&d);
}

static void three_processes_that_exit_before_their_hello_end_the_run_with_1(void **state)
{
    (void)state;
    struct esp_study study;
    driver_study(&study, 2);
    driver_begin(&d, &study);
    driver_input(&d, ESP_INPUT_START);
    driver_agent(&d, 1, NULL, 0);
    for (int i = 0; i < 3; i++) {
        assert_null(driver_effect(&d, ESP_EFFECT_FINISH));
        driver_exited(&d, driver_find(&d, ESP_MESSAGE_SPAWN)->spawn.key, 127, 0);
    }
    assert_int_equal(driver_effect(&d, ESP_EFFECT_FINISH)->exit_code, 1);
    assert_int_equal(esp_core_totals(d.core).state, ESP_STUDY_RUNNING);
    driver_end(&d);
}

static void a_full_ledger_grants_nothing_until_there_is_room(void **state)
{
    (void)state;
    struct esp_study study;
    driver_study(&study, 2);
    driver_begin(&d, &study);
    driver_input(&d, ESP_INPUT_START);
    driver_input(&d, ESP_INPUT_STORE_FULL);
    driver_agent(&d, 1, NULL, 0);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_SPAWN), 0);
    driver_input(&d, ESP_INPUT_STORE_ROOM);
    driver_greet(&d);
    driver_expect(&d, 0, ESP_TRIAL_ASSIGNED);
    driver_end(&d);
}

static void no_more_processes_are_spawned_than_there_is_work_for(void **state)
{
    (void)state;
    struct esp_study study;
    driver_study(&study, 2);
    driver_begin(&d, &study);
    driver_input(&d, ESP_INPUT_START);
    driver_agent(&d, 8, NULL, 0);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_SPAWN), 2);
    driver_end(&d);
    driver_study(&study, 20);
    study.workers = 3;
    driver_begin(&d, &study);
    driver_input(&d, ESP_INPUT_START);
    driver_agent(&d, 8, NULL, 0);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_SPAWN), 3);
    driver_end(&d);
}

static void trials_of_a_draining_host_are_saved_and_queued(void **state)
{
    (void)state;
    set_up(1, 1);
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 10, 4, false);
    struct esp_message drain = {.kind = ESP_MESSAGE_DRAIN};
    driver_message(&d, (struct esp_peer){ESP_ROLE_AGENT, AGENT}, &drain);
    driver_expect(&d, 0, ESP_TRIAL_PAUSING);
    save_and_release(0, 10);
    driver_expect(&d, 0, ESP_TRIAL_QUEUED);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_SPAWN), 0);
    driver_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interrupt_saves_ends_and_returns_5),
        cmocka_unit_test(a_resumed_study_continues_from_the_checkpoint),
        cmocka_unit_test(an_interrupt_waits_for_an_assigned_trial_to_start),
        cmocka_unit_test(the_second_signal_does_not_wait_for_saves),
        cmocka_unit_test(the_second_signal_finishes_within_ten_seconds),
        cmocka_unit_test(a_complete_study_finishes_at_once_when_started_again),
        cmocka_unit_test(a_raised_run_cap_reopens_a_complete_study),
        cmocka_unit_test(a_study_without_one_finite_value_returns_3),
        cmocka_unit_test(a_trial_held_by_the_user_is_not_forgotten_at_the_end),
        cmocka_unit_test(the_target_ends_the_search_and_keeps_the_best_model),
        cmocka_unit_test(a_trial_that_reaches_the_target_while_it_pauses_is_complete),
        cmocka_unit_test(a_spent_budget_pauses_running_trials_and_returns_4),
        cmocka_unit_test(three_processes_that_exit_before_their_hello_end_the_run_with_1),
        cmocka_unit_test(a_full_ledger_grants_nothing_until_there_is_room),
        cmocka_unit_test(no_more_processes_are_spawned_than_there_is_work_for),
        cmocka_unit_test(trials_of_a_draining_host_are_saved_and_queued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
