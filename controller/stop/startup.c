#include "startup.h"

#include "rungs.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

int esp_startup_init(struct esp_startup *s,
                     uint32_t size,
                     int steps,
                     double tokens_min,
                     double horizon,
                     double eta)
{
    *s = (struct esp_startup){.size = size};
    double left = size;
    for (int k = 0; k < ESP_STARTUP_RUNGS_MAX; k++) {
        esp_loss_ranking_init(&s->at[k]);
    }
    for (int k = steps; k > 0; k--) {
        double level = fmax(horizon * pow(eta, -k), tokens_min);
        if (s->rungs > 0 && level <= (double)s->level[s->rungs - 1]) {
            continue;
        }
        left = fmax(floor(left / eta + 1e-6), 1);
        s->level[s->rungs] = (int64_t)ceil(level - 1e-6);
        s->kept[s->rungs++] = (uint32_t)left;
    }
    s->rung = malloc((size + 1) * sizeof *s->rung);
    s->value = malloc((size + 1) * sizeof *s->value);
    s->ended = calloc(size + 1, sizeof *s->ended);
    if (!s->rung || !s->value || !s->ended) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < size; i++) {
        s->rung[i] = -1;
    }
    return 0;
}

void esp_startup_release(struct esp_startup *s)
{
    for (int k = 0; k < ESP_STARTUP_RUNGS_MAX; k++) {
        esp_loss_ranking_release(&s->at[k]);
    }
    free(s->rung);
    free(s->value);
    free(s->ended);
    s->rung = NULL;
    s->value = NULL;
    s->ended = NULL;
}

void esp_startup_observed(struct esp_startup *s, uint32_t trial, int64_t tokens, double loss)
{
    if (trial >= s->size) {
        return;
    }
    while (s->rung[trial] + 1 < s->rungs && tokens >= s->level[s->rung[trial] + 1]) {
        s->rung[trial]++;
        s->value[trial] = isfinite(loss) ? loss : INFINITY;
        esp_loss_ranking_insert(&s->at[s->rung[trial]], loss, trial);
    }
}

void esp_startup_ended(struct esp_startup *s, uint32_t trial)
{
    if (trial < s->size && !s->ended[trial]) {
        s->ended[trial] = true;
        s->unreported += s->rung[trial] < 0;
    }
}

void esp_startup_returned(struct esp_startup *s, uint32_t trial)
{
    if (trial < s->size && s->ended[trial]) {
        s->ended[trial] = false;
        s->unreported -= s->rung[trial] < 0;
    }
}

/* Whether all trials that were sent to the rung have a loss there or have ended. */
static bool full(const struct esp_startup *s, int rung)
{
    if (rung == 0) {
        return esp_loss_ranking_count(&s->at[0]) + s->unreported >= s->size;
    }
    const struct esp_loss_ranking *below = &s->at[rung - 1];
    bool all = full(s, rung - 1);
    for (uint32_t r = 1; all && r <= s->kept[rung - 1] && r <= esp_loss_ranking_count(below);
         r++) {
        uint32_t trial = esp_loss_ranking_at(below, r).trial;
        all = s->rung[trial] >= rung || s->ended[trial];
    }
    return all;
}

int64_t esp_startup_onward(const struct esp_startup *s, uint32_t trial)
{
    if (trial >= s->size || s->rung[trial] < 0) {
        return 0;
    }
    int k = s->rung[trial];
    const struct esp_loss_ranking *here = &s->at[k];
    for (uint32_t rank = 1; rank <= s->kept[k] && rank <= esp_loss_ranking_count(here);
         rank++) {
        if (esp_loss_ranking_at(here, rank).trial == trial) {
            return !full(s, k) ? 0 : k + 1 < s->rungs ? s->level[k + 1] : INT64_MAX;
        }
    }
    return 0;
}

int64_t esp_startup_next(const struct esp_startup *s, int rung, uint32_t rank)
{
    if (rank > s->kept[rung] || rank > esp_loss_ranking_count(&s->at[rung]) || !full(s, rung)) {
        return -1;
    }
    return esp_loss_ranking_at(&s->at[rung], rank).trial;
}

int esp_startup_rung(const struct esp_startup *s, uint32_t trial)
{
    return trial < s->size ? s->rung[trial] : -1;
}

void esp_startup_explain(const struct esp_startup *s, uint32_t trial, struct esp_reason *reason)
{
    int rung = esp_startup_rung(s, trial);
    if (rung >= 0) {
        reason->rung = rung;
        esp_reason_rank(reason, &s->at[rung], s->value[trial], trial, s->kept[rung]);
    }
}
