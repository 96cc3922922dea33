/* Bounds of searches on tables with censored trials: worked out by hand, and compared with the
 * same search on the uncensored table. */
#include "replay/bounds.h"
#include "replay/cost_unit.h"
#include "replay/policy.h"
#include "replay/summary.h"
#include "replay/table_read.h"
#include "study/study.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/espalier-bounds-XXXXXX";

static FILE *begin(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    return file;
}

static void put(const char *name, const char *text)
{
    FILE *file = begin(name);
    fputs(text, file);
    fclose(file);
}

static void read_table(struct esp_table *table)
{
    struct esp_error error = {""};
    char path[256];
    snprintf(path, sizeof path, "%s/b.yaml", folder);
    if (esp_table_read(path, table, &error) < 0) {
        fail_msg("%s", error.text);
    }
}

/* Removes a trial's points after the first `keep`. */
static void censor(struct esp_table *table, uint32_t trial, uint32_t keep)
{
    uint32_t end = table->first[trial + 1], cut = table->first[trial] + keep;
    assert_true(keep > 0 && cut < end);
    memmove(&table->points[cut],
            &table->points[end],
            (table->first[table->trial_count] - end) * sizeof *table->points);
    for (uint32_t t = trial + 1; t <= table->trial_count; t++) {
        table->first[t] -= end - cut;
    }
    table->ends[trial] = ESP_TABLE_CENSORED;
    table->censored++;
}

static struct esp_study *
study_of(const struct esp_table *table, const char *method, const char *scheduler)
{
    struct esp_policy policy = {
        .method = method, .scheduler = scheduler, .prior = "none", .risk = NAN};
    struct esp_study *study = NULL;
    struct esp_error error = {""};
    if (esp_table_study(table, &study, &error) < 0 ||
        esp_policy_apply(&policy, table, study, &error) < 0) {
        fail_msg("%s", error.text);
    }
    study->seed = 1;
    return study;
}

static void
assert_trace(const struct esp_replay_result *result, const double (*expected)[2], size_t count)
{
    for (size_t i = 0; i < count && i < result->trace_count; i++) {
        if (result->trace[i].spent != expected[i][0] ||
            result->trace[i].returned != expected[i][1]) {
            fail_msg("step %zu is %lld, %g, not %g, %g",
                     i,
                     (long long)result->trace[i].spent,
                     result->trace[i].returned,
                     expected[i][0],
                     expected[i][1]);
        }
    }
    assert_int_equal(result->trace_count, count);
}
#define ASSERT_TRACE(result, ...)                                                              \
    do {                                                                                       \
        static const double expected[][2] = {__VA_ARGS__};                                     \
        assert_trace(result, expected, sizeof expected / sizeof *expected);                    \
    } while (0)

static const char hand[] = "name: hand\nhorizon: 4\nparameters:\n  size: {values: [1, 2, 3]}\n";
static const char hand_trials[] = "trial,size\n0,1\n1,2\n2,3\n";

/* Searches with a grid, which proposes the sizes in their order. */
static void search(const struct esp_table *table,
                   const char *scheduler,
                   struct esp_replay_result *result,
                   struct esp_bounds *bounds)
{
    struct esp_study *study = study_of(table, "grid", scheduler);
    struct esp_replay_options options = {.budget = 100, .workers = 1};
    struct esp_error error = {""};
    assert_int_equal(esp_replay_run(table, study, &options, result, &error), 0);
    assert_int_equal(esp_bounds_make(table, study, &options, result, bounds), 0);
    esp_study_destroy(study);
}

static void release(struct esp_replay_result *result, struct esp_bounds *bounds)
{
    esp_bounds_release(bounds);
    esp_replay_result_release(result);
}

/* The first trial is at 5 half way and is trained further. At that cost the true loss is
 * between the best (2) and 5, and so it is after the next payment. */
static void bounds_before_any_trial_is_complete(void **state)
{
    (void)state;
    struct esp_table table;
    struct esp_replay_result result;
    struct esp_bounds bounds;
    put("b.yaml", hand);
    put("b.trials.csv", hand_trials);
    put("b.curves.csv",
        "trial,tokens,loss,seconds\n0,2,5,\n0,4,1,\n1,2,4,\n1,4,3,\n2,2,3.5,\n2,4,2,\n");
    read_table(&table);
    censor(&table, 0, 1);
    table.best = 2;
    search(&table, "none", &result, &bounds);
    ASSERT_TRACE(&result, {2, 5}, {4, 5}, {6, 5}, {8, 3}, {10, 3}, {12, 2});
    ASSERT_TRACE(&bounds.lower, {2, 2}, {3, 2});
    ASSERT_TRACE(&bounds.upper, {2, 5}, {4, 5}, {6, 5}, {8, 3}, {10, 3}, {12, 2});
    assert_int_equal(result.unknown_at, 2);
    assert_int_equal(result.beyond, 1);
    assert_int_equal(result.beyond_spent, 2);
    assert_int_equal(result.complete, 2);
    assert_int_equal(result.discarded, 0); /* stopped, not discarded */
    release(&result, &bounds);

    /* A policy that uses losses may do anything after that. */
    search(&table, "median", &result, &bounds);
    ASSERT_TRACE(&bounds.lower, {2, 2}, {3, 2});
    ASSERT_TRACE(&bounds.upper, {2, 5}, {3, INFINITY});
    release(&result, &bounds);
    esp_table_release(&table);
}

/* The first trial is complete at 3; the second goes beyond its record at 6 tokens in all. Its
 * last 2 tokens may give a better loss, so at 8 tokens and not before; 3 is certain. */
static void bounds_after_a_complete_trial(void **state)
{
    (void)state;
    struct esp_table table;
    struct esp_replay_result result;
    struct esp_bounds bounds;
    struct esp_replay_summary lower, upper;
    put("b.yaml", hand);
    put("b.trials.csv", hand_trials);
    put("b.curves.csv",
        "trial,tokens,loss,seconds\n0,2,4,\n0,4,3,\n1,2,5,\n1,4,1,\n2,2,3.5,\n2,4,2,\n");
    read_table(&table);
    censor(&table, 1, 1);
    table.best = 2;
    search(&table, "median", &result, &bounds);
    ASSERT_TRACE(&result, {2, 3}, {4, 3}, {6, 3}, {8, 3}, {10, 3}, {12, 2});
    ASSERT_TRACE(&bounds.lower, {2, 3}, {4, 3}, {6, 3}, {8, 2});
    ASSERT_TRACE(&bounds.upper, {2, 3}, {4, 3}, {6, 3});
    assert_int_equal(esp_replay_summary_init(&lower, &table, 1), 0);
    assert_int_equal(esp_replay_summary_init(&upper, &table, 1), 0);
    esp_replay_summary_add(&lower, &table, &bounds.lower);
    esp_replay_summary_add(&upper, &table, &bounds.upper);
    assert_true(lower.cost[ESP_WITHIN_1][0] == 2); /* 8 tokens of 4 */
    assert_true(upper.cost[ESP_WITHIN_1][0] == INFINITY);
    assert_true(lower.regret[0][0] == 1 && upper.regret[0][0] == 1); /* at 4 tokens */
    assert_true(lower.regret[1][0] == 0 && upper.regret[1][0] == 1); /* at 8 */
    esp_replay_summary_release(&lower);
    esp_replay_summary_release(&upper);
    release(&result, &bounds);

    /* In a fixed order of trials the second one can do no worse than cost its full training. */
    search(&table, "none", &result, &bounds);
    ASSERT_TRACE(&bounds.lower, {2, 3}, {4, 3}, {6, 3}, {8, 2});
    ASSERT_TRACE(&bounds.upper, {2, 3}, {4, 3}, {6, 3}, {8, 3}, {10, 3}, {12, 2});
    release(&result, &bounds);
    esp_table_release(&table);
}

static void a_failed_trial_fails_again_at_the_same_cost(void **state)
{
    (void)state;
    struct esp_table table;
    struct esp_replay_result result;
    struct esp_bounds bounds;
    put("b.yaml", hand);
    put("b.trials.csv", hand_trials);
    put("b.curves.csv",
        "trial,tokens,loss,seconds\n0,2,5,\n1,2,4,\n1,4,3,\n2,2,3.5,\n2,4,2,\n");
    read_table(&table);
    table.ends[0] = ESP_TABLE_FAILED;
    table.horizons[0] = 4;
    search(&table, "none", &result, &bounds);
    ASSERT_TRACE(&result, {2, INFINITY}, {4, 3}, {6, 3}, {8, 3}, {10, 2});
    assert_int_equal(result.unknown_at, -1);
    assert_int_equal(result.beyond, 0);
    assert_int_equal(result.discarded + result.diverged, 0);
    ASSERT_TRACE(&bounds.lower, {2, INFINITY}, {4, 3}, {6, 3}, {8, 3}, {10, 2});
    ASSERT_TRACE(&bounds.upper, {2, INFINITY}, {4, 3}, {6, 3}, {8, 3}, {10, 2});
    release(&result, &bounds);
    esp_table_release(&table);
}

/* A full training is the median of 3 s and 8 s; the second half of the censored trial costs as
 * much as its first. */
static void costs_in_seconds_are_recorded_or_extrapolated(void **state)
{
    (void)state;
    struct esp_table table;
    struct esp_replay_result result;
    struct esp_bounds bounds;
    struct esp_error error = {""};
    put("b.yaml", hand);
    put("b.trials.csv", hand_trials);
    put("b.curves.csv",
        "trial,tokens,loss,seconds\n0,2,5,1.5\n0,4,1,9\n1,2,4,1\n1,4,3,3\n2,2,3.5,4\n2,4,2,"
        "8\n");
    read_table(&table);
    censor(&table, 0, 1);
    table.best = 2;
    assert_int_equal(esp_table_set_unit(&table, ESP_COST_SECONDS, &error), 0);
    assert_int_equal(table.full, 5500000);
    assert_int_equal(esp_table_rest(&table, 0, table.first[0] + 1), 1500000);
    search(&table, "none", &result, &bounds);
    ASSERT_TRACE(&result,
                 {1500000, 5},
                 {3000000, 5},
                 {4000000, 5},
                 {6000000, 3},
                 {10000000, 3},
                 {14000000, 2});
    release(&result, &bounds);
    table.points[3].seconds = NAN;
    assert_int_equal(esp_table_set_unit(&table, ESP_COST_SECONDS, &error), -EINVAL);
    assert_non_null(strstr(error.text, "b.curves.csv: trial 2 at 2 tokens"));
    table.points[3].seconds = 9;
    assert_int_equal(esp_table_set_unit(&table, ESP_COST_SECONDS, &error), -EINVAL);
    assert_non_null(strstr(error.text, "fall"));
    esp_table_release(&table);
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static double uniform(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

#define ROWS 24
#define POINTS 12

/* Falling curves, some of which cross: final losses form a valley in log x, and the rates of
 * decrease are random. */
static void write_curves(uint64_t seed)
{
    uint64_t random = seed;
    put("b.yaml", "name: falling\nhorizon: 12\nparameters: {x: {scale: log}}\n");
    FILE *trials = begin("b.trials.csv"), *curves = begin("b.curves.csv");
    fputs("trial,x\n", trials);
    fputs("trial,tokens,loss,seconds\n", curves);
    for (int t = 0; t < ROWS; t++) {
        double x = exp(6 * uniform(&random)), off = log(x) - 3;
        double last = 2 + 0.1 * off * off + 0.2 * uniform(&random);
        double rate = 0.2 + uniform(&random);
        fprintf(trials, "%d,%.17g\n", t, x);
        for (int p = 1; p <= POINTS; p++) {
            fprintf(
                curves, "%d,%d,%.17g,\n", t, p, last + exp(-rate * p) - exp(-rate * POINTS));
        }
    }
    fclose(trials);
    fclose(curves);
}

/* The returned loss of a trace at a cost; `before` its first step. */
static double at(const struct esp_replay_result *trace, int64_t spent, double before)
{
    double returned = before;
    for (size_t i = 0; i < trace->trace_count && trace->trace[i].spent <= spent; i++) {
        returned = trace->trace[i].returned;
    }
    return returned;
}

static int compared, narrow; /* costs compared; those where the two bounds are equal */

/* The trace of the same policy and seed on the uncensored table is within the bounds. */
static void compare(const struct esp_table *whole,
                    const struct esp_table *table,
                    struct esp_study *study,
                    uint32_t workers)
{
    struct esp_replay_options options = {.budget = 6, .workers = workers};
    struct esp_replay_result truth, result;
    struct esp_bounds bounds;
    struct esp_error error = {""};
    assert_int_equal(esp_replay_run(whole, study, &options, &truth, &error), 0);
    assert_int_equal(esp_replay_run(table, study, &options, &result, &error), 0);
    assert_int_equal(esp_bounds_make(table, study, &options, &result, &bounds), 0);
    int64_t end = truth.spent;
    for (int64_t spent = 1; spent <= end; spent++) {
        double low = at(&bounds.lower, spent, -INFINITY);
        double high = at(&bounds.upper, spent, INFINITY);
        double loss = at(&truth, spent, INFINITY);
        if (!(low <= loss && loss <= high)) {
            fail_msg("method %d, scheduler %d, seed %llu, %u workers, at %lld: %g not from %g "
                     "to %g",
                     study->method,
                     study->stopping.type,
                     (unsigned long long)study->seed,
                     workers,
                     (long long)spent,
                     loss,
                     low,
                     high);
        }
        compared++;
        narrow += low == high;
    }
    release(&result, &bounds);
    esp_replay_result_release(&truth);
}

static void the_truth_is_between_the_bounds(void **state)
{
    (void)state;
    static const char *const policies[][2] = {
        {"random", "none"},
        {"sobol", "none"},
        {"random", "asha"},
        {"random", "median"},
        {"tpe", "none"},
        {"tpe", "asha-stopping"},
        {"tpe", "hyperband"},
        {"tpe", "halving"},
        {"bayes", "none"},
        {"bayes", "freeze-thaw"},
    };
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct esp_table whole, table;
        uint64_t random = 100 + seed;
        write_curves(seed);
        read_table(&whole);
        read_table(&table);
        for (uint32_t t = 0; t < ROWS; t++) {
            /* The best stays complete, and so does a share of the others, less with each seed.
             */
            if (t != whole.best && uniform(&random) > 0.15 * (double)seed) {
                censor(&table, t, 1 + (uint32_t)(uniform(&random) * (POINTS - 1)));
            }
        }
        for (size_t p = 0; p < sizeof policies / sizeof *policies; p++) {
            struct esp_study *study = study_of(&whole, policies[p][0], policies[p][1]);
            for (study->seed = 1; study->seed <= 4; study->seed++) {
                compare(&whole, &table, study, 1);
                compare(&whole, &table, study, 3);
            }
            esp_study_destroy(study);
        }
        esp_table_release(&whole);
        esp_table_release(&table);
    }
    assert_true(compared > 20000);
    assert_true(narrow > compared / 20); /* else the bounds are too wide to be useful */
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"b.yaml", "b.trials.csv", "b.curves.csv"};
    char path[256];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_before_any_trial_is_complete),
        cmocka_unit_test(bounds_after_a_complete_trial),
        cmocka_unit_test(a_failed_trial_fails_again_at_the_same_cost),
        cmocka_unit_test(costs_in_seconds_are_recorded_or_extrapolated),
        cmocka_unit_test(the_truth_is_between_the_bounds),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
