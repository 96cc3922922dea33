/* What is printed of settings that tie, and of the recorded limits that would settle it. */
#include "../../../controller/view/seed_record.h"
#include "../../../controller/view/ties.h"

#include <errno.h>
#include <espalier/limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HORIZON 1000

static struct esp_study study;
static struct esp_ledger ledger;
static struct esp_tie tie;
static struct esp_buffer out;

/* Three settings tie, and the study has spent its budget. */
static int prepare(void **state)
{
    (void)state;
    memset(&study, 0, sizeof study);
    study.stopping.repeats = 1;
    study.trainer.tokens = HORIZON;
    ledger = (struct esp_ledger){
        .study = &study,
        .state = ESP_STUDY_BUDGET,
        .budget = {.tokens = 12 * HORIZON},
        .remedy = {.run_cap = 17, .tokens = 15345, .seconds = 2.525 * 3600, .usd = 5.05}};
    tie = (struct esp_tie){
        .tied = {.trials = {3, 4, 6}, .count = 3, .leaders = 3, .noise = 0.005},
        .further = {.trainings = 3, .tokens_total = 3 * HORIZON}};
    return 0;
}

static const char *words(void)
{
    esp_buffer_clear(&out);
    esp_tie_words(&tie, "runs/x", &ledger, &out);
    return esp_buffer_get(&out);
}

static const char *json(void)
{
    esp_buffer_clear(&out);
    esp_tie_json(&tie, &out);
    return esp_buffer_get(&out);
}

static const char named[] = "within seed noise of the best (#3): #4, #6 (another seed changes "
                            "the loss by about 0.005)\n";

static void without_a_tie_nothing_is_said(void **state)
{
    (void)state;
    tie.tied.count = 0;
    assert_string_equal(words(), "");
    assert_string_equal(json(), "null");
}

static void a_spent_budget_is_followed_by_what_settles_the_tie(void **state)
{
    (void)state;
    assert_int_equal(strncmp(words(), named, strlen(named)), 0);
    assert_string_equal(
        words() + strlen(named),
        "to compare them with one more seed each: 3 trainings, 3k tokens; espalier "
        "set runs/x budget.tokens=15345, then espalier resume runs/x\n");
    assert_string_equal(json(),
                        "{\"trials\":[3,4,6],\"noise\":0.005,\"repeats\":3,\"tokens\":3000}");
    tie.further = (struct esp_repeat_plan){.trainings = 1, .tokens_total = HORIZON};
    assert_non_null(strstr(words(), "each: 1 training, 1k tokens;"));
}

/* Also the ledgers of older versions. */
static void without_recorded_limits_none_are_named(void **state)
{
    (void)state;
    ledger.remedy = (struct esp_tie_remedy){0};
    assert_string_equal(words() + strlen(named),
                        "to compare them with one more seed each: 3 trainings, 3k tokens\n");
}

static void every_limit_that_is_too_small_is_named(void **state)
{
    (void)state;
    ledger.run_cap = 16;
    ledger.budget =
        (struct esp_budget){.tokens = 1e9, .seconds = 7200, .usd = 5, .price_per_hour = 2};
    const char *command = strstr(words(), "espalier set");
    assert_non_null(command);
    assert_non_null(strstr(command, " run_cap=17 budget.hours=2.525 budget.usd=5.05,"));
    assert_null(strstr(command, "budget.tokens"));
    ledger.budget.seconds = 3 * 3600; /* raised since */
    assert_null(strstr(words(), "budget.hours"));
}

/* The number behind `name` in the printed command. */
static double limit_of(const char *name)
{
    const char *at = strstr(words(), name);
    assert_non_null(at);
    return strtod(at + strlen(name), NULL);
}

static void no_limit_is_printed_as_less_than_what_is_needed(void **state)
{
    (void)state;
    ledger.budget.tokens = 24691357823; /* more than ten digits */
    ledger.remedy.tokens = 24691357823.0 + 3 * 1234567891.0;
    assert_true(limit_of("budget.tokens=") == 24691357823.0 + 3 * 1234567891.0);
    ledger.budget = (struct esp_budget){.seconds = 3600};
    for (int i = 0; i < 1000; i++) { /* 1.15 hours and next to nothing, and more */
        ledger.remedy.seconds = 1.15 * 3600 * (1 + 1e-14 * i * i);
        assert_true(limit_of("budget.hours=") >= ledger.remedy.seconds / 3600);
        assert_true(limit_of("budget.hours=") <= 1.152);
    }
}

static void a_study_without_repeats_gets_a_hint_to_set_them(void **state)
{
    (void)state;
    study.stopping.repeats = 0;
    ledger.state = ESP_STUDY_COMPLETE;
    assert_non_null(strstr(words(), "`repeats: 1`"));
    assert_null(strstr(words(), "espalier set"));
}

static void a_running_search_settles_its_ties_itself(void **state)
{
    (void)state;
    ledger.state = ESP_STUDY_RUNNING;
    assert_string_equal(words(), named);
    ledger.state = ESP_STUDY_INTERRUPTED;
    assert_string_equal(words(), named);
}

static void leaders_that_had_their_seeds_are_only_named(void **state)
{
    (void)state;
    tie.further = (struct esp_repeat_plan){0};
    assert_string_equal(words(), named);
}

/* A setting with a repeat, one whose repeat diverged, and one that waits for its repeat. */
static void the_record_equals_the_controllers(void **state)
{
    (void)state;
    struct esp_reader_trial trials[] = {
        {.trial = 1, .repeats = -1, .value = 2.0, .finished = true},
        {.trial = 2, .repeats = -1, .value = 2.1, .finished = true},
        {.trial = 4, .repeats = -1, .value = 2.2, .finished = true},
    };
    struct esp_reader_trial repeats[] = {
        {.trial = 5, .repeats = 1, .value = 2.2, .finished = true},
        {.trial = 6, .repeats = 2, .value = NAN, .cause = ESP_CAUSE_DIVERGED},
        {.trial = 7, .repeats = 4, .value = 3, .state = ESP_TRIAL_PAUSED, .tokens = 600},
        {.trial = 9, .repeats = 6, .value = 1, .finished = true}, /* of a repeat: damaged */
    };
    for (size_t i = 0; i < 3; i++) {
        trials[i].horizon = HORIZON;
        trials[i].tokens = HORIZON;
        trials[i].state = ESP_TRIAL_COMPLETE;
        trials[i].cause = ESP_CAUSE_COMPLETE;
    }
    for (size_t i = 0; i < 4; i++) {
        repeats[i].horizon = HORIZON;
        repeats[i].tokens = repeats[i].finished ? HORIZON : repeats[i].tokens;
        repeats[i].state = i == 2   ? ESP_TRIAL_PAUSED
                           : i == 1 ? ESP_TRIAL_PRUNED
                                    : ESP_TRIAL_COMPLETE;
    }
    const struct esp_rows rows = {.trials = trials, .count = 3};
    const struct esp_rows seeds = {.trials = repeats, .count = 4};
    struct esp_repeat record = {0};
    assert_int_equal(esp_seed_record_make(&ledger, &rows, &seeds, &record, NULL), 0);
    assert_int_equal(record.count, 10);
    assert_int_equal(esp_seed_record_of(&record, 1)->count, 2);
    assert_true(fabs(esp_seed_record_of(&record, 1)->mean - 2.1) < 1e-12);
    assert_int_equal(esp_seed_record_of(&record, 2)->count, 1);
    assert_true(isinf(esp_seeds_score(esp_seed_record_of(&record, 2), 0.01)));
    assert_int_equal(esp_seed_record_of(&record, 3)->count, 0);
    assert_null(esp_seed_record_of(&record, 10));
    assert_int_equal(esp_repeat_of(&record, 7), 4);
    assert_int_equal(esp_repeat_of(&record, 9), 9);
    assert_int_equal(esp_repeat_live(&record), 1);
    esp_seed_record_complete(&record, 12);
    assert_int_equal(record.count, 12);
    esp_repeat_release(&record);
    trials[0].trial = ESP_TRIALS_MAX;
    assert_int_equal(esp_seed_record_make(&ledger, &rows, &seeds, &record, NULL), -EINVAL);
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
        cmocka_unit_test_setup(a_spent_budget_is_followed_by_what_settles_the_tie, prepare),
        cmocka_unit_test_setup(without_recorded_limits_none_are_named, prepare),
        cmocka_unit_test_setup(every_limit_that_is_too_small_is_named, prepare),
        cmocka_unit_test_setup(no_limit_is_printed_as_less_than_what_is_needed, prepare),
        cmocka_unit_test_setup(a_study_without_repeats_gets_a_hint_to_set_them, prepare),
        cmocka_unit_test_setup(a_running_search_settles_its_ties_itself, prepare),
        cmocka_unit_test_setup(leaders_that_had_their_seeds_are_only_named, prepare),
        cmocka_unit_test_setup(the_record_equals_the_controllers, prepare),
    };
    return cmocka_run_group_tests_name("view/ties", tests, NULL, done);
}
