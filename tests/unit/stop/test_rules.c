/* The schedulers none, median and percentile, the target, and the default scheduler. */
#include "drive.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct drive drive;

/* Every trial has a row of four losses. */
static double row(uint32_t trial, int64_t tokens, void *context)
{
    return ((double(*)[4])context)[trial][tokens - 1];
}

static void open_rows(struct esp_study *study, double (*rows)[4], uint32_t run_cap)
{
    drive_open(&drive, study);
    drive.loss = row;
    drive.context = rows;
    drive.run_cap = run_cap;
}

static void none_trains_every_trial_to_its_horizon(void **state)
{
    (void)state;
    double rows[3][4] = {{9, 8, 7, 6}, {1, 1, 1, 1}, {5, NAN, 5, 5}};
    open_rows(drive_study(ESP_SCHEDULER_NONE, 4), rows, 3);
    drive_run(&drive, 0);
    assert_string_equal(drive.log, "S0>4 =0 S1>4 =1 S2>4 X2 END");
    drive_close(&drive);
}

static void none_continues_interrupted_trials(void **state)
{
    (void)state;
    double rows[3][4] = {{9, 8, 7, 6}, {1, 1, 1, 1}, {5, 4, 5, 5}};
    open_rows(drive_study(ESP_SCHEDULER_NONE, 4), rows, 3);
    drive.workers = 2;
    drive_run(&drive, 3);
    drive_interrupt(&drive);
    drive_run(&drive, 0);
    assert_string_equal(drive.log, "S0>4 S1>4 C0>4 C1>4 =0 S2>4 =1 =2 END");
    drive_close(&drive);
}

/* Five trials with final losses 1 to 5 and falling curves. Their running averages at the second
 * report: trial i has (i + 1 + 4, i + 1 + 2), so i + 4: median 3 + 3 = 6. */
static void median_compares_the_best_with_running_averages(void **state)
{
    (void)state;
    double rows[8][4];
    for (int i = 0; i < 5; i++) {
        double fall[4] = {4, 2, 1, 0};
        for (int k = 0; k < 4; k++) {
            rows[i][k] = i + 1 + fall[k];
        }
    }
    double lives[4] = {7, 6, 5, 4}, dies[4] = {7, 6.1, 5, 4}, dips[4] = {2, 99, 99, 99};
    memcpy(rows[5], lives, sizeof lives); /* 6 at the second report equals the median */
    memcpy(rows[6], dies, sizeof dies);
    memcpy(rows[7], dips, sizeof dips); /* compared by its best loss so far */
    open_rows(drive_study(ESP_SCHEDULER_MEDIAN, 4), rows, 8);
    drive_run(&drive, 5 * 4 + 4);
    assert_string_equal(drive.log, "S0>4 =0 S1>4 =1 S2>4 =2 S3>4 =3 S4>4 =4 S5>4 =5 ");
    /* With 5 the averages at report 2 are 5, 6, 6.5, 7, 8, 9: the median is now 6.5, so 6 goes
     * on there; at report 3 the averages are 13/3, 16/3, 6, 19/3, 22/3, 25/3. */
    drive_run(&drive, 0);
    assert_string_equal(drive.log + 48, "S6>4 =6 S7>4 =7 END");
    drive_close(&drive);
}

static void median_stops_trials_worse_than_the_median(void **state)
{
    (void)state;
    double rows[7][4] = {{5, 3, 2, 1},
                         {6, 4, 3, 2},
                         {7, 5, 4, 3},
                         {8, 6, 5, 4},
                         {9, 7, 6, 5},
                         {7, 6.1, 5, 4},
                         {7, 5.9, 5.5, 5.4}};
    /* averages at 2: 4 … 8, median 6; at 3: 10/3, 13/3, 16/3, 19/3, 22/3, median 16/3. Trial 6
     * is compared with five: 5 was stopped, and only completed trials count. */
    open_rows(drive_study(ESP_SCHEDULER_MEDIAN, 4), rows, 7);
    drive_run(&drive, 0);
    assert_string_equal(drive.log,
                        "S0>4 =0 S1>4 =1 S2>4 =2 S3>4 =3 S4>4 =4 S5>4 X5 S6>4 X6 END");
    assert_int_equal(drive.spent, 5 * 4 + 2 + 3);
    drive_close(&drive);

    struct esp_study *study = drive_study(ESP_SCHEDULER_MEDIAN, 4);
    study->stopping.warmup_tokens = 3;
    open_rows(study, rows, 7);
    drive_run(&drive, 0);
    /* Report 3 is the first that may stop: 5 has 5 there, below 16/3. With its average of
     * 18.1/3 the median of six is (16/3 + 18.1/3) / 2 = 5.68, so 6 goes on with 5.5. */
    drive_run(&drive, 0);
    assert_string_equal(drive.log,
                        "S0>4 =0 S1>4 =1 S2>4 =2 S3>4 =3 S4>4 =4 S5>4 =5 S6>4 =6 END");
    drive_close(&drive);
}

static void a_median_verdict_records_its_numbers(void **state)
{
    (void)state;
    double rows[6][4] = {
        {5, 3, 2, 1}, {6, 4, 3, 2}, {7, 5, 4, 3}, {8, 6, 5, 4}, {9, 7, 6, 5}, {7, 6.1, 5, 4}};
    open_rows(drive_study(ESP_SCHEDULER_MEDIAN, 4), rows, 6);
    drive_run(&drive, 22);
    assert_int_equal(drive.last.action, ESP_VERDICT_PRUNE);
    assert_int_equal(drive.last.reason.rule, ESP_RULE_MEDIAN);
    assert_int_equal(drive.last.reason.at, 2);
    assert_int_equal(drive.last.reason.of, 5);
    assert_true(drive.last.reason.value == 6.1);
    assert_true(drive.last.reason.threshold == 6);
    drive_close(&drive);
}

static void percentile_keeps_the_stated_share(void **state)
{
    (void)state;
    double rows[7][4] = {{5, 3, 2, 1},
                         {6, 4, 3, 2},
                         {7, 5, 4, 3},
                         {8, 6, 5, 4},
                         {9, 7, 6, 5},
                         {6, 4, 3, 2},
                         {6, 4.1, 3, 2.5}};
    struct esp_study *study = drive_study(ESP_SCHEDULER_PERCENTILE, 4);
    study->stopping.percentile = 25; /* the second of five */
    open_rows(study, rows, 7);
    drive_run(&drive, 0);
    assert_string_equal(drive.log,
                        "S0>4 =0 S1>4 =1 S2>4 =2 S3>4 =3 S4>4 =4 S5>4 =5 S6>4 X6 END");
    assert_true(drive.last.reason.rule == ESP_RULE_STUDY_END);
    drive_close(&drive);
    study->stopping.percentile = 101;
    struct esp_error error;
    struct esp_scheduler *s;
    assert_int_equal(esp_scheduler_create(study, &s, &error), -EINVAL);
    assert_non_null(strstr(error.text, "101"));
}

static void the_target_ends_the_search(void **state)
{
    (void)state;
    double rows[3][4] = {{9, 8, 7, 6}, {5, 4, 3, 2}, {5, 5, 5, 5}};
    struct esp_study *study = drive_study(ESP_SCHEDULER_NONE, 4);
    study->has_target = true;
    study->target = 3;
    open_rows(study, rows, 3);
    drive_run(&drive, 0);
    assert_string_equal(drive.log, "S0>4 =0 S1>4 END");
    assert_int_equal(drive.last.trial, 1);
    assert_int_equal(drive.last.reason.rule, ESP_RULE_TARGET);
    assert_int_equal(drive.last.reason.at, 3);
    drive_close(&drive);

    study->maximize = true; /* losses are negated: -6 is an accuracy of 6 */
    study->target = 6;
    double negated[1][4] = {{-4, -5, -6.5, -7}};
    open_rows(study, negated, 1);
    drive_run(&drive, 0);
    assert_string_equal(drive.log, "S0>4 END");
    assert_int_equal(drive.spent, 3);
    drive_close(&drive);
}

static void the_default_is_freeze_thaw_for_the_trainer_and_none_for_a_program(void **state)
{
    (void)state;
    struct esp_study *study = drive_study(ESP_SCHEDULER_DEFAULT, 270);
    struct esp_slot_view view = {.may_create = true};
    struct esp_scheduler *s;
    assert_int_equal(esp_scheduler_create(study, &s, NULL), 0);
    assert_int_equal(esp_scheduler_slot(s, &view).until, 10); /* 270 / 27 */
    esp_scheduler_destroy(s);
    study->trainer.report_every = 40; /* 270 / 3 is the first rung at or beyond a report */
    assert_int_equal(esp_scheduler_create(study, &s, NULL), 0);
    assert_int_equal(esp_scheduler_slot(s, &view).until, 90);
    esp_scheduler_destroy(s);
    study->abilities = (struct esp_abilities){0};
    assert_int_equal(esp_scheduler_create(study, &s, NULL), 0);
    assert_true(esp_scheduler_slot(s, &view).until >= 270);
    esp_scheduler_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_trains_every_trial_to_its_horizon),
        cmocka_unit_test(none_continues_interrupted_trials),
        cmocka_unit_test(median_compares_the_best_with_running_averages),
        cmocka_unit_test(median_stops_trials_worse_than_the_median),
        cmocka_unit_test(a_median_verdict_records_its_numbers),
        cmocka_unit_test(percentile_keeps_the_stated_share),
        cmocka_unit_test(the_target_ends_the_search),
        cmocka_unit_test(the_default_is_freeze_thaw_for_the_trainer_and_none_for_a_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
