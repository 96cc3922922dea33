/* Giving up at the stated risk, as the core does it: recorded, the checkpoints dropped, and
 * begun anew when the scheduler wants the trial after all. */
#include "driver.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static struct driver d;

/* asha over 1000, 2000 and 4000 tokens (25, 50 and 100 steps). With a score of 0 whoever is
 * beaten by anyone is given up once a trial is complete. */
static void set_up(int64_t run_cap, uint32_t count)
{
    static const double nought[1] = {0};
    struct esp_study study;
    driver_study(&study, run_cap);
    study.stopping.type = ESP_SCHEDULER_ASHA;
    study.stopping.eta = 2;
    study.stopping.min = 1000;
    study.stopping.risk = 0.5;
    study.seed = 6; /* of the first six trials none is an audit */
    driver_begin(&d, &study);
    driver_calibrate(&d, nought, count);
    driver_open(&d, 1);
}

/* The trial reaches a rung with a value that is not good enough, and waits there. */
static void waits(uint32_t trial, int64_t step, double value)
{
    driver_report(&d, trial, step, value, true);
    driver_expect(&d, trial, ESP_TRIAL_PAUSING);
    driver_saved(&d, trial, step);
    driver_released(&d, trial);
}

/* Trials 0 and 2 wait at the lowest rung, 1 at the next, and 3 is complete. */
static void four_trials(void)
{
    driver_started(&d, 0, 0);
    waits(0, 25, 4);
    driver_started(&d, 1, 0);
    driver_report(&d, 1, 25, 3, true);
    waits(1, 50, 2.5);
    driver_started(&d, 2, 0);
    waits(2, 25, 5);
    driver_started(&d, 3, 0);
    driver_report(&d, 3, 25, 2.9, true);
    driver_report(&d, 3, 50, 2, true);
    for (uint32_t i = 0; i < 3; i++) {
        driver_expect(&d, i, ESP_TRIAL_PAUSED); /* before one is complete nothing is given up */
    }
    driver_report(&d, 3, 100, 1.5, true);
    driver_saved(&d, 3, 100);
    driver_released(&d, 3);
    driver_expect(&d, 3, ESP_TRIAL_COMPLETE);
}

static size_t dropped(void)
{
    size_t count = 0;
    for (size_t i = 0; i < d.outcome.effect_count; i++) {
        count += d.outcome.effects[i].kind == ESP_EFFECT_DROP;
    }
    return count;
}

static void what_is_given_up_leaves_no_checkpoint_and_the_best_keeps_its_own(void **state)
{
    (void)state;
    set_up(6, 1);
    four_trials();
    assert_int_equal(dropped(), 3);
    assert_int_equal(driver_recorded(&d, ESP_EVENT_DROPPED), 3);
    for (uint32_t i = 0; i < 3; i++) {
        driver_expect(&d, i, ESP_TRIAL_PRUNED);
        assert_int_equal(driver_trial(&d, i).checkpoint_tokens, -1);
    }
    assert_int_equal(driver_trial(&d, 3).checkpoint_tokens, 4000);
    driver_end(&d);
}

static void too_few_scores_only_pause(void **state)
{
    (void)state;
    set_up(6, 0);
    four_trials();
    assert_int_equal(dropped(), 0);
    for (uint32_t i = 0; i < 3; i++) {
        driver_expect(&d, i, ESP_TRIAL_PAUSED);
    }
    driver_end(&d);
}

static void what_is_wanted_again_begins_anew(void **state)
{
    (void)state;
    set_up(6, 1);
    four_trials();
    driver_started(&d, 4, 0);
    waits(4, 25, 6);
    driver_expect(&d, 4, ESP_TRIAL_PRUNED);
    driver_started(&d, 5, 0);
    waits(5, 25, 7);
    /* The third of six at the lowest rung: half of them go on. */
    driver_expect(&d, 0, ESP_TRIAL_ASSIGNED);
    const struct esp_assign *a = &driver_find(&d, ESP_MESSAGE_ASSIGN)->assign;
    assert_int_equal(a->trial, 0);
    assert_int_equal(a->attempt, 2);
    assert_null(a->resume);
    assert_int_equal(a->directive.until, 2000);
    d.sequence[0] = 0;
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 25, 4.5, false); /* trained again: the first value stays */
    assert_true(driver_trial(&d, 0).value == 4);
    driver_report(&d, 0, 50, 3, true);
    assert_int_equal(driver_trial(&d, 0).tokens, 2000);
    assert_int_equal(driver_trial(&d, 0).spent_tokens, 3000);
    driver_expect(&d, 0, ESP_TRIAL_PAUSING);
    driver_end(&d);
}

static void the_user_cannot_continue_what_left_no_checkpoint(void **state)
{
    (void)state;
    set_up(6, 1);
    four_trials();
    driver_command(&d, 900, ESP_VERB_CONTINUE, 2);
    const struct esp_reply *reply = &driver_find(&d, ESP_MESSAGE_REPLY)->reply;
    assert_int_equal(reply->code, -EINVAL);
    assert_non_null(strstr(reply->text, "given up at the stated risk"));
    driver_expect(&d, 2, ESP_TRIAL_PRUNED);
    driver_end(&d);
}

static void what_is_recorded_outlives_the_controller(void **state)
{
    (void)state;
    static const double other[2] = {30, 40};
    set_up(6, 1);
    four_trials();
    driver_reload(&d);
    driver_calibrate(&d, other, 2); /* once it has been opened it is too late */
    assert_int_equal(d.outcome.event_count, 0);
    assert_int_equal(esp_core_totals(d.core).calibration, 1);
    assert_true(esp_core_totals(d.core).discard_limit == 0);
    driver_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_up_leaves_no_checkpoint_and_the_best_keeps_its_own),
        cmocka_unit_test(too_few_scores_only_pause),
        cmocka_unit_test(what_is_wanted_again_begins_anew),
        cmocka_unit_test(the_user_cannot_continue_what_left_no_checkpoint),
        cmocka_unit_test(what_is_recorded_outlives_the_controller),
    };
    return cmocka_run_group_tests_name("core/give_up", tests, NULL, NULL);
}
