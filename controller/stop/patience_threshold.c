/* Two rules that look at one trial at a time.
 *
 * patience: stop a trial that has not improved its best loss by more than `min_delta` within
 *   `patience` reports (Optuna's PatientPruner without an inner pruner; Keras' EarlyStopping).
 *   Reports up to `warmup_tokens` are not counted.
 * threshold: stop a trial whose loss is above `threshold` at or beyond `at` tokens (Optuna's
 *   ThresholdPruner). */
#include "roster.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct progress {
    double best; /* loss of the last improvement */
    int stale;   /* reports since then */
};

struct rule {
    struct esp_roster roster;
    enum esp_rule rule;
    int patience;
    double min_delta, warmup, threshold, at;
    struct progress *progress;
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
                              "early_terminate patience needs `patience`, the number of "
                              "reports without improvement after which a trial is stopped");
    }
    if (rule == ESP_RULE_THRESHOLD && !isfinite(stopping->threshold)) {
        return esp_error_line(error,
                              -EINVAL,
                              stopping->line,
                              "early_terminate threshold needs `threshold`, the loss above "
                              "which a trial is stopped");
    }
    struct rule *r = calloc(1, sizeof *r);
    if (!r) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    r->rule = rule;
    r->patience = stopping->patience;
    r->min_delta = stopping->min_delta > 0 ? stopping->min_delta : 0;
    r->warmup = stopping->warmup_tokens > 0 ? stopping->warmup_tokens : 0;
    r->threshold = study->maximize ? -stopping->threshold : stopping->threshold;
    r->at = stopping->at > 0 ? stopping->at : 0;
    esp_roster_init(&r->roster);
    *self = r;
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
    struct rule *r = self;
    esp_roster_release(&r->roster);
    free(r->progress);
    free(r);
}

static void created(void *self, uint32_t trial, int64_t horizon, const double *values)
{
    struct rule *r = self;
    (void)values;
    esp_roster_created(&r->roster, trial, horizon);
    if (trial >= r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 16;
        r->progress = realloc(r->progress, r->capacity * sizeof *r->progress);
        assert(r->progress);
    }
    r->progress[trial] = (struct progress){.best = INFINITY};
}

static void
observed(void *self, uint32_t trial, int64_t tokens, double loss, double device_seconds)
{
    struct rule *r = self;
    struct progress *c = &r->progress[trial];
    esp_roster_observed(&r->roster, trial, tokens, loss, device_seconds);
    if (isfinite(loss) && (isinf(c->best) || loss < c->best - r->min_delta)) {
        c->best = loss;
        c->stale = 0;
    } else if ((double)tokens > r->warmup) {
        c->stale++;
    }
}

static void decided(void *self, const struct esp_verdict *verdict)
{
    struct rule *r = self;
    esp_roster_decided(&r->roster, verdict);
}

static void paused(void *self, uint32_t trial, bool held)
{
    struct rule *r = self;
    esp_roster_paused(&r->roster, trial, held);
}

static void ended(void *self, uint32_t trial, enum esp_cause cause)
{
    struct rule *r = self;
    esp_roster_ended(&r->roster, trial, cause);
}

static void returned(void *self, uint32_t trial)
{
    struct rule *r = self;
    esp_roster_returned(&r->roster, trial);
}

static struct esp_verdict slot(const void *self, const struct esp_slot_view *view)
{
    const struct rule *r = self;
    return esp_roster_slot_to_horizon(&r->roster, view);
}

static struct esp_verdict
report(const void *self, uint32_t trial, bool waiting, const struct esp_slot_view *view)
{
    (void)view;
    const struct rule *r = self;
    const struct progress *c = &r->progress[trial];
    const struct esp_roster_trial *t = esp_roster_get(&r->roster, trial);
    bool stale = r->rule == ESP_RULE_PATIENCE && c->stale >= r->patience;
    bool above = r->rule == ESP_RULE_THRESHOLD && (double)t->tokens >= r->at &&
                 !(t->last <= r->threshold);
    if (t->tokens >= t->horizon || t->continued_by_user || (!stale && !above)) {
        return esp_roster_report_to_horizon(&r->roster, trial, waiting);
    }
    struct esp_verdict verdict = esp_verdict_make(ESP_VERDICT_PRUNE, trial, 0, r->rule);
    verdict.reason.at = t->tokens;
    verdict.reason.value = t->last;
    verdict.reason.threshold = stale ? c->best - r->min_delta : r->threshold;
    verdict.reason.of = stale ? c->stale : -1;
    return verdict;
}

#define OPS(create_)                                                                           \
    {                                                                                          \
        .create = create_, .destroy = destroy, .created = created, .observed = observed,       \
        .decided = decided, .paused = paused, .ended = ended, .returned = returned,            \
        .slot = slot, .report = report                                                         \
    }

const struct esp_scheduler_ops esp_scheduler_patience = OPS(create_patience);
const struct esp_scheduler_ops esp_scheduler_threshold = OPS(create_threshold);
