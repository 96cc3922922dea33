/* What the schedule still owes a trial, and what the surrogate makes of it. */
#include "search/surrogate_private.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../near.h"

static struct esp_study study;
static struct esp_value sizes[] = {
    {.type = ESP_VALUE_INTEGER, .real = 4},
    {.type = ESP_VALUE_INTEGER, .real = 8},
    {.type = ESP_VALUE_INTEGER, .real = 16},
};

/* Rates over 8 octaves, 2^-13 to 2^-5, and three batch sizes. */
static void rates_under(enum esp_schedule_type schedule)
{
    memset(&study, 0, sizeof study);
    study.abilities = esp_abilities_builtin();
    study.prior.kind = ESP_PRIOR_NONE;
    study.trainer.tokens = 6400;
    study.trainer.context = 1;
    study.trainer.schedule = schedule;
    study.trainer.warmup = 0.1;
    study.trainer.decay = 0.25;
    study.trainer.floor = 0.1;
    study.param_count = 2;
    study.params[0] = (struct esp_param){.name = "learning_rate",
                                         .distribution = ESP_LOG_UNIFORM_VALUES,
                                         .min = 0x1p-13,
                                         .max = 0x1p-5};
    study.params[1] = (struct esp_param){.name = "batch_size",
                                         .distribution = ESP_CATEGORICAL,
                                         .choices = sizes,
                                         .choice_count = 3};
}

static struct esp_rate_effect made(void)
{
    static struct esp_space space;
    struct esp_rate_effect anneal;
    esp_space_make(&space, &study);
    esp_rate_effect_make(&anneal, &space);
    return anneal;
}

static void what_is_left_follows_each_schedule(void **state)
{
    (void)state;
    rates_under(ESP_SCHEDULE_LINEAR);
    struct esp_rate_effect a = made();
    assert_true(a.active);
    assert_near(esp_rate_effect_annealing_left(&a, 0.05),
                sqrt(0.9),
                1e-9); /* warm-up counts as its end */
    assert_near(esp_rate_effect_annealing_left(&a, 0.1), sqrt(0.9), 1e-9);
    assert_near(esp_rate_effect_annealing_left(&a, 0.55),
                sqrt(0.45),
                1e-9); /* half of what follows warm-up */
    assert_near(esp_rate_effect_annealing_left(&a, 1), 0, 1e-9);
    rates_under(ESP_SCHEDULE_COSINE);
    a = made();
    assert_near(esp_rate_effect_annealing_left(&a, 0.55), sqrt(0.45), 1e-9);
    assert_near(esp_rate_effect_annealing_left(&a, 0.1 + 0.9 / 3), sqrt(0.9 * 0.75), 1e-9);
    rates_under(ESP_SCHEDULE_WSD);
    a = made();
    assert_near(esp_rate_effect_annealing_left(&a, 0.1 + 0.9 * 0.75),
                sqrt(0.9),
                1e-9); /* the decay begins */
    assert_near(esp_rate_effect_annealing_left(&a, 0.1 + 0.9 * 0.875), sqrt(0.45), 1e-9);
    rates_under(ESP_SCHEDULE_INVERSE_SQRT);
    a = made();
    assert_near(esp_rate_effect_annealing_left(&a, 0.4), sqrt(0.5 - sqrt(0.1)), 1e-9);
}

static void a_rate_that_never_falls_owes_nothing_to_annealing(void **state)
{
    (void)state;
    rates_under(ESP_SCHEDULE_CONSTANT);
    struct esp_rate_effect a = made();
    assert_near(esp_rate_effect_annealing_left(&a, 0.2), 0, 1e-9);
    struct esp_rate_effect_span rest = esp_rate_effect_between(&a, 2, 0.2, 1);
    assert_near(rest.annealed, 0, 1e-9);
    assert_near(rest.lag, a.lag * 2 * 4, 1e-9); /* but a lower rate has still to catch up */
}

/* A middling trial of 8 sequences makes 800 updates. */
static void catching_up_is_a_matter_of_updates(void **state)
{
    (void)state;
    rates_under(ESP_SCHEDULE_COSINE);
    assert_near(made().lag, 700 / 800., 1e-9);
    study.trainer.tokens *= 1000;
    assert_near(made().lag, 0.7 / 800, 1e-9);
    study.trainer.tokens = 64;
    assert_near(made().lag, 2, 1e-9);
    rates_under(ESP_SCHEDULE_COSINE);
    study.param_count = 1; /* the trainer's batch size */
    study.trainer.batch_size = 16;
    assert_near(made().lag, 700 / 400., 1e-9);
    study.trainer.context = 0; /* not told */
    assert_near(made().lag, 0, 1e-9);
    rates_under(ESP_SCHEDULE_COSINE);
    study.params[1].choice_count = 2; /* 6 and 16, hardly octaves: a middle is not told */
    study.params[1].choices = sizes + 1;
    study.params[1].choices[0].real = 6;
    assert_near(made().lag, 0, 1e-9);
    study.params[1].distribution = ESP_CONSTANT; /* a parameter of one value */
    study.params[1].choice_count = 1;
    study.params[1].choices[0].real = 8;
    assert_near(made().lag, 700 / 800., 1e-9);
    rates_under(ESP_SCHEDULE_COSINE);
    study.trainer.tokens = 0;
    assert_near(made().lag, 0, 1e-9);
}

static void a_stretch_is_what_goes_by_times_the_height(void **state)
{
    (void)state;
    rates_under(ESP_SCHEDULE_LINEAR);
    struct esp_rate_effect a = made();
    struct esp_rate_effect_span first = esp_rate_effect_between(&a, -1.5, 0.05, 0.25);
    struct esp_rate_effect_span second = esp_rate_effect_between(&a, -1.5, 0.25, 1);
    assert_near(first.annealed + second.annealed, -1.5 * sqrt(0.9), 1e-9);
    assert_near(first.lag, a.lag * -1.5 * (20 - 4), 1e-9);
    assert_near(second.lag, a.lag * -1.5 * 3, 1e-9);
    /* Rates far down lag as those four octaves down, and nothing is told before a 64th. */
    assert_near(esp_rate_effect_between(&a, -9, 0.25, 1).lag, a.lag * -4 * 3, 1e-9);
    assert_near(esp_rate_effect_between(&a, -9, 0.25, 1).annealed, 6 * second.annealed, 1e-9);
    assert_near(esp_rate_effect_between(&a, 1, 0, 1).lag, a.lag * 63, 1e-9);
}

/* What is annealed and what is caught up come together. */
static struct esp_rate_effect_span correlated(int i)
{
    double annealed = 0.1 * (i % 7 - 3);
    return (struct esp_rate_effect_span){annealed, 20 * annealed + i % 11 - 5};
}

/* Both terms come out of what was seen, whatever was believed before; and nothing is believed
 * beyond the bounds. */
static void both_terms_are_learnt(void **state)
{
    (void)state;
    struct esp_rate_effect_fit seen = {0};
    struct esp_rate_effect_span annealed = {.annealed = 1}, lag = {.lag = 1};
    double before[2] = {esp_rate_effect_decrease(&seen, annealed),
                        esp_rate_effect_decrease(&seen, lag)};
    assert_true(before[0] > 0 && before[1] < 0);
    for (int i = 0; i < 40000; i++) {
        struct esp_rate_effect_span s = correlated(i);
        esp_rate_effect_learn(&seen, s, 0.03 * s.annealed - 0.003 * s.lag);
    }
    assert_near(esp_rate_effect_decrease(&seen, annealed), 0.03, 2e-3);
    assert_near(esp_rate_effect_decrease(&seen, lag), -0.003, 2e-4);
    for (int i = 0; i < 400000; i++) {
        struct esp_rate_effect_span s = correlated(i);
        esp_rate_effect_learn(&seen, s, 9 * s.annealed - 9 * s.lag);
    }
    assert_near(esp_rate_effect_decrease(&seen, annealed), 4 * before[0], 1e-9);
    assert_near(esp_rate_effect_decrease(&seen, lag), 6 * before[1], 1e-9);
}

/* Trial 0 has the lower rate of the two, trial 1 the higher. */
static struct esp_surrogate *two_rates(void)
{
    struct esp_surrogate *s;
    struct esp_error error;
    rates_under(ESP_SCHEDULE_COSINE);
    assert_int_equal(esp_surrogate_create(&study, &s, &error), 0);
    esp_surrogate_created(s, 0, (const double[]){0x1p-10, 1});
    esp_surrogate_created(s, 1, (const double[]){0x1p-8, 1});
    return s;
}

/* Of two that stand equal, the lower rate ends lower where little has been trained, and the
 * higher one later. */
static void lower_rates_catch_up_before_higher_ones_anneal(void **state)
{
    (void)state;
    struct esp_surrogate *s = two_rates();
    assert_true(esp_surrogate_rate_adjusted_loss(s, 0, 6400 / 50, 3.0) <
                esp_surrogate_rate_adjusted_loss(s, 1, 6400 / 50, 3.0) - 0.02);
    assert_true(esp_surrogate_rate_adjusted_loss(s, 0, 6400 / 3, 3.0) >
                esp_surrogate_rate_adjusted_loss(s, 1, 6400 / 3, 3.0) + 0.02);
    double early = esp_surrogate_h(s, 6400 / 50), later = esp_surrogate_h(s, 6400 / 3);
    assert_true(esp_surrogate_project(s, 3.0, early, -1) <
                esp_surrogate_project(s, 3.0, early, 1));
    assert_true(esp_surrogate_project(s, 3.0, later, -1) >
                esp_surrogate_project(s, 3.0, later, 1));
    esp_surrogate_destroy(s);
}

static void a_searched_schedule_is_not_known(void **state)
{
    (void)state;
    rates_under(ESP_SCHEDULE_COSINE);
    strcpy(study.params[1].name, "schedule.type");
    assert_false(made().active);
    rates_under(ESP_SCHEDULE_COSINE);
    strcpy(study.params[1].name, "floor");
    assert_false(made().active);
    rates_under(ESP_SCHEDULE_COSINE);
    study.abilities = (struct esp_abilities){0};
    assert_false(made().active);
    rates_under(ESP_SCHEDULE_COSINE);
    study.ablate = ESP_ABLATE_SCHEDULE;
    assert_false(made().active);
}

static void heights_are_octaves_along_the_ridge(void **state)
{
    (void)state;
    rates_under(ESP_SCHEDULE_COSINE);
    struct esp_rate_effect a = made();
    const double middle[2] = {-9, 3}, higher[2] = {-7, 3}, larger[2] = {-9, 4};
    assert_near(esp_rate_effect_log_rate(&a, middle), 0, 1e-9);
    assert_near(esp_rate_effect_log_rate(&a, higher), 2, 1e-9);
    assert_near(esp_rate_effect_log_rate(&a, larger), -0.4, 1e-9);
}

/* Two that stand equal at an eighth: the one with the higher rate is expected to end lower, by
 * about κ times the octaves between them, less what the other catches up. */
static void equal_losses_are_worth_more_at_a_higher_rate(void **state)
{
    (void)state;
    struct esp_surrogate *s = two_rates();
    for (uint32_t i = 0; i < 2; i++) {
        esp_surrogate_observed(s, i, 800, 3.0);
    }
    assert_true(esp_surrogate_rate_adjusted_loss(s, 1, 800, 3.0) <
                esp_surrogate_rate_adjusted_loss(s, 0, 800, 3.0) - 0.03);
    assert_near(esp_surrogate_rate_adjusted_loss(s, 1, 6400, 3.0), 3.0, 1e-9);
    double h = esp_surrogate_h(s, 800);
    double gap = esp_surrogate_project(s, 3.0, h, s->trials[0].height) -
                 esp_surrogate_project(s, 3.0, h, s->trials[1].height);
    assert_true(gap > 0.03 && gap < 0.2);
    assert_near(esp_surrogate_project(s, 3.0, 0, 2), 3.0, 1e-9);
    esp_surrogate_destroy(s);
}

/* κ is learnt: where high rates gain nothing more by annealing, the expectation goes away. */
static void evidence_takes_the_tilt_back(void **state)
{
    (void)state;
    struct esp_surrogate *s;
    struct esp_error error;
    rates_under(ESP_SCHEDULE_COSINE);
    assert_int_equal(esp_surrogate_create(&study, &s, &error), 0);
    double gap[2];
    for (int told = 0; told < 2; told++) {
        for (uint32_t i = 0; i < 12 && told; i++) {
            const double values[2] = {exp2(-12 + 0.5 * i), 1};
            double start = 3 + 0.02 * fabs((double)i - 6);
            esp_surrogate_created(s, i, values);
            for (int k = 0; k <= 6; k++) { /* all curves are parallel */
                esp_surrogate_observed(s, i, 800ll << (k / 2), start - 0.1 * (k / 2));
            }
            esp_surrogate_completed(s, i);
        }
        double h = esp_surrogate_h(s, 800);
        gap[told] = esp_surrogate_project(s, 3.0, h, -1) - esp_surrogate_project(s, 3.0, h, 1);
    }
    assert_true(gap[0] > 0.03);
    assert_true(gap[1] < 0.5 * gap[0]);
    esp_surrogate_destroy(s);
}

/* Curves that follow the law, with more of both terms than was believed: it is learnt from what
 * is observed. */
static void the_law_is_found_in_the_curves(void **state)
{
    (void)state;
    struct esp_surrogate *s;
    struct esp_error error;
    const double kappa = 0.04, lambda = 0.004;
    rates_under(ESP_SCHEDULE_COSINE);
    assert_int_equal(esp_surrogate_create(&study, &s, &error), 0);
    for (uint32_t i = 0; i < 200; i++) {
        const double values[2] = {exp2(-11 + 0.1 * (i * 17 % 40)), 1};
        esp_surrogate_created(s, i, values);
        double height = s->trials[i].height, loss = 3 + 0.1 * (i * 7 % 5);
        for (int64_t tokens = 200; tokens <= 6400; tokens *= 2) {
            esp_surrogate_observed(s, i, tokens, loss);
            struct esp_rate_effect_span step =
                esp_rate_effect_between(&s->anneal, height, tokens / 6400., tokens / 3200.);
            loss -= 0.05 + loss * (kappa * step.annealed - lambda * step.lag);
        }
        esp_surrogate_completed(s, i);
    }
    assert_near(
        esp_rate_effect_decrease(&s->seen, (struct esp_rate_effect_span){.annealed = 1}),
        kappa,
        0.01);
    assert_near(esp_rate_effect_decrease(&s->seen, (struct esp_rate_effect_span){.lag = 1}),
                -lambda,
                0.001);
    esp_surrogate_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_follows_each_schedule),
        cmocka_unit_test(a_rate_that_never_falls_owes_nothing_to_annealing),
        cmocka_unit_test(catching_up_is_a_matter_of_updates),
        cmocka_unit_test(a_stretch_is_what_goes_by_times_the_height),
        cmocka_unit_test(both_terms_are_learnt),
        cmocka_unit_test(lower_rates_catch_up_before_higher_ones_anneal),
        cmocka_unit_test(a_searched_schedule_is_not_known),
        cmocka_unit_test(heights_are_octaves_along_the_ridge),
        cmocka_unit_test(equal_losses_are_worth_more_at_a_higher_rate),
        cmocka_unit_test(evidence_takes_the_tilt_back),
        cmocka_unit_test(the_law_is_found_in_the_curves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
