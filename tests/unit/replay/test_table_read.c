/* Reading tables from their files. */
#include "study/study.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../near.h"
#include "fixture.h"

static void a_table_is_read_with_its_scales(void **state)
{
    (void)state;
    struct esp_table table;
    read_small_table(&table);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_read_with_its_scales),
        cmocka_unit_test(faults_name_file_line_and_value),
        cmocka_unit_test(a_schedule_can_have_shares),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
