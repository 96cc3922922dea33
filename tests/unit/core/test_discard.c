/* Discarding at the stated risk: the core records it, drops the checkpoints, and starts the
 * trial afresh when the scheduler chooses it again. */
#include "driver.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static struct driver d;

/* asha over 1000, 2000 and 4000 tokens (25, 50 and 100 steps). With a score of 0 a trial is
 * discarded once any other one is better and a trial is complete. */
static void set_up(int64_t run_cap, uint32_t count)
{
    static const double zero[1] = {0};
    struct esp_study study;
    driver_study(&study, run_cap);
    study.stopping.type = ESP_SCHEDULER_ASHA;
    study.stopping.eta = 2;
    study.stopping.min = 1000;
    study.stopping.risk = 0.5;
    study.seed = 6; /* none of the first six trials is an audit */
    driver_begin(&d, &study);
    driver_calibrate(&d, zero, count);
    driver_open(&d, 1);
}

/* The trial reaches a rung with a value that is not good enough, and is paused there. */
static void pause_at_rung(uint32_t trial, int64_t step, double value)
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
    pause_at_rung(0, 25, 4);
    driver_started(&d, 1, 0);
    driver_report(&d, 1, 25, 3, true);
    pause_at_rung(1, 50, 2.5);
    driver_started(&d, 2, 0);
    pause_at_rung(2, 25, 5);
    driver_started(&d, 3, 0);
    driver_report(&d, 3, 25, 2.9, true);
    driver_report(&d, 3, 50, 2, true);
    for (uint32_t i = 0; i < 3; i++) {
        driver_expect(
            &d, i, ESP_TRIAL_PAUSED); /* nothing is discarded before one is complete */
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

static void a_discarded_trial_keeps_no_checkpoint_and_the_best_keeps_its_own(void **state)
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

static void with_too_few_scores_trials_are_only_paused(void **state)
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

static void a_discarded_trial_that_is_chosen_again_starts_afresh(void **state)
{
    (void)state;
    set_up(6, 1);
    four_trials();
    driver_started(&d, 4, 0);
    pause_at_rung(4, 25, 6);
    driver_expect(&d, 4, ESP_TRIAL_PRUNED);
    driver_started(&d, 5, 0);
    pause_at_rung(5, 25, 7);
    /* Half of the six trials at the lowest rung are promoted; trial 0 is the third. */
    driver_expect(&d, 0, ESP_TRIAL_ASSIGNED);
    const struct esp_assign *a = &driver_find(&d, ESP_MESSAGE_ASSIGN)->assign;
    assert_int_equal(a->trial, 0);
    assert_int_equal(a->attempt, 2);
    assert_null(a->resume);
    assert_int_equal(a->directive.until, 2000);
    d.sequence[0] = 0;
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 25, 4.5, false); /* retrained: the first value stays */
    assert_true(driver_trial(&d, 0).value == 4);
    driver_report(&d, 0, 50, 3, true);
    assert_int_equal(driver_trial(&d, 0).tokens, 2000);
    assert_int_equal(driver_trial(&d, 0).spent_tokens, 3000);
    driver_expect(&d, 0, ESP_TRIAL_PAUSING);
    driver_end(&d);
}

static void a_discarded_trial_cannot_be_continued_by_the_user(void **state)
{
    (void)state;
    set_up(6, 1);
    four_trials();
    driver_command(&d, 900, ESP_VERB_CONTINUE, 2);
    const struct esp_reply *reply = &driver_find(&d, ESP_MESSAGE_REPLY)->reply;
    assert_int_equal(reply->code, -EINVAL);
    assert_non_null(strstr(reply->text, "discarded at the risk that stopping.risk allows"));
    driver_expect(&d, 2, ESP_TRIAL_PRUNED);
    driver_end(&d);
}

static void a_recorded_calibration_is_final(void **state)
{
    (void)state;
    static const double other[2] = {30, 40};
    set_up(6, 1);
    four_trials();
    driver_reload(&d);
    driver_calibrate(&d, other, 2); /* ignored: the study has been opened */
    assert_int_equal(d.outcome.event_count, 0);
    assert_int_equal(esp_core_totals(d.core).calibration, 1);
    assert_true(esp_core_totals(d.core).discard_limit == 0);
    driver_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_discarded_trial_keeps_no_checkpoint_and_the_best_keeps_its_own),
        cmocka_unit_test(with_too_few_scores_trials_are_only_paused),
        cmocka_unit_test(a_discarded_trial_that_is_chosen_again_starts_afresh),
        cmocka_unit_test(a_discarded_trial_cannot_be_continued_by_the_user),
        cmocka_unit_test(a_recorded_calibration_is_final),
    };
    return cmocka_run_group_tests_name("core/discard", tests, NULL, NULL);
}
