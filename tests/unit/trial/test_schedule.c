/* Tests of trial/schedule.h, against closed forms written out for 1,000 steps. */
#include "../../../trial/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "../near.h"

#define STEPS 1000

static struct esp_trainer trainer_of(enum esp_schedule_type type)
{
    struct esp_trainer t;
    esp_trainer_init(&t);
    t.batch_size = 4;
    t.context = 8;
    t.tokens = STEPS * 32 + 31;
    t.schedule = type;
    t.warmup = 0.1;
    t.decay = 0.2;
    t.floor = 0.1;
    t.learning_rate = 2;
    return t;
}

static void warm_up_is_linear_from_zero_for_every_type(void **state)
{
    (void)state;
    for (int type = ESP_SCHEDULE_COSINE; type <= ESP_SCHEDULE_INVERSE_SQRT; type++) {
        struct esp_trainer t = trainer_of(type);
        for (int64_t step = 0; step < 100; step++) {
            assert_near(esp_schedule_rate(&t, step), 2.0 * (double)(step + 1) / 100, 1e-12);
        }
    }
}

static void cosine_ends_at_the_floor(void **state)
{
    (void)state;
    struct esp_trainer t = trainer_of(ESP_SCHEDULE_COSINE);
    assert_near(esp_schedule_rate(&t, 99), 2, 1e-12);
    assert_near(esp_schedule_rate(&t, 549), 1.1, 1e-12); /* half way: the middle of 2 and 0.2 */
    assert_near(esp_schedule_rate(&t, 999), 0.2, 1e-12);
    assert_near(
        esp_schedule_rate(&t, 324), 0.2 + 1.8 * (1 + sqrt(0.5)) / 2, 1e-12); /* a quarter */
}

static void linear_ends_at_the_floor(void **state)
{
    (void)state;
    struct esp_trainer t = trainer_of(ESP_SCHEDULE_LINEAR);
    assert_near(esp_schedule_rate(&t, 549), 1.1, 1e-12);
    assert_near(esp_schedule_rate(&t, 324), 2 - 1.8 / 4, 1e-12);
    assert_near(esp_schedule_rate(&t, 999), 0.2, 1e-12);
}

static void wsd_keeps_the_peak_until_its_decay(void **state)
{
    (void)state;
    struct esp_trainer t = trainer_of(ESP_SCHEDULE_WSD);
    assert_near(esp_schedule_rate(&t, 100), 2, 1e-12);
    assert_near(esp_schedule_rate(&t, 819), 2, 1e-12); /* 180 steps, a fifth of 900, decay */
    assert_near(esp_schedule_rate(&t, 909), 1.1, 1e-12);
    assert_near(esp_schedule_rate(&t, 999), 0.2, 1e-12);
    t.decay = 0;
    assert_near(esp_schedule_rate(&t, 999), 2, 1e-12);
}

static void constant_keeps_the_peak(void **state)
{
    (void)state;
    struct esp_trainer t = trainer_of(ESP_SCHEDULE_CONSTANT);
    assert_near(esp_schedule_rate(&t, 100), 2, 1e-12);
    assert_near(esp_schedule_rate(&t, 999), 2, 1e-12);
}

static void inverse_sqrt_does_not_fall_below_the_floor(void **state)
{
    (void)state;
    struct esp_trainer t = trainer_of(ESP_SCHEDULE_INVERSE_SQRT);
    assert_near(esp_schedule_rate(&t, 399), 1, 1e-12);
    assert_near(esp_schedule_rate(&t, 999), 2 * sqrt(0.1), 1e-12);
    t.floor = 0.5;
    assert_near(esp_schedule_rate(&t, 999), 1, 1e-12);
}

static void extreme_settings_give_finite_rates_up_to_the_peak(void **state)
{
    (void)state;
    for (int type = ESP_SCHEDULE_COSINE; type <= ESP_SCHEDULE_INVERSE_SQRT; type++) {
        for (int steps = 1; steps < 4; steps++) {
            for (int warmup = 0; warmup <= 2; warmup++) {
                struct esp_trainer t = trainer_of(type);
                t.tokens = steps * 32;
                t.warmup = warmup / 2.0;
                t.decay = 1;
                for (int64_t step = 0; step < steps; step++) {
                    double rate = esp_schedule_rate(&t, step);
                    assert_true(rate > 0 && rate <= 2);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warm_up_is_linear_from_zero_for_every_type),
        cmocka_unit_test(cosine_ends_at_the_floor),
        cmocka_unit_test(linear_ends_at_the_floor),
        cmocka_unit_test(wsd_keeps_the_peak_until_its_decay),
        cmocka_unit_test(constant_keeps_the_peak),
        cmocka_unit_test(inverse_sqrt_does_not_fall_below_the_floor),
        cmocka_unit_test(extreme_settings_give_finite_rates_up_to_the_peak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
