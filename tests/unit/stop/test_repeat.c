/* Ties under seed noise: which settings are repeated, in what order and until when, and how
 * settings with repeats rank. */
#include "drive.h"
#include "stop/scheduler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HORIZON 100

static struct esp_repeat r;

/* Adds settings 0, 1, … with these losses at the horizon. */
static void settings(uint32_t repeats_max, const double *losses, uint32_t count)
{
    esp_repeat_init(&r, repeats_max);
    for (uint32_t i = 0; i < count; i++) {
        esp_repeat_created(&r, i, HORIZON);
        esp_repeat_observed(&r, i, HORIZON / 2, losses[i] + 1);
        esp_repeat_observed(&r, i, HORIZON, losses[i]);
        esp_repeat_ended(&r, i, ESP_CAUSE_COMPLETE);
    }
}

static void expect_repeat(int64_t of)
{
    struct esp_verdict verdict = esp_repeat_next(&r, true);
    assert_int_equal(verdict.action, ESP_VERDICT_REPEAT);
    assert_int_equal(verdict.trial, of);
    assert_int_equal(verdict.until, HORIZON);
    assert_int_equal(verdict.reason.rule, ESP_RULE_SEED_NOISE);
}

static void expect_none(void)
{
    assert_int_equal(esp_repeat_next(&r, true).action, ESP_VERDICT_NONE);
}

static uint32_t begin(uint32_t of)
{
    uint32_t trial = r.count;
    expect_repeat(of);
    esp_repeat_repeated(&r, trial, of, HORIZON);
    return trial;
}

static void finish(uint32_t trial, double loss)
{
    esp_repeat_observed(&r, trial, HORIZON, loss);
    esp_repeat_ended(&r, trial, ESP_CAUSE_COMPLETE);
}

static void a_clear_leader_needs_no_second_seed(void **state)
{
    (void)state;
    settings(2, (double[]){2.0, 2.02, 2.03}, 3);
    expect_none();
    esp_repeat_release(&r);
    settings(2, (double[]){2.0}, 1);
    expect_none();
    esp_repeat_release(&r);
}

static void tied_leaders_are_repeated_best_first(void **state)
{
    (void)state;
    settings(1, (double[]){2.003, 2.5, 2.001, 2.002, 2.0}, 5);
    assert_int_equal(begin(4), 5);
    assert_int_equal(begin(2), 6);
    assert_int_equal(begin(3), 7);
    expect_none(); /* three at most */
    assert_int_equal(esp_repeat_live(&r), 3);
    esp_repeat_release(&r);
}

/* Losses are equal to the last bit: the same values and seed were drawn twice. */
static void the_same_training_drawn_twice_is_no_tie(void **state)
{
    (void)state;
    settings(1, (double[]){2.0, 2.0, 2.0, 2.4}, 4);
    expect_none();
    esp_repeat_release(&r);
    settings(1, (double[]){2.001, 2.0, 2.0, 2.001}, 4);
    begin(1);
    begin(0);
    expect_none();
    esp_repeat_release(&r);
}

static void nothing_is_repeated_when_it_is_off_or_not_allowed(void **state)
{
    (void)state;
    settings(0, (double[]){2.0, 2.001}, 2);
    expect_none();
    esp_repeat_release(&r);
    settings(1, (double[]){2.0, 2.001}, 2);
    assert_int_equal(esp_repeat_next(&r, false).action, ESP_VERDICT_NONE);
    esp_repeat_release(&r);
}

/* The second seed of the leader is so good that no other setting still ties. */
static void a_decided_tie_gets_no_further_seed(void **state)
{
    (void)state;
    settings(2, (double[]){2.0, 2.006}, 2);
    uint32_t second = begin(0);
    finish(second, 1.999);
    expect_none();
    assert_true(esp_repeat_noise(&r) <
                ESP_SEED_NOISE_SHARE * 2.0); /* lower than its first estimate */
    esp_repeat_release(&r);
}

static void a_third_seed_waits_for_all_second_seeds(void **state)
{
    (void)state;
    settings(2, (double[]){2.0, 2.001}, 2);
    uint32_t a = begin(0), b = begin(1);
    expect_none();
    finish(a, 2.004);
    expect_none();
    finish(b, 2.002);
    uint32_t c = begin(1); /* means are 2.002 and 2.0015: the better one first */
    finish(c, 2.001);
    uint32_t d = begin(0);
    finish(d, 2.001);
    expect_none(); /* two further seeds each */
    esp_repeat_release(&r);
}

static void a_repeat_that_diverged_ranks_its_setting_last(void **state)
{
    (void)state;
    settings(1, (double[]){2.0, 2.001, 2.4}, 3);
    uint32_t a = begin(0);
    esp_repeat_observed(&r, a, 10, NAN);
    esp_repeat_ended(&r, a, ESP_CAUSE_DIVERGED);
    assert_true(isinf(esp_seeds_score(esp_repeat_seeds(&r, 0), 0.005)));
    expect_none(); /* 1 now leads by far */
    esp_repeat_release(&r);
}

static void an_interrupted_repeat_continues_and_a_held_one_does_not(void **state)
{
    (void)state;
    settings(1, (double[]){2.0, 2.001}, 2);
    uint32_t a = begin(0), b = begin(1);
    esp_repeat_observed(&r, a, 50, 3);
    esp_repeat_paused(&r, a, false);
    esp_repeat_paused(&r, b, true);
    struct esp_verdict verdict = esp_repeat_next(&r, false);
    assert_int_equal(verdict.action, ESP_VERDICT_CONTINUE);
    assert_int_equal(verdict.trial, a);
    assert_int_equal(verdict.until, HORIZON);
    esp_repeat_continued(&r, a);
    expect_none();
    assert_int_equal(esp_repeat_live(&r), 1);
    esp_repeat_release(&r);
}

static void one_seed_must_beat_a_mean_by_its_larger_error(void **state)
{
    (void)state;
    struct esp_seed_pool pool = {0};
    struct esp_seeds one = {0}, two = {0};
    esp_seeds_add(&one, &pool, 2.000);
    esp_seeds_add(&two, &pool, 2.003);
    esp_seeds_add(&two, &pool, 1.999); /* mean 2.001 */
    assert_int_equal(pool.freedom, 1);
    assert_true(fabs(pool.m2 - 8e-6) < 1e-12);
    assert_true(fabs(esp_seeds_spread(&two) - sqrt(8e-6)) < 1e-9);
    assert_true(isnan(esp_seeds_spread(&one)));
    /* s^2 = (.005^2 + 8e-6) / 2; 1.321 is Student's quantile at 2 degrees of freedom */
    double noise = esp_seed_noise(&pool, 2.0, NAN);
    assert_true(fabs(noise - 1.321 * sqrt((0.005 * 0.005 + 8e-6) / 2)) < 1e-12);
    assert_true(esp_seeds_score(&two, noise) < esp_seeds_score(&one, noise));
    one.mean = 1.998;
    assert_true(esp_seeds_score(&one, noise) < esp_seeds_score(&two, noise));
}

static void expect_noise(double loss, double scatter, double want)
{
    struct esp_seed_pool none = {0};
    double noise = esp_seed_noise(&none, loss, scatter);
    if (!(fabs(noise - want) < 1e-12)) {
        fail_msg("at loss %g, scatter %g: %.17g, not %.17g", loss, scatter, noise, want);
    }
}

static void the_noise_has_a_minimum_and_a_maximum(void **state)
{
    (void)state;
    const double t = 1.837; /* Student's quantile at 1 degree of freedom */
    expect_noise(0.1, NAN, t * ESP_SEED_NOISE_MIN);
    expect_noise(-1000, NAN, t * ESP_SEED_NOISE_MAX);
    expect_noise(NAN, NAN, t * ESP_SEED_NOISE_MIN);
    expect_noise(4, NAN, t * 0.01);
    expect_noise(4, 0.004, t * 0.01);
    expect_noise(4, 0.02, t * 0.02);
    expect_noise(4, 0.2, t * ESP_SEED_NOISE_MAX);
}

static void a_part_of_run_cap_is_kept_for_repeats(void **state)
{
    (void)state;
    assert_int_equal(esp_repeat_reserve(1, false, 24), 3);
    assert_int_equal(esp_repeat_reserve(2, false, 10), 2);
    assert_int_equal(esp_repeat_reserve(1, false, 9), 0);
    assert_int_equal(esp_repeat_reserve(1, true, 6), 3);
    assert_int_equal(esp_repeat_reserve(1, true, 3), 0);
    assert_int_equal(esp_repeat_reserve(0, true, 24), 0);
    assert_int_equal(esp_repeat_reserve(1, false, 0), 0);
}

/* Asks a scheduler of a study with run_cap 8, of which the last three are kept, for every slot
 * as the core does. */
static struct esp_scheduler *open_scheduler(enum esp_scheduler_type type)
{
    struct esp_study *study = drive_study(type, HORIZON);
    struct esp_scheduler *scheduler;
    study->run_cap = 8;
    study->stopping.repeats = 1;
    study->stopping.repeats_given = true;
    assert_int_equal(esp_scheduler_create(study, &scheduler, NULL), 0);
    return scheduler;
}

static struct esp_verdict ask(struct esp_scheduler *s, uint32_t count, uint32_t live)
{
    struct esp_slot_view view = {.may_create = count < 8,
                                 .may_repeat = count < 8,
                                 .next_trial = count,
                                 .live = live,
                                 .run_cap = 8};
    return esp_scheduler_slot(s, &view);
}

static struct esp_verdict report(struct esp_scheduler *s, uint32_t trial, bool waiting)
{
    struct esp_slot_view view = {.next_trial = trial + 1};
    return esp_scheduler_report(s, trial, waiting, &view);
}

static void train(struct esp_scheduler *s, uint32_t trial, double loss)
{
    esp_scheduler_observed(s, trial, HORIZON, loss, 1);
    esp_scheduler_ended(s, trial, ESP_CAUSE_COMPLETE);
}

static void start(struct esp_scheduler *s, uint32_t trial)
{
    static const double value = 0.5;
    struct esp_verdict verdict = ask(s, trial, 0);
    assert_int_equal(verdict.action, ESP_VERDICT_START);
    assert_int_equal(verdict.trial, trial);
    esp_scheduler_created(s, trial, HORIZON, &value);
    esp_scheduler_decided(s, &verdict);
}

static void repeats_come_last_and_unused_ones_become_settings(void **state)
{
    (void)state;
    struct esp_scheduler *s = open_scheduler(ESP_SCHEDULER_NONE);
    const double losses[] = {2.5, 2.0, 2.6, 2.001, 2.7};
    for (uint32_t i = 0; i < 5; i++) {
        start(s, i);
        if (i < 4) {
            train(s, i, losses[i]);
        }
    }
    assert_int_equal(ask(s, 5, 1).action, ESP_VERDICT_NONE); /* the last one is running */
    train(s, 4, losses[4]);
    struct esp_verdict verdict = ask(s, 5, 0);
    assert_int_equal(verdict.action, ESP_VERDICT_REPEAT);
    assert_int_equal(verdict.trial, 1);
    esp_scheduler_repeated(s, 5, 1, HORIZON);
    verdict = ask(s, 6, 1);
    assert_int_equal(verdict.action, ESP_VERDICT_REPEAT);
    assert_int_equal(verdict.trial, 3);
    esp_scheduler_repeated(s, 6, 3, HORIZON);
    assert_int_equal(ask(s, 7, 2).action, ESP_VERDICT_NONE);
    assert_int_equal(report(s, 5, false).action, ESP_VERDICT_NONE);
    train(s, 5, 2.003);
    train(s, 6, 2.004);
    start(s, 7); /* two of the three kept were needed */
    assert_int_equal(ask(s, 8, 1).action, ESP_VERDICT_NONE);
    train(s, 7, 2.0001);
    verdict = ask(s, 8, 0); /* a tie again, but at run_cap */
    assert_int_equal(verdict.action, ESP_VERDICT_END);
    esp_scheduler_destroy(s);
}

static void without_a_tie_all_of_run_cap_is_used_for_settings(void **state)
{
    (void)state;
    struct esp_scheduler *s = open_scheduler(ESP_SCHEDULER_NONE);
    for (uint32_t i = 0; i < 8; i++) {
        start(s, i);
        train(s, i, 2 + 0.1 * i);
    }
    assert_int_equal(ask(s, 8, 0).action, ESP_VERDICT_END);
    esp_scheduler_destroy(s);
}

static void every_scheduler_ends_within_run_cap_when_asked_for_repeats(void **state)
{
    (void)state;
    static const enum esp_scheduler_type types[] = {ESP_SCHEDULER_FREEZE_THAW,
                                                    ESP_SCHEDULER_ASHA,
                                                    ESP_SCHEDULER_HYPERBAND,
                                                    ESP_SCHEDULER_HALVING,
                                                    ESP_SCHEDULER_PASHA,
                                                    ESP_SCHEDULER_MEDIAN,
                                                    ESP_SCHEDULER_CUT};
    for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
        struct esp_scheduler *s = open_scheduler(types[k]);
        uint32_t count = 0, repeats = 0;
        bool ended = false;
        int64_t tokens[16] = {0};
        for (int turn = 0; turn < 400; turn++) {
            struct esp_verdict verdict = ask(s, count, 0);
            if (verdict.action == ESP_VERDICT_END) {
                ended = true;
                break;
            }
            uint32_t trial = count;
            double value = 0.01 * count;
            if (verdict.action == ESP_VERDICT_REPEAT) {
                repeats++;
                esp_scheduler_repeated(s, count++, (uint32_t)verdict.trial, HORIZON);
                verdict.trial = trial;
                verdict.until = HORIZON;
            } else if (verdict.action == ESP_VERDICT_START) {
                esp_scheduler_created(s, count++, HORIZON, &value);
            } else {
                assert_int_equal(verdict.action, ESP_VERDICT_CONTINUE);
                trial = (uint32_t)verdict.trial;
            }
            assert_true(count <= 8);
            esp_scheduler_decided(s, &verdict);
            int64_t until = verdict.until < HORIZON ? verdict.until : HORIZON;
            while (tokens[trial] < until) {
                tokens[trial]++;
                esp_scheduler_observed(s, trial, tokens[trial], 2 + 0.0001 * trial, 1);
                struct esp_verdict further = report(s, trial, tokens[trial] >= until);
                if (further.action != ESP_VERDICT_NONE) {
                    esp_scheduler_decided(s, &further);
                    until =
                        further.action == ESP_VERDICT_CONTINUE ? further.until : tokens[trial];
                }
            }
            if (tokens[trial] >= HORIZON) {
                esp_scheduler_ended(s, trial, ESP_CAUSE_COMPLETE);
            } else {
                esp_scheduler_paused(s, trial, false);
            }
        }
        assert_true(ended);
        /* Some schedulers train only one trial to the horizon: then nothing ties. */
        assert_true(repeats > 0 || types[k] != ESP_SCHEDULER_MEDIAN);
        esp_scheduler_destroy(s);
    }
}

static void a_target_ends_the_search_without_repeats(void **state)
{
    (void)state;
    struct esp_study *study = drive_study(ESP_SCHEDULER_NONE, HORIZON);
    struct esp_scheduler *s;
    static const double value = 0.5;
    study->run_cap = 8;
    study->stopping.repeats = 1;
    study->has_target = true;
    study->target = 2.0005;
    assert_int_equal(esp_scheduler_create(study, &s, NULL), 0);
    for (uint32_t i = 0; i < 2; i++) {
        esp_scheduler_created(s, i, HORIZON, &value);
        train(s, i, 2.001 - 0.001 * i);
    }
    struct esp_verdict verdict = ask(s, 2, 0);
    assert_int_equal(verdict.action, ESP_VERDICT_END);
    assert_int_equal(verdict.reason.rule, ESP_RULE_TARGET);
    esp_scheduler_destroy(s);
}

/* Settings 0 to 2; trial 3 repeats 1 on a slower device of another class; trial 4 is setting 3.
 */
static void costs_are_asked_by_the_studys_trial_numbers(void **state)
{
    (void)state;
    struct esp_scheduler *s = open_scheduler(ESP_SCHEDULER_FREEZE_THAW);
    for (uint32_t i = 0; i < 5; i++) {
        double value = 0.1 * i;
        if (i == 3) {
            esp_scheduler_repeated(s, 3, 1, HORIZON);
        } else {
            esp_scheduler_created(s, i, HORIZON, &value);
        }
        double rate = i == 3 ? 50 : i + 1;
        esp_scheduler_started(s, i, i == 3, 0, 0);
        for (int64_t tokens = 1; tokens <= 5; tokens++) {
            esp_scheduler_observed(s, i, tokens, 3, rate * (double)tokens);
        }
    }
    assert_true(isnan(esp_scheduler_rate(s, 3, 1))); /* repeats are not fitted … */
    assert_true(esp_scheduler_rate(s, 3, 0) == esp_scheduler_rate(s, 1, 0));
    for (uint32_t i = 1; i < 5; i++) { /* … and do not shift the numbers of others */
        uint32_t before = i == 4 ? 2 : i - 1;
        assert_true(i == 3 || esp_scheduler_rate(s, i, 0) > esp_scheduler_rate(s, before, 0));
    }
    assert_true(esp_cost_of_trial(esp_scheduler_cost(s), 3, 0) == esp_scheduler_rate(s, 4, 0));
    esp_scheduler_destroy(s);
}

static void reach(struct esp_scheduler *s, uint32_t trial, int64_t tokens, double loss)
{
    esp_scheduler_observed(s, trial, tokens, loss, (double)tokens);
    struct esp_verdict verdict = report(s, trial, tokens == HORIZON / 2);
    if (verdict.action != ESP_VERDICT_NONE) {
        assert_int_equal(verdict.trial, trial);
        esp_scheduler_decided(s, &verdict);
    }
}

/* Settings 0 and 1 are complete, trial 2 repeats 0, and trial 3, the third setting, is paused
 * as the worst. `want` is the verdict on it, which depends on the study's seed. */
static struct esp_scheduler *third_setting_waits(enum esp_verdict_action want)
{
    static const double nought[1] = {0};
    struct esp_study *study = drive_study(ESP_SCHEDULER_ASHA, HORIZON);
    study->run_cap = 4;
    study->stopping.eta = 2;
    study->stopping.min = HORIZON / 2;
    study->stopping.repeats = 1;
    study->stopping.repeats_given = true;
    study->stopping.risk = 0.5;
    for (study->seed = 0; study->seed < 1000; study->seed++) {
        struct esp_scheduler *s;
        double value = 0.5;
        assert_int_equal(esp_scheduler_create(study, &s, NULL), 0);
        esp_scheduler_calibrated(s, nought, 1);
        for (uint32_t i = 0; i < 3; i++) {
            if (i == 2) {
                esp_scheduler_repeated(s, 2, 0, HORIZON);
            } else {
                esp_scheduler_created(s, i, HORIZON, &value);
                reach(s, i, HORIZON / 2, 3);
            }
            reach(s, i, HORIZON, 2 + 0.1 * i);
            esp_scheduler_ended(s, i, ESP_CAUSE_COMPLETE);
        }
        esp_scheduler_created(s, 3, HORIZON, &value);
        esp_scheduler_observed(s, 3, HORIZON / 2, 5, 1);
        assert_int_equal(report(s, 3, true).action, ESP_VERDICT_PAUSE);
        esp_scheduler_paused(s, 3, false);
        struct esp_verdict verdict = esp_scheduler_discard(s);
        assert_int_equal(verdict.trial, 3);
        assert_int_equal(verdict.reason.rule, ESP_RULE_CALIBRATED);
        assert_int_equal(verdict.reason.of, 3); /* settings */
        if (verdict.action == want) {
            esp_scheduler_decided(s, &verdict);
            return s;
        }
        esp_scheduler_destroy(s);
    }
    fail_msg("no seed spares the third setting");
    return NULL;
}

static struct esp_verdict last_slot(const struct esp_scheduler *s)
{
    struct esp_slot_view view = {.next_trial = 4, .run_cap = 4};
    return esp_scheduler_slot(s, &view);
}

static void a_trial_behind_a_repeat_is_discarded_by_its_own_number(void **state)
{
    (void)state;
    struct esp_scheduler *s = third_setting_waits(ESP_VERDICT_DISCARD);
    esp_scheduler_ended(s, 3, ESP_CAUSE_PRUNED);
    assert_int_equal(esp_scheduler_discard(s).action, ESP_VERDICT_NONE);
    assert_int_equal(last_slot(s).action, ESP_VERDICT_END);
    assert_true(esp_scheduler_score(s) == 0); /* of the best setting; the repeat is no rival */
    esp_scheduler_destroy(s);
}

static void the_audit_comes_last_and_has_its_own_number(void **state)
{
    (void)state;
    struct esp_scheduler *s = third_setting_waits(ESP_VERDICT_SPARE);
    assert_int_equal(esp_scheduler_discard(s).action, ESP_VERDICT_NONE);
    struct esp_verdict verdict = last_slot(s);
    assert_int_equal(verdict.action, ESP_VERDICT_CONTINUE);
    assert_int_equal(verdict.trial, 3);
    assert_int_equal(verdict.until, HORIZON);
    esp_scheduler_decided(s, &verdict);
    verdict = report(s, 3, true);
    assert_int_equal(verdict.action, ESP_VERDICT_CONTINUE);
    assert_int_equal(verdict.trial, 3);
    esp_scheduler_observed(s, 3, HORIZON, 4, 1);
    esp_scheduler_ended(s, 3, ESP_CAUSE_COMPLETE);
    assert_int_equal(last_slot(s).action, ESP_VERDICT_END);
    esp_scheduler_destroy(s);
}

/* Setting 1 leads by its first seed and was never beaten; setting 0 leads by its mean, and
 * three had lower losses than it half way. */
static void the_score_is_that_of_the_best_setting_over_all_seeds(void **state)
{
    (void)state;
    static const double half[] = {3, 2.5, 2.6, 2.7}, end[] = {2.001, 2.0, 2.3, 2.4};
    struct esp_scheduler *s = open_scheduler(ESP_SCHEDULER_NONE);
    for (uint32_t i = 0; i < 4; i++) {
        static const double value = 0.5;
        esp_scheduler_created(s, i, HORIZON, &value);
        esp_scheduler_observed(s, i, HORIZON / 2, half[i], 1);
        train(s, i, end[i]);
    }
    assert_true(esp_scheduler_score(s) == 0);
    esp_scheduler_repeated(s, 4, 1, HORIZON);
    esp_scheduler_repeated(s, 5, 0, HORIZON);
    train(s, 4, 2.05);
    assert_true(esp_scheduler_score(s) == 3);
    train(s, 5, 2.001);
    assert_true(esp_scheduler_score(s) == 3);
    esp_scheduler_destroy(s);
}

/* Another seed of the leader diverged: it ranks behind all others. */
static void the_score_is_never_that_of_a_setting_with_a_diverged_seed(void **state)
{
    (void)state;
    struct esp_scheduler *s = open_scheduler(ESP_SCHEDULER_NONE);
    for (uint32_t i = 0; i < 2; i++) {
        static const double value = 0.5;
        esp_scheduler_created(s, i, HORIZON, &value);
        train(s, i, 2 + 0.001 * i);
    }
    assert_true(esp_scheduler_score(s) == 0);
    esp_scheduler_repeated(s, 2, 0, HORIZON);
    esp_scheduler_observed(s, 2, HORIZON / 2, NAN, 1);
    esp_scheduler_ended(s, 2, ESP_CAUSE_DIVERGED);
    assert_true(esp_scheduler_score(s) == 1);
    esp_scheduler_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clear_leader_needs_no_second_seed),
        cmocka_unit_test(tied_leaders_are_repeated_best_first),
        cmocka_unit_test(the_same_training_drawn_twice_is_no_tie),
        cmocka_unit_test(nothing_is_repeated_when_it_is_off_or_not_allowed),
        cmocka_unit_test(a_decided_tie_gets_no_further_seed),
        cmocka_unit_test(a_third_seed_waits_for_all_second_seeds),
        cmocka_unit_test(a_repeat_that_diverged_ranks_its_setting_last),
        cmocka_unit_test(an_interrupted_repeat_continues_and_a_held_one_does_not),
        cmocka_unit_test(one_seed_must_beat_a_mean_by_its_larger_error),
        cmocka_unit_test(the_noise_has_a_minimum_and_a_maximum),
        cmocka_unit_test(a_part_of_run_cap_is_kept_for_repeats),
        cmocka_unit_test(repeats_come_last_and_unused_ones_become_settings),
        cmocka_unit_test(without_a_tie_all_of_run_cap_is_used_for_settings),
        cmocka_unit_test(every_scheduler_ends_within_run_cap_when_asked_for_repeats),
        cmocka_unit_test(a_target_ends_the_search_without_repeats),
        cmocka_unit_test(costs_are_asked_by_the_studys_trial_numbers),
        cmocka_unit_test(a_trial_behind_a_repeat_is_discarded_by_its_own_number),
        cmocka_unit_test(the_audit_comes_last_and_has_its_own_number),
        cmocka_unit_test(the_score_is_that_of_the_best_setting_over_all_seeds),
        cmocka_unit_test(the_score_is_never_that_of_a_setting_with_a_diverged_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
