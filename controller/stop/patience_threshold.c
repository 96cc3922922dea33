/* Rules that look at one trial alone: patience and threshold.
 *
 * patience: stop a trial that has not improved its best loss by more than `min_delta` within
 *   `patience` reports (Optuna's PatientPruner without an inner one; Keras' EarlyStopping).
 *   Reports up to `warmup_tokens` are not counted.
 * threshold: stop a trial whose loss is above `threshold` at or beyond `at` tokens (Optuna's
 *   ThresholdPruner). */
#include "roster.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct course {
    double best; /* what an improvement is measured from */
    int stale;   /* reports since */
};

struct alone {
    struct esp_roster roster;
    enum esp_rule rule;
    int patience;
    double min_delta, warmup, threshold, at;
    struct course *courses;
    uint32_t capacity;
};

static int create_as(const struct esp_study *study,
                     void **self,
                     enum esp_rule rule,
                     struct esp_error *error)
{
    const struct esp_stopping *stopping = &study->stopping;
    if (rule == ESP_RULE_PATIENCE && stopping->patience <= 0) {
        return esp_error_line(error,
                              -EINVAL,
                              stopping->line,
                              "early_terminate patience needs patience: the reports "
                              "without improvement that are too many");
    }
    if (rule == ESP_RULE_THRESHOLD && !isfinite(stopping->threshold)) {
        return esp_error_line(error,
                              -EINVAL,
                              stopping->line,
                              "early_terminate threshold needs threshold: the loss "
                              "above which a trial is stopped");
    }
    struct alone *alone = calloc(1, sizeof *alone);
    if (!alone) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    alone->rule = rule;
    alone->patience = stopping->patience;
    alone->min_delta = stopping->min_delta > 0 ? stopping->min_delta : 0;
    alone->warmup = stopping->warmup_tokens > 0 ? stopping->warmup_tokens : 0;
    alone->threshold = study->maximize ? -stopping->threshold : stopping->threshold;
    alone->at = stopping->at > 0 ? stopping->at : 0;
    esp_roster_init(&alone->roster);
    *self = alone;
    return 0;
}

static int create_patience(const struct esp_study *study, void **self, struct esp_error *error)
{
    return create_as(study, self, ESP_RULE_PATIENCE, error);
}

static int create_threshold(const struct esp_study *study, void **self, struct esp_error *error)
{
    return create_as(study, self, ESP_RULE_THRESHOLD, error);
}

static void destroy(void *self)
{
    struct alone *alone = self;
    esp_roster_release(&alone->roster);
    free(alone->courses);
    free(alone);
}

static void created(void *self, uint32_t trial, int64_t horizon, const double *values)
{
    struct alone *alone = self;
    (void)values;
    esp_roster_created(&alone->roster, trial, horizon);
    if (trial >= alone->capacity) {
        alone->capacity = alone->capacity ? alone->capacity * 2 : 16;
        alone->courses = realloc(alone->courses, alone->capacity * sizeof *alone->courses);
        assert(alone->courses);
    }
    alone->courses[trial] = (struct course){.best = INFINITY};
}

static void
observed(void *self, uint32_t trial, int64_t tokens, double loss, double device_seconds)
{
    struct alone *alone = self;
    struct course *c = &alone->courses[trial];
    esp_roster_observed(&alone->roster, trial, tokens, loss, device_seconds);
    if (isfinite(loss) && (isinf(c->best) || loss < c->best - alone->min_delta)) {
        c->best = loss;
        c->stale = 0;
    } else if ((double)tokens > alone->warmup) {
        c->stale++;
    }
}

static void decided(void *self, const struct esp_verdict *verdict)
{
    struct alone *alone = self;
    esp_roster_decided(&alone->roster, verdict);
}

static void paused(void *self, uint32_t trial, bool held)
{
    struct alone *alone = self;
    esp_roster_paused(&alone->roster, trial, held);
}

static void ended(void *self, uint32_t trial, enum esp_cause cause)
{
    struct alone *alone = self;
    esp_roster_ended(&alone->roster, trial, cause);
}

static void returned(void *self, uint32_t trial)
{
    struct alone *alone = self;
    esp_roster_returned(&alone->roster, trial);
}

static struct esp_verdict slot(const void *self, const struct esp_slot_view *view)
{
    const struct alone *alone = self;
    return esp_roster_slot_to_horizon(&alone->roster, view);
}

static struct esp_verdict
report(const void *self, uint32_t trial, bool waiting, const struct esp_slot_view *view)
{
    (void)view;
    const struct alone *alone = self;
    const struct course *c = &alone->courses[trial];
    const struct esp_roster_trial *t = esp_roster_get(&alone->roster, trial);
    bool stale = alone->rule == ESP_RULE_PATIENCE && c->stale >= alone->patience;
    bool above = alone->rule == ESP_RULE_THRESHOLD && (double)t->tokens >= alone->at &&
                 !(t->last <= alone->threshold);
    if (t->tokens >= t->horizon || t->insisted || (!stale && !above)) {
        return esp_roster_report_to_horizon(&alone->roster, trial, waiting);
    }
    struct esp_verdict verdict = esp_verdict_make(ESP_VERDICT_PRUNE, trial, 0, alone->rule);
    verdict.reason.at = t->tokens;
    verdict.reason.value = t->last;
    verdict.reason.threshold = stale ? c->best - alone->min_delta : alone->threshold;
    verdict.reason.of = stale ? c->stale : -1;
    return verdict;
}

#define ALONE_OPS(create_)                                                                     \
    {                                                                                          \
        .create = create_, .destroy = destroy, .created = created, .observed = observed,       \
        .decided = decided, .paused = paused, .ended = ended, .returned = returned,            \
        .slot = slot, .report = report                                                         \
    }

const struct esp_scheduler_ops esp_scheduler_patience = ALONE_OPS(create_patience);
const struct esp_scheduler_ops esp_scheduler_threshold = ALONE_OPS(create_threshold);
