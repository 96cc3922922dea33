/* W&B's hyperband rule, exactly as in wandb/sweeps, hyperband_stopping.py.
 *
 * Bands are int(min_iter·eta^k) for k = 0, 1, …, or int(max_iter/eta^k) for k = 1 … s, in
 * finite reports. The threshold at a band is sorted(values there, over all trials)[int(n/eta)].
 * At every report the best loss of a trial so far (strict: its loss at the band) is compared
 * with the present threshold of the highest band that it has reached; the trial is stopped for
 * good when it is worse. So the first trial at a band is never stopped there: it is the
 * threshold. */
#include "roster.h"
#include "rungs.h"
#include "stopping_keys.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define BANDS_MAX 100 /* W&B's own limit */

struct history {
    uint32_t finite; /* finite reports */
    int band;        /* highest band reached; -1: none */
    double at_band;
};

struct wandb {
    struct esp_roster roster;
    double eta;
    bool strict;
    int64_t bands[BANDS_MAX];
    int band_count;
    struct esp_loss_ranking at[BANDS_MAX];
    struct history *histories;
    uint32_t capacity;
};

static void fill_bands(struct wandb *w, const struct esp_stopping *stopping)
{
    if (stopping->max_iter > 0 && (stopping->s > 0 || stopping->min_iter <= 0)) {
        double band = stopping->max_iter;
        int count = 0;
        int64_t falling[BANDS_MAX];
        for (int i = 0; i < stopping->s && count < BANDS_MAX; i++) {
            band /= w->eta;
            if (band < 1) {
                break;
            }
            falling[count++] = (int64_t)band;
        }
        for (int i = 0; i < count; i++) {
            w->bands[i] = falling[count - 1 - i];
        }
        w->band_count = count;
        return;
    }
    double band = stopping->min_iter;
    for (int i = 0; i < BANDS_MAX && band < 0x1p62 && stopping->min_iter >= 1; i++) {
        w->bands[w->band_count++] = (int64_t)band;
        band *= w->eta;
    }
}

static const char *fault(const struct esp_stopping *stopping)
{
    bool falling = stopping->max_iter > 0 && stopping->s > 0;
    if (!falling) {
        return stopping->min_iter > 0
                   ? NULL
                   : "hyperband needs min_iter, or max_iter and an s above 0";
    }
    if (stopping->max_iter >= esp_stopping_eta(stopping)) {
        return NULL;
    }
    return stopping->min_iter > 0
               ? "hyperband has no band, because max_iter is below eta; with max_iter and s, "
                 "min_iter has no effect: raise max_iter, or remove it"
               : "hyperband has no band, because max_iter is below eta: raise max_iter, or "
                 "give "
                 "min_iter instead";
}

static int create(const struct esp_study *study, void **self, struct esp_error *error)
{
    const struct esp_stopping *stopping = &study->stopping;
    struct wandb *w = calloc(1, sizeof *w);
    if (!w) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    w->eta = esp_stopping_eta(stopping);
    w->strict = stopping->strict;
    esp_roster_init(&w->roster);
    for (int i = 0; i < BANDS_MAX; i++) {
        esp_loss_ranking_init(&w->at[i]);
    }
    fill_bands(w, stopping);
    if (w->band_count == 0) {
        const char *why = fault(stopping);
        free(w);
        return esp_error_line(
            error, -EINVAL, stopping->line, "early_terminate %s", why ? why : "has no band");
    }
    *self = w;
    return 0;
}

static void destroy(void *self)
{
    struct wandb *w = self;
    esp_roster_release(&w->roster);
    for (int i = 0; i < BANDS_MAX; i++) {
        esp_loss_ranking_release(&w->at[i]);
    }
    free(w->histories);
    free(w);
}

static void created(void *self, uint32_t trial, int64_t horizon, const double *values)
{
    struct wandb *w = self;
    (void)values;
    esp_roster_created(&w->roster, trial, horizon);
    if (trial >= w->capacity) {
        w->capacity = w->capacity ? w->capacity * 2 : 16;
        w->histories = realloc(w->histories, w->capacity * sizeof *w->histories);
        assert(w->histories);
    }
    w->histories[trial] = (struct history){.band = -1};
}

static void
observed(void *self, uint32_t trial, int64_t tokens, double loss, double device_seconds)
{
    struct wandb *w = self;
    struct history *h = &w->histories[trial];
    esp_roster_observed(&w->roster, trial, tokens, loss, device_seconds);
    if (!isfinite(loss)) {
        return;
    }
    h->finite++;
    /* Bands may repeat after int(): 1, 1, 2 … */
    while (h->band + 1 < w->band_count && h->finite >= w->bands[h->band + 1]) {
        h->band++;
        h->at_band = loss;
        esp_loss_ranking_insert(&w->at[h->band], loss, trial);
    }
}

static void decided(void *self, const struct esp_verdict *verdict)
{
    struct wandb *w = self;
    esp_roster_decided(&w->roster, verdict);
}

static void paused(void *self, uint32_t trial, bool held)
{
    struct wandb *w = self;
    esp_roster_paused(&w->roster, trial, held);
}

static void ended(void *self, uint32_t trial, enum esp_cause cause)
{
    struct wandb *w = self;
    esp_roster_ended(&w->roster, trial, cause);
}

static void returned(void *self, uint32_t trial)
{
    struct wandb *w = self;
    esp_roster_returned(&w->roster, trial);
}

static struct esp_verdict slot(const void *self, const struct esp_slot_view *view)
{
    const struct wandb *w = self;
    return esp_roster_slot_to_horizon(&w->roster, view);
}

static struct esp_verdict
report(const void *self, uint32_t trial, bool waiting, const struct esp_slot_view *view)
{
    (void)view;
    const struct wandb *w = self;
    const struct history *h = &w->histories[trial];
    const struct esp_roster_trial *t = esp_roster_get(&w->roster, trial);
    if (t->tokens < t->horizon && !t->continued_by_user && h->band >= 0) {
        const struct esp_loss_ranking *there = &w->at[h->band];
        uint32_t n = esp_loss_ranking_count(there);
        uint32_t index = (uint32_t)(1.0 / w->eta * n);
        struct esp_loss_ranking_entry limit =
            esp_loss_ranking_at(there, index < n ? index + 1 : n);
        double value = w->strict ? h->at_band : t->best;
        if (value > limit.loss) {
            struct esp_verdict verdict =
                esp_verdict_make(ESP_VERDICT_PRUNE, trial, 0, ESP_RULE_WANDB_HYPERBAND);
            esp_reason_rank(&verdict.reason, there, h->at_band, trial, index + 1);
            verdict.reason.rung = h->band;
            verdict.reason.at = t->tokens;
            verdict.reason.value = value;
            return verdict;
        }
    }
    return esp_roster_report_to_horizon(&w->roster, trial, waiting);
}

const struct esp_scheduler_ops esp_scheduler_wandb_hyperband = {
    .fault = fault,
    .create = create,
    .destroy = destroy,
    .created = created,
    .observed = observed,
    .decided = decided,
    .paused = paused,
    .ended = ended,
    .returned = returned,
    .slot = slot,
    .report = report,
};
