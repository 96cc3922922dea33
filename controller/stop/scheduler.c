/* The study's scheduler and what is kept beside it: repeats, discards, costs and the target.
 *
 * Every event is passed to each part in the numbers that it counts by: trials or settings. The
 * inner scheduler does not learn that a trial was discarded: it decides as if none were
 * (discard.h). */
#include "registry.h"
#include "scheduler_private.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Schedulers that divide run_cap among brackets must not count trials kept for repeats. */
static int
inner_study(struct esp_scheduler *s, const struct esp_study *study, struct esp_error *error)
{
    uint32_t kept = esp_repeat_reserve(s->repeat.repeats_max, s->repeats_given, study->run_cap);
    if (kept == 0) {
        return 0;
    }
    s->inner_study = malloc(sizeof *s->inner_study);
    if (!s->inner_study) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    *s->inner_study = *study;
    s->inner_study->run_cap -= kept;
    return 0;
}

int esp_scheduler_create(const struct esp_study *study,
                         struct esp_scheduler **out,
                         struct esp_error *error)
{
    const struct esp_scheduler_ops *ops = esp_scheduler_of(study)->ops;
    struct esp_scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (!scheduler) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    scheduler->ops = ops;
    scheduler->has_target = study->has_target;
    scheduler->target = study->maximize ? -study->target : study->target;
    scheduler->target_trial = -1;
    esp_repeat_init(&scheduler->repeat, (uint32_t)study->stopping.repeats);
    scheduler->repeats_given = study->stopping.repeats_given;
    int rc = inner_study(scheduler, study, error);
    if (rc == 0) {
        rc = esp_cost_create(study, &scheduler->cost, error);
    }
    if (rc == 0) {
        const struct esp_study *inner = scheduler->inner_study ? scheduler->inner_study : study;
        rc = ops->create(inner, &scheduler->self, error);
    }
    if (rc < 0) {
        esp_cost_destroy(scheduler->cost);
        free(scheduler->inner_study);
        esp_repeat_release(&scheduler->repeat);
        free(scheduler);
        return rc;
    }
    if (ops->costs) {
        ops->costs(scheduler->self, scheduler->cost);
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
        esp_cost_destroy(scheduler->cost);
        esp_repeat_release(&scheduler->repeat);
        esp_setting_numbers_release(&scheduler->numbers);
        free(scheduler->inner_study);
        free(scheduler);
    }
}

bool esp_scheduler_setting(const struct esp_scheduler *s, uint32_t trial, uint32_t *setting)
{
    if (esp_setting_numbers_is_repeat(&s->numbers, trial)) {
        return false;
    }
    *setting = esp_setting_numbers_to_setting(&s->numbers, trial);
    return true;
}

struct esp_verdict esp_scheduler_outward(const struct esp_scheduler *s,
                                         struct esp_verdict verdict)
{
    if (s->numbers.count == 0) {
        return verdict;
    }
    if (verdict.trial >= 0) {
        verdict.trial = esp_setting_numbers_to_trial(&s->numbers, (uint32_t)verdict.trial);
    }
    for (int i = 0; i < ESP_RIVALS_MAX; i++) {
        int32_t *rival = &verdict.reason.rivals[i];
        *rival = *rival < 0
                     ? *rival
                     : (int32_t)esp_setting_numbers_to_trial(&s->numbers, (uint32_t)*rival);
    }
    return verdict;
}

void esp_scheduler_created(struct esp_scheduler *s,
                           uint32_t trial,
                           int64_t horizon,
                           const double *values)
{
    assert(trial == s->count && horizon > 0);
    uint32_t setting = esp_setting_numbers_to_setting(&s->numbers, trial);
    s->count++;
    esp_repeat_created(&s->repeat, trial, horizon);
    esp_discard_created(&s->discard, setting, horizon);
    esp_cost_created(s->cost, setting, values);
    s->ops->created(s->self, setting, horizon, values);
}

void esp_scheduler_repeated(struct esp_scheduler *s,
                            uint32_t trial,
                            uint32_t of,
                            int64_t horizon)
{
    assert(trial == s->count && of < trial && horizon > 0);
    s->count++;
    esp_setting_numbers_add_repeat(&s->numbers, trial);
    esp_repeat_repeated(&s->repeat, trial, of, horizon);
}

void esp_scheduler_started(
    struct esp_scheduler *s, uint32_t trial, int device, int64_t tokens, double device_seconds)
{
    uint32_t setting;
    if (esp_scheduler_setting(s, trial, &setting)) {
        esp_cost_started(s->cost, setting, device, tokens, device_seconds);
    }
}

void esp_scheduler_observed(
    struct esp_scheduler *s, uint32_t trial, int64_t tokens, double loss, double device_seconds)
{
    assert(trial < s->count);
    uint32_t setting;
    if (s->has_target && s->target_trial < 0 && loss <= s->target) {
        s->target_trial = trial;
        s->target_loss = loss;
        s->target_tokens = tokens;
    }
    esp_repeat_observed(&s->repeat, trial, tokens, loss);
    if (esp_scheduler_setting(s, trial, &setting)) {
        esp_discard_observed(&s->discard, setting, tokens, loss);
        esp_cost_observed(s->cost, setting, tokens, device_seconds);
        s->ops->observed(s->self, setting, tokens, loss, device_seconds);
    }
}

void esp_scheduler_calibrated(struct esp_scheduler *s, const double *scores, int count)
{
    esp_discard_calibrated(&s->discard, scores, count);
}

void esp_scheduler_decided(struct esp_scheduler *s, const struct esp_verdict *verdict)
{
    struct esp_verdict inward = *verdict;
    if (verdict->trial >= 0) {
        uint32_t setting;
        if (verdict->action == ESP_VERDICT_CONTINUE && verdict->trial < s->count) {
            esp_repeat_continued(&s->repeat, (uint32_t)verdict->trial);
        }
        if (!esp_scheduler_setting(s, (uint32_t)verdict->trial, &setting)) {
            return;
        }
        inward.trial = setting;
    }
    esp_discard_decided(&s->discard, &inward);
    s->ops->decided(s->self, &inward);
}

void esp_scheduler_paused(struct esp_scheduler *s, uint32_t trial, bool held)
{
    assert(trial < s->count);
    uint32_t setting;
    esp_repeat_paused(&s->repeat, trial, held);
    if (esp_scheduler_setting(s, trial, &setting)) {
        esp_discard_set_paused(&s->discard, setting, !held);
        s->ops->paused(s->self, setting, held);
    }
}

/* Call when a trial completed or a repeat diverged: the best setting may have changed. */
static void update_best(struct esp_scheduler *s)
{
    int64_t best = esp_repeat_best(&s->repeat);
    if (best >= 0) {
        esp_discard_set_best(&s->discard,
                             esp_setting_numbers_to_setting(&s->numbers, (uint32_t)best));
    }
}

void esp_scheduler_ended(struct esp_scheduler *s, uint32_t trial, enum esp_cause cause)
{
    assert(trial < s->count);
    uint32_t setting;
    esp_repeat_ended(&s->repeat, trial, cause);
    bool repeat = !esp_scheduler_setting(s, trial, &setting);
    if (cause == ESP_CAUSE_COMPLETE || repeat) {
        update_best(s);
    }
    if (repeat) {
        return;
    }
    esp_discard_set_paused(&s->discard, setting, false);
    if (!s->discard.trials[setting].discarded) {
        s->ops->ended(s->self, setting, cause);
    }
}

void esp_scheduler_returned(struct esp_scheduler *s, uint32_t trial)
{
    assert(trial < s->count);
    uint32_t setting;
    esp_repeat_continued(&s->repeat, trial);
    if (esp_scheduler_setting(s, trial, &setting)) {
        esp_discard_set_paused(&s->discard, setting, false);
        s->ops->returned(s->self, setting);
    }
}

struct esp_verdict esp_scheduler_discard(const struct esp_scheduler *s)
{
    return esp_scheduler_outward(s, esp_discard_next(&s->discard));
}

const struct esp_seeds *esp_scheduler_seeds(const struct esp_scheduler *s, uint32_t trial)
{
    return esp_repeat_seeds(&s->repeat, trial);
}

double esp_scheduler_noise(const struct esp_scheduler *s)
{
    return esp_repeat_noise(&s->repeat);
}

void esp_scheduler_tied(const struct esp_scheduler *s, struct esp_tied *out)
{
    esp_repeat_tied(&s->repeat, out);
}

void esp_scheduler_plan_repeats(const struct esp_scheduler *s,
                                const struct esp_tied *tied,
                                double horizon,
                                struct esp_repeat_plan *out)
{
    esp_repeat_further(&s->repeat, tied, horizon, out);
}

double esp_scheduler_repeat_plan_seconds(const struct esp_scheduler *s,
                                         const struct esp_tied *tied,
                                         const struct esp_repeat_plan *further,
                                         int device,
                                         double rate)
{
    double seconds = 0;
    for (uint32_t i = 0; i < tied->leaders; i++) {
        double predicted = esp_scheduler_rate(s, tied->trials[i], device);
        seconds += further->tokens[i] * (isnan(predicted) ? rate : predicted);
    }
    return seconds;
}

double esp_scheduler_limit(const struct esp_scheduler *s)
{
    return s->discard.limit;
}

double esp_scheduler_score(const struct esp_scheduler *s)
{
    return esp_discard_score(&s->discard);
}

const struct esp_cost *esp_scheduler_cost(const struct esp_scheduler *s)
{
    return s->cost;
}

double esp_scheduler_rate(const struct esp_scheduler *s, uint32_t trial, int device)
{
    assert(trial < s->count);
    uint32_t first = esp_repeat_of(&s->repeat, trial);
    return esp_cost_of_trial(
        s->cost, esp_setting_numbers_to_setting(&s->numbers, first), device);
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
