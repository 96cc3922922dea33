/* The effect of the learning rate on the decrease that remains. */
#include "search/rate_effect.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../near.h"
#include "fixture.h"

static struct esp_study study;

static struct esp_rate_effect make_effect(void)
{
    static struct esp_space space;
    struct esp_rate_effect effect;
    esp_space_make(&space, &study);
    esp_rate_effect_make(&effect, &space);
    return effect;
}

static void the_annealing_left_follows_each_schedule(void **state)
{
    (void)state;
    make_scheduled_study(&study, ESP_SCHEDULE_LINEAR);
    struct esp_rate_effect a = make_effect();
    assert_true(a.active);
    assert_near(esp_rate_effect_annealing_left(&a, 0.05),
                sqrt(0.9),
                1e-9); /* during warm-up: as at its end */
    assert_near(esp_rate_effect_annealing_left(&a, 0.1), sqrt(0.9), 1e-9);
    assert_near(esp_rate_effect_annealing_left(&a, 0.55),
                sqrt(0.45),
                1e-9); /* half of the steps after warm-up */
    assert_near(esp_rate_effect_annealing_left(&a, 1), 0, 1e-9);
    make_scheduled_study(&study, ESP_SCHEDULE_COSINE);
    a = make_effect();
    assert_near(esp_rate_effect_annealing_left(&a, 0.55), sqrt(0.45), 1e-9);
    assert_near(esp_rate_effect_annealing_left(&a, 0.1 + 0.9 / 3), sqrt(0.9 * 0.75), 1e-9);
    make_scheduled_study(&study, ESP_SCHEDULE_WSD);
    a = make_effect();
    assert_near(esp_rate_effect_annealing_left(&a, 0.1 + 0.9 * 0.75),
                sqrt(0.9),
                1e-9); /* the decay begins */
    assert_near(esp_rate_effect_annealing_left(&a, 0.1 + 0.9 * 0.875), sqrt(0.45), 1e-9);
    make_scheduled_study(&study, ESP_SCHEDULE_INVERSE_SQRT);
    a = make_effect();
    assert_near(esp_rate_effect_annealing_left(&a, 0.4), sqrt(0.5 - sqrt(0.1)), 1e-9);
}

static void a_constant_rate_has_no_annealing_left(void **state)
{
    (void)state;
    make_scheduled_study(&study, ESP_SCHEDULE_CONSTANT);
    struct esp_rate_effect a = make_effect();
    assert_near(esp_rate_effect_annealing_left(&a, 0.2), 0, 1e-9);
    struct esp_rate_effect_span rest = esp_rate_effect_between(&a, 2, 0.2, 1);
    assert_near(rest.annealed, 0, 1e-9);
    assert_near(rest.lag, a.lag * 2 * 4, 1e-9); /* a lower rate still catches up */
}

/* The middle batch size of 8 sequences makes 800 updates. */
static void the_lag_depends_on_the_number_of_updates(void **state)
{
    (void)state;
    make_scheduled_study(&study, ESP_SCHEDULE_COSINE);
    assert_near(make_effect().lag, 700 / 800., 1e-9);
    study.trainer.tokens *= 1000;
    assert_near(make_effect().lag, 0.7 / 800, 1e-9);
    study.trainer.tokens = 64;
    assert_near(make_effect().lag, 2, 1e-9);
    make_scheduled_study(&study, ESP_SCHEDULE_COSINE);
    study.param_count = 1; /* the trainer's batch size */
    study.trainer.batch_size = 16;
    assert_near(make_effect().lag, 700 / 400., 1e-9);
    study.trainer.context = 0; /* unknown */
    assert_near(make_effect().lag, 0, 1e-9);
    make_scheduled_study(&study, ESP_SCHEDULE_COSINE);
    study.params[1].choice_count = 2; /* 6 and 16 span no octaves: no middle */
    study.params[1].choices++;
    study.params[1].choices[0].real = 6;
    assert_near(make_effect().lag, 0, 1e-9);
    study.params[1].distribution = ESP_CONSTANT; /* a parameter of one value */
    study.params[1].choice_count = 1;
    study.params[1].choices[0].real = 8;
    assert_near(make_effect().lag, 700 / 800., 1e-9);
    make_scheduled_study(&study, ESP_SCHEDULE_COSINE);
    study.trainer.tokens = 0;
    assert_near(make_effect().lag, 0, 1e-9);
}

static void a_span_is_proportional_to_the_log_rate(void **state)
{
    (void)state;
    make_scheduled_study(&study, ESP_SCHEDULE_LINEAR);
    struct esp_rate_effect a = make_effect();
    struct esp_rate_effect_span first = esp_rate_effect_between(&a, -1.5, 0.05, 0.25);
    struct esp_rate_effect_span second = esp_rate_effect_between(&a, -1.5, 0.25, 1);
    assert_near(first.annealed + second.annealed, -1.5 * sqrt(0.9), 1e-9);
    assert_near(first.lag, a.lag * -1.5 * (20 - 4), 1e-9);
    assert_near(second.lag, a.lag * -1.5 * 3, 1e-9);
    /* The lag grows up to four octaves down, and from a 64th of training on. */
    assert_near(esp_rate_effect_between(&a, -9, 0.25, 1).lag, a.lag * -4 * 3, 1e-9);
    assert_near(esp_rate_effect_between(&a, -9, 0.25, 1).annealed, 6 * second.annealed, 1e-9);
    assert_near(esp_rate_effect_between(&a, 1, 0, 1).lag, a.lag * 63, 1e-9);
}

/* A span in which annealing and lag are correlated. */
static struct esp_rate_effect_span correlated(int i)
{
    double annealed = 0.1 * (i % 7 - 3);
    return (struct esp_rate_effect_span){annealed, 20 * annealed + i % 11 - 5};
}

/* Many observations outweigh the prior, and the coefficients stay within their bounds. */
static void both_coefficients_are_learnt(void **state)
{
    (void)state;
    struct esp_rate_effect_fit fit = {0};
    struct esp_rate_effect_span annealed = {.annealed = 1}, lag = {.lag = 1};
    double before[2] = {esp_rate_effect_decrease(&fit, annealed),
                        esp_rate_effect_decrease(&fit, lag)};
    assert_true(before[0] > 0 && before[1] < 0);
    for (int i = 0; i < 40000; i++) {
        struct esp_rate_effect_span s = correlated(i);
        esp_rate_effect_learn(&fit, s, 0.03 * s.annealed - 0.003 * s.lag);
    }
    assert_near(esp_rate_effect_decrease(&fit, annealed), 0.03, 2e-3);
    assert_near(esp_rate_effect_decrease(&fit, lag), -0.003, 2e-4);
    for (int i = 0; i < 400000; i++) {
        struct esp_rate_effect_span s = correlated(i);
        esp_rate_effect_learn(&fit, s, 9 * s.annealed - 9 * s.lag);
    }
    assert_near(esp_rate_effect_decrease(&fit, annealed), 4 * before[0], 1e-9);
    assert_near(esp_rate_effect_decrease(&fit, lag), 6 * before[1], 1e-9);
}

static void a_searched_schedule_makes_the_effect_inactive(void **state)
{
    (void)state;
    make_scheduled_study(&study, ESP_SCHEDULE_COSINE);
    strcpy(study.params[1].name, "schedule.type");
    assert_false(make_effect().active);
    make_scheduled_study(&study, ESP_SCHEDULE_COSINE);
    strcpy(study.params[1].name, "floor");
    assert_false(make_effect().active);
    make_scheduled_study(&study, ESP_SCHEDULE_COSINE);
    study.abilities = (struct esp_abilities){0};
    assert_false(make_effect().active);
    make_scheduled_study(&study, ESP_SCHEDULE_COSINE);
    study.ablate = ESP_ABLATE_SCHEDULE;
    assert_false(make_effect().active);
}

static void the_log_rate_is_adjusted_for_the_batch_size(void **state)
{
    (void)state;
    make_scheduled_study(&study, ESP_SCHEDULE_COSINE);
    struct esp_rate_effect a = make_effect();
    const double middle[2] = {-9, 3}, higher[2] = {-7, 3}, larger[2] = {-9, 4};
    assert_near(esp_rate_effect_log_rate(&a, middle), 0, 1e-9);
    assert_near(esp_rate_effect_log_rate(&a, higher), 2, 1e-9);
    assert_near(esp_rate_effect_log_rate(&a, larger), -0.4, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_annealing_left_follows_each_schedule),
        cmocka_unit_test(a_constant_rate_has_no_annealing_left),
        cmocka_unit_test(the_lag_depends_on_the_number_of_updates),
        cmocka_unit_test(a_span_is_proportional_to_the_log_rate),
        cmocka_unit_test(both_coefficients_are_learnt),
        cmocka_unit_test(a_searched_schedule_makes_the_effect_inactive),
        cmocka_unit_test(the_log_rate_is_adjusted_for_the_batch_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
