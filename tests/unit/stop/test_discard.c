/* Discarding at a stated risk: the quantile and the rule. test_discard_risk.c tests the
 * guarantee on simulated studies. */
#include "drive.h"

#include "stop/discard.h"

#include <espalier/random.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct drive drive;

static void the_limit_is_the_conformal_quantile(void **state)
{
    (void)state;
    double scores[40];
    for (int i = 0; i < 40; i++) {
        scores[i] = 39 - i;
    }
    /* 19 scores at risk 0.05: the ⌈20·0.95⌉ = 19th smallest; 18 are too few. */
    assert_true(esp_discard_limit(scores + 21, 19, 0.05) == 18);
    assert_true(isinf(esp_discard_limit(scores + 21, 18, 0.05)));
    assert_true(esp_discard_limit(scores, 39, 0.05) == 38); /* ⌈40·0.95⌉ = 38th of 1 … 39 */
    assert_true(esp_discard_limit(scores, 40, 0.5) == 20);
    assert_true(isinf(esp_discard_limit(scores, 40, 0)));
    assert_true(isinf(esp_discard_limit(NULL, 0, 0.05)));
    scores[0] = scores[1] = scores[2] =
        NAN; /* scores that are not numbers count as the worst */
    assert_true(isinf(esp_discard_limit(scores, 40, 0.05)));
}

/* Final losses and noise that decreases: ranks at small marks are misleading. */
static double noisy(uint32_t trial, int64_t tokens, void *context)
{
    uint64_t seed = *(const uint64_t *)context;
    struct esp_random_block end = esp_random_at(seed, trial, ESP_RANDOM_SIMULATION, 0);
    struct esp_random_block noise =
        esp_random_at(seed, trial, ESP_RANDOM_SIMULATION, (uint64_t)tokens);
    return esp_random_unit(end.word[0], 0) +
           0.6 * (1 - (double)tokens / 27) * esp_random_unit(noise.word[0], 0);
}

static void a_search_discards_what_it_has_paused(void **state)
{
    (void)state;
    uint64_t seed = 5;
    double scores[19];
    for (int i = 0; i < 19; i++) {
        scores[i] = 3;
    }
    struct esp_study *study = drive_study(ESP_SCHEDULER_ASHA, 27);
    study->stopping.min = 1;
    study->stopping.risk = 0.05;
    study->stopping.calibration = scores;
    study->stopping.calibration_count = 19;
    drive_open(&drive, study);
    drive.loss = noisy;
    drive.context = &seed;
    drive.run_cap = 60;
    drive_run(&drive, 0);
    int discarded = 0;
    for (int i = 0; i < 60; i++) {
        discarded += drive.trials[i].state == DRIVE_PRUNED;
    }
    assert_true(drive.ended && discarded > 30);
    assert_true(esp_scheduler_score(drive.scheduler) >= 0);
    drive_close(&drive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_is_the_conformal_quantile),
        cmocka_unit_test(a_search_discards_what_it_has_paused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
