/* The guarantee of discard.h on simulated exchangeable studies. A task is drawn by its seed,
 * its curves cross, leaders tie under seed noise and are repeated, the real schedulers run, and
 * every study is run twice, without and with discards. Seeds are fixed, so that a failure can
 * be repeated.
 *
 * Two properties are tested: a study whose best trial is discarded has a score above the limit
 * (always: the rule), and such scores are as rare as the risk states (within three standard
 * deviations: the calibration). The second bound is the sharper one, because most studies with
 * a score above the limit get their best trial to its horizon all the same. */
#include "drive.h"

#include "stop/discard.h"

#include <espalier/random.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HORIZON_MAX 32
#define STUDIES_MAX 2400

static struct drive drive;
static int64_t horizon = HORIZON_MAX;
static uint32_t trials = 40;

static double unit(uint64_t seed, uint64_t stream, uint64_t counter)
{
    struct esp_random_block b = esp_random_at(seed, stream, ESP_RANDOM_SIMULATION, counter);
    return esp_random_unit(b.word[0], b.word[1]);
}

/* The trial's parameter, as drive.c draws it. */
static double value_of(uint32_t trial)
{
    return unit(1, trial, 1u << 30);
}

/* A task: where its loss has the minimum, how much small values lead early, and the size of the
 * noise, which decreases towards the horizon. */
static double curve(uint32_t trial, int64_t tokens, void *context)
{
    uint64_t seed = *(const uint64_t *)context;
    double t = (double)tokens / (double)horizon;
    double lead = 1.2 * unit(seed, 1u << 20, 1), noise = 0.8 * unit(seed, 1u << 20, 2);
    double away = value_of(trial) - (0.2 + 0.6 * unit(seed, 1u << 20, 0));
    double early = lead * value_of(trial) + noise * unit(seed, trial, 1);
    double wobble = 0.1 * unit(seed, trial, 100 + (uint64_t)tokens);
    return 2 + 1.5 * away * away + 0.1 * unit(seed, trial, 0) + (1 - t) * (early + wobble) +
           0.8 * (pow(t, -0.4) - 1);
}

static double another_seed(uint32_t trial, void *context)
{
    return 0.02 * (unit(*(const uint64_t *)context, trial, 2) - 0.5);
}

struct outcome {
    double score;
    int64_t best; /* complete trial, by all seeds at the horizon; -1: none */
    uint32_t discarded, restarted, spared, repeats;
    char log[16384];
};

static void simulate(enum esp_scheduler_type type,
                     uint64_t seed,
                     double risk,
                     const double *scores,
                     int count,
                     struct outcome *out)
{
    struct esp_study *study = drive_study(type, horizon);
    study->seed = seed;
    study->run_cap = trials;
    study->stopping.repeats = 1;
    study->stopping.risk = risk;
    study->stopping.calibration = scores;
    study->stopping.calibration_count = count;
    drive_open(&drive, study);
    drive.loss = curve;
    drive.another = another_seed;
    drive.context = &seed;
    drive.run_cap = trials;
    drive.workers = 2;
    drive_run(&drive, 0);
    assert_true(drive.ended);
    *out = (struct outcome){.score = esp_scheduler_score(drive.scheduler),
                            .best = -1,
                            .discarded = drive.discarded,
                            .restarted = drive.restarted};
    double least = INFINITY, noise = esp_scheduler_noise(drive.scheduler);
    for (uint32_t i = 0; i < drive.count; i++) {
        const struct drive_trial *t = &drive.trials[i];
        out->spared += t->spared;
        out->repeats += t->repeats >= 0;
        if (t->state == DRIVE_COMPLETE && t->repeats < 0) {
            double loss = esp_seeds_score(esp_scheduler_seeds(drive.scheduler, i), noise);
            out->best = loss < least ? (int64_t)i : out->best;
            least = fmin(least, loss);
        }
    }
    assert_true(drive.log_size < sizeof out->log);
    memcpy(out->log, drive.log, drive.log_size + 1);
    drive_close(&drive);
}

static bool says(const struct outcome *o, char what, int64_t trial)
{
    char word[32];
    snprintf(word, sizeof word, " %c%lld ", what, (long long)trial);
    return strstr(o->log, word) != NULL;
}

/* The log without the discards; it ends where the audit begins. */
static void strip(const char *log, char *out)
{
    const char *audit = strstr(log, "audit "), *end = audit ? audit : strstr(log, "END");
    for (const char *c = log; c < end;) {
        const char *space = strchr(c, ' ');
        if (*c != 'D' && *c != 'A') {
            memcpy(out, c, (size_t)(space + 1 - c));
            out += space + 1 - c;
        }
        c = space + 1;
    }
    *out = '\0';
}

/* Scores of studies that only pause, from which groups of K are taken. */
static double scores[STUDIES_MAX];
static int64_t best[STUDIES_MAX];

static void pause_only(enum esp_scheduler_type type, int count)
{
    static struct outcome o;
    int repeats = 0;
    for (int i = 0; i < count; i++) {
        simulate(type, (uint64_t)i, 0, NULL, 0, &o);
        assert_true(o.best >= 0 && o.discarded == 0);
        scores[i] = o.score;
        best[i] = o.best;
        repeats += (int)o.repeats;
    }
    print_message("%d repeats in %d studies\n", repeats, count);
    assert_true(repeats > count / 100); /* else repeats would not be tested */
}

struct counts {
    int studies, best_discarded, beyond, discarded, spared, restarted;
};

/* Studies with seeds from `from` on, calibrated on `k` scores. */
static void measure_by(enum esp_scheduler_type type,
                       double risk,
                       const double *by,
                       int k,
                       int from,
                       int count,
                       struct counts *sum)
{
    static struct outcome o;
    double limit = esp_discard_limit(by, k, risk);
    for (int i = from; i < from + count; i++) {
        simulate(type, (uint64_t)i, risk, by, k, &o);
        bool best_discarded = says(&o, 'D', best[i]);
        assert_true(!best_discarded || scores[i] > limit);
        sum->studies++;
        sum->best_discarded += best_discarded;
        sum->beyond += scores[i] > limit;
        sum->discarded += (int)o.discarded;
        sum->spared += (int)o.spared;
        sum->restarted += (int)o.restarted;
    }
}

/* `repeats` times K studies and `each` that are calibrated on them, all with different seeds.
 */
static struct counts
measure(enum esp_scheduler_type type, double risk, int k, int repeats, int each)
{
    struct counts sum = {0};
    assert_true(repeats * (k + each) <= STUDIES_MAX);
    for (int r = 0; r < repeats; r++) {
        int first = r * (k + each);
        measure_by(type, risk, scores + first, k, first + k, each, &sum);
    }
    print_message("risk %g, K %d: best discarded in %d of %d, beyond the limit %d, share %.3f, "
                  "audits %d, restarted %d\n",
                  risk,
                  k,
                  sum.best_discarded,
                  sum.studies,
                  sum.beyond,
                  (double)sum.discarded / (sum.studies * (double)trials),
                  sum.spared,
                  sum.restarted);
    return sum;
}

/* Upper bound (three standard deviations) of the number of n studies, each with probability p.
 * Studies that are calibrated on the same scores are not independent: given K scores the
 * probability varies by about p/√(K·p), which is allowed for by the number of repeats. */
static double allowed(double p, int k, int repeats, int each)
{
    double n = (double)repeats * each;
    double chance = sqrt(p * (1 - p) / n), given = sqrt(p * (1 - p) / (k + 2) / repeats);
    return n * (p + 3 * sqrt(chance * chance + given * given));
}

/* Number of scores above the limits of a rule that takes a larger risk than it states: the
 * bound must detect it. */
static int beyond_at(double risk, int k, int repeats, int each)
{
    int beyond = 0;
    for (int r = 0; r < repeats; r++) {
        const double *by = scores + r * (k + each);
        double limit = esp_discard_limit(by, k, risk);
        for (int i = 0; i < each; i++) {
            beyond += by[k + i] > limit;
        }
    }
    return beyond;
}

static void asha_keeps_the_guarantee_at_every_risk(void **state)
{
    (void)state;
    static const struct {
        double risk;
        int k, repeats, each;
    } cases[] = {{0.05, 19, 40, 40}, {0.05, 59, 20, 40}, {0.1, 9, 40, 40}, {0.2, 4, 40, 40}};
    horizon = HORIZON_MAX;
    trials = 40;
    pause_only(ESP_SCHEDULER_ASHA, STUDIES_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int k = cases[i].k, repeats = cases[i].repeats, each = cases[i].each;
        struct counts sum = measure(ESP_SCHEDULER_ASHA, cases[i].risk, k, repeats, each);
        double most = allowed(cases[i].risk, k, repeats, each);
        assert_true(sum.beyond <= most);
        assert_true(beyond_at(4 * cases[i].risk, k, repeats, each) > most);
        assert_true(sum.discarded > sum.studies * (int)trials / 10);
        /* One in twenty is spared, within a little more than three standard deviations. */
        double audits = (sum.discarded + sum.spared) / 20.0;
        assert_true(fabs(sum.spared - audits) < 4 * sqrt(audits) + 10);
    }
}

/* Smaller studies, because each of its decisions is a fit. */
static void freeze_thaw_keeps_the_guarantee(void **state)
{
    (void)state;
    static const struct {
        double risk;
        int k, repeats, each;
    } cases[] = {{0.05, 19, 6, 21}, {0.1, 9, 8, 21}};
    horizon = HORIZON_MAX / 2;
    trials = 20;
    pause_only(ESP_SCHEDULER_FREEZE_THAW, 240);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int k = cases[i].k, repeats = cases[i].repeats, each = cases[i].each;
        struct counts sum = measure(ESP_SCHEDULER_FREEZE_THAW, cases[i].risk, k, repeats, each);
        double most = allowed(cases[i].risk, k, repeats, each);
        assert_true(sum.beyond <= most);
        assert_true(beyond_at(5 * cases[i].risk, k, repeats, each) > most);
        assert_true(sum.discarded > sum.studies * (int)trials / 10);
    }
    /* Shows that discards matter: with a limit of 0 many studies lose their best trial. */
    double nought[19] = {0};
    struct counts bold = {0};
    measure_by(ESP_SCHEDULER_FREEZE_THAW, 0.05, nought, 19, 0, 40, &bold);
    print_message("with a limit of 0 it is discarded in %d of 40\n", bold.best_discarded);
    assert_true(bold.best_discarded > allowed(0.05, 19, 1, 40));
}

static void one_study_too_few_discards_nothing(void **state)
{
    (void)state;
    static struct outcome o;
    horizon = HORIZON_MAX;
    trials = 40;
    static const double risks[] = {0.05, 0.1, 0.2};
    for (int i = 0; i < 3; i++) {
        int needed = esp_discard_needed(risks[i]);
        int found = 0;
        for (int seed = 100; seed < 110; seed++) {
            simulate(ESP_SCHEDULER_ASHA, (uint64_t)seed, risks[i], scores, needed - 1, &o);
            assert_int_equal(o.discarded + o.spared, 0);
            simulate(ESP_SCHEDULER_ASHA, (uint64_t)seed, risks[i], scores, needed, &o);
            found += (int)o.discarded;
        }
        assert_true(found > 0);
    }
    assert_int_equal(esp_discard_needed(0.05), 19);
    assert_int_equal(esp_discard_needed(0.1), 9);
    assert_int_equal(esp_discard_needed(0.3), 3);
    assert_int_equal(esp_discard_needed(0), 0);
}

/* The assumption of the proof: up to the audit every decision is that of the study that only
 * pauses, whatever is discarded, so the score is the same, too. */
static void discarding_changes_no_decision(enum esp_scheduler_type type, int studies)
{
    static struct outcome plain, real;
    static char a[16384], b[16384];
    double bold[19] = {0};
    int seen = 0, restarted = 0, repeated = 0;
    horizon = HORIZON_MAX;
    trials = 40;
    for (int i = 0; i < studies; i++) {
        simulate(type, (uint64_t)(5000 + i), 0, NULL, 0, &plain);
        simulate(type, (uint64_t)(5000 + i), 0.05, bold, 19, &real);
        strip(plain.log, a);
        strip(real.log, b);
        assert_string_equal(a, b);
        assert_true(real.score >= plain.score);
        assert_true(real.score == plain.score || strstr(real.log, "audit "));
        seen += (int)real.discarded;
        restarted += (int)real.restarted;
        repeated += (int)real.repeats;
    }
    assert_true(seen > 0 && repeated > 0 &&
                restarted > 0); /* with a limit of 0 some are chosen again */
}

static void asha_decides_as_if_nothing_were_discarded(void **state)
{
    (void)state;
    discarding_changes_no_decision(ESP_SCHEDULER_ASHA, 200);
}

static void freeze_thaw_decides_as_if_nothing_were_discarded(void **state)
{
    (void)state;
    discarding_changes_no_decision(ESP_SCHEDULER_FREEZE_THAW, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asha_keeps_the_guarantee_at_every_risk),
        cmocka_unit_test(one_study_too_few_discards_nothing),
        cmocka_unit_test(asha_decides_as_if_nothing_were_discarded),
        cmocka_unit_test(freeze_thaw_decides_as_if_nothing_were_discarded),
        cmocka_unit_test(freeze_thaw_keeps_the_guarantee),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
