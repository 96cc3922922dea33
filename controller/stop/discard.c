#include "discard.h"

#include "marks.h"
#include "roster.h"
#include "rungs.h"

#include <assert.h>
#include <espalier/compare.h>
#include <espalier/plant.h>
#include <espalier/random.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Shares like 1 − 0.05 are not exact in binary: numbers this near to a whole one count as
 * whole. */
#define ROUNDING 1e-9

int esp_discard_needed(double risk)
{
    return risk > 0 ? (int)ceil(1 / risk - ROUNDING) - 1 : 0;
}

double esp_discard_limit(const double *scores, int count, double risk)
{
    if (!(risk > 0) || count <= 0) {
        return INFINITY;
    }
    int rank = (int)ceil((count + 1) * (1 - risk) - ROUNDING);
    rank -= ESP_PLANT("calibrates-too-low") ? 1 + count / 5 : 0;
    if (rank > count) {
        return INFINITY;
    }
    double *sorted = malloc((size_t)count * sizeof *sorted);
    assert(sorted);
    memcpy(sorted, scores, (size_t)count * sizeof *sorted);
    for (int i = 0; i < count; i++) {
        sorted[i] = isnan(sorted[i]) ? INFINITY : sorted[i]; /* no trial was complete */
    }
    qsort(sorted, (size_t)count, sizeof *sorted, esp_compare_doubles);
    double limit = sorted[rank > 0 ? rank - 1 : 0];
    free(sorted);
    return limit;
}

void esp_discard_calibrated(struct esp_discard *d, const double *scores, int count)
{
    d->studies = count;
    d->limit = esp_discard_limit(scores, count, d->risk);
}

void esp_discard_init(struct esp_discard *d, const struct esp_study *study)
{
    const struct esp_stopping *stopping = &study->stopping;
    *d = (struct esp_discard){.risk = stopping->risk,
                              .seed = study->seed,
                              .score_before_audit = NAN,
                              .audit = -1,
                              .best = -1};
    esp_discard_calibrated(d, stopping->calibration, stopping->calibration_count);
    esp_loss_ranking_init(&d->audits);
    for (int k = 0; k < ESP_DISCARD_MARKS; k++) {
        esp_loss_ranking_init(&d->all[k]);
        esp_loss_ranking_init(&d->paused[k]);
    }
}

void esp_discard_release(struct esp_discard *d)
{
    for (int k = 0; k < ESP_DISCARD_MARKS; k++) {
        esp_loss_ranking_release(&d->all[k]);
        esp_loss_ranking_release(&d->paused[k]);
    }
    esp_loss_ranking_release(&d->audits);
    free(d->trials);
    d->trials = NULL;
}

void esp_discard_created(struct esp_discard *d, uint32_t trial, int64_t horizon)
{
    assert(trial == d->count);
    if (d->count == d->capacity) {
        d->capacity = d->capacity ? d->capacity * 2 : 16;
        d->trials = realloc(d->trials, d->capacity * sizeof *d->trials);
        assert(d->trials);
    }
    struct esp_discard_trial *t = &d->trials[d->count++];
    *t = (struct esp_discard_trial){.horizon = horizon, .mark = -1};
    for (int k = 0; k < ESP_DISCARD_MARKS; k++) {
        t->loss[k] = NAN;
    }
}

void esp_discard_observed(struct esp_discard *d, uint32_t trial, int64_t tokens, double loss)
{
    struct esp_discard_trial *t = &d->trials[trial];
    int mark = tokens > 0 ? esp_marks_reached(ESP_DISCARD_MARKS, tokens, t->horizon) : -1;
    if (mark <= t->mark) {
        return;
    }
    bool paused = t->paused;
    esp_discard_set_paused(d, trial, false);
    t->mark = mark;
    t->loss[mark] = isfinite(loss) ? (float)loss : INFINITY;
    esp_loss_ranking_insert(&d->all[mark], (double)t->loss[mark], trial);
    esp_discard_set_paused(d, trial, paused);
}

static void unlist(struct esp_discard *d, uint32_t trial)
{
    struct esp_discard_trial *t = &d->trials[trial];
    if (t->spared) {
        esp_loss_ranking_erase(&d->audits, 0, trial);
    } else if (t->mark >= 0) {
        esp_loss_ranking_erase(&d->paused[t->mark], (double)t->loss[t->mark], trial);
    }
}

static void list(struct esp_discard *d, uint32_t trial)
{
    struct esp_discard_trial *t = &d->trials[trial];
    if (t->spared) {
        esp_loss_ranking_insert(&d->audits, 0, trial);
    } else if (t->mark >= 0) {
        esp_loss_ranking_insert(&d->paused[t->mark], (double)t->loss[t->mark], trial);
    }
}

void esp_discard_set_paused(struct esp_discard *d, uint32_t trial, bool waits)
{
    struct esp_discard_trial *t = &d->trials[trial];
    if (t->paused == waits) {
        return;
    }
    t->paused = waits;
    if (waits) {
        list(d, trial);
    } else {
        unlist(d, trial);
    }
}

void esp_discard_set_best(struct esp_discard *d, uint32_t trial)
{
    assert(trial < d->count);
    d->best = trial;
}

/* Number of trials with a lower loss at a mark; equal losses do not count. */
static uint32_t beaten_by(const struct esp_discard *d, int mark, double loss)
{
    return esp_loss_ranking_rank(&d->all[mark], loss, 0) - 1;
}

/* Depends on seed and number alone, so that it is independent of how well the trial does. */
static bool is_audit(const struct esp_discard *d, uint32_t trial)
{
    return esp_random_at(d->seed, trial, ESP_RANDOM_AUDIT, 0).word[0] <
           UINT32_MAX / ESP_AUDIT_EVERY;
}

static void
apply_own_verdict(struct esp_discard *d, enum esp_verdict_action action, uint32_t trial)
{
    struct esp_discard_trial *t = &d->trials[trial];
    bool paused = t->paused;
    switch (action) {
    case ESP_VERDICT_DISCARD:
        t->discarded = true;
        break;
    case ESP_VERDICT_SPARE:
        esp_discard_set_paused(d, trial, false);
        t->spared = true;
        esp_discard_set_paused(d, trial, paused);
        break;
    case ESP_VERDICT_CONTINUE:
        if (d->audit < 0) {
            d->audit = trial;
            d->score_before_audit = esp_discard_score(d);
        }
        break;
    default:
        break;
    }
}

void esp_discard_decided(struct esp_discard *d, const struct esp_verdict *verdict)
{
    if (verdict->trial < 0 || verdict->trial >= d->count) {
        return;
    }
    uint32_t trial = (uint32_t)verdict->trial;
    if (verdict->reason.rule == ESP_RULE_CALIBRATED) {
        apply_own_verdict(d, verdict->action, trial);
    }
    if (verdict->action == ESP_VERDICT_CONTINUE) {
        d->trials[trial].discarded = false;
        esp_discard_set_paused(d, trial, false);
    }
}

static struct esp_verdict make_discard(const struct esp_discard *d, uint32_t trial)
{
    const struct esp_discard_trial *t = &d->trials[trial];
    struct esp_verdict verdict =
        esp_verdict_make(is_audit(d, trial) ? ESP_VERDICT_SPARE : ESP_VERDICT_DISCARD,
                         trial,
                         0,
                         ESP_RULE_CALIBRATED);
    esp_reason_rank(&verdict.reason, &d->all[t->mark], (double)t->loss[t->mark], trial, 0);
    verdict.reason.rung = t->mark;
    verdict.reason.at = (int64_t)esp_marks_tokens(ESP_DISCARD_MARKS, t->mark, t->horizon);
    verdict.reason.threshold = d->limit;
    verdict.reason.expected = d->risk;
    verdict.reason.cost = d->studies;
    return verdict;
}

struct esp_verdict esp_discard_next(const struct esp_discard *d)
{
    bool early = d->best < 0 && !ESP_PLANT("gives-up-before-the-end");
    if (!isfinite(d->limit) || d->audit >= 0 || early) {
        return esp_verdict_none(ESP_RULE_NONE);
    }
    for (int k = 0; k < ESP_DISCARD_MARKS; k++) {
        uint32_t count = esp_loss_ranking_count(&d->paused[k]);
        if (count == 0) {
            continue;
        }
        struct esp_loss_ranking_entry worst = esp_loss_ranking_at(&d->paused[k], count);
        if (beaten_by(d, k, worst.loss) + ESP_PLANT("gives-up-too-many") > d->limit) {
            return make_discard(d, worst.trial);
        }
    }
    return esp_verdict_none(ESP_RULE_NONE);
}

struct esp_verdict esp_discard_audit(const struct esp_discard *d)
{
    int64_t trial = d->audit;
    if (trial < 0 && esp_loss_ranking_count(&d->audits) > 0) {
        trial = esp_loss_ranking_at(&d->audits, 1).trial;
    }
    if (trial < 0 || !d->trials[trial].paused || ESP_PLANT("forgets-audits")) {
        return esp_verdict_none(ESP_RULE_NONE);
    }
    return esp_verdict_make(
        ESP_VERDICT_CONTINUE, trial, d->trials[trial].horizon, ESP_RULE_CALIBRATED);
}

double esp_discard_score(const struct esp_discard *d)
{
    double score = 0;
    if (d->best < 0) {
        return NAN;
    }
    const struct esp_discard_trial *t = &d->trials[d->best];
    for (int k = 0; k < ESP_DISCARD_MARKS; k++) {
        if (!isnan(t->loss[k])) {
            score = fmax(score, beaten_by(d, k, (double)t->loss[k]));
        }
    }
    return fmax(score, d->score_before_audit); /* fmax passes over NaN */
}
