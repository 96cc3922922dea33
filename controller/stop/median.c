/* The median rule and the percentile rule. Both stop a trial for good when its best loss so far
 * is worse than the losses of completed trials at the same amount of training.
 *
 * median (Golovin et al., "Google Vizier", KDD 2017, 3.2.2): the threshold is the median of the
 *   running averages of the completed trials up to there.
 * percentile (Optuna's PercentilePruner): the threshold is a percentile of their losses there.
 *
 * No trial is stopped before `startup_trials` (5) trials have completed, nor before
 * `warmup_tokens`. Trials of different batch sizes report at slightly different tokens, so
 * amounts of training are compared by mark: the number of the report interval, exact up to 127
 * and in 64ths of an octave beyond. That bounds the number of marks, whatever unit a program
 * counts in. */
#include "roster.h"
#include "rungs.h"
#include "search/quantile.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_STARTUP 5
/* 2^63 needs 57 octaves of 64 beyond the first 128 marks. */
#define MARKS_MAX (57 * 64 + 128)

struct curve {
    double *at_mark; /* running average or loss at each mark; NaN before the first report */
    int marks, capacity;
    double sum;
    uint32_t count;
    bool counted; /* in the thresholds */
};

struct median {
    struct esp_roster roster;
    bool averages;
    double q;
    uint32_t startup;
    double warmup;
    int64_t interval;
    struct curve *curves;
    uint32_t capacity;
    struct esp_quantile *thresholds; /* by mark */
    int marks;
};

static int mark_of(const struct median *median, int64_t tokens)
{
    int64_t x = tokens / median->interval;
    int octave = 0;
    while ((x >> octave) >= 128) {
        octave++;
    }
    return 64 * octave + (int)(x >> octave);
}

static int create_rule(const struct esp_study *study,
                       void **self,
                       bool averages,
                       double q,
                       struct esp_error *error)
{
    struct median *median = calloc(1, sizeof *median);
    if (!median) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    const struct esp_stopping *stopping = &study->stopping;
    median->averages = averages;
    median->q = q;
    median->startup =
        stopping->startup_trials > 0 ? (uint32_t)stopping->startup_trials : DEFAULT_STARTUP;
    median->warmup = stopping->warmup_tokens > 0 ? stopping->warmup_tokens : 0;
    median->interval = esp_report_interval(study);
    esp_roster_init(&median->roster);
    *self = median;
    return 0;
}

static int create_median(const struct esp_study *study, void **self, struct esp_error *error)
{
    return create_rule(study, self, true, 0.5, error);
}

static int
create_percentile(const struct esp_study *study, void **self, struct esp_error *error)
{
    double percentile = study->stopping.percentile;
    if (isnan(percentile) || percentile == 0) {
        percentile = 25; /* Optuna's documented example: keep the best quarter */
    }
    if (!(percentile > 0 && percentile <= 100)) {
        return esp_error_line(error,
                              -EINVAL,
                              study->stopping.line,
                              "early_terminate.percentile is %g; it is the share of "
                              "trials to keep, above 0 and at most 100",
                              percentile);
    }
    return create_rule(study, self, false, percentile / 100, error);
}

static void destroy(void *self)
{
    struct median *median = self;
    for (uint32_t i = 0; i < median->roster.count; i++) {
        free(median->curves[i].at_mark);
    }
    for (int i = 0; i < median->marks; i++) {
        esp_quantile_release(&median->thresholds[i]);
    }
    free(median->curves);
    free(median->thresholds);
    esp_roster_release(&median->roster);
    free(median);
}

static void created(void *self, uint32_t trial, int64_t horizon, const double *values)
{
    struct median *median = self;
    (void)values;
    esp_roster_created(&median->roster, trial, horizon);
    if (trial >= median->capacity) {
        uint32_t capacity = median->capacity ? median->capacity * 2 : 16;
        median->curves = realloc(median->curves, capacity * sizeof *median->curves);
        assert(median->curves);
        median->capacity = capacity;
    }
    median->curves[trial] = (struct curve){0};
}

static void
observed(void *self, uint32_t trial, int64_t tokens, double loss, double device_seconds)
{
    struct median *median = self;
    struct curve *c = &median->curves[trial];
    esp_roster_observed(&median->roster, trial, tokens, loss, device_seconds);
    if (c->counted || tokens < 0) {
        return;
    }
    c->sum += isfinite(loss) ? loss : INFINITY;
    c->count++;
    int mark = mark_of(median, tokens);
    assert(mark < MARKS_MAX);
    if (mark >= c->capacity) {
        int capacity = c->capacity ? c->capacity : 32;
        while (capacity <= mark) {
            capacity *= 2;
        }
        c->at_mark = realloc(c->at_mark, (size_t)capacity * sizeof *c->at_mark);
        assert(c->at_mark);
        c->capacity = capacity;
    }
    /* A mark without a report has the value of the mark before. */
    while (c->marks < mark) {
        c->at_mark[c->marks] = c->marks > 0 ? c->at_mark[c->marks - 1] : NAN;
        c->marks++;
    }
    if (c->marks == mark) {
        c->marks++;
    }
    c->at_mark[mark] = median->averages ? c->sum / (double)c->count : loss;
}

/* Adds a completed trial to the thresholds. */
static void count_in(struct median *median, struct curve *c)
{
    if (c->marks > median->marks) {
        median->thresholds =
            realloc(median->thresholds, (size_t)c->marks * sizeof *median->thresholds);
        assert(median->thresholds);
        while (median->marks < c->marks) {
            esp_quantile_init(&median->thresholds[median->marks++], median->q);
        }
    }
    for (int i = 0; i < c->marks; i++) {
        if (!isnan(c->at_mark[i])) {
            esp_quantile_add(&median->thresholds[i], c->at_mark[i]);
        }
    }
    free(c->at_mark);
    c->at_mark = NULL;
    c->marks = c->capacity = 0;
    c->counted = true;
}

static void decided(void *self, const struct esp_verdict *verdict)
{
    struct median *median = self;
    esp_roster_decided(&median->roster, verdict);
}

static void paused(void *self, uint32_t trial, bool held)
{
    struct median *median = self;
    esp_roster_paused(&median->roster, trial, held);
}

static void ended(void *self, uint32_t trial, enum esp_cause cause)
{
    struct median *median = self;
    esp_roster_ended(&median->roster, trial, cause);
    if (cause == ESP_CAUSE_COMPLETE && !median->curves[trial].counted) {
        count_in(median, &median->curves[trial]);
    }
}

static void returned(void *self, uint32_t trial)
{
    struct median *median = self;
    esp_roster_returned(&median->roster, trial);
}

static struct esp_verdict slot(const void *self, const struct esp_slot_view *view)
{
    const struct median *median = self;
    return esp_roster_slot_to_horizon(&median->roster, view);
}

static struct esp_verdict
report(const void *self, uint32_t trial, bool waiting, const struct esp_slot_view *view)
{
    (void)view;
    const struct median *median = self;
    const struct esp_roster_trial *t = esp_roster_get(&median->roster, trial);
    struct esp_verdict go_on = esp_roster_report_to_horizon(&median->roster, trial, waiting);
    if (t->continued_by_user || t->tokens >= t->horizon || (double)t->tokens < median->warmup) {
        return go_on;
    }
    int mark = mark_of(median, t->tokens);
    if (mark >= median->marks) {
        return go_on;
    }
    const struct esp_quantile *threshold = &median->thresholds[mark];
    uint32_t count = esp_quantile_count(threshold);
    double limit = esp_quantile_value(threshold);
    if (count < median->startup || t->best <= limit) {
        return go_on;
    }
    struct esp_verdict verdict = esp_verdict_make(
        ESP_VERDICT_PRUNE, trial, 0, median->averages ? ESP_RULE_MEDIAN : ESP_RULE_PERCENTILE);
    verdict.reason.at = t->tokens;
    verdict.reason.of = (int32_t)count;
    verdict.reason.value = t->best;
    verdict.reason.threshold = limit;
    return verdict;
}

#define MEDIAN_OPS(create_)                                                                    \
    {                                                                                          \
        .create = create_, .destroy = destroy, .created = created, .observed = observed,       \
        .decided = decided, .paused = paused, .ended = ended, .returned = returned,            \
        .slot = slot, .report = report                                                         \
    }

const struct esp_scheduler_ops esp_scheduler_median = MEDIAN_OPS(create_median);
const struct esp_scheduler_ops esp_scheduler_percentile = MEDIAN_OPS(create_percentile);
