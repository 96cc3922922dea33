/* Discarding at a stated risk: the quantile, the rule, and the guarantee on simulated studies.
 */
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
    scores[0] = scores[1] = scores[2] = NAN; /* studies without an end count as the worst */
    assert_true(isinf(esp_discard_limit(scores, 40, 0.05)));
}

/* Final losses and noise that fades: ranks at small marks mislead. */
static double noisy(uint32_t trial, int64_t tokens, void *context)
{
    uint64_t seed = *(const uint64_t *)context;
    struct esp_random_block end = esp_random_at(seed, trial, ESP_RANDOM_SIMULATION, 0);
    struct esp_random_block noise =
        esp_random_at(seed, trial, ESP_RANDOM_SIMULATION, (uint64_t)tokens);
    return esp_random_unit(end.word[0], 0) +
           0.6 * (1 - (double)tokens / 27) * esp_random_unit(noise.word[0], 0);
}

/* Every trial of a study is paused at each of its reports in turn, and in the end trained to
 * its horizon unless it was discarded: the hardest case for the rule. */
static double run_study(uint64_t seed,
                        const double *calibration,
                        int count,
                        double risk,
                        bool *best_discarded,
                        int *discarded)
{
    struct esp_stopping stopping = {
        .risk = risk, .calibration = calibration, .calibration_count = count};
    struct esp_discard d;
    bool gone[60] = {false};
    uint32_t best = 0;
    esp_discard_init(&d, &stopping);
    for (uint32_t t = 0; t < 60; t++) {
        esp_discard_created(&d, t, 27);
        if (noisy(t, 27, &seed) < noisy(best, 27, &seed)) {
            best = t;
        }
    }
    for (int64_t tokens = 1; tokens <= 27; tokens *= 3) {
        for (uint32_t t = 0; t < 60; t++) {
            if (gone[t]) {
                continue;
            }
            esp_discard_waits(&d, t, false);
            esp_discard_observed(&d, t, tokens, noisy(t, tokens, &seed));
            if (tokens == 27) {
                esp_discard_completed(&d, t);
                continue;
            }
            esp_discard_waits(&d, t, true);
            for (;;) {
                struct esp_verdict v = esp_discard_next(&d);
                if (v.action != ESP_VERDICT_DISCARD) {
                    break;
                }
                assert_int_equal(v.reason.rule, ESP_RULE_CALIBRATED);
                assert_true(v.reason.rank > v.reason.threshold);
                esp_discard_waits(&d, (uint32_t)v.trial, false);
                gone[v.trial] = true;
                ++*discarded;
            }
        }
    }
    *best_discarded = gone[best];
    double score = esp_discard_score(&d);
    esp_discard_release(&d);
    return score;
}

static void the_best_is_discarded_in_at_most_the_stated_share(void **state)
{
    (void)state;
    enum { K = 39, STUDIES = 600 };
    int killed = 0, discarded = 0, repeats = 15;
    for (int repeat = 0; repeat < repeats; repeat++) {
        double scores[K];
        bool best_discarded;
        int none = 0;
        for (int i = 0; i < K; i++) {
            scores[i] =
                run_study((uint64_t)(repeat * 10000 + i), NULL, 0, 0.1, &best_discarded, &none);
        }
        assert_int_equal(none, 0); /* too few finished studies: only pauses */
        for (int i = 0; i < STUDIES / repeats; i++) {
            run_study((uint64_t)(repeat * 10000 + 1000 + i),
                      scores,
                      K,
                      0.1,
                      &best_discarded,
                      &discarded);
            killed += best_discarded;
        }
    }
    /* 60 of 600 are allowed; three standard deviations of a binomial share above that. */
    assert_true(killed <= 60 + 3 * 7.4);
    assert_true(discarded > STUDIES * 60 / 20); /* and it does discard: more than 5 % */
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
        cmocka_unit_test(the_best_is_discarded_in_at_most_the_stated_share),
        cmocka_unit_test(a_search_discards_what_it_has_paused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
