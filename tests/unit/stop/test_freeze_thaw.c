/* freeze-thaw on simulated curves: it ends with the best trial for a fraction of the cost. */
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

#define HORIZON 54

/* The trial's parameter, as drive.c draws it. */
static double value_of(uint32_t trial)
{
    struct esp_random_block b = esp_random_at(1, trial, ESP_RANDOM_SIMULATION, 1u << 30);
    return esp_random_unit(b.word[0], b.word[1]);
}

/* A bowl with its minimum at 0.6; trials far above it diverge half way. */
static double final_loss(uint32_t trial)
{
    double away = value_of(trial) - 0.6;
    return 2 + 3 * away * away;
}

static double curve(uint32_t trial, int64_t tokens, void *context)
{
    const uint64_t *seed = context;
    if (value_of(trial) > 0.95 && tokens > HORIZON / 2) {
        return NAN;
    }
    struct esp_random_block noise =
        esp_random_at(*seed, trial, ESP_RANDOM_SIMULATION, (uint64_t)tokens);
    double t = (double)tokens / HORIZON;
    return final_loss(trial) + 0.8 * (pow(t, -0.4) - 1) +
           0.01 * (1 - t) * esp_random_unit(noise.word[0], noise.word[1]);
}

static void open_curves(uint64_t *seed, uint32_t run_cap, uint32_t workers)
{
    drive_open(&drive, drive_study(ESP_SCHEDULER_FREEZE_THAW, HORIZON));
    drive.loss = curve;
    drive.context = seed;
    drive.run_cap = run_cap;
    drive.workers = workers;
}

/* Loss of the best complete trial minus that of the best trial which does not diverge. */
static double regret(void)
{
    double found = INFINITY, best = INFINITY;
    for (uint32_t i = 0; i < drive.count; i++) {
        if (value_of(i) <= 0.95) {
            best = fmin(best, final_loss(i));
        }
        if (drive.trials[i].state == DRIVE_COMPLETE) {
            found = fmin(found, final_loss(i));
        }
    }
    return found - best;
}

static void it_finds_the_best_for_a_fraction_of_the_cost(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4; seed++) {
        open_curves(&seed, 40, 1);
        drive_run(&drive, 0);
        assert_true(drive.ended);
        assert_int_equal(drive.count, 40);
        assert_true(regret() <= 0.004);
        assert_true(drive.spent < 40 * HORIZON / 3);
        drive_close(&drive);
    }
}

static void no_slot_is_idle_while_nothing_runs(void **state)
{
    (void)state;
    uint64_t seed = 9;
    open_curves(&seed, 60, 8); /* drive.c fails when a slot gets nothing and nothing runs */
    drive_run(&drive, 0);
    assert_true(drive.ended);
    assert_true(regret() <= 0.01);
    drive_close(&drive);
}

static void an_interrupted_search_continues(void **state)
{
    (void)state;
    uint64_t seed = 3;
    open_curves(&seed, 30, 2);
    while (!drive.ended) {
        drive_run(&drive, 25);
        if (!drive.ended) {
            drive_interrupt(&drive);
        }
    }
    assert_true(regret() <= 0.004);
    drive_close(&drive);
}

static void a_verdict_records_what_it_weighed(void **state)
{
    (void)state;
    uint64_t seed = 1;
    open_curves(&seed, 40, 1);
    int seen = 0;
    while (!drive.ended) {
        drive_run(&drive, 1);
        if (drive.last.reason.rule == ESP_RULE_FREEZE_THAW) {
            assert_true(drive.last.reason.rank >= 1 &&
                        drive.last.reason.rank <= drive.last.reason.of);
            assert_true(drive.last.reason.expected >= 0 && drive.last.reason.cost > 0);
            seen++;
        }
    }
    assert_true(seen > 10);
    drive_close(&drive);
}

static double all_diverge(uint32_t trial, int64_t tokens, void *context)
{
    (void)context;
    return trial % 2 ? INFINITY : tokens > 1 ? NAN : 5;
}

static void it_ends_when_everything_diverges(void **state)
{
    (void)state;
    uint64_t seed = 1;
    open_curves(&seed, 40, 3);
    drive.loss = all_diverge;
    drive_run(&drive, 0);
    assert_true(drive.ended);
    assert_int_equal(drive.count, 40);
    drive_close(&drive);
}

/* Two trials of batch sizes 4 and 64 with equal losses at 6 of 54 tokens, paused there by this
 * rule. `rates` are their seconds per token on device 0, where they ran. */
static struct esp_scheduler *two_sent_by(enum esp_rule rule, const double *rates)
{
    static struct esp_value sizes[] = {{.type = ESP_VALUE_INTEGER, .integer = 4, .real = 4},
                                       {.type = ESP_VALUE_INTEGER, .integer = 64, .real = 64}};
    struct esp_study *study = drive_study(ESP_SCHEDULER_FREEZE_THAW, HORIZON);
    struct esp_scheduler *s;
    struct esp_error error;
    study->run_cap = 2;
    study->params[0] = (struct esp_param){.name = "batch_size",
                                          .distribution = ESP_CATEGORICAL,
                                          .choices = sizes,
                                          .choice_count = 2};
    if (esp_scheduler_create(study, &s, &error) < 0) {
        fail_msg("%s", error.text);
    }
    for (uint32_t t = 0; t < 2; t++) {
        struct esp_verdict start = {.action = ESP_VERDICT_START,
                                    .trial = t,
                                    .until = 6,
                                    .reason.rule = ESP_RULE_FREEZE_THAW};
        esp_scheduler_decided(s, &start);
        esp_scheduler_created(s, t, HORIZON, (double[]){t});
    }
    for (uint32_t t = 0; t < 2; t++) {
        struct esp_verdict go = {
            .action = ESP_VERDICT_CONTINUE, .trial = t, .until = 6, .reason.rule = rule};
        esp_scheduler_decided(s, &go);
        esp_scheduler_started(s, t, 0, 0, 0);
        for (int64_t tokens = 1; tokens <= 6; tokens++) {
            double loss = 3 + 1 / (double)tokens;
            esp_scheduler_observed(s, t, tokens, loss, (double)tokens * rates[t]);
        }
        esp_scheduler_paused(s, t, false);
    }
    return s;
}

/* The leader has had more than its share. */
static struct esp_scheduler *two_that_wait(const double *rates)
{
    return two_sent_by(ESP_RULE_LEADER, rates);
}

/* The model prefers the cheaper of two equal trials; the leader's share depends on their curves
 * alone. */
static void the_leader_by_its_curve_gets_a_share(void **state)
{
    (void)state;
    struct esp_scheduler *s = two_sent_by(ESP_RULE_FREEZE_THAW, (double[]){1, 4});
    struct esp_slot_view view = {.next_trial = 2};
    esp_scheduler_observed(s, 1, 7, 3, 28);
    esp_scheduler_paused(s, 1, false); /* further, and with a lower loss */
    struct esp_verdict verdict = esp_scheduler_slot(s, &view);
    assert_int_equal(verdict.action, ESP_VERDICT_CONTINUE);
    assert_int_equal(verdict.reason.rule, ESP_RULE_LEADER);
    assert_int_equal(verdict.trial, 1);
    assert_true(verdict.reason.at == 7 && verdict.until > 7 && verdict.reason.value < 3);
    int64_t spent = 13, led = 0;
    while (verdict.reason.rule ==
           ESP_RULE_LEADER) { /* four tenths of what was spent, no more */
        assert_true((double)led < 0.4 * (double)spent);
        led += verdict.until - verdict.reason.at;
        spent += verdict.until - verdict.reason.at;
        esp_scheduler_decided(s, &verdict);
        esp_scheduler_observed(s, 1, verdict.until, 2.9, 4 * (double)verdict.until);
        esp_scheduler_paused(s, 1, false);
        verdict = esp_scheduler_slot(s, &view);
    }
    assert_true((double)led >= 0.4 * (double)spent);
    esp_scheduler_destroy(s);
}

static void of_two_equally_promising_trials_the_cheaper_continues(void **state)
{
    (void)state;
    for (int cheap = 0; cheap < 2; cheap++) {
        double rates[2] = {cheap ? 4 : 1, cheap ? 1 : 4};
        struct esp_scheduler *s = two_that_wait(rates);
        struct esp_slot_view view = {.next_trial = 2};
        struct esp_verdict verdict = esp_scheduler_slot(s, &view);
        assert_int_equal(verdict.action, ESP_VERDICT_CONTINUE);
        assert_int_equal(verdict.trial, cheap);
        assert_true(verdict.reason.cost == HORIZON - 6);
        assert_true(fabs(verdict.reason.cost_seconds / (HORIZON - 6) - 1) < 0.3);
        assert_int_equal(verdict.reason.rivals[0], 1 - cheap);
        /* On a device that nothing ran on, every token costs the same. */
        view.device = 1;
        verdict = esp_scheduler_slot(s, &view);
        assert_int_equal(verdict.action, ESP_VERDICT_CONTINUE);
        assert_true(verdict.reason.cost == HORIZON - 6);
        assert_true(isnan(verdict.reason.cost_seconds));
        esp_scheduler_destroy(s);
    }
}

/* Trial 0 is expensive where it ran, but not on device 1, where others of its batch size ran.
 */
static void the_cost_is_that_of_the_slots_device(void **state)
{
    (void)state;
    struct esp_scheduler *s = two_that_wait((double[]){4, 1});
    for (uint32_t t = 0; t < 2; t++) { /* both ran there for two steps */
        esp_scheduler_started(s, t, 1, 6, 0);
        for (int64_t tokens = 7; tokens <= 8; tokens++) {
            double rate = t == 0 ? 0.1 : 0.8;
            esp_scheduler_observed(s, t, tokens, 3 + 1 / (double)tokens, (double)tokens * rate);
        }
        esp_scheduler_paused(s, t, false);
    }
    struct esp_slot_view view = {.next_trial = 2};
    assert_int_equal(esp_scheduler_slot(s, &view).trial, 1);
    view.device = 1;
    assert_int_equal(esp_scheduler_slot(s, &view).trial, 0);
    esp_scheduler_destroy(s);
}

/* The leader's share then goes to the choice of the model. */
static void a_trial_far_from_the_best_loss_is_no_leader(void **state)
{
    (void)state;
    struct esp_scheduler *s = two_sent_by(ESP_RULE_FREEZE_THAW, (double[]){1, 1});
    struct esp_slot_view view = {.next_trial = 2};
    esp_scheduler_observed(s, 1, 7, 3, 7);
    esp_scheduler_paused(s, 1, false);
    assert_int_equal(esp_scheduler_slot(s, &view).reason.rule, ESP_RULE_LEADER);
    assert_int_equal(esp_scheduler_slot(s, &view).trial, 1);
    esp_scheduler_created(s, 2, HORIZON, (double[]){0});
    esp_scheduler_observed(s, 2, HORIZON, 1, HORIZON);
    esp_scheduler_ended(s, 2, ESP_CAUSE_COMPLETE);
    view.next_trial = 3;
    assert_int_not_equal(esp_scheduler_slot(s, &view).reason.rule, ESP_RULE_LEADER);
    esp_scheduler_destroy(s);
}

/* During a warm-up all learning rates are small. */
static void a_trial_is_first_judged_after_its_warm_up(void **state)
{
    (void)state;
    static const struct {
        double warmup, min;
        const char *param;
        int64_t bracket, new; /* first tokens of trials of the start-up, and of later ones */
    } cases[] = {
        {0.02, 0, "x", 2, 2},          /* 1/27, as without a warm-up */
        {0.05, 0, "x", 6, 4},          /* 1/9; 0.0625 of 54 */
        {0.1, 0, "x", 6, 7},           /* 1/9; 0.125 */
        {0.2, 0, "x", 18, 14},         /* 1/3; a quarter */
        {0.2, 0, "warmup", 2, 2},      /* each trial has its own warm-up */
        {0.02, 0, "constant", 18, 14}, /* 0.2, as a parameter with one value */
        {0.2, 3, "x", 6, 3},           /* the user has set `min` */
    };
    struct esp_value fifth = {.type = ESP_VALUE_REAL, .real = 0.2};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct esp_study *study = drive_study(ESP_SCHEDULER_FREEZE_THAW, HORIZON);
        struct esp_scheduler *s;
        study->trainer.warmup = cases[i].warmup;
        study->stopping.min = cases[i].min;
        strcpy(study->params[0].name, cases[i].param);
        if (strcmp(cases[i].param, "constant") == 0) {
            strcpy(study->params[0].name, "schedule.warmup");
            study->params[0].distribution = ESP_CONSTANT;
            study->params[0].choices = &fifth;
        }
        assert_int_equal(esp_scheduler_create(study, &s, NULL), 0);
        struct esp_slot_view view = {.may_create = true};
        struct esp_verdict verdict = esp_scheduler_slot(s, &view);
        assert_int_equal(verdict.action, ESP_VERDICT_START);
        assert_int_equal(verdict.until, cases[i].bracket);
        verdict.reason.rule = ESP_RULE_FREEZE_THAW; /* ends the start-up */
        esp_scheduler_decided(s, &verdict);
        esp_scheduler_created(s, 0, HORIZON, (double[]){0.5});
        view = (struct esp_slot_view){.may_create = true, .next_trial = 1, .live = 1};
        verdict = esp_scheduler_slot(s, &view);
        assert_int_equal(verdict.action, ESP_VERDICT_START);
        assert_int_equal(verdict.until, cases[i].new);
        esp_scheduler_destroy(s);
    }
}

/* Number of new trials before the first other verdict. */
static uint32_t size_of_the_startup(int params)
{
    struct esp_study *study = drive_study(ESP_SCHEDULER_FREEZE_THAW, HORIZON);
    struct esp_scheduler *s;
    for (int p = 1; p < params; p++) {
        study->params[p] = study->params[0];
        study->params[p].name[0] = (char)('p' + p);
    }
    study->param_count = params;
    assert_int_equal(esp_scheduler_create(study, &s, NULL), 0);
    struct esp_slot_view view = {.may_create = true};
    for (;; view.next_trial++) {
        struct esp_verdict verdict = esp_scheduler_slot(s, &view);
        if (verdict.reason.rule != ESP_RULE_NEW) {
            esp_scheduler_destroy(s);
            return view.next_trial;
        }
        const double values[8] = {value_of(view.next_trial)};
        uint32_t trial = view.next_trial;
        esp_scheduler_decided(s, &verdict);
        esp_scheduler_created(s, trial, HORIZON, values);
        esp_scheduler_started(s, trial, 0, 0, 0);
        for (int64_t tokens = 1; tokens <= verdict.until; tokens++) {
            esp_scheduler_observed(s, trial, tokens, 3 + values[0], (double)tokens);
        }
        esp_scheduler_paused(s, trial, false);
    }
}

static void many_dimensions_begin_with_more_trials_than_few(void **state)
{
    (void)state;
    assert_int_equal(size_of_the_startup(1), 18);
    assert_int_equal(size_of_the_startup(4), 18);
    assert_int_equal(size_of_the_startup(5), 24);
}

/* The study began with a run_cap of 2; the view has the present value. */
static void a_raised_cap_counts_at_a_report_too(void **state)
{
    (void)state;
    struct esp_scheduler *s = two_that_wait((double[]){1, 1});
    struct esp_slot_view view = {.next_trial = 2};
    struct esp_verdict go = esp_scheduler_slot(s, &view);
    uint32_t trial = (uint32_t)go.trial;
    assert_int_equal(go.action, ESP_VERDICT_CONTINUE);
    esp_scheduler_decided(s, &go);
    for (int64_t tokens = 7; tokens <= go.until; tokens++) {
        esp_scheduler_observed(s, trial, tokens, 3 + 1 / (double)tokens, (double)tokens);
    }
    assert_int_equal(esp_scheduler_report(s, trial, true, &view).reason.of, 2);
    view.may_create = true;
    assert_int_equal(esp_scheduler_report(s, trial, true, &view).reason.of, 3);
    esp_scheduler_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_finds_the_best_for_a_fraction_of_the_cost),
        cmocka_unit_test(no_slot_is_idle_while_nothing_runs),
        cmocka_unit_test(an_interrupted_search_continues),
        cmocka_unit_test(a_verdict_records_what_it_weighed),
        cmocka_unit_test(it_ends_when_everything_diverges),
        cmocka_unit_test(of_two_equally_promising_trials_the_cheaper_continues),
        cmocka_unit_test(the_cost_is_that_of_the_slots_device),
        cmocka_unit_test(a_raised_cap_counts_at_a_report_too),
        cmocka_unit_test(many_dimensions_begin_with_more_trials_than_few),
        cmocka_unit_test(a_trial_is_first_judged_after_its_warm_up),
        cmocka_unit_test(a_trial_far_from_the_best_loss_is_no_leader),
        cmocka_unit_test(the_leader_by_its_curve_gets_a_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
