/* The estimated seed noise, compared with recorded trainings of several seeds.
 *
 * tests/golden/parity.csv: five settings of 0.3M parameters on Shakespeare, three seeds each,
 * 1M tokens (PyTorch). tests/golden/seeds.csv: three settings each of two studies on C headers,
 * six seeds each, by espalier's CPU backend: "mid" 3 layers 96 wide, 700k tokens, "tiny" 2
 * layers 32 wide, 300k tokens; batch 8, context 64, cosine to a tenth. */
#include "stop/repeat.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SETTINGS_MAX 16
#define SEEDS_MAX 8

static const char *parity_path, *seeds_path;

struct setting {
    char name[80];
    int count;
    struct esp_scatter curve[SEEDS_MAX];
    double last[SEEDS_MAX];
};

static struct setting settings[SETTINGS_MAX];
static int setting_count;

static struct setting *setting_of(const char *name)
{
    for (int i = 0; i < setting_count; i++) {
        if (strcmp(settings[i].name, name) == 0) {
            return &settings[i];
        }
    }
    assert_true(setting_count < SETTINGS_MAX);
    struct setting *new = &settings[setting_count++];
    *new = (struct setting){0};
    snprintf(new->name, sizeof new->name, "%s", name);
    return new;
}

static void take(const char *name, int64_t tokens, int64_t horizon, double loss)
{
    struct setting *s = setting_of(name);
    if (tokens == 0) {
        s->count++;
    }
    assert_true(s->count > 0 && s->count <= SEEDS_MAX);
    esp_scatter_add(&s->curve[s->count - 1], tokens, horizon, loss);
    s->last[s->count - 1] = loss;
}

static FILE *open_rows(const char *path)
{
    char head[256];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(head, sizeof head, file));
    return file;
}

static void read_parity(void)
{
    char line[256], rate[32], batch[32], seed[32], train[32], name[80];
    long tokens, step;
    double loss;
    FILE *file = open_rows(parity_path);
    while (fgets(line, sizeof line, file)) {
        int found = sscanf(line,
                           "%31[^,],%31[^,],%31[^,],%ld,%ld,%31[0-9.],%lf",
                           rate,
                           batch,
                           seed,
                           &tokens,
                           &step,
                           train,
                           &loss);
        if (found < 7) { /* there is no train_loss before the first step */
            assert_int_equal(
                sscanf(line, "%*[^,],%*[^,],%*[^,],%ld,%ld,,%lf", &tokens, &step, &loss), 3);
        }
        snprintf(name, sizeof name, "parity %s/%s", rate, batch);
        take(name, tokens, 1000000, loss);
    }
    fclose(file);
}

static void read_seeds(void)
{
    char line[256], study[32], rate[32], name[80];
    long seed, horizon, tokens;
    double loss;
    FILE *file = open_rows(seeds_path);
    while (fgets(line, sizeof line, file)) {
        assert_int_equal(sscanf(line,
                                "%31[^,],%31[^,],%ld,%ld,%ld,%lf",
                                study,
                                rate,
                                &seed,
                                &horizon,
                                &tokens,
                                &loss),
                         6);
        snprintf(name, sizeof name, "%s %s", study, rate);
        take(name, tokens, horizon, loss);
    }
    fclose(file);
}

static int read_all(void **state)
{
    (void)state;
    read_parity();
    read_seeds();
    return setting_count == 11 ? 0 : -1;
}

static double deviation(const struct setting *s)
{
    struct esp_seed_pool pool = {0};
    struct esp_seeds seeds = {0};
    for (int i = 0; i < s->count; i++) {
        esp_seeds_add(&seeds, &pool, s->last[i]);
    }
    return esp_seeds_spread(&seeds);
}

/* Estimated from one seed, before any repeat. */
static double start(const struct setting *s, int seed)
{
    struct esp_seed_pool none = {0};
    return esp_seed_noise(&none, s->last[seed], esp_scatter_size(&s->curve[seed]));
}

/* The prior of a study, without Student's factor for an unknown sigma (1.84). */
static void the_prior_has_the_size_of_recorded_seed_noise(void **state)
{
    (void)state;
    double sum = 0, flat = 0;
    for (int i = 0; i < setting_count; i++) {
        const struct setting *s = &settings[i];
        double mean = 0, loss = 0, real = deviation(s);
        for (int k = 0; k < s->count; k++) {
            mean += start(s, k) / 1.837 / s->count;
            loss += s->last[k] / s->count;
        }
        double wrong = log(mean / real), share = log(ESP_SEED_NOISE_SHARE * loss / real);
        print_message("%-18s a seed %.4f (%.2f %%), the start %.4f\n",
                      s->name,
                      real,
                      100 * real / loss,
                      mean);
        assert_true(fabs(wrong) < log(6));
        sum += wrong * wrong / setting_count;
        flat += share * share / setting_count;
    }
    print_message("wrong by a factor of %.2f; a share of the loss by %.2f\n",
                  exp(sqrt(sum)),
                  exp(sqrt(flat)));
    assert_true(exp(sqrt(sum)) < 2.6);
    assert_true(sum < 0.6 * flat);
}

struct share {
    int tie, of;
};

/* Two seeds of one setting represent two equally good settings; `pool` has the deviations among
 * repeats. */
static struct share ties(const char *prefix, bool shown)
{
    struct share share = {0};
    for (int i = 0; i < setting_count; i++) {
        const struct setting *s = &settings[i];
        if (strncmp(s->name, prefix, strlen(prefix)) != 0) {
            continue;
        }
        for (int a = 0; a < s->count; a++) {
            for (int b = 0; b < s->count; b++) {
                struct esp_seed_pool pool = {0}, other = {0};
                struct esp_seeds one = {0}, two = {0}, twice = {0};
                if (a == b || s->last[a] > s->last[b]) {
                    continue;
                }
                esp_seeds_add(&one, &other, s->last[a]);
                esp_seeds_add(&two, &other, s->last[b]);
                for (int k = 0, found = 0; shown && found < 2; k++) {
                    if (k != a && k != b) { /* a third setting of the study, with a repeat */
                        esp_seeds_add(&twice, &pool, s->last[k]);
                        found++;
                    }
                }
                double noise =
                    esp_seed_noise(&pool, s->last[a], esp_scatter_size(&s->curve[a]));
                share.tie += esp_seeds_tie(&one, &two, noise);
                share.of++;
            }
        }
    }
    print_message("%s, %s: %d of %d equal pairs tie\n",
                  prefix,
                  shown ? "one repeat" : "no repeat",
                  share.tie,
                  share.of);
    return share;
}

/* If sigma were known, two thirds would tie. */
static void equally_good_settings_tie_before_any_repeat(void **state)
{
    (void)state;
    struct share parity = ties("parity", false), mid = ties("mid", false);
    struct share tiny = ties("tiny", false);
    assert_true(3 * parity.tie >= 2 * parity.of);
    assert_true(3 * mid.tie >= 2 * mid.of);
    /* Their noise is many times the scatter of any curve, but enough of them tie for repeats to
     * show it. */
    assert_true(3 * tiny.tie >= tiny.of);
}

static void one_repeat_corrects_most_of_the_noise_estimate(void **state)
{
    (void)state;
    struct share tiny = ties("tiny", true);
    assert_true(2 * tiny.tie >= tiny.of);
}

/* Points alternate about a line by d: each is 2 d from the line between its neighbours. */
static void scatter_is_the_distance_from_a_smooth_curve(void **state)
{
    (void)state;
    struct esp_scatter s = {0};
    for (int i = 0; i <= 20; i++) {
        esp_scatter_add(&s, 50 * i, 1000, 4 - 0.1 * i + (i < 10 ? 9 * (i % 2) : 0));
    }
    assert_int_equal(s.count, 9); /* of the second half */
    assert_true(esp_scatter_size(&s) < 1e-12);
    s = (struct esp_scatter){0};
    for (int i = 0; i <= 20; i++) {
        esp_scatter_add(&s, 50 * i, 1000, 4 - 0.1 * i + (i % 2 ? 0.01 : -0.01));
    }
    assert_true(fabs(esp_scatter_size(&s) - 0.02 / sqrt(1.5)) < 1e-9);
    /* Unevenly spaced points of a line have no scatter either. */
    s = (struct esp_scatter){0};
    for (int i = 0; i < 10; i++) {
        esp_scatter_add(&s, 500 + 5 * i * i, 1000, 2 - 0.001 * (500 + 5 * i * i));
    }
    assert_true(s.count > 4 && esp_scatter_size(&s) < 1e-12);
}

static void scatter_is_unknown_with_few_points_or_after_a_loss_that_is_not_finite(void **state)
{
    (void)state;
    struct esp_scatter s = {0};
    for (int i = 10; i < 15; i++) {
        esp_scatter_add(&s, 50 * i, 1000, 3 + i % 2);
    }
    assert_true(isnan(esp_scatter_size(&s)));
    esp_scatter_add(&s, 750, 1000, 3);
    assert_false(isnan(esp_scatter_size(&s)));
    esp_scatter_add(&s, 750, 1000, 90); /* reported twice */
    assert_int_equal(s.count, ESP_SCATTER_LEAST);
    esp_scatter_add(&s, 800, 1000, NAN);
    assert_true(isnan(esp_scatter_size(&s)));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_prior_has_the_size_of_recorded_seed_noise),
        cmocka_unit_test(equally_good_settings_tie_before_any_repeat),
        cmocka_unit_test(one_repeat_corrects_most_of_the_noise_estimate),
        cmocka_unit_test(scatter_is_the_distance_from_a_smooth_curve),
        cmocka_unit_test(scatter_is_unknown_with_few_points_or_after_a_loss_that_is_not_finite),
    };
    if (argc != 3) {
        fprintf(stderr, "usage: %s PARITY.csv SEEDS.csv\n", argv[0]);
        return 2;
    }
    parity_path = argv[1];
    seeds_path = argv[2];
    return cmocka_run_group_tests_name("stop/seeds", tests, read_all, NULL);
}
