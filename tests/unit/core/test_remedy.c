/* What the end of a study whose budget is spent records about a tie: the limits under which the
 * search would begin with further seeds of the settings that tie. */
#include "driver.h"

#include <math.h>
#include <string.h>

#define HORIZON 4000 /* tokens; 100 steps */

static struct driver d;
static struct esp_study study;

static int set_up(void **state)
{
    (void)state;
    driver_study(&study, 0);
    study.workers = 1;
    study.stopping.repeats = 1;
    study.stopping.repeats_given = true;
    return 0;
}

static void begin(void)
{
    driver_begin(&d, &study);
    driver_open(&d, 1);
}

static void train(uint32_t trial, double loss)
{
    driver_started(&d, trial, 0);
    driver_report(&d, trial, 5, 5, false);
    driver_report(&d, trial, 100, loss, true);
    driver_saved(&d, trial, 100);
    driver_released(&d, trial);
    driver_expect(&d, trial, ESP_TRIAL_COMPLETE);
}

/* Trains a trial to a step where the budget is spent, and lets it save. */
static void cut_off(uint32_t trial, int64_t step)
{
    driver_started(&d, trial, 0);
    driver_report(&d, trial, step, 3, false);
    driver_saved(&d, trial, step);
    driver_released(&d, trial);
    driver_expect(&d, trial, ESP_TRIAL_PAUSED);
    driver_wait(&d, 1000000);
}

static struct esp_tie_remedy recorded(void)
{
    const struct esp_event_ended *ended = NULL;
    for (size_t i = 0; i < d.logged; i++) {
        ended = d.log[i].kind == ESP_EVENT_ENDED ? &d.log[i].ended : ended;
    }
    assert_non_null(ended);
    assert_int_equal(ended->state, ESP_STUDY_BUDGET);
    return ended->remedy;
}

static void expect_none(void)
{
    struct esp_tie_remedy r = recorded();
    assert_true(r.run_cap == 0 && r.tokens == 0 && r.seconds == 0 && r.usd == 0);
}

/* Three trainings and a half, and no room for a further seed. Half of the seven that are needed
 * are kept for repeats: those come first. */
static void a_spent_budget_records_what_settles_the_tie(void **state)
{
    (void)state;
    study.budget.tokens = 3.5 * HORIZON;
    begin();
    train(0, 2.002);
    train(1, 2.001);
    train(2, 2.0);
    cut_off(3, 50);
    struct esp_tie_remedy r = recorded();
    assert_true(r.run_cap == 7);
    assert_true(r.tokens == 7 * HORIZON);
    assert_true(fabs(r.seconds - (350 + 1.05 * (50 + 300))) < 1e-9);
    assert_true(r.usd == 0);
    driver_end(&d);
}

static void a_price_gives_the_dollars(void **state)
{
    (void)state;
    study.budget = (struct esp_budget){.usd = 7, .price_per_hour = 72};
    begin();
    train(0, 2.002);
    train(1, 2.001);
    train(2, 2.0);
    cut_off(3, 50);
    struct esp_tie_remedy r = recorded();
    assert_true(fabs(r.usd - (7 + 0.02 * 1.05 * (50 + 300))) < 1e-9);
    driver_end(&d);
}

static void without_a_tie_nothing_is_recorded(void **state)
{
    (void)state;
    study.budget.tokens = 3.5 * HORIZON;
    begin();
    train(0, 2.4);
    train(1, 2.2);
    train(2, 2.0);
    cut_off(3, 50);
    expect_none();
    driver_end(&d);
}

/* Unless the study asks for repeats, a fifth is kept: of eleven trainings two, and three are
 * left. */
static void where_new_settings_would_come_first_nothing_is_recorded(void **state)
{
    (void)state;
    study.stopping.repeats_given = false;
    study.budget.tokens = 7.5 * HORIZON;
    begin();
    for (uint32_t i = 0; i < 7; i++) {
        train(i, 2 + 0.001 * i);
    }
    cut_off(7, 50);
    expect_none();
    driver_end(&d);
}

static void a_study_without_repeats_records_nothing(void **state)
{
    (void)state;
    study.stopping.repeats = 0;
    study.budget.tokens = 3.5 * HORIZON;
    begin();
    train(0, 2.002);
    train(1, 2.001);
    train(2, 2.0);
    cut_off(3, 50);
    expect_none();
    driver_end(&d);
}

/* The second seed of the best is complete. That of the next became slower and was cut off after
 * three quarters. */
static void a_seed_that_was_begun_counts_with_what_remains_of_it(void **state)
{
    (void)state;
    study.budget.seconds = 550;
    begin();
    train(0, 2.4);
    train(1, 2.001);
    train(2, 2.0);
    assert_int_equal(driver_trial(&d, 3).repeats, 2);
    train(3, 2.0);
    assert_int_equal(driver_trial(&d, 4).repeats, 1);
    d.pace = 2;
    cut_off(4, 75);
    struct esp_tie_remedy r = recorded();
    assert_true(r.run_cap == 5);
    assert_true(r.tokens == 5 * HORIZON);
    assert_true(fabs(r.seconds - (550 + 1.05 * 25)) < 1e-9);
    driver_end(&d);
}

/* A step of batch size 1 takes four seconds, of batch size 4 one; those of 1 lead. */
static void the_leaders_own_rate_counts(void **state)
{
    (void)state;
    static struct esp_value sizes[2], rates[2];
    static const double losses[] = {2.5, 2.6, 2.0, 2.0005};
    for (int i = 0; i < 2; i++) {
        sizes[i] = (struct esp_value){
            .type = ESP_VALUE_INTEGER, .real = i == 0 ? 4 : 1, .integer = i == 0 ? 4 : 1};
        rates[i] = (struct esp_value){.type = ESP_VALUE_REAL, .real = 0.001 * (i + 1)};
    }
    study.method = ESP_METHOD_GRID;
    study.param_count = 2;
    study.params[0] = (struct esp_param){.name = "batch_size",
                                         .distribution = ESP_CATEGORICAL,
                                         .choices = sizes,
                                         .choice_count = 2};
    study.params[1] = (struct esp_param){.name = "learning_rate",
                                         .distribution = ESP_CATEGORICAL,
                                         .choices = rates,
                                         .choice_count = 2};
    study.budget.seconds = 1000; /* spent with the last training */
    begin();
    for (uint32_t i = 0; i < 4; i++) {
        d.pace = i < 2 ? 1 : 4;
        driver_started(&d, i, 0);
        driver_report(&d, i, 5, 5, false);
        driver_report(&d, i, 100, losses[i], true);
        driver_saved(&d, i, 100);
        driver_released(&d, i);
    }
    driver_wait(&d, 1000000);
    struct esp_tie_remedy r = recorded();
    assert_true(fabs(r.seconds - (1000 + 1.05 * 2 * 400)) < 5);
    driver_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_spent_budget_records_what_settles_the_tie, set_up),
        cmocka_unit_test_setup(a_price_gives_the_dollars, set_up),
        cmocka_unit_test_setup(without_a_tie_nothing_is_recorded, set_up),
        cmocka_unit_test_setup(where_new_settings_would_come_first_nothing_is_recorded, set_up),
        cmocka_unit_test_setup(a_study_without_repeats_records_nothing, set_up),
        cmocka_unit_test_setup(a_seed_that_was_begun_counts_with_what_remains_of_it, set_up),
        cmocka_unit_test_setup(the_leaders_own_rate_counts, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
