/* Settings within seed noise of the best: the core creates repeats and loads them. */
#include "driver.h"

#include <errno.h>
#include <string.h>

static struct driver d;

static void set_up(int64_t run_cap, uint32_t slots)
{
    struct esp_study study;
    driver_study(&study, run_cap);
    study.workers = slots;
    study.trainer.seed = 11;
    study.stopping.repeats = 1;
    study.stopping.repeats_given = true;
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

static const struct esp_event *created(uint32_t trial)
{
    for (size_t i = 0; i < d.logged; i++) {
        if (d.log[i].kind == ESP_EVENT_CREATED && d.log[i].trial == trial) {
            return &d.log[i];
        }
    }
    fail_msg("trial %u was never created", trial);
    return NULL;
}

static void a_setting_within_seed_noise_is_repeated_with_the_next_seed(void **state)
{
    (void)state;
    set_up(5, 1); /* two of five are kept */
    train(0, 2.4);
    train(1, 2.001);
    assert_int_equal(esp_core_trial_count(d.core), 3);
    train(2, 2.0);
    assert_int_equal(esp_core_trial_count(d.core), 4);
    const struct esp_event *event = created(3);
    assert_int_equal(event->created.repeats, 2);
    assert_int_equal(event->created.seed, 12);
    assert_true(event->created.values.data[0] == created(2)->created.values.data[0]);
    assert_int_equal(driver_trial(&d, 3).repeats, 2);
    assert_int_equal(driver_find(&d, ESP_MESSAGE_ASSIGN)->assign.seed, 12);
    assert_int_equal(created(2)->created.seed, 11);
    driver_reload(&d); /* the digest is compared */
    assert_int_equal(driver_trial(&d, 3).repeats, 2);
    assert_int_equal(driver_trial(&d, 2).repeats, -1);
    driver_end(&d);
}

/* Schedulers compare losses; the recorded verdict shows the metric. */
static void a_recorded_verdict_shows_the_maximised_metric(void **state)
{
    (void)state;
    struct esp_study study;
    driver_study(&study, 5);
    study.workers = 1;
    study.maximize = true;
    study.stopping.repeats = 1;
    study.stopping.repeats_given = true;
    driver_begin(&d, &study);
    driver_open(&d, 1);
    train(0, 1.6);
    train(1, 1.999);
    train(2, 2.0);
    const struct esp_verdict *found = NULL;
    for (size_t i = 0; i < d.logged; i++) {
        if (d.log[i].kind == ESP_EVENT_VERDICT && d.log[i].trial == 3) {
            found = &d.log[i].verdict;
        }
    }
    assert_non_null(found);
    assert_int_equal(found->reason.rule, ESP_RULE_SEED_NOISE);
    assert_true(found->reason.value == 2.0);
    assert_true(found->reason.threshold > 1.9 && found->reason.threshold < 2.0);
    driver_end(&d);
}

static void repeats_count_for_run_cap_and_settings_rank_by_their_mean(void **state)
{
    (void)state;
    set_up(5, 1);
    train(0, 2.4);
    train(1, 2.001);
    train(2, 2.0);
    train(3, 2.004); /* of 2 */
    assert_int_equal(driver_trial(&d, 4).repeats, 1);
    train(4, 2.000); /* of 1 */
    assert_int_equal(esp_core_trial_count(d.core), 5);
    assert_int_equal(esp_core_totals(d.core).best_trial, 1);
    assert_true(esp_core_totals(d.core).best_value == 2.001);
    driver_wait(&d, 1000000);
    assert_int_equal(esp_core_totals(d.core).state, ESP_STUDY_COMPLETE);
    assert_int_equal(esp_core_totals(d.core).exit_code, 0);
    driver_end(&d);
}

static void a_budget_without_room_for_a_repeat_ends_as_planned(void **state)
{
    (void)state;
    static struct esp_value choices[3];
    struct esp_study study;
    driver_study(&study, 0);
    for (int i = 0; i < 3; i++) {
        choices[i] = (struct esp_value){.type = ESP_VALUE_REAL, .real = 0.001 * (i + 1)};
    }
    study.method = ESP_METHOD_GRID;
    study.params[0] = (struct esp_param){.name = "learning_rate",
                                         .distribution = ESP_CATEGORICAL,
                                         .choices = choices,
                                         .choice_count = 3};
    study.workers = 1;
    study.stopping.repeats = 1;
    study.stopping.repeats_given = true;
    study.budget.tokens = 3 * 4000 + 3000;
    driver_begin(&d, &study);
    driver_open(&d, 1);
    train(0, 2.4);
    train(1, 2.001);
    train(2, 2.0);
    driver_wait(&d, 1000000);
    assert_int_equal(esp_core_trial_count(d.core), 3);
    assert_int_equal(esp_core_totals(d.core).state, ESP_STUDY_COMPLETE);
    driver_end(&d);
}

/* A budget of ten trainings and a part of one pays for eight settings and for repeats of the
 * best two, which are within seed noise of each other. */
static void set_up_budget(double trainings)
{
    struct esp_study study;
    driver_study(&study, 0);
    study.workers = 1;
    study.stopping.repeats = 1;
    study.budget.tokens = trainings * 4000;
    driver_begin(&d, &study);
    driver_open(&d, 1);
}

static void a_fifth_of_a_budget_is_reserved_for_repeats(void **state)
{
    (void)state;
    set_up_budget(10.5);
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(driver_trial(&d, i).repeats, -1);
        train(i, i == 3 ? 2.0 : i == 6 ? 2.001 : 2.5 + 0.1 * i);
    }
    assert_int_equal(driver_trial(&d, 8).repeats, 3);
    train(8, 2.004);
    assert_int_equal(driver_trial(&d, 9).repeats, 6);
    train(9, 2.0);
    assert_int_equal(esp_core_totals(d.core).best_trial, 6);
    assert_int_equal(driver_trial(&d, 10).repeats, -1); /* with the rest */
    driver_end(&d);
}

static void a_reserve_that_no_repeat_needs_pays_for_new_settings(void **state)
{
    (void)state;
    set_up_budget(10);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(driver_trial(&d, i).repeats, -1);
        train(i, 2 + 0.1 * i);
    }
    driver_wait(&d, 1000000);
    assert_int_equal(esp_core_totals(d.core).state, ESP_STUDY_BUDGET);
    driver_end(&d);
    set_up_budget(9.9); /* a fifth is less than two trainings */
    for (uint32_t i = 0; i < 9; i++) {
        assert_int_equal(driver_trial(&d, i).repeats, -1);
        train(i, 2 + 0.0001 * i);
    }
    driver_end(&d);
}

/* Three settings of one batch size, then three of another, of which two are within seed noise:
 * a step of batch size 1 takes four seconds, of batch size 4 one. */
static void train_mixed(int64_t first, int64_t second, double seconds)
{
    static struct esp_value sizes[2], rates[3];
    static const double losses[] = {2.5, 2.6, 2.7, 2.2, 2.0, 2.0005};
    const int64_t batches[] = {first, second};
    struct esp_study study;
    driver_study(&study, 0);
    for (int i = 0; i < 2; i++) {
        sizes[i] = (struct esp_value){
            .type = ESP_VALUE_INTEGER, .real = (double)batches[i], .integer = batches[i]};
    }
    for (int i = 0; i < 3; i++) {
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
                                         .choice_count = 3};
    study.workers = 1;
    study.stopping.repeats = 1;
    study.stopping.repeats_given = true;
    study.budget.seconds = seconds;
    driver_begin(&d, &study);
    driver_open(&d, 1);
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(driver_trial(&d, i).values[0], i / 3);
        d.pace = batches[i / 3] == 1 ? 4 : 1;
        train(i, losses[i]);
    }
}

/* A training took 250 s in the mean, and 350 s are left: a second seed would take 400 s. */
static void a_budget_of_seconds_pays_a_repeat_at_its_settings_own_rate(void **state)
{
    (void)state;
    train_mixed(4, 1, 1850);
    driver_wait(&d, 1000000);
    assert_int_equal(esp_core_trial_count(d.core), 6);
    assert_int_equal(esp_core_totals(d.core).state, ESP_STUDY_COMPLETE);
    driver_end(&d);
}

/* 230 s are left, and 100 s a second seed of those that lead. */
static void cheap_leaders_are_repeated_where_the_mean_would_not_fit(void **state)
{
    (void)state;
    train_mixed(1, 4, 1730);
    for (uint32_t i = 6; i < 8; i++) {
        assert_int_equal(esp_core_trial_count(d.core), i + 1);
        assert_int_equal(driver_trial(&d, i).repeats, i - 2);
        train(i, 2.0);
    }
    driver_wait(&d, 1000000);
    assert_int_equal(esp_core_trial_count(d.core), 8);
    assert_int_equal(esp_core_totals(d.core).state, ESP_STUDY_COMPLETE);
    driver_end(&d);
}

static void a_recorded_repeat_of_an_unknown_trial_is_refused(void **state)
{
    (void)state;
    set_up(5, 1);
    struct esp_event event = *created(0);
    struct esp_error error = {""};
    event.seq = d.log[d.logged - 1].seq + 1;
    event.trial = 1;
    event.created.repeats = 7;
    assert_int_equal(esp_core_apply(d.core, &event, &error), -EPROTO);
    assert_non_null(strstr(error.text, "trial 7"));
    driver_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_setting_within_seed_noise_is_repeated_with_the_next_seed),
        cmocka_unit_test(a_recorded_verdict_shows_the_maximised_metric),
        cmocka_unit_test(repeats_count_for_run_cap_and_settings_rank_by_their_mean),
        cmocka_unit_test(a_budget_without_room_for_a_repeat_ends_as_planned),
        cmocka_unit_test(a_fifth_of_a_budget_is_reserved_for_repeats),
        cmocka_unit_test(a_reserve_that_no_repeat_needs_pays_for_new_settings),
        cmocka_unit_test(a_budget_of_seconds_pays_a_repeat_at_its_settings_own_rate),
        cmocka_unit_test(cheap_leaders_are_repeated_where_the_mean_would_not_fit),
        cmocka_unit_test(a_recorded_repeat_of_an_unknown_trial_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
