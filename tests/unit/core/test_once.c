/* A setting is trained once: the search ends when every setting has a trial. */
#include "driver.h"

#include <errno.h>
#include <string.h>

#define RATES 3

static struct driver d;

static void set_up(int64_t run_cap, uint32_t slots, bool deterministic)
{
    static struct esp_value rates[RATES] = {{.type = ESP_VALUE_REAL, .real = 1e-4},
                                            {.type = ESP_VALUE_REAL, .real = 1e-3},
                                            {.type = ESP_VALUE_REAL, .real = 1e-2}};
    struct esp_study study;
    driver_study(&study, run_cap);
    study.workers = slots;
    study.abilities.deterministic = deterministic;
    study.params[0] = (struct esp_param){.name = "learning_rate",
                                         .distribution = ESP_CATEGORICAL,
                                         .choices = rates,
                                         .choice_count = RATES};
    driver_begin(&d, &study);
    driver_open(&d, slots);
}

static void train(uint32_t trial, double loss)
{
    driver_started(&d, trial, 0);
    driver_report(&d, trial, 0, 5, false);
    driver_report(&d, trial, 100, loss, true);
    driver_saved(&d, trial, 100);
    driver_released(&d, trial);
    driver_expect(&d, trial, ESP_TRIAL_COMPLETE);
}

static const struct esp_event *last_of(enum esp_event_kind kind)
{
    for (size_t i = d.logged; i > 0; i--) {
        if (d.log[i - 1].kind == kind) {
            return &d.log[i - 1];
        }
    }
    return NULL;
}

static void expect_distinct(uint32_t count)
{
    assert_int_equal(esp_core_trial_count(d.core), count);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            assert_true(driver_trial(&d, i).values[0] != driver_trial(&d, k).values[0]);
        }
    }
}

static void expect_exhausted(void)
{
    const struct esp_event *end = last_of(ESP_EVENT_ENDED);
    assert_non_null(end);
    assert_int_equal(end->ended.state, ESP_STUDY_COMPLETE);
    assert_int_equal(end->ended.exit_code, 0);
    assert_int_equal(end->ended.reason, ESP_END_EXHAUSTED);
}

static void a_search_ends_when_every_setting_was_trained(void **state)
{
    (void)state;
    set_up(12, 1, true);
    for (uint32_t i = 0; i < RATES; i++) {
        assert_null(last_of(ESP_EVENT_ENDED));
        train(i, 3 - i);
    }
    expect_distinct(RATES);
    expect_exhausted();
    driver_end(&d);
}

static void workers_that_ask_at_once_get_different_settings(void **state)
{
    (void)state;
    set_up(12, 8, true);
    expect_distinct(RATES);
    assert_int_equal(driver_logged(&d, ESP_EVENT_SPAWNED), RATES);
    for (uint32_t i = 0; i < RATES; i++) {
        train(i, 3 - i);
    }
    expect_distinct(RATES);
    expect_exhausted();
    driver_end(&d);
}

static void a_resumed_search_knows_the_settings(void **state)
{
    (void)state;
    set_up(12, 1, true);
    train(0, 3);
    train(1, 2);
    driver_reload(&d);
    driver_input(&d, ESP_INPUT_START);
    driver_agent(&d, 1, NULL, 0);
    driver_greet(&d);
    expect_distinct(RATES);
    driver_end(&d);
}

static void run_cap_that_is_reached_first_is_no_exhaustion(void **state)
{
    (void)state;
    set_up(2, 1, true);
    train(0, 3);
    train(1, 2);
    const struct esp_event *end = last_of(ESP_EVENT_ENDED);
    assert_non_null(end);
    assert_int_equal(end->ended.reason, ESP_END_RUN_CAP);
    driver_end(&d);
}

static void a_program_that_is_not_deterministic_trains_run_cap_trials(void **state)
{
    (void)state;
    set_up(5, 1, false);
    for (uint32_t i = 0; i < 5; i++) {
        train(i, 5 - i);
        if (i + 1 == RATES) {
            break;
        }
    }
    assert_int_equal(esp_core_trial_count(d.core), RATES + 1);
    train(3, 1);
    train(4, 1);
    assert_non_null(last_of(ESP_EVENT_ENDED));
    assert_int_equal(last_of(ESP_EVENT_ENDED)->ended.reason, ESP_END_RUN_CAP);
    driver_end(&d);
}

static const struct esp_reply *add(uint64_t id, double rate)
{
    struct esp_setting setting = {"learning_rate", {.type = ESP_VALUE_REAL, .real = rate}};
    struct esp_message m = {.kind = ESP_MESSAGE_COMMAND};
    m.command = (struct esp_command){
        .id = id, .verb = ESP_VERB_ADD, .settings = &setting, .setting_count = 1};
    driver_message(&d, (struct esp_peer){ESP_ROLE_CLIENT, 1}, &m);
    return &driver_find(&d, ESP_MESSAGE_REPLY)->reply;
}

static void settings_that_have_a_trial_are_not_added_again(void **state)
{
    (void)state;
    static const double rates[RATES] = {1e-4, 1e-3, 1e-2};
    set_up(12, 1, true);
    double first = rates[(int)driver_trial(&d, 0).values[0]];
    const struct esp_reply *reply = add(1, first);
    assert_int_equal(reply->code, -EEXIST);
    assert_int_equal(reply->trial, 0);
    assert_non_null(strstr(reply->text, "exists"));
    for (int i = 0; i < RATES; i++) {
        reply = add((uint64_t)i + 2, rates[i]);
        assert_int_equal(reply->code, rates[i] == first ? -EEXIST : 0);
    }
    expect_distinct(RATES);
    driver_end(&d);
}

static void settings_whose_trial_failed_may_be_added_again(void **state)
{
    (void)state;
    static const double rates[RATES] = {1e-4, 1e-3, 1e-2};
    set_up(12, 1, true);
    double first = rates[(int)driver_trial(&d, 0).values[0]];
    driver_started(&d, 0, 0);
    driver_failed(&d, 0, -EIO, false);
    driver_released(&d, 0);
    driver_expect(&d, 0, ESP_TRIAL_FAILED);
    assert_int_equal(add(1, first)->code, 0);
    driver_end(&d);
}

static void an_added_setting_may_repeat_where_the_seed_does_not_decide(void **state)
{
    (void)state;
    set_up(12, 1, false);
    assert_int_equal(add(1, 1e-3)->code, 0);
    assert_int_equal(add(2, 1e-3)->code, 0);
    driver_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_search_ends_when_every_setting_was_trained),
        cmocka_unit_test(workers_that_ask_at_once_get_different_settings),
        cmocka_unit_test(a_resumed_search_knows_the_settings),
        cmocka_unit_test(run_cap_that_is_reached_first_is_no_exhaustion),
        cmocka_unit_test(a_program_that_is_not_deterministic_trains_run_cap_trials),
        cmocka_unit_test(settings_that_have_a_trial_are_not_added_again),
        cmocka_unit_test(settings_whose_trial_failed_may_be_added_again),
        cmocka_unit_test(an_added_setting_may_repeat_where_the_seed_does_not_decide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
