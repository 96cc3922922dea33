/* Which scheduler a study asks for, and what holds for all of them: the search ends once
 * metric.target has been reached, paused trials are given up at the stated risk (and one audit
 * is trained when there is nothing else to do), and answers name trials that exist.
 *
 * A scheduler is not told of trials that are given up: it decides as if none were (discard.h).
 */
#include "scheduler.h"

#include "discard.h"
#include "roster.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct esp_scheduler {
    const struct esp_scheduler_ops *ops;
    void *self;
    uint32_t count;
    bool has_target;
    double target;  /* as a loss: smaller is better */
    int64_t winner; /* the trial that reached it; -1: none yet */
    double winning;
    int64_t winning_tokens;
    struct esp_discard discard;
};

/* early_terminate.type, and what it means here; NULL: known, not built. */
static const struct {
    const char *name;
    const struct esp_scheduler_ops *ops;
} schedulers[] = {
    [ESP_SCHEDULER_DEFAULT] = {"default", &esp_scheduler_freeze_thaw},
    [ESP_SCHEDULER_NONE] = {"none", &esp_scheduler_none},
    [ESP_SCHEDULER_ASHA] = {"asha", &esp_scheduler_asha},
    [ESP_SCHEDULER_MEDIAN] = {"median", &esp_scheduler_median},
    [ESP_SCHEDULER_HYPERBAND] = {"hyperband", &esp_scheduler_hyperband},
    [ESP_SCHEDULER_BOHB] = {"bohb", &esp_scheduler_hyperband},
    [ESP_SCHEDULER_PASHA] = {"pasha", &esp_scheduler_pasha},
    [ESP_SCHEDULER_HALVING] = {"halving", &esp_scheduler_halving},
    [ESP_SCHEDULER_CUT] = {"cut", &esp_scheduler_cut},
    [ESP_SCHEDULER_PERCENTILE] = {"percentile", &esp_scheduler_percentile},
    [ESP_SCHEDULER_PATIENCE] = {"patience", &esp_scheduler_patience},
    [ESP_SCHEDULER_THRESHOLD] = {"threshold", &esp_scheduler_threshold},
    [ESP_SCHEDULER_WANDB_HYPERBAND] = {"wandb-hyperband", &esp_scheduler_wandb_hyperband},
    [ESP_SCHEDULER_FREEZE_THAW] = {"freeze-thaw", &esp_scheduler_freeze_thaw},
};

int esp_scheduler_create(const struct esp_study *study,
                         struct esp_scheduler **out,
                         struct esp_error *error)
{
    enum esp_scheduler_type type = study->stopping.type;
    assert((size_t)type < sizeof schedulers / sizeof *schedulers);
    if (type == ESP_SCHEDULER_DEFAULT && !study->builtin) {
        type = ESP_SCHEDULER_NONE; /* whether a program saves and reports is not known */
    }
    const struct esp_scheduler_ops *ops = schedulers[type].ops;
    if (!ops) {
        return esp_error_set(error,
                             -ENOTSUP,
                             "line %d: early_terminate.type \"%s\" is not in this version; use "
                             "asha or none",
                             study->stopping.line,
                             schedulers[type].name);
    }
    struct esp_scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (!scheduler) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    scheduler->ops = ops;
    scheduler->has_target = study->has_target;
    scheduler->target = study->maximize ? -study->target : study->target;
    scheduler->winner = -1;
    int rc = ops->create(study, &scheduler->self, error);
    if (rc < 0) {
        free(scheduler);
        return rc;
    }
    esp_discard_init(&scheduler->discard, study);
    *out = scheduler;
    return 0;
}

void esp_scheduler_destroy(struct esp_scheduler *scheduler)
{
    if (scheduler) {
        scheduler->ops->destroy(scheduler->self);
        esp_discard_release(&scheduler->discard);
        free(scheduler);
    }
}

void esp_scheduler_created(struct esp_scheduler *s,
                           uint32_t trial,
                           int64_t horizon,
                           const double *values)
{
    assert(trial == s->count && horizon > 0);
    s->count++;
    esp_discard_created(&s->discard, trial, horizon);
    s->ops->created(s->self, trial, horizon, values);
}

void esp_scheduler_observed(
    struct esp_scheduler *s, uint32_t trial, int64_t tokens, double loss, double device_seconds)
{
    assert(trial < s->count);
    if (s->has_target && s->winner < 0 && loss <= s->target) {
        s->winner = trial;
        s->winning = loss;
        s->winning_tokens = tokens;
    }
    esp_discard_observed(&s->discard, trial, tokens, loss);
    s->ops->observed(s->self, trial, tokens, loss, device_seconds);
}

void esp_scheduler_calibrated(struct esp_scheduler *s, const double *scores, int count)
{
    esp_discard_calibrated(&s->discard, scores, count);
}

static bool is_given_up(const struct esp_scheduler *s, int64_t trial)
{
    return trial >= 0 && trial < s->count && s->discard.trials[trial].given_up;
}

void esp_scheduler_decided(struct esp_scheduler *s, const struct esp_verdict *verdict)
{
    esp_discard_decided(&s->discard, verdict);
    s->ops->decided(s->self, verdict);
}

void esp_scheduler_paused(struct esp_scheduler *s, uint32_t trial, bool held)
{
    assert(trial < s->count);
    esp_discard_waits(&s->discard, trial, !held);
    s->ops->paused(s->self, trial, held);
}

void esp_scheduler_ended(struct esp_scheduler *s, uint32_t trial, enum esp_cause cause)
{
    assert(trial < s->count);
    esp_discard_waits(&s->discard, trial, false);
    if (cause == ESP_CAUSE_COMPLETE) {
        esp_discard_completed(&s->discard, trial);
    }
    if (!is_given_up(s, trial)) {
        s->ops->ended(s->self, trial, cause);
    }
}

void esp_scheduler_returned(struct esp_scheduler *s, uint32_t trial)
{
    assert(trial < s->count);
    esp_discard_waits(&s->discard, trial, false);
    s->ops->returned(s->self, trial);
}

static struct esp_verdict target_reached(const struct esp_scheduler *s)
{
    struct esp_verdict verdict =
        esp_verdict_make(ESP_VERDICT_END, s->winner, 0, ESP_RULE_TARGET);
    verdict.reason.at = s->winning_tokens;
    verdict.reason.value = s->winning;
    verdict.reason.threshold = s->target;
    return verdict;
}

struct esp_verdict esp_scheduler_slot(const struct esp_scheduler *s,
                                      const struct esp_slot_view *view)
{
    if (s->winner >= 0) {
        return target_reached(s);
    }
    struct esp_verdict verdict = s->ops->slot(s->self, view);
    if (verdict.action == ESP_VERDICT_END) {
        struct esp_verdict audit = esp_discard_audit(&s->discard);
        return audit.action == ESP_VERDICT_CONTINUE ? audit : verdict;
    }
    return verdict;
}

struct esp_verdict
esp_scheduler_report(const struct esp_scheduler *s, uint32_t trial, bool waiting)
{
    assert(trial < s->count);
    if (s->winner >= 0) {
        return target_reached(s);
    }
    if (s->discard.audit == (int64_t)trial) {
        /* It trains to its horizon, whatever the scheduler thinks of it. */
        return waiting ? esp_verdict_make(ESP_VERDICT_CONTINUE,
                                          trial,
                                          s->discard.trials[trial].horizon,
                                          ESP_RULE_CALIBRATED)
                       : esp_verdict_none(ESP_RULE_NONE);
    }
    return s->ops->report(s->self, trial, waiting);
}

struct esp_verdict esp_scheduler_discard(const struct esp_scheduler *s)
{
    struct esp_verdict verdict = esp_discard_next(&s->discard);
    if (verdict.action == ESP_VERDICT_NONE && s->ops->discard) {
        verdict = s->ops->discard(s->self);
    }
    return verdict;
}

double esp_scheduler_limit(const struct esp_scheduler *s)
{
    return s->discard.limit;
}

double esp_scheduler_score(const struct esp_scheduler *s)
{
    return esp_discard_score(&s->discard);
}

int esp_scheduler_refit(const struct esp_scheduler *s, double *numbers, int capacity)
{
    return s->ops->refit ? s->ops->refit(s->self, numbers, capacity) : 0;
}

void esp_scheduler_fitted(struct esp_scheduler *s, const double *numbers, int count)
{
    if (s->ops->fitted) {
        s->ops->fitted(s->self, numbers, count);
    }
}
