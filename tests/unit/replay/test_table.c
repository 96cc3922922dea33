/* Reading tables, and one search on a table, worked out by hand. */
#include "replay/plot.h"
#include "replay/policy.h"
#include "replay/run.h"
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

#include "../near.h"

static char folder[] = "/tmp/espalier-table-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char description[] = "name: t\n"
                                  "horizon: 4\n"
                                  "schedule: cosine\n"
                                  "metric: {name: loss, goal: minimize}\n"
                                  "parameters:\n"
                                  "  lr: {scale: log}\n"
                                  "  beta: {scale: log1m, min: 0.9, max: 0.999}\n"
                                  "  size: {scale: log, values: [8, 2, 32]}\n";
static const char trials[] = "trial,lr,beta,size\n"
                             "0,0.01,0.9,8\n"
                             "1,0.1,0.99,2\n"
                             "2,1.0,0.999,32\n";
static const char curves[] = "trial,tokens,loss,seconds\n"
                             "0,2,5,1.5\n0,4,3,\n"
                             "1,2,4,1\n1,4,2.5,2\n"
                             "2,2,9,1\n2,4,nan,2\n";

static int write_and_read(const char *d,
                          const char *t,
                          const char *c,
                          struct esp_table *table,
                          struct esp_error *error)
{
    char path[256];
    put("t.yaml", d);
    put("t.trials.csv", t);
    put("t.curves.csv", c);
    snprintf(path, sizeof path, "%s/t.yaml", folder);
    return esp_table_read(path, table, error);
}

static void a_table_is_read_with_its_scales(void **state)
{
    (void)state;
    struct esp_table table;
    struct esp_error error = {""};
    if (write_and_read(description, trials, curves, &table, &error) < 0) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(table.trial_count, 3);
    assert_int_equal(table.horizon, 4);
    assert_int_equal(table.best, 1);
    assert_true(esp_table_final(&table, 2) == INFINITY);
    assert_true(esp_table_ranked(&table, 2) == 3);
    /* lr 0.1 is half way from 0.01 to 1 in the logarithm; 1 - beta from 0.1 over 0.01 to 0.001;
     * size 2 is the smallest of three. */
    double expected[9] = {0, 0, 0.5, 0.5, 0.5, 0, 1, 1, 1};
    for (int i = 0; i < 9; i++) {
        assert_near(table.place[i], expected[i], 1e-9);
    }
    assert_near(table.drawn[1], 0.1, 1e-12); /* 1 - 0.9 */
    assert_true(table.drawn[2] == 0 && table.drawn[5] == 1 && table.drawn[8] == 2);

    bool taken[3] = {false};
    double near_one[3] = {0.2, 0.02, 1};
    assert_int_equal(esp_table_nearest(&table, near_one, taken), 1);
    taken[1] = true;
    assert_int_equal(esp_table_nearest(&table, near_one, taken), 0);
    taken[0] = taken[2] = true;
    assert_int_equal(esp_table_nearest(&table, near_one, taken), -1);
    esp_table_release(&table);
}

static void faults_name_file_line_and_value(void **state)
{
    (void)state;
    struct {
        const char *d, *t, *c, *words[3];
    } cases[] = {
        {"name: t\nhorizon: -1\nparameters: {lr: {}}\n",
         trials,
         curves,
         {"t.yaml:2", "horizon"}},
        {"name: t\nhorizon: 4\n", trials, curves, {"parameters"}},
        {"name: t\nhorizon: 4\nparameters: {lr: {scale: lg}}\n",
         trials,
         curves,
         {"t.yaml:3", "lg"}},
        {description, "", curves, {"t.trials.csv", "empty"}},
        {description, "trial,lr,beta,size\n", curves, {"t.trials.csv", "no rows"}},
        {description, "trial,lr,beta\n0,1,0.9\n", curves, {"t.trials.csv", "\"size\""}},
        {description, "trial,lr,beta,size\n0,x,0.9,8\n", curves, {"csv:2", "lr", "\"x\""}},
        {description, "trial,lr,beta,size\n0,0,0.9,8\n", curves, {"csv:2", "lr is 0"}},
        {description, "trial,lr,beta,size\n0,1,0.9,9\n", curves, {"csv:2", "\"9\""}},
        {description, "trial,lr,beta,size\n0,1,0.9\n", curves, {"csv:2", "3 cells"}},
        {description, "trial,lr,beta,size\n1,1,0.9,8\n", curves, {"csv:2", "trial 1"}},
        {description, trials, "trial,tokens,loss,seconds\n0,2,5,\n0,2,4,\n", {"csv:3", "grow"}},
        {description, trials, "trial,tokens,loss,seconds\n1,2,5,\n", {"csv:2", "trial 1"}},
        {description, trials, "trial,tokens,loss,seconds\n0,2,5,\n", {"trial 1"}},
        {description, trials, "trial,loss\n0,2\n", {"\"tokens\""}},
        {description,
         trials,
         "trial,tokens,loss\n0,2,nan\n1,2,inf\n2,2,nan\n",
         {"nothing to find"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct esp_table table;
        struct esp_error error = {""};
        int rc = write_and_read(cases[i].d, cases[i].t, cases[i].c, &table, &error);
        assert_true(rc < 0);
        for (int k = 0; k < 3 && cases[i].words[k]; k++) {
            if (!strstr(error.text, cases[i].words[k])) {
                fail_msg("case %zu: \"%s\" not in: %s", i, cases[i].words[k], error.text);
            }
        }
    }
}

/* A random search takes every trial of a table of three once. */
static void a_search_pays_for_what_it_trains(void **state)
{
    (void)state;
    struct esp_table table;
    struct esp_study *study;
    struct esp_error error;
    assert_int_equal(write_and_read(description, trials, curves, &table, &error), 0);
    assert_int_equal(esp_table_study(&table, &study, &error), 0);
    assert_int_equal(study->params[0].distribution, ESP_LOG_UNIFORM_VALUES);
    assert_near(study->params[1].min, 0.001, 1e-12);
    assert_near(study->params[1].max, 0.1, 1e-12);
    assert_int_equal(study->params[2].choice_count, 3);
    assert_int_equal(study->trainer.report_every, 2);
    study->method = ESP_METHOD_RANDOM;
    study->stopping.type = ESP_SCHEDULER_NONE;
    struct esp_replay_summary summary;
    assert_int_equal(esp_replay_summary_init(&summary, &table, 8), 0);
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct esp_replay_options options = {.budget = 100, .workers = 1};
        struct esp_replay_result result;
        study->seed = seed;
        assert_int_equal(esp_replay_run(&table, study, &options, &result, &error), 0);
        assert_int_equal(result.trials, 3);
        assert_int_equal(result.complete, 2); /* the third diverges at its last point */
        assert_int_equal(result.trace_count, 6);
        assert_int_equal(result.trace[5].spent, 12);
        assert_true(result.trace[5].returned == 2.5);
        assert_false(result.best_killed);
        esp_replay_summary_add(&summary, &table, &result);
        esp_replay_result_release(&result);

        options.budget = 1.4; /* 5.6 tokens: the next point would cost 2 beyond 4 */
        assert_int_equal(esp_replay_run(&table, study, &options, &result, &error), 0);
        assert_int_equal(result.trace[result.trace_count - 1].spent, 4);
        esp_replay_result_release(&result);
    }
    for (int i = 0; i < 8; i++) {
        double cost =
            summary.cost[ESP_WITHIN_1][i]; /* when trial 1 was complete, or the best so far */
        assert_true(cost >= 0.5 && cost <= 3);
        assert_true(summary.regret[4][i] == 0);
        assert_true(summary.regret[0][i] >= 0 && summary.regret[0][i] <= 0.5);
    }
    esp_replay_summary_release(&summary);
    esp_study_destroy(study);
    esp_table_release(&table);
}

static void a_plot_has_a_panel_with_its_line(void **state)
{
    (void)state;
    struct esp_table table;
    struct esp_study *study;
    struct esp_error error;
    struct esp_plot plot = {0};
    struct esp_replay_result result;
    struct esp_replay_options options = {.budget = 3, .workers = 2};
    char path[256], text[16384] = "";
    assert_int_equal(write_and_read(description, trials, curves, &table, &error), 0);
    assert_int_equal(esp_table_study(&table, &study, &error), 0);
    study->method = ESP_METHOD_RANDOM;
    study->stopping.type = ESP_SCHEDULER_NONE;
    assert_int_equal(esp_plot_panel(&plot, &table, 3, 1, &error), 0);
    assert_int_equal(esp_replay_run(&table, study, &options, &result, &error), 0);
    esp_plot_add(&plot, &table, &result);
    /* The last column is at the whole budget, where the best is found. */
    assert_true(plot.panels[0].regret[ESP_PLOT_COLUMNS - 1][0] == 0);
    assert_true(plot.panels[0].regret[0][0] ==
                0.5); /* nothing returned yet: the worst finite loss */
    snprintf(path, sizeof path, "%s/t.yaml", folder);
    assert_int_equal(esp_plot_write(&plot, "a <b> & c", path, &error), 0);
    FILE *file = fopen(path, "r");
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_non_null(strstr(text, "a &lt;b> &amp; c"));
    assert_non_null(strstr(text, "<polyline"));
    assert_non_null(strstr(text, "</svg>"));
    assert_int_equal(esp_plot_write(&plot, "x", "/nonexistent/x.svg", &error), -ENOENT);
    esp_plot_release(&plot);
    esp_replay_result_release(&result);
    esp_study_destroy(study);
    esp_table_release(&table);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"t.yaml", "t.trials.csv", "t.curves.csv"};
    char path[256];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static void a_schedule_can_have_shares(void **state)
{
    (void)state;
    struct esp_table table;
    struct esp_study *study;
    struct esp_error error;
    char text[512] = "name: t\nhorizon: 4\n"
                     "schedule: {type: wsd, warmup: 0.05, decay: 0.25, floor: 0}\n"
                     "parameters:\n  lr: {scale: log}\n  beta: {scale: log1m}\n"
                     "  size: {scale: log}\n";
    assert_int_equal(write_and_read(text, trials, curves, &table, &error), 0);
    assert_int_equal(esp_table_study(&table, &study, &error), 0);
    assert_int_equal(study->trainer.schedule, ESP_SCHEDULE_WSD);
    assert_true(study->trainer.warmup == 0.05 && study->trainer.decay == 0.25 &&
                study->trainer.floor == 0);
    assert_int_equal(study->ablate, 0);
    esp_study_destroy(study);
    esp_table_release(&table);
    memcpy(strstr(text, "0.25"), "2.50", 4);
    assert_int_equal(write_and_read(text, trials, curves, &table, &error), -EINVAL);
    assert_non_null(strstr(error.text, "decay is a share from 0 to 1, not 2.5"));
    esp_table_release(&table);
}

/* It does not count as constant, whatever else is ablated. */
static void a_missing_schedule_is_unknown(void **state)
{
    (void)state;
    struct esp_table table;
    struct esp_study *study;
    struct esp_error error;
    const char *text = "name: t\nhorizon: 4\n"
                       "parameters:\n  lr: {scale: log}\n  beta: {scale: log1m}\n"
                       "  size: {scale: log}\n";
    struct esp_policy policy = {.method = "random",
                                .scheduler = "none",
                                .prior = "none",
                                .ablate = "curve",
                                .risk = NAN};
    assert_int_equal(write_and_read(text, trials, curves, &table, &error), 0);
    assert_int_equal(esp_table_study(&table, &study, &error), 0);
    assert_int_equal(study->ablate, ESP_ABLATE_SCHEDULE);
    assert_int_equal(esp_policy_apply(&policy, &table, study, &error), 0);
    assert_int_equal(study->ablate, ESP_ABLATE_SCHEDULE | ESP_ABLATE_CURVE);
    esp_study_destroy(study);
    esp_table_release(&table);
}

static void parts_are_ablated_by_name(void **state)
{
    (void)state;
    struct esp_table table;
    struct esp_study *study;
    struct esp_error error;
    struct esp_policy policy = {.method = "bayes",
                                .scheduler = "freeze-thaw",
                                .prior = "none",
                                .risk = NAN,
                                .ablate = "prior,curve"};
    assert_int_equal(write_and_read(description, trials, curves, &table, &error), 0);
    assert_int_equal(esp_table_study(&table, &study, &error), 0);
    assert_int_equal(esp_policy_apply(&policy, &table, study, &error), 0);
    assert_int_equal(study->ablate, ESP_ABLATE_PRIOR | ESP_ABLATE_CURVE);
    policy.ablate = "curve,kurve";
    assert_int_equal(esp_policy_check(&policy, &error), -EINVAL);
    assert_non_null(strstr(error.text, "\"kurve\"; there are curve, schedule, prior"));
    esp_study_destroy(study);
    esp_table_release(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_read_with_its_scales),
        cmocka_unit_test(faults_name_file_line_and_value),
        cmocka_unit_test(a_search_pays_for_what_it_trains),
        cmocka_unit_test(a_plot_has_a_panel_with_its_line),
        cmocka_unit_test(a_schedule_can_have_shares),
        cmocka_unit_test(a_missing_schedule_is_unknown),
        cmocka_unit_test(parts_are_ablated_by_name),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
