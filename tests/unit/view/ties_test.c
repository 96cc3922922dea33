/* What is said of leaders that no seed tells apart, and what it would take. */
#include "../../../controller/view/ties.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HORIZON 1000
#define ROWS 5

static struct esp_reader_trial trials[ROWS], repeats[ROWS];
static struct esp_seeds seeds[ROWS];
static struct esp_best best;
static struct esp_study study;
static struct esp_ledger ledger;
static struct esp_reader_totals totals;
static struct esp_buffer out;

/* Ten settings at their horizon, these the best; the study has spent its budget. */
static int prepare(void **state)
{
    static const double losses[ROWS] = {2.0, 2.001, 2.0, 2.002, 2.1};
    (void)state;
    memset(&study, 0, sizeof study);
    memset(seeds, 0, sizeof seeds);
    for (int i = 0; i < ROWS; i++) {
        struct esp_seed_pool pool = {0};
        trials[i] = (struct esp_reader_trial){.trial = 3 + i,
                                              .repeats = -1,
                                              .value = losses[i],
                                              .horizon = HORIZON - 8,
                                              .finished = true};
        esp_seeds_add(&seeds[i], &pool, losses[i]);
    }
    best = (struct esp_best){
        .rows = {.trials = trials, .count = ROWS}, .seeds = seeds, .noise = 0.005};
    study.stopping.repeats = 1;
    study.trainer.tokens = HORIZON;
    ledger = (struct esp_ledger){
        .study = &study, .state = ESP_STUDY_BUDGET, .budget = {.tokens = 10 * HORIZON}};
    totals = (struct esp_reader_totals){
        .trials = 14, .spent_tokens = 10 * HORIZON, .device_seconds = 3600};
    return 0;
}

static const char *words(void)
{
    struct esp_tie tie;
    assert_int_equal(esp_tie_find(&ledger, &best, &totals, &tie, NULL), 0);
    esp_buffer_clear(&out);
    esp_tie_words(&tie, "runs/x", &ledger, &totals, &out);
    esp_tie_release(&tie);
    return esp_buffer_get(&out);
}

static const char *json(void)
{
    struct esp_tie tie;
    assert_int_equal(esp_tie_find(&ledger, &best, &totals, &tie, NULL), 0);
    esp_buffer_clear(&out);
    esp_tie_json(&tie, &out);
    esp_tie_release(&tie);
    return esp_buffer_get(&out);
}

static const char named[] = "a tie, as far as the seed tells: #4, #6 with #3 (a seed alone "
                            "moves the loss by about 0.005)\n";

static void without_a_tie_nothing_is_said(void **state)
{
    (void)state;
    best.noise = 0.0001;
    assert_string_equal(words(), "");
    assert_string_equal(json(), "null");
}

/* Trial 5 is trial 3 drawn twice. */
static void a_spent_budget_is_told_what_settles_the_tie(void **state)
{
    (void)state;
    assert_int_equal(strncmp(words(), named, strlen(named)), 0);
    assert_string_equal(words() + strlen(named),
                        "another seed of each would tell more: 3 trainings, 3k tokens\n");
    /* Of 15 trainings three are kept: those come first. */
    totals.spent_tokens = 12 * HORIZON + 345;
    ledger.budget.tokens = 12 * HORIZON;
    assert_string_equal(
        words() + strlen(named),
        "another seed of each would tell more: 3 trainings, 3k tokens; espalier "
        "set runs/x budget.tokens=15345, then espalier resume runs/x\n");
    assert_string_equal(json(),
                        "{\"trials\":[3,4,6],\"noise\":0.005,\"repeats\":3,\"tokens\":3000}");
}

static void every_limit_that_is_too_small_is_named(void **state)
{
    (void)state;
    totals.spent_tokens = 12 * HORIZON;
    totals.device_seconds = 2 * 3600;
    ledger.run_cap = 16;
    ledger.budget =
        (struct esp_budget){.tokens = 1e9, .seconds = 7200, .usd = 5, .price_per_hour = 2};
    study.budget.price_per_hour = 2;
    const char *command = strstr(words(), "espalier set");
    assert_non_null(command);
    assert_non_null(strstr(command, " run_cap=17 budget.hours=2.525 budget.usd=5.05,"));
    assert_null(strstr(command, "budget.tokens"));
}

/* What the command says after `name`. */
static double told(const char *name)
{
    const char *at = strstr(words(), name);
    assert_non_null(at);
    return strtod(at + strlen(name), NULL);
}

static void no_limit_is_told_as_less_than_it_takes(void **state)
{
    (void)state;
    study.trainer.tokens = 1234567891;
    totals.spent_tokens = 24691357823; /* more than ten digits */
    ledger.budget.tokens = 24691357823;
    assert_true(told("budget.tokens=") == 24691357823.0 + 3 * 1234567891.0);
    study.trainer.tokens = HORIZON;
    totals.spent_tokens = 21 * HORIZON;
    ledger.budget = (struct esp_budget){.seconds = 3600};
    for (int i = 0; i < 1000; i++) { /* 1.15 hours and next to nothing, and more */
        totals.device_seconds = 3600 * (1 + 1e-14 * i * i);
        assert_true(told("budget.hours=") >=
                    totals.device_seconds * (1 + 1.05 * 3000 / 21000) / 3600);
        assert_true(told("budget.hours=") <= 1.152);
    }
}

/* The leaders' own training took three times the mean. */
static void dear_leaders_are_told_the_hours_that_they_take(void **state)
{
    (void)state;
    totals.spent_tokens = 21 * HORIZON;
    totals.device_seconds = 21 * 3600;
    for (int i = 0; i < ROWS; i++) {
        trials[i].spent_tokens = HORIZON;
        trials[i].device_seconds = 3 * 3600;
    }
    ledger.budget = (struct esp_budget){.tokens = 21 * HORIZON, .seconds = 21 * 3600};
    assert_true(told("budget.hours=") >= (21 + 1.05 * 9) * (1 - 1e-12));
    assert_true(told("budget.hours=") <= 21 + 1.05 * 9 + 0.01);
    ledger.budget.tokens = 0; /* nine trainings of the mean: new settings would come first */
    assert_null(strstr(words(), "espalier set"));
}

static void a_study_without_repeats_is_told_how_to_ask_for_them(void **state)
{
    (void)state;
    study.stopping.repeats = 0;
    ledger.state = ESP_STUDY_COMPLETE;
    assert_non_null(strstr(words(), "`repeats: 1`"));
    assert_null(strstr(words(), "espalier set"));
}

static void a_search_that_goes_on_settles_its_ties_itself(void **state)
{
    (void)state;
    ledger.state = ESP_STUDY_RUNNING;
    assert_string_equal(words(), named);
    ledger.state = ESP_STUDY_INTERRUPTED;
    assert_string_equal(words(), named);
}

/* Of trial `of`, which stands in the row of that many. */
static struct esp_reader_trial *repeat(int64_t of, enum esp_trial_state state)
{
    struct esp_reader_trial *t = &repeats[best.repeats.count++];
    best.repeats.trials = repeats;
    *t = (struct esp_reader_trial){.trial = 13 + (int64_t)best.repeats.count,
                                   .repeats = of,
                                   .state = state,
                                   .until = HORIZON,
                                   .horizon = HORIZON,
                                   .tokens = -1};
    return t;
}

static void leaders_that_had_their_seeds_take_no_more(void **state)
{
    (void)state;
    repeat(3, ESP_TRIAL_COMPLETE);
    repeat(4, ESP_TRIAL_COMPLETE);
    repeat(6, ESP_TRIAL_COMPLETE);
    assert_string_equal(words(), named);
    study.stopping.repeats = 2;
    assert_non_null(strstr(words(), "3 trainings"));
}

static void a_seed_that_failed_or_was_stopped_is_not_asked_for_again(void **state)
{
    (void)state;
    repeat(3, ESP_TRIAL_FAILED);
    repeat(4, ESP_TRIAL_STOPPED);
    assert_non_null(strstr(words(), "1 training, 1k tokens"));
    repeat(6, ESP_TRIAL_PAUSED)->held = true; /* the user's to continue */
    assert_string_equal(words(), named);
}

static void a_seed_that_was_begun_owes_what_is_left_of_it(void **state)
{
    (void)state;
    totals.spent_tokens = 12 * HORIZON;
    ledger.budget.tokens = 12 * HORIZON;
    ledger.run_cap = 14;
    repeat(3, ESP_TRIAL_COMPLETE);
    repeat(4, ESP_TRIAL_PAUSED)->tokens = 700;
    assert_non_null(strstr(words(),
                           "2 trainings, 1.3k tokens; espalier set runs/x "
                           "run_cap=15 budget.tokens=13300, then"));
}

/* Three other settings have had a second seed since the last new one. */
static void no_more_settings_are_repeated_than_the_controller_would(void **state)
{
    (void)state;
    for (int64_t of = 0; of < 3; of++) {
        repeat(of, ESP_TRIAL_COMPLETE);
    }
    totals.trials = 17;
    assert_string_equal(words(), named);
    totals.trials = 18; /* a new one came */
    assert_non_null(strstr(words(), "3 trainings"));
}

/* The second best twice, and no third. */
static void a_rival_that_was_drawn_twice_is_one(void **state)
{
    (void)state;
    trials[2].value = trials[3].value = 2.001;
    seeds[2].mean = seeds[3].mean = 2.001;
    assert_non_null(strstr(words(), "tells: #4 with #3 ("));
    assert_non_null(strstr(words(), "2 trainings"));
    repeat(5, ESP_TRIAL_COMPLETE); /* the one that has a second seed stands for both */
    assert_non_null(strstr(words(), "tells: #5 with #3 ("));
    assert_non_null(strstr(words(), "1 training,"));
}

static void what_waits_or_is_queued_goes_first(void **state)
{
    (void)state;
    const struct esp_tie tie = {.leaders = 1, .trials = (int64_t[]){3}};
    struct esp_reader_trial t = {.repeats = -1,
                                 .state = ESP_TRIAL_QUEUED,
                                 .until = 600,
                                 .horizon = HORIZON,
                                 .tokens = -1};
    assert_true(esp_tie_owed(&tie, &t) == 600);
    t.tokens = 400;
    assert_true(esp_tie_owed(&tie, &t) == 200);
    t.state = ESP_TRIAL_PAUSED;
    assert_true(esp_tie_owed(&tie, &t) == 200);
    t.held = true;
    assert_true(esp_tie_owed(&tie, &t) == 0);
    t.held = false;
    t.until = 2 * HORIZON;
    assert_true(esp_tie_owed(&tie, &t) == HORIZON - 400);
    t.repeats = 3; /* counted as what settles the tie */
    assert_true(esp_tie_owed(&tie, &t) == 0);
    t.repeats = -1;
    t.state = ESP_TRIAL_COMPLETE;
    assert_true(esp_tie_owed(&tie, &t) == 0);
}

/* Four tie: three are trained again. */
static void as_many_leaders_are_counted_as_are_trained_again(void **state)
{
    (void)state;
    trials[2].value = seeds[2].mean = 2.0015;
    assert_non_null(strstr(words(), "#4, #5, #6 with #3"));
    assert_non_null(strstr(words(), "3 trainings"));
}

static int done(void **state)
{
    (void)state;
    esp_buffer_release(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_a_tie_nothing_is_said, prepare),
        cmocka_unit_test_setup(a_spent_budget_is_told_what_settles_the_tie, prepare),
        cmocka_unit_test_setup(every_limit_that_is_too_small_is_named, prepare),
        cmocka_unit_test_setup(no_limit_is_told_as_less_than_it_takes, prepare),
        cmocka_unit_test_setup(dear_leaders_are_told_the_hours_that_they_take, prepare),
        cmocka_unit_test_setup(a_study_without_repeats_is_told_how_to_ask_for_them, prepare),
        cmocka_unit_test_setup(a_search_that_goes_on_settles_its_ties_itself, prepare),
        cmocka_unit_test_setup(a_seed_that_failed_or_was_stopped_is_not_asked_for_again,
                               prepare),
        cmocka_unit_test_setup(a_seed_that_was_begun_owes_what_is_left_of_it, prepare),
        cmocka_unit_test_setup(no_more_settings_are_repeated_than_the_controller_would,
                               prepare),
        cmocka_unit_test_setup(a_rival_that_was_drawn_twice_is_one, prepare),
        cmocka_unit_test_setup(what_waits_or_is_queued_goes_first, prepare),
        cmocka_unit_test_setup(as_many_leaders_are_counted_as_are_trained_again, prepare),
        cmocka_unit_test_setup(leaders_that_had_their_seeds_take_no_more, prepare),
    };
    return cmocka_run_group_tests_name("view/ties", tests, NULL, done);
}
