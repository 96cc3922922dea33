/* Measures the time of one decision among 200 and among 10,000 trials, on one core.
 *
 *   decision [--method M] [--scheduler S]
 *
 * A decision is the answer that the controller needs between two reports: what a free slot does
 * (with the proposal, for a new trial), or what a trial does at its mark. Refits are requested
 * after every report, as by the controller, and are timed separately. Times are processor time
 * of all threads: on one core that is the elapsed time, and other programs do not add to it.
 * Memory is the process's peak; `reports` is the number of reports that it then holds, of which
 * the searches keep tokens and loss. Prints
 * {"200":{"p50_us","p99_us","refit_p99_us","rss_kib","reports"},"10000":{…}}. */
#include "replay/policy.h"
#include "replay/summary.h"
#include "search/sampler.h"
#include "stop/scheduler.h"

#include <espalier/random.h>

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define HORIZON 1000000
#define DECISIONS 400

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static double uniform(uint64_t stream, uint64_t counter)
{
    struct esp_random_block b = esp_random_at(5, stream, ESP_RANDOM_SIMULATION, counter);
    return esp_random_unit(b.word[0], b.word[1]);
}

static struct esp_value sizes[5];

static struct esp_study *make_study(void)
{
    struct esp_study *study = calloc(1, sizeof *study);
    assert(study);
    study->abilities = esp_abilities_builtin();
    study->seed = 1;
    study->trainer.tokens = HORIZON;
    study->trainer.report_every = HORIZON / 25;
    study->trainer.context = 64;
    study->prior.parameters = 331776;
    study->param_count = 2;
    study->params[0] = (struct esp_param){.name = "learning_rate",
                                          .distribution = ESP_LOG_UNIFORM_VALUES,
                                          .min = 1e-4,
                                          .max = 3e-2};
    for (int i = 0; i < 5; i++) {
        sizes[i] = (struct esp_value){.type = ESP_VALUE_INTEGER, .real = 4 << i};
    }
    study->params[1] = (struct esp_param){.name = "batch_size",
                                          .distribution = ESP_CATEGORICAL,
                                          .choices = sizes,
                                          .choice_count = 5};
    return study;
}

static double loss_of(const double *values, int64_t tokens, uint64_t trial)
{
    double u = log2(values[0] / 4e-3), v = values[1] - 1, t = (double)tokens / HORIZON;
    return 1.8 + 0.02 * u * u + 0.01 * v * v + 0.7 * (pow(t, -0.35) - 1) +
           0.005 * uniform(trial, (uint64_t)tokens);
}

struct search {
    struct esp_sampler *sampler;
    struct esp_scheduler *scheduler;
    double *values; /* [trials, 2] */
    int64_t *tokens;
    uint32_t count;
    double *us, *refit_us;
    int asked, refits, reports;
};

static void observe(struct search *s, uint32_t trial, int64_t tokens)
{
    double loss = loss_of(&s->values[2 * trial], tokens, trial);
    s->tokens[trial] = tokens;
    s->reports++;
    esp_sampler_observed(s->sampler, trial, tokens, loss);
    esp_scheduler_observed(s->scheduler, trial, tokens, loss, (double)tokens);
}

static void refit(struct search *s)
{
    double numbers[ESP_FIT_NUMBERS_MAX], since = now_us();
    int count = esp_sampler_refit(s->sampler, numbers, ESP_FIT_NUMBERS_MAX);
    if (count > 0) {
        esp_sampler_fitted(s->sampler, numbers, count);
    }
    int other = esp_scheduler_refit(s->scheduler, numbers, ESP_FIT_NUMBERS_MAX);
    if (other > 0) {
        esp_scheduler_fitted(s->scheduler, numbers, other);
    }
    if (s->refit_us && (count > 0 || other > 0) && s->refits < DECISIONS) {
        s->refit_us[s->refits++] = now_us() - since;
    }
}

/* Adds `trials` trials that are paused at random marks, without asking for decisions. */
static void fill(struct search *s, uint32_t trials)
{
    for (uint32_t t = 0; t < trials; t++) {
        double *values = &s->values[2 * t];
        values[0] = 1e-4 * pow(300, uniform(t, 1));
        values[1] = floor(5 * uniform(t, 2));
        struct esp_verdict start = {.action = ESP_VERDICT_START,
                                    .trial = t,
                                    .until = HORIZON,
                                    .reason = {.rule = ESP_RULE_FREEZE_THAW}};
        esp_scheduler_decided(s->scheduler, &start);
        esp_sampler_created(s->sampler, t, values);
        esp_scheduler_created(s->scheduler, t, HORIZON, values);
        int reports = 1 + (int)(4 / (0.16 + uniform(t, 3)));
        for (int k = 1; k <= reports; k++) {
            observe(s, t, (int64_t)k * HORIZON / 25);
        }
        if (reports == 25) {
            esp_sampler_ended(s->sampler, t, ESP_END_COMPLETE);
            esp_scheduler_ended(s->scheduler, t, ESP_CAUSE_COMPLETE);
        } else {
            struct esp_verdict until = start;
            until.action = ESP_VERDICT_CONTINUE;
            until.until = s->tokens[t];
            esp_scheduler_decided(s->scheduler, &until);
            esp_scheduler_paused(s->scheduler, t, false);
        }
        s->count++;
        if (t < 400) {
            refit(s);
        }
    }
}

/* One worker: a slot, then reports until the trial leaves it. */
static void decide(struct search *s, const struct esp_study *study)
{
    while (s->asked < DECISIONS) {
        struct esp_slot_view view = {.may_create = true, .next_trial = s->count};
        double since = now_us();
        struct esp_verdict verdict = esp_scheduler_slot(s->scheduler, &view);
        uint32_t trial = (uint32_t)verdict.trial;
        if (verdict.action == ESP_VERDICT_START) {
            struct esp_reason reason;
            int rc =
                esp_sampler_propose(s->sampler, s->count, &s->values[2 * s->count], &reason);
            assert(rc == 0);
        }
        s->us[s->asked++] = now_us() - since;
        esp_scheduler_decided(s->scheduler, &verdict);
        if (verdict.action == ESP_VERDICT_START) {
            trial = s->count++;
            s->tokens[trial] = 0;
            esp_sampler_created(s->sampler, trial, &s->values[2 * trial]);
            esp_scheduler_created(s->scheduler, trial, HORIZON, &s->values[2 * trial]);
        }
        assert(verdict.action == ESP_VERDICT_START || verdict.action == ESP_VERDICT_CONTINUE);
        int64_t until = verdict.until;
        for (bool live = true; live && s->asked < DECISIONS;) {
            observe(s, trial, s->tokens[trial] + study->trainer.report_every);
            bool waiting = s->tokens[trial] >= until;
            view.next_trial = s->count;
            since = now_us();
            verdict = esp_scheduler_report(s->scheduler, trial, waiting, &view);
            if (waiting) {
                s->us[s->asked++] = now_us() - since;
            }
            refit(s);
            if (verdict.action != ESP_VERDICT_NONE) {
                esp_scheduler_decided(s->scheduler, &verdict);
            }
            until = verdict.action == ESP_VERDICT_CONTINUE ? verdict.until : until;
            if (s->tokens[trial] >= HORIZON) {
                esp_sampler_ended(s->sampler, trial, ESP_END_COMPLETE);
                esp_scheduler_ended(s->scheduler, trial, ESP_CAUSE_COMPLETE);
                live = false;
            } else if (verdict.action == ESP_VERDICT_PAUSE) {
                esp_scheduler_paused(s->scheduler, trial, false);
                live = false;
            } else if (verdict.action == ESP_VERDICT_PRUNE) {
                esp_sampler_ended(s->sampler, trial, ESP_END_PRUNED);
                esp_scheduler_ended(s->scheduler, trial, ESP_CAUSE_PRUNED);
                live = false;
            }
        }
    }
}

static int measure(const struct esp_study *study, uint32_t trials)
{
    struct search s = {0};
    struct esp_error error;
    if (esp_sampler_create(study, &s.sampler, &error) < 0 ||
        esp_scheduler_create(study, &s.scheduler, &error) < 0) {
        fprintf(stderr, "decision: %s\n", error.text);
        return 2;
    }
    size_t room = trials + DECISIONS + 1;
    s.values = calloc(2 * room, sizeof *s.values);
    s.tokens = calloc(room, sizeof *s.tokens);
    s.us = calloc(DECISIONS, sizeof *s.us);
    assert(s.values && s.tokens && s.us);
    fill(&s, trials);
    s.refit_us = calloc(DECISIONS, sizeof *s.refit_us);
    decide(&s, study);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("\"%u\":{\"p50_us\":%.1f,\"p99_us\":%.1f,\"refit_p99_us\":%.1f,\"rss_kib\":%ld,"
           "\"reports\":%d}",
           trials,
           esp_percentile_of(s.us, (size_t)s.asked, 0.50),
           esp_percentile_of(s.us, (size_t)s.asked, 0.99),
           s.refits ? esp_percentile_of(s.refit_us, (size_t)s.refits, 0.99) : 0.0,
           usage.ru_maxrss,
           s.reports);
    esp_sampler_destroy(s.sampler);
    esp_scheduler_destroy(s.scheduler);
    free(s.values);
    free(s.tokens);
    free(s.us);
    free(s.refit_us);
    return 0;
}

int main(int argc, char **argv)
{
    struct esp_policy policy = {
        .method = "bayes", .scheduler = "default", .prior = "default", .risk = NAN};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--method") == 0) {
            policy.method = argv[i + 1];
        } else if (strcmp(argv[i], "--scheduler") == 0) {
            policy.scheduler = argv[i + 1];
        }
    }
    struct esp_study *study = make_study();
    struct esp_table none = {0};
    struct esp_error error;
    if (esp_policy_check(&policy, &error) < 0 ||
        esp_policy_apply(&policy, &none, study, &error) < 0) {
        fprintf(stderr, "decision: %s\n", error.text);
        return 2;
    }
    printf("{");
    int rc = measure(study, 200);
    printf(",");
    rc = rc ? rc : measure(study, 10000);
    printf("}\n");
    free(study);
    return rc;
}
