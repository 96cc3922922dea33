/* Settings that tie, and the trainings that would tell them apart. */
#include "stop/repeat.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HORIZON 1000

static struct esp_repeat record;

/* Trains a setting to its horizon. */
static void train(uint32_t trial, double loss)
{
    esp_repeat_observed(&record, trial, HORIZON, loss);
    esp_repeat_ended(&record, trial, ESP_CAUSE_COMPLETE);
}

static uint32_t add(double loss)
{
    uint32_t trial = record.count;
    esp_repeat_created(&record, trial, HORIZON);
    train(trial, loss);
    return trial;
}

static uint32_t repeat(uint32_t of)
{
    uint32_t trial = record.count;
    esp_repeat_repeated(&record, trial, of, HORIZON);
    return trial;
}

static void begin(uint32_t repeats_max)
{
    esp_repeat_release(&record);
    esp_repeat_init(&record, repeats_max);
}

/* Trials 3 to 7 are the best of eight; 5 is the same training as 3. */
static int prepare(void **state)
{
    static const double losses[] = {2.5, 2.6, 2.7, 2.0, 2.001, 2.0, 2.002, 2.1};
    (void)state;
    begin(1);
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        add(losses[i]);
    }
    return 0;
}

static void expect_tied(uint32_t count, const uint32_t *trials, uint32_t leaders)
{
    struct esp_tied tied;
    esp_repeat_tied(&record, &tied);
    assert_int_equal(tied.count, count);
    assert_int_equal(tied.leaders, leaders);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(tied.trials[i], trials[i]);
    }
}

static struct esp_repeat_plan further(void)
{
    struct esp_tied tied;
    struct esp_repeat_plan out;
    esp_repeat_tied(&record, &tied);
    esp_repeat_further(&record, &tied, HORIZON + 8, &out);
    return out;
}

static void a_clear_best_setting_ties_with_none(void **state)
{
    (void)state;
    add(1.5);
    expect_tied(0, NULL, 0);
    assert_int_equal(further().trainings, 0);
}

static void a_setting_that_was_drawn_twice_ties_once(void **state)
{
    (void)state;
    expect_tied(3, (uint32_t[]){3, 4, 6}, 3);
    struct esp_repeat_plan f = further();
    assert_true(f.trainings == 3 && f.begun == 0 && f.tokens_total == 3 * (HORIZON + 8));
}

/* The second best is drawn twice, and there is no third. */
static void a_rival_that_was_drawn_twice_is_one(void **state)
{
    static const double losses[] = {2.0, 2.001, 2.001, 2.001, 2.1};
    (void)state;
    begin(1);
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        add(losses[i]);
    }
    expect_tied(2, (uint32_t[]){0, 1}, 2);
    assert_int_equal(further().trainings, 2);
    train(repeat(2), 2.003); /* the one with a second seed stands for all three */
    expect_tied(2, (uint32_t[]){0, 2}, 2);
    assert_int_equal(further().trainings, 1);
}

/* Its second seed would be the training that has shown what the setting is worth. */
static void the_lucky_seed_of_a_setting_that_a_second_seed_put_last_is_no_leader(void **state)
{
    (void)state;
    train(repeat(5), 2.3); /* of the training that trial 3 is, too */
    struct esp_tied tied;
    esp_repeat_tied(&record, &tied);
    for (uint32_t i = 0; i < tied.count; i++) {
        assert_int_not_equal(tied.trials[i], 3);
    }
}

static void as_many_leaders_are_counted_as_are_trained_again(void **state)
{
    (void)state;
    add(2.0015);
    expect_tied(4, (uint32_t[]){3, 4, 8, 6}, 3);
    assert_int_equal(further().trainings, 3);
}

static void leaders_that_had_their_seeds_get_no_more(void **state)
{
    (void)state;
    begin(1);
    for (int i = 0; i < 3; i++) {
        add(2 + 0.001 * i);
    }
    for (uint32_t i = 0; i < 3; i++) {
        train(repeat(i), 2.001);
    }
    expect_tied(3, (uint32_t[]){0, 1, 2}, 3);
    assert_int_equal(further().trainings, 0);
    record.repeats_max = 2;
    assert_int_equal(further().trainings, 3);
}

static void a_study_without_repeats_is_told_what_one_more_seed_each_takes(void **state)
{
    (void)state;
    record.repeats_max = 0;
    assert_int_equal(further().trainings, 3);
    assert_int_equal(esp_repeat_next(&record, true).action, ESP_VERDICT_NONE);
}

static void a_seed_that_failed_was_stopped_or_is_held_is_not_made_again(void **state)
{
    (void)state;
    esp_repeat_ended(&record, repeat(3), ESP_CAUSE_FAILED);
    esp_repeat_ended(&record, repeat(4), ESP_CAUSE_STOPPED);
    assert_int_equal(further().trainings, 1);
    assert_true(further().tokens_total == HORIZON + 8);
    esp_repeat_paused(&record, repeat(6), true);
    expect_tied(3, (uint32_t[]){3, 4, 6}, 3);
    assert_int_equal(further().trainings, 0);
}

static void a_seed_that_was_begun_counts_with_what_remains_of_it(void **state)
{
    (void)state;
    train(repeat(3), 2.0);
    uint32_t begun = repeat(4);
    esp_repeat_observed(&record, begun, 700, 3);
    esp_repeat_paused(&record, begun, false);
    struct esp_repeat_plan f = further();
    assert_true(f.trainings == 2 && f.begun == 1);
    assert_true(f.tokens_total == HORIZON + 8 + 300);
    assert_true(f.tokens[0] + f.tokens[1] + f.tokens[2] == f.tokens_total);
}

/* Three other settings have had a second seed since the last new one. */
static void no_more_settings_are_repeated_than_are_trained_again(void **state)
{
    (void)state;
    for (uint32_t of = 0; of < 3; of++) {
        train(repeat(of), 2.5 + 0.1 * of);
    }
    expect_tied(3, (uint32_t[]){3, 4, 6}, 3);
    assert_int_equal(further().trainings, 0);
    add(2.9);
    assert_int_equal(further().trainings, 3);
}

static void further_seeds_are_those_that_are_made(void **state)
{
    (void)state;
    struct esp_repeat_plan f = further();
    uint32_t made = 0;
    for (struct esp_verdict v = esp_repeat_next(&record, true); v.action != ESP_VERDICT_NONE;
         v = esp_repeat_next(&record, true)) {
        assert_int_equal(v.action, ESP_VERDICT_REPEAT);
        repeat((uint32_t)v.trial);
        made++;
    }
    assert_int_equal(made, f.trainings);
}

static int done(void **state)
{
    (void)state;
    esp_repeat_release(&record);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_clear_best_setting_ties_with_none, prepare),
        cmocka_unit_test_setup(a_setting_that_was_drawn_twice_ties_once, prepare),
        cmocka_unit_test_setup(a_rival_that_was_drawn_twice_is_one, prepare),
        cmocka_unit_test_setup(
            the_lucky_seed_of_a_setting_that_a_second_seed_put_last_is_no_leader, prepare),
        cmocka_unit_test_setup(as_many_leaders_are_counted_as_are_trained_again, prepare),
        cmocka_unit_test_setup(leaders_that_had_their_seeds_get_no_more, prepare),
        cmocka_unit_test_setup(a_study_without_repeats_is_told_what_one_more_seed_each_takes,
                               prepare),
        cmocka_unit_test_setup(a_seed_that_failed_was_stopped_or_is_held_is_not_made_again,
                               prepare),
        cmocka_unit_test_setup(a_seed_that_was_begun_counts_with_what_remains_of_it, prepare),
        cmocka_unit_test_setup(no_more_settings_are_repeated_than_are_trained_again, prepare),
        cmocka_unit_test_setup(further_seeds_are_those_that_are_made, prepare),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
