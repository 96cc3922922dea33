/* The start-up bracket of freeze-thaw, on an example worked out by hand: nine trials, eta 3,
 * horizon 90. */
#include "stop/startup.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct esp_startup s;

static int open_nine(void **state)
{
    (void)state;
    return esp_startup_init(&s, 9, 2, 1, 90, 3);
}

static int release(void **state)
{
    (void)state;
    esp_startup_release(&s);
    return 0;
}

static void tell_first_rung(uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        esp_startup_observed(
            &s, i, 10, 2 + (double)((i * 4) % 9)); /* best first: 0 7 5 3 1 8 … */
    }
}

static void rungs_are_powers_of_a_third_of_the_horizon(void **state)
{
    (void)state;
    assert_int_equal(s.rungs, 2);
    assert_int_equal(s.level[0], 10);
    assert_int_equal(s.level[1], 30);
    assert_int_equal(s.kept[0], 3);
    assert_int_equal(s.kept[1], 1);
    esp_startup_release(&s);
    assert_int_equal(esp_startup_init(&s, 27, 3, 12, 90, 3), 0);
    assert_int_equal(s.rungs, 2); /* rungs below `least` become one rung there */
    assert_int_equal(s.level[0], 12);
    assert_int_equal(s.level[1], 30);
}

static void a_trial_that_returns_is_waited_for_and_counted_once(void **state)
{
    (void)state;
    tell_first_rung(0, 7);
    esp_startup_ended(&s, 8);
    esp_startup_returned(&s, 8);
    tell_first_rung(8, 9);
    assert_int_equal(esp_startup_next(&s, 0, 1), -1); /* 7 has no loss yet */
    tell_first_rung(7, 8);
    assert_int_equal(esp_startup_next(&s, 0, 1), 0);
}

static void no_trial_goes_on_before_all_have_a_loss(void **state)
{
    (void)state;
    tell_first_rung(0, 8);
    for (uint32_t i = 0; i < 9; i++) {
        assert_int_equal(esp_startup_onward(&s, i), 0);
    }
    assert_int_equal(esp_startup_next(&s, 0, 1), -1);
    tell_first_rung(8, 9);
    assert_int_equal(esp_startup_next(&s, 0, 1), 0);
    assert_int_equal(esp_startup_next(&s, 0, 2), 7);
    assert_int_equal(esp_startup_next(&s, 0, 3), 5);
    assert_int_equal(esp_startup_next(&s, 0, 4), -1);
    assert_int_equal(esp_startup_onward(&s, 7), 30);
    assert_int_equal(esp_startup_onward(&s, 3), 0);
}

static void the_last_rung_leads_to_the_horizon(void **state)
{
    (void)state;
    tell_first_rung(0, 9);
    esp_startup_observed(&s, 0, 30, 1.5);
    esp_startup_observed(&s, 5, 30, 1.2);
    assert_int_equal(esp_startup_onward(&s, 5), 0);
    esp_startup_observed(&s, 7, 31, NAN); /* worse than all others */
    assert_true(esp_startup_onward(&s, 5) == INT64_MAX);
    assert_int_equal(esp_startup_onward(&s, 7), 0);
    assert_int_equal(esp_startup_rung(&s, 5), 1);
}

static void ended_trials_are_not_waited_for(void **state)
{
    (void)state;
    tell_first_rung(1, 9);
    assert_int_equal(esp_startup_onward(&s, 7), 0);
    esp_startup_ended(&s, 0); /* before its first loss */
    assert_int_equal(esp_startup_onward(&s, 7), 30);
    assert_int_equal(esp_startup_onward(&s, 3), 30); /* takes its place */
    esp_startup_observed(&s, 7, 30, 1);
    esp_startup_observed(&s, 5, 30, 2);
    assert_int_equal(esp_startup_onward(&s, 7), 0);
    esp_startup_ended(&s, 3); /* on the way to the second rung */
    assert_true(esp_startup_onward(&s, 7) == INT64_MAX);
}

static void a_reason_has_rank_and_limit(void **state)
{
    (void)state;
    struct esp_reason reason = {.rivals = {-1, -1, -1, -1}};
    tell_first_rung(0, 9);
    esp_startup_explain(&s, 5, &reason);
    assert_int_equal(reason.rung, 0);
    assert_int_equal(reason.rank, 3);
    assert_int_equal(reason.of, 9);
    assert_true(reason.value == 4 && reason.threshold == 4);
    assert_int_equal(reason.rivals[0], 7);
}

static void later_trials_are_ignored(void **state)
{
    (void)state;
    esp_startup_observed(&s, 9, 50, 1);
    esp_startup_ended(&s, 9);
    assert_int_equal(esp_startup_onward(&s, 9), 0);
    assert_int_equal(esp_startup_rung(&s, 9), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            rungs_are_powers_of_a_third_of_the_horizon, open_nine, release),
        cmocka_unit_test_setup_teardown(
            no_trial_goes_on_before_all_have_a_loss, open_nine, release),
        cmocka_unit_test_setup_teardown(the_last_rung_leads_to_the_horizon, open_nine, release),
        cmocka_unit_test_setup_teardown(
            a_trial_that_returns_is_waited_for_and_counted_once, open_nine, release),
        cmocka_unit_test_setup_teardown(ended_trials_are_not_waited_for, open_nine, release),
        cmocka_unit_test_setup_teardown(a_reason_has_rank_and_limit, open_nine, release),
        cmocka_unit_test_setup_teardown(later_trials_are_ignored, open_nine, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
