#include "discard.h"

#include "roster.h"
#include "rungs.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double esp_discard_limit(const double *scores, int count, double risk)
{
    if (!(risk > 0) || count <= 0) {
        return INFINITY;
    }
    int rank = (int)ceil((count + 1) * (1 - risk) - 1e-9);
    if (rank > count) {
        return INFINITY;
    }
    double *sorted = malloc((size_t)count * sizeof *sorted);
    assert(sorted);
    memcpy(sorted, scores, (size_t)count * sizeof *sorted);
    for (int i = 0; i < count; i++) {
        sorted[i] = isnan(sorted[i]) ? INFINITY : sorted[i]; /* a study without an end */
    }
    qsort(sorted, (size_t)count, sizeof *sorted, by_number);
    double limit = sorted[rank > 0 ? rank - 1 : 0];
    free(sorted);
    return limit;
}

void esp_discard_init(struct esp_discard *d, const struct esp_stopping *stopping)
{
    *d = (struct esp_discard){.risk = stopping->risk, .best = -1, .best_loss = INFINITY};
    d->limit =
        esp_discard_limit(stopping->calibration, stopping->calibration_count, stopping->risk);
    for (int k = 0; k < ESP_DISCARD_MARKS; k++) {
        esp_ranking_init(&d->all[k]);
        esp_ranking_init(&d->paused[k]);
    }
}

void esp_discard_release(struct esp_discard *d)
{
    for (int k = 0; k < ESP_DISCARD_MARKS; k++) {
        esp_ranking_release(&d->all[k]);
        esp_ranking_release(&d->paused[k]);
    }
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

static int mark_of(int64_t tokens, int64_t horizon)
{
    double octaves = log2((double)horizon / (double)tokens);
    int mark = ESP_DISCARD_MARKS - 1 - (int)ceil(2 * octaves - 1e-9);
    return mark < 0 ? 0 : mark < ESP_DISCARD_MARKS ? mark : ESP_DISCARD_MARKS - 1;
}

void esp_discard_observed(struct esp_discard *d, uint32_t trial, int64_t tokens, double loss)
{
    struct esp_discard_trial *t = &d->trials[trial];
    int mark = tokens > 0 ? mark_of(tokens, t->horizon) : -1;
    if (mark <= t->mark) {
        return;
    }
    bool paused = t->paused;
    esp_discard_waits(d, trial, false);
    t->mark = mark;
    t->loss[mark] = isfinite(loss) ? (float)loss : INFINITY;
    esp_ranking_insert(&d->all[mark], (double)t->loss[mark], trial);
    esp_discard_waits(d, trial, paused);
}

void esp_discard_waits(struct esp_discard *d, uint32_t trial, bool waits)
{
    struct esp_discard_trial *t = &d->trials[trial];
    if (t->paused == waits) {
        return;
    }
    t->paused = waits;
    if (t->mark < 0) {
        return;
    }
    if (waits) {
        esp_ranking_insert(&d->paused[t->mark], (double)t->loss[t->mark], trial);
    } else {
        esp_ranking_erase(&d->paused[t->mark], (double)t->loss[t->mark], trial);
    }
}

void esp_discard_completed(struct esp_discard *d, uint32_t trial)
{
    const struct esp_discard_trial *t = &d->trials[trial];
    double loss = t->mark >= 0 ? (double)t->loss[t->mark] : INFINITY;
    if (loss < d->best_loss) {
        d->best_loss = loss;
        d->best = trial;
    }
}

/* How many had a lower loss at a mark; ties do not count against a trial. */
static uint32_t beaten_by(const struct esp_discard *d, int mark, double loss)
{
    return esp_ranking_rank(&d->all[mark], loss, 0) - 1;
}

struct esp_verdict esp_discard_next(const struct esp_discard *d)
{
    for (int k = 0; k < ESP_DISCARD_MARKS && isfinite(d->limit); k++) {
        /* From the worst up, past those that are spared as audits. */
        for (uint32_t rank = esp_ranking_count(&d->paused[k]); rank > 0; rank--) {
            struct esp_ranking_entry e = esp_ranking_at(&d->paused[k], rank);
            double score = beaten_by(d, k, e.loss);
            if (score <= d->limit) {
                break;
            }
            if (e.trial % ESP_AUDIT_EVERY == ESP_AUDIT_EVERY - 1) {
                continue;
            }
            struct esp_verdict verdict =
                esp_verdict_make(ESP_VERDICT_DISCARD, e.trial, 0, ESP_RULE_CALIBRATED);
            esp_reason_rank(&verdict.reason, &d->all[k], e.loss, e.trial, 0);
            verdict.reason.rung = k;
            verdict.reason.at = (int64_t)ceil((double)d->trials[e.trial].horizon *
                                              exp2(-(ESP_DISCARD_MARKS - 1 - k) / 2.0));
            verdict.reason.threshold = d->limit;
            verdict.reason.expected = d->risk;
            return verdict;
        }
    }
    return esp_verdict_none(ESP_RULE_NONE);
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
    return score;
}
