/* ASHA on examples worked out by hand, and properties on random curves. */
#include "drive.h"

#include <espalier/random.h>

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct drive drive; /* large */

/* Every trial has the same loss at all points of its curve. */
static double flat(uint32_t trial, int64_t tokens, void *context)
{
    (void)tokens;
    return ((const double *)context)[trial];
}

static void open_flat(bool stopping_form, const double *losses, uint32_t run_cap)
{
    struct esp_study *study = drive_study(ESP_SCHEDULER_ASHA, 9);
    study->stopping.eta = 3;
    study->stopping.min = 1;
    study->stopping.form = stopping_form ? ESP_ASHA_STOPPING : ESP_ASHA_PROMOTION;
    drive_open(&drive, study);
    drive.loss = flat;
    drive.context = (void *)losses;
    drive.run_cap = run_cap;
}

/* r = 1, R = 9, eta = 3, one worker. By hand from algorithm 2: with three trials in rung 0 the
 * best of them (1) goes on to 3; with six, the second (3); with nine, the third (7). Rung 1
 * then has three, of which the best (7) runs to 9. */
static void promotion_follows_the_paper(void **state)
{
    (void)state;
    const double losses[] = {.9, .5, .7, .4, .8, .6, .95, .3, .99};
    open_flat(false, losses, 9);
    drive_run(&drive, 0);
    assert_string_equal(drive.log,
                        "S0>1 P0 S1>1 P1 S2>1 P2 C1>3 P1 "
                        "S3>1 C3>3 P3 S4>1 P4 S5>1 P5 "
                        "S6>1 P6 S7>1 C7>3 C7>9 =7 S8>1 P8 "
                        "END");
    drive_close(&drive);
}

static void a_promotion_records_rank_threshold_and_rivals(void **state)
{
    (void)state;
    const double losses[] = {.9, .5, .7};
    open_flat(false, losses, 3);
    drive_run(&drive, 3);
    assert_int_equal(drive.last.action, ESP_VERDICT_PAUSE);
    assert_int_equal(drive.last.reason.rule, ESP_RULE_ASHA_WAIT);
    assert_int_equal(drive.last.reason.rung, 0);
    assert_int_equal(drive.last.reason.at, 1);
    assert_int_equal(drive.last.reason.rank, 2);
    assert_int_equal(drive.last.reason.of, 3);
    assert_true(drive.last.reason.value == .7 && drive.last.reason.threshold == .5);
    assert_int_equal(drive.last.reason.rivals[0], 1);
    assert_int_equal(drive.last.reason.rivals[1], 0);
    assert_int_equal(drive.last.reason.rivals[2], -1);
    drive_run(&drive, 1);
    drive_close(&drive);
}

/* Three trials promote one to rung 1 and no more, so no trial would reach the horizon. At the
 * end the best trial of the highest rung goes on. */
static void a_search_ends_with_a_trial_at_its_horizon(void **state)
{
    (void)state;
    const double losses[] = {.9, .5, .7};
    open_flat(false, losses, 3);
    drive_run(&drive, 0);
    assert_string_equal(drive.log, "S0>1 P0 S1>1 P1 S2>1 P2 C1>3 P1 C1>9 =1 END");
    drive_close(&drive);
}

/* Optuna: at each rung a trial goes on when it is among the best max(1, ⌊n/eta⌋) there, itself
 * included: 0 is alone, 1 better than 0, 2 worse than the best of three, 3 best of four. */
static void stopping_form_follows_optuna(void **state)
{
    (void)state;
    const double losses[] = {.9, .5, .7, .4, .45, .42};
    open_flat(true, losses, 6);
    drive_run(&drive, 0);
    /* 5 is second of six at rung 0 (kept 2), then third of four at rung 1 (kept 1). */
    assert_string_equal(drive.log, "S0>9 =0 S1>9 =1 S2>9 X2 S3>9 =3 S4>9 X4 S5>9 X5 END");
    assert_int_equal(drive.spent, 9 + 9 + 1 + 9 + 1 + 3);
    drive_close(&drive);
}

static void an_interrupted_trial_is_finished_first(void **state)
{
    (void)state;
    const double losses[] = {.9, .5, .7, .6};
    open_flat(false, losses, 4);
    drive_run(&drive, 4); /* trial 1 is between 1 and 3 tokens */
    drive_interrupt(&drive);
    drive_run(&drive, 0);
    assert_string_equal(drive.log, "S0>1 P0 S1>1 P1 S2>1 P2 C1>3 C1>3 P1 S3>1 P3 C1>9 =1 END");
    drive_close(&drive);
}

static void held_trials_are_not_continued(void **state)
{
    (void)state;
    const double losses[] = {.9, .5, .7, .6, .8, .95};
    open_flat(false, losses, 6);
    drive_run(&drive, 2);
    esp_scheduler_paused(drive.scheduler, 1, true);
    drive.trials[1].held = true;
    drive_run(&drive, 4);
    /* 1 leads but is held by the user. Of six two are promoted: the next best (3) goes on. */
    assert_string_equal(drive.log, "S0>1 P0 S1>1 P1 S2>1 P2 S3>1 P3 S4>1 P4 S5>1 P5 ");
    drive_run(&drive, 1);
    assert_non_null(strstr(drive.log, "C3>3 "));
    drive_close(&drive);
}

static void a_trial_that_the_user_continues_runs_to_its_horizon(void **state)
{
    (void)state;
    const double losses[] = {.5, .9, .7};
    open_flat(true, losses, 2);
    drive_run(&drive, 10);
    assert_string_equal(drive.log, "S0>9 =0 S1>9 X1 ");
    esp_scheduler_returned(drive.scheduler, 1);
    struct esp_slot_view view = {0};
    for (int64_t tokens = 2; tokens < 9; tokens++) {
        esp_scheduler_observed(drive.scheduler, 1, tokens, .9, 0);
        struct esp_verdict verdict =
            esp_scheduler_report(drive.scheduler, 1, tokens == 3, &view);
        assert_int_equal(verdict.action, tokens == 3 ? ESP_VERDICT_CONTINUE : ESP_VERDICT_NONE);
    }
    drive_close(&drive);
}

/* Of nine trials six diverge at once. They count at rung 0, so a third of nine is promoted: all
 * of the other three. */
static void diverged_trials_count_as_the_worst(void **state)
{
    (void)state;
    const double losses[] = {NAN, NAN, INFINITY, NAN, NAN, NAN, .5, .6, .7};
    open_flat(false, losses, 9);
    drive_run(&drive, 0);
    assert_string_equal(drive.log,
                        "S0>1 X0 S1>1 X1 S2>1 X2 S3>1 X3 S4>1 X4 S5>1 X5 "
                        "S6>1 C6>3 P6 S7>1 C7>3 P7 S8>1 C8>3 P8 C6>9 =6 END");
    drive_close(&drive);
}

/* Different batch sizes: horizons 9 and 8; both count at the last rung. */
static void a_shorter_horizon_is_the_same_rung(void **state)
{
    (void)state;
    struct esp_study *study = drive_study(ESP_SCHEDULER_ASHA, 9);
    study->stopping.min = 1;
    struct esp_scheduler *s;
    assert_int_equal(esp_scheduler_create(study, &s, NULL), 0);
    int64_t horizon[] = {2, 9, 9};
    for (uint32_t t = 0; t < 3; t++) {
        struct esp_slot_view view = {.may_create = true, .next_trial = t};
        struct esp_verdict v = esp_scheduler_slot(s, &view);
        esp_scheduler_decided(s, &v);
        esp_scheduler_created(s, t, horizon[t], NULL);
        esp_scheduler_observed(s, t, 1, 1.0 + t, 0);
        v = esp_scheduler_report(s, t, true, &view);
        assert_int_equal(v.action, ESP_VERDICT_PAUSE);
        esp_scheduler_decided(s, &v);
        esp_scheduler_paused(s, t, false);
    }
    struct esp_slot_view view = {.next_trial = 3};
    struct esp_verdict v = esp_scheduler_slot(s, &view);
    assert_int_equal(v.action, ESP_VERDICT_CONTINUE);
    assert_int_equal(v.trial, 0);
    assert_int_equal(v.until, 2); /* not 3: its horizon is 2 */
    esp_scheduler_destroy(s);
}

static void bad_rungs_are_refused(void **state)
{
    (void)state;
    struct esp_scheduler *s;
    struct esp_error error;
    struct esp_study *study = drive_study(ESP_SCHEDULER_ASHA, 9);
    study->stopping.line = 12;
    study->stopping.min = 9;
    assert_int_equal(esp_scheduler_create(study, &s, &error), -EINVAL);
    assert_non_null(strstr(error.text, "line 12"));
    study->stopping.min = 1;
    study->stopping.eta = 1;
    assert_int_equal(esp_scheduler_create(study, &s, &error), -EINVAL);
    assert_non_null(strstr(error.text, "eta"));
}

struct wild {
    uint64_t seed;
    uint32_t better; /* trial with a curve that is lower by 1 */
};

/* Power laws that cross, with noise; some diverge. */
static double wild_curve(uint32_t trial, int64_t tokens, void *context)
{
    const struct wild *wild = context;
    struct esp_random_block shape = esp_random_at(wild->seed, trial, ESP_RANDOM_SIMULATION, 0);
    struct esp_random_block noise =
        esp_random_at(wild->seed, trial, ESP_RANDOM_SIMULATION, (uint64_t)tokens);
    if (shape.word[2] % 10 == 0 && tokens > (int64_t)(shape.word[3] % 81)) {
        return shape.word[3] & 1 ? NAN : INFINITY;
    }
    double end = esp_random_unit(shape.word[0], 0), slope = esp_random_unit(shape.word[1], 0);
    return end + pow((double)tokens, -slope) + 0.01 * esp_random_unit(noise.word[0], 0) -
           (trial == wild->better ? 1.0 : 0.0);
}

/* Compares the furthest step of every trial on random curves, with and without one of them
 * being better. */
static void a_better_curve_is_never_treated_worse(void **state)
{
    (void)state;
    for (int form = 0; form < 2; form++) {
        for (uint64_t seed = 0; seed < 40; seed++) {
            int64_t reached[2], spent[2];
            struct wild wild = {.seed = seed};
            for (int better = 0; better < 2; better++) {
                struct esp_study *study = drive_study(ESP_SCHEDULER_ASHA, 81);
                study->stopping.eta = 3;
                study->stopping.min = 3;
                study->stopping.form = form;
                wild.better = better ? 17 : UINT32_MAX;
                drive_open(&drive, study);
                drive.loss = wild_curve;
                drive.context = &wild;
                drive.run_cap = 60;
                drive.workers = 4;
                drive_run(&drive, 0);
                assert_true(drive.ended);
                reached[better] = drive.trials[17].tokens;
                spent[better] = drive.spent;
                drive_close(&drive);
            }
            assert_true(reached[1] >= reached[0]);
            assert_true(spent[0] < 60 * 81);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promotion_follows_the_paper),
        cmocka_unit_test(a_promotion_records_rank_threshold_and_rivals),
        cmocka_unit_test(a_search_ends_with_a_trial_at_its_horizon),
        cmocka_unit_test(stopping_form_follows_optuna),
        cmocka_unit_test(an_interrupted_trial_is_finished_first),
        cmocka_unit_test(held_trials_are_not_continued),
        cmocka_unit_test(a_trial_that_the_user_continues_runs_to_its_horizon),
        cmocka_unit_test(diverged_trials_count_as_the_worst),
        cmocka_unit_test(a_shorter_horizon_is_the_same_rung),
        cmocka_unit_test(bad_rungs_are_refused),
        cmocka_unit_test(a_better_curve_is_never_treated_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
