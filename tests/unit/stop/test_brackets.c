/* Hyperband's brackets, successive halving, the cut, PASHA and W&B's rule, on examples worked
 * out by hand. */
#include "drive.h"

#include <espalier/random.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct drive drive;

static double flat(uint32_t trial, int64_t tokens, void *context)
{
    (void)tokens;
    return ((const double *)context)[trial];
}

static struct esp_study *rungs_from_one(enum esp_scheduler_type type, int64_t horizon)
{
    struct esp_study *study = drive_study(type, horizon);
    study->stopping.eta = 3;
    study->stopping.min = 1;
    return study;
}

static void open_flat(const struct esp_study *study, const double *losses, uint32_t run_cap)
{
    drive_open(&drive, study);
    drive.loss = flat;
    drive.context = (void *)losses;
    drive.run_cap = run_cap;
}

/* The table of JMLR 18, section 2.3 for R = 81, eta = 3: brackets of 81, 34, 15, 8 and 5 trials
 * that start at 1, 3, 9, 27 and 81. */
static void brackets_have_the_sizes_of_the_paper(void **state)
{
    (void)state;
    static double losses[81 + 34 + 15 + 8 + 5];
    const uint32_t size[] = {81, 34, 15, 8, 5};
    const int64_t first[] = {1, 3, 9, 27, 81};
    struct esp_slot_view view = {.may_create = true};
    struct esp_study *study = rungs_from_one(ESP_SCHEDULER_HYPERBAND, 81);
    for (uint32_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        losses[i] = 1.0 + i;
    }
    open_flat(study, losses, 81 + 34 + 15 + 8 + 5);
    drive.workers = 200; /* no trial is promoted before all have started */
    uint32_t trial = 0;
    for (int b = 0; b < 5; b++) {
        for (uint32_t i = 0; i < size[b]; i++, trial++) {
            view.next_trial = view.live = trial;
            struct esp_verdict v = esp_scheduler_slot(drive.scheduler, &view);
            assert_int_equal(v.action, ESP_VERDICT_START);
            assert_int_equal(v.until, first[b]);
            esp_scheduler_decided(drive.scheduler, &v);
            esp_scheduler_created(drive.scheduler, trial, 81, NULL);
        }
    }
    view.next_trial = view.live = trial;
    assert_int_equal(esp_scheduler_slot(drive.scheduler, &view).until, 1); /* and again */
    drive_close(&drive);
}

/* R = 9: 9 trials at 1, of these 3 to 3, of these 1 to 9; then 5 at 3, of these 1 to 9; then 3
 * at 9. */
static void a_bracket_promotes_as_worked_out_by_hand(void **state)
{
    (void)state;
    const double losses[] = {9, 8, 7, 1, 6, 2, 5, 3, 4, 15, 14, 11, 13, 12, 21, 22, 23};
    open_flat(rungs_from_one(ESP_SCHEDULER_HYPERBAND, 9), losses, 17);
    drive_run(&drive, 0);
    assert_string_equal(drive.log,
                        "S0>1 P0 S1>1 P1 S2>1 P2 S3>1 P3 S4>1 P4 S5>1 P5 S6>1 P6 S7>1 P7 "
                        "S8>1 P8 C3>3 P3 C5>3 P5 C7>3 P7 C3>9 =3 "
                        "S9>3 P9 S10>3 P10 S11>3 P11 S12>3 P12 S13>3 P13 C11>9 =11 "
                        "S14>9 =14 S15>9 =15 S16>9 =16 END");
    drive_close(&drive);
}

static void a_bracket_that_cannot_be_filled_goes_on(void **state)
{
    (void)state;
    const double losses[] = {4, 2, 3, 1, 5};
    open_flat(rungs_from_one(ESP_SCHEDULER_HYPERBAND, 9), losses, 5);
    drive_run(&drive, 0);
    assert_string_equal(drive.log, "S0>1 P0 S1>1 P1 S2>1 P2 S3>1 P3 S4>1 P4 C3>3 C3>9 =3 END");
    drive_close(&drive);
}

static void halving_puts_all_trials_in_one_bracket(void **state)
{
    (void)state;
    const double losses[] = {9, 8, 7, 6, NAN, 4, 5, 3, 2, 1, 10, 11};
    struct esp_study *study = rungs_from_one(ESP_SCHEDULER_HALVING, 9);
    study->run_cap = 12;
    open_flat(study, losses, 12);
    drive_run(&drive, 0);
    /* 12 at 1; ⌊12/3⌋ = 4 at 3; ⌊12/9⌋ = 1 at 9. */
    assert_string_equal(drive.log,
                        "S0>1 P0 S1>1 P1 S2>1 P2 S3>1 P3 S4>1 X4 S5>1 P5 S6>1 P6 S7>1 P7 "
                        "S8>1 P8 S9>1 P9 S10>1 P10 S11>1 P11 "
                        "C9>3 P9 C8>3 P8 C7>3 P7 C5>3 P5 C9>9 =9 END");
    drive_close(&drive);
}

static void an_interrupted_bracket_gives_the_same_result(void **state)
{
    (void)state;
    double losses[40];
    for (uint32_t i = 0; i < 40; i++) {
        losses[i] =
            (double)esp_random_at(9, i, ESP_RANDOM_SIMULATION, 0).word[0] / 4294967296.0;
    }
    int64_t tokens[2][40];
    for (int interrupted = 0; interrupted < 2; interrupted++) {
        open_flat(rungs_from_one(ESP_SCHEDULER_HYPERBAND, 27), losses, 40);
        while (interrupted && !drive.ended) {
            drive_run(&drive, 7);
            if (!drive.ended) {
                drive_interrupt(&drive);
            }
        }
        drive_run(&drive, 0);
        assert_true(drive.ended);
        for (int i = 0; i < 40; i++) {
            tokens[interrupted][i] = drive.trials[i].tokens;
        }
        drive_close(&drive);
    }
    assert_memory_equal(tokens[0], tokens[1], sizeof tokens[0]);
}

static void the_cut_continues_the_best_three(void **state)
{
    (void)state;
    const double losses[] = {5, 3, NAN, 1, 4, 2};
    struct esp_study *study = drive_study(ESP_SCHEDULER_CUT, 6);
    study->stopping.at = 2;
    open_flat(study, losses, 6);
    drive_run(&drive, 0);
    assert_string_equal(drive.log,
                        "S0>2 P0 S1>2 P1 S2>2 X2 S3>2 P3 S4>2 P4 S5>2 P5 "
                        "C3>6 =3 C5>6 =5 C1>6 =1 END");
    drive_close(&drive);
    study->stopping.eta = 5;
    open_flat(study, losses, 6);
    drive_run(&drive, 0);
    assert_non_null(strstr(drive.log, "P5 C3>6 =3 END"));
    drive_close(&drive);
}

/* When ranks never change, PASHA trains no trial beyond its first ceiling, except the one that
 * is taken to its horizon at the end. */
static void pasha_keeps_its_ceiling_while_ranks_are_stable(void **state)
{
    (void)state;
    double losses[60];
    for (uint32_t i = 0; i < 60; i++) {
        losses[i] =
            (double)esp_random_at(4, i, ESP_RANDOM_SIMULATION, 0).word[0] / 4294967296.0;
    }
    open_flat(rungs_from_one(ESP_SCHEDULER_PASHA, 81), losses, 60);
    drive_run(&drive, 0);
    int beyond = 0;
    for (int i = 0; i < 60; i++) {
        beyond += drive.trials[i].tokens > 9;
    }
    assert_int_equal(beyond, 1);
    drive_close(&drive);
}

static double crossing(uint32_t trial, int64_t tokens, void *context)
{
    (void)context;
    double u = (double)esp_random_at(4, trial, ESP_RANDOM_SIMULATION, 0).word[0] / 4294967296.0;
    return tokens < 9 ? u : 3 - 2 * u;
}

static void pasha_raises_its_ceiling_while_ranks_change(void **state)
{
    (void)state;
    drive_open(&drive, rungs_from_one(ESP_SCHEDULER_PASHA, 81));
    drive.loss = crossing;
    drive.run_cap = 120;
    drive_run(&drive, 0);
    int beyond = 0;
    for (int i = 0; i < 120; i++) {
        beyond += drive.trials[i].tokens > 9;
    }
    assert_true(beyond > 1);
    drive_close(&drive);
}

/* The example in the docstring of wandb/sweeps' hyperband_stop_runs: max_iter 5, eta 2, s 2
 * make bands 1 and 2. Run a has 10, 9; b 10, 10 is stopped at band 2; c 10, 8 goes on. */
static double wandb_example(uint32_t trial, int64_t tokens, void *context)
{
    (void)context;
    const double second[] = {9, 10, 8};
    return tokens == 1 ? 10 : second[trial];
}

static void wandb_follows_its_example(void **state)
{
    (void)state;
    struct esp_study *study = drive_study(ESP_SCHEDULER_WANDB_HYPERBAND, 4);
    study->stopping.max_iter = 5;
    study->stopping.eta = 2;
    study->stopping.s = 2;
    drive_open(&drive, study);
    drive.loss = wandb_example;
    drive.run_cap = 3;
    drive_run(&drive, 0);
    /* With a and b alone the threshold is sorted(9, 10)[int(2/2)] = 10, and b goes on; it falls
     * to sorted(8, 9, 10)[1] = 9 only when c arrives. */
    assert_string_equal(drive.log, "S0>4 =0 S1>4 =1 S2>4 =2 END");
    drive_close(&drive);
    drive_open(&drive, study);
    drive.loss = wandb_example;
    drive.run_cap = drive.workers = 3;
    drive_run(&drive, 0);
    /* Trained in turns: the decision on b's third report knows c's 8. */
    assert_string_equal(drive.log, "S0>4 S1>4 S2>4 X1 =0 =2 END");
    drive_close(&drive);
}

static double dip(uint32_t trial, int64_t tokens, void *context)
{
    (void)context;
    const double curves[3][4] = {{5, 5, 5, 5}, {6, 6, 6, 6}, {1, 9, 9, 9}};
    return curves[trial][tokens - 1];
}

/* min_iter 2, eta 4: bands 2, 8. Trial 2 has 9 at the band, worse than 5; its best so far is 1.
 */
static void wandb_strict_compares_the_loss_at_the_band(void **state)
{
    (void)state;
    struct esp_study *study = drive_study(ESP_SCHEDULER_WANDB_HYPERBAND, 4);
    study->stopping.min_iter = 2;
    study->stopping.eta = 4;
    for (int strict = 0; strict < 2; strict++) {
        study->stopping.strict = strict;
        drive_open(&drive, study);
        drive.loss = dip;
        drive.run_cap = 3;
        drive_run(&drive, 0);
        assert_string_equal(
            drive.log, strict ? "S0>4 =0 S1>4 X1 S2>4 X2 END" : "S0>4 =0 S1>4 X1 S2>4 =2 END");
        drive_close(&drive);
    }
}

static double stall(uint32_t trial, int64_t tokens, void *context)
{
    (void)context;
    const double curves[2][8] = {{9, 8, 8, 7.95, 7, 6, 5, 4}, {9, 8, 8, 8.5, 8, 8, 1, 1}};
    return curves[trial][tokens - 1];
}

static void patience_and_threshold_depend_on_one_trial_alone(void **state)
{
    (void)state;
    struct esp_study *study = drive_study(ESP_SCHEDULER_PATIENCE, 8);
    study->stopping.patience = 3;
    study->stopping.min_delta = 0.1;
    drive_open(&drive, study);
    drive.loss = stall;
    drive.run_cap = 2;
    drive_run(&drive, 0);
    assert_string_equal(drive.log, "S0>8 =0 S1>8 X1 END");
    assert_int_equal(drive.spent, 8 + 5);
    drive_close(&drive);

    study = drive_study(ESP_SCHEDULER_THRESHOLD, 8);
    study->stopping.threshold = 7.99;
    study->stopping.at = 4;
    drive_open(&drive, study);
    drive.loss = stall;
    drive.run_cap = 2;
    drive_run(&drive, 0);
    assert_string_equal(drive.log, "S0>8 =0 S1>8 X1 END");
    assert_int_equal(drive.spent, 8 + 4);
    drive_close(&drive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brackets_have_the_sizes_of_the_paper),
        cmocka_unit_test(a_bracket_promotes_as_worked_out_by_hand),
        cmocka_unit_test(a_bracket_that_cannot_be_filled_goes_on),
        cmocka_unit_test(halving_puts_all_trials_in_one_bracket),
        cmocka_unit_test(an_interrupted_bracket_gives_the_same_result),
        cmocka_unit_test(the_cut_continues_the_best_three),
        cmocka_unit_test(pasha_keeps_its_ceiling_while_ranks_are_stable),
        cmocka_unit_test(pasha_raises_its_ceiling_while_ranks_change),
        cmocka_unit_test(wandb_follows_its_example),
        cmocka_unit_test(wandb_strict_compares_the_loss_at_the_band),
        cmocka_unit_test(patience_and_threshold_depend_on_one_trial_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
