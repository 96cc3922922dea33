/* freeze-thaw, the default scheduler: train next what promises the largest improvement at the
 * horizon for its cost (Swersky et al., "Freeze-thaw Bayesian optimization", arXiv 1406.3896).
 *
 * The start-up is one bracket of successive halving, two to three full trainings. It shows how
 * losses develop with training and brings a first trial to the horizon. After it, or as soon as
 * a slot would be idle in it, every decision weighs the paused trials and the best new settings
 * against each other (freeze_thaw_choice.c) and trains the winner to the next mark, half an
 * octave further. A trial that reaches its mark goes on if it still is the best choice;
 * otherwise it waits, with a checkpoint. Pausing is reversible, so trials are not lost because
 * small learning rates lead early.
 *
 * A share of the training goes to the paused trial whose extrapolated curve ends lowest, if
 * that is near the best loss or below it, whatever the model predicts for its settings. So a
 * leading trial gets to its horizon even where the model is wrong about the space.
 *
 * The search ends when no new trial may be created and no paused one promises more than a small
 * share of the best loss, provided that some trial has reached its horizon.
 *
 * Paused trials are kept by mark and loss, and only the best of every mark are looked at: a
 * decision costs the same among ten thousand trials as among two hundred. */
#include "freeze_thaw_private.h"
#include "rungs.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

static void destroy(void *self)
{
    struct esp_freeze_thaw *f = self;
    esp_startup_release(&f->bracket);
    for (int k = 0; k < ESP_MARKS; k++) {
        esp_loss_ranking_release(&f->paused[k]);
    }
    esp_loss_ranking_release(&f->unfinished);
    esp_roster_release(&f->roster);
    esp_surrogate_destroy(f->surrogate);
    free(f->listed);
    free(f->listed_loss);
    free(f);
}

static int create(const struct esp_study *study, void **self, struct esp_error *error)
{
    struct esp_freeze_thaw *f = calloc(1, sizeof *f);
    if (!f) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    f->study = study;
    f->horizon = (double)esp_study_horizon(study);
    f->best = INFINITY;
    esp_roster_init(&f->roster);
    esp_loss_ranking_init(&f->unfinished);
    for (int k = 0; k < ESP_MARKS; k++) {
        esp_loss_ranking_init(&f->paused[k]);
    }
    int rc = esp_surrogate_create(study, &f->surrogate, error);
    if (rc == 0) {
        rc = esp_freeze_thaw_plan_startup(f, error);
    }
    if (rc < 0) {
        destroy(f);
        return rc;
    }
    *self = f;
    return 0;
}

static void costs(void *self, const struct esp_cost *cost)
{
    struct esp_freeze_thaw *f = self;
    f->cost = cost;
}

static void relist(struct esp_freeze_thaw *f, uint32_t trial)
{
    const struct esp_roster_trial *t = esp_roster_get(&f->roster, trial);
    if (f->listed[trial] == ESP_MARKS) {
        esp_loss_ranking_erase(&f->unfinished, 0, trial);
    } else if (f->listed[trial] >= 0) {
        esp_loss_ranking_erase(&f->paused[f->listed[trial]], f->listed_loss[trial], trial);
    }
    f->listed[trial] = -1;
    if (t->state != ESP_ROSTER_PAUSED || t->held || t->tokens >= t->horizon) {
        return;
    }
    if (t->tokens == 0 || t->tokens < (t->until < t->horizon ? t->until : t->horizon)) {
        f->listed[trial] = ESP_MARKS;
        esp_loss_ranking_insert(&f->unfinished, 0, trial);
    } else if (isfinite(t->last)) {
        f->listed[trial] = esp_marks_reached(ESP_MARKS, t->tokens, t->horizon);
        f->listed_loss[trial] = t->last;
        esp_loss_ranking_insert(&f->paused[f->listed[trial]], t->last, trial);
    }
}

static void created(void *self, uint32_t trial, int64_t horizon, const double *values)
{
    struct esp_freeze_thaw *f = self;
    esp_roster_created(&f->roster, trial, horizon);
    if (trial >= f->capacity) {
        f->capacity = f->capacity ? f->capacity * 2 : 16;
        f->listed = realloc(f->listed, f->capacity * sizeof *f->listed);
        f->listed_loss = realloc(f->listed_loss, f->capacity * sizeof *f->listed_loss);
        assert(f->listed && f->listed_loss);
    }
    f->listed[trial] = -1;
    int64_t until = f->startup && trial < f->bracket.size ? f->bracket.level[0] : f->first;
    f->roster.trials[trial].until = until < horizon ? until : horizon;
    esp_surrogate_created(f->surrogate, trial, values);
}

static void
observed(void *self, uint32_t trial, int64_t tokens, double loss, double device_seconds)
{
    struct esp_freeze_thaw *f = self;
    int64_t before = esp_roster_get(&f->roster, trial)->tokens;
    esp_roster_observed(&f->roster, trial, tokens, loss, device_seconds);
    if (!f->startup && tokens > before) {
        f->spent += (double)(tokens - before);
        f->spent_new += fmax(0, (double)((tokens < f->first ? tokens : f->first) - before));
    }
    esp_surrogate_observed(f->surrogate, trial, tokens, loss);
    if (f->startup) {
        double adjusted = esp_surrogate_rate_adjusted_loss(f->surrogate, trial, tokens, loss);
        esp_startup_observed(&f->bracket, trial, tokens, adjusted);
    }
    const struct esp_roster_trial *t = esp_roster_get(&f->roster, trial);
    if (t->tokens >= t->horizon && isfinite(loss)) {
        f->best = fmin(f->best, loss);
    }
    relist(f, trial);
}

static void decided(void *self, const struct esp_verdict *verdict)
{
    struct esp_freeze_thaw *f = self;
    esp_roster_decided(&f->roster, verdict);
    /* The first choice by the model ends the start-up. */
    f->startup = f->startup && verdict->reason.rule != ESP_RULE_FREEZE_THAW;
    if (verdict->reason.rule == ESP_RULE_LEADER) {
        f->spent_leader += (double)(verdict->until - verdict->reason.at);
    }
    if (verdict->trial >= 0 && verdict->trial < f->roster.count) {
        relist(f, (uint32_t)verdict->trial);
    }
}

static void paused(void *self, uint32_t trial, bool held)
{
    struct esp_freeze_thaw *f = self;
    esp_roster_paused(&f->roster, trial, held);
    relist(f, trial);
}

static void ended(void *self, uint32_t trial, enum esp_cause cause)
{
    struct esp_freeze_thaw *f = self;
    esp_roster_ended(&f->roster, trial, cause);
    if (f->startup) {
        esp_startup_ended(&f->bracket, trial);
    }
    if (cause == ESP_CAUSE_COMPLETE) {
        f->complete++;
        esp_surrogate_completed(f->surrogate, trial);
    } else if (cause == ESP_CAUSE_DIVERGED || cause == ESP_CAUSE_FAILED) {
        esp_surrogate_failed(f->surrogate, trial);
    } else if (cause != ESP_CAUSE_LOST) {
        esp_surrogate_closed(f->surrogate, trial);
    }
    relist(f, trial);
}

static void returned(void *self, uint32_t trial)
{
    struct esp_freeze_thaw *f = self;
    esp_roster_returned(&f->roster, trial);
    if (f->startup) {
        esp_startup_returned(&f->bracket, trial);
    }
    relist(f, trial);
}

static struct esp_verdict slot(const void *self, const struct esp_slot_view *view)
{
    const struct esp_freeze_thaw *f = self;
    if (f->startup && esp_loss_ranking_count(&f->unfinished) == 0) {
        if (view->may_create && f->roster.count < f->bracket.size) {
            return esp_verdict_make(
                ESP_VERDICT_START, view->next_trial, f->bracket.level[0], ESP_RULE_NEW);
        }
        int64_t best = esp_freeze_thaw_promoted(f);
        if (best >= 0) {
            return esp_freeze_thaw_startup(f, (uint32_t)best);
        }
    }
    return esp_freeze_thaw_choose(f, view);
}

static struct esp_verdict
report(const void *self, uint32_t trial, bool waiting, const struct esp_slot_view *view)
{
    const struct esp_freeze_thaw *f = self;
    const struct esp_roster_trial *t = esp_roster_get(&f->roster, trial);
    if (t->tokens >= t->horizon || t->continued_by_user) {
        return esp_roster_report_to_horizon(&f->roster, trial, waiting);
    }
    if (t->tokens < t->until && !waiting) {
        return esp_verdict_none(ESP_RULE_NONE);
    }
    if (f->startup) {
        return esp_freeze_thaw_startup(f, trial);
    }
    return esp_freeze_thaw_judge(f, trial, view);
}

static int refit(const void *self, double *numbers, int capacity)
{
    const struct esp_freeze_thaw *f = self;
    return esp_surrogate_refit(f->surrogate, numbers, capacity);
}

static void fitted(void *self, const double *numbers, int count)
{
    struct esp_freeze_thaw *f = self;
    esp_surrogate_fitted(f->surrogate, numbers, count);
}

const struct esp_scheduler_ops esp_scheduler_freeze_thaw = {
    .create = create,
    .destroy = destroy,
    .costs = costs,
    .created = created,
    .observed = observed,
    .decided = decided,
    .paused = paused,
    .ended = ended,
    .returned = returned,
    .slot = slot,
    .report = report,
    .refit = refit,
    .fitted = fitted,
};
