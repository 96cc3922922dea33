#include "rungs.h"

#include "stopping_keys.h"

#include <assert.h>
#include <errno.h>
#include <math.h>

/* Published default: three rungs below the last one (arXiv 1603.06560). */
#define DEFAULT_RUNGS_BELOW 3
/* The trainer's own default, trainer.report_every = 0. */
#define DEFAULT_REPORTS 25

int64_t esp_study_horizon(const struct esp_study *study)
{
    return study->trainer.tokens > 0 ? study->trainer.tokens : 0;
}

int64_t esp_report_interval(const struct esp_study *study)
{
    if (!study->abilities.settings_known) {
        return 1;
    }
    int64_t interval = study->trainer.report_every > 0
                           ? study->trainer.report_every
                           : study->trainer.tokens / DEFAULT_REPORTS;
    return interval > 0 ? interval : 1;
}

static bool given(double x)
{
    return isfinite(x) && x > 0;
}

int esp_rungs_make(struct esp_rungs *rungs,
                   const struct esp_study *study,
                   struct esp_error *error)
{
    const struct esp_stopping *stopping = &study->stopping;
    double eta = esp_stopping_eta(stopping);
    if (!(eta > 1)) {
        return esp_error_line(error,
                              -EINVAL,
                              stopping->line,
                              "early_terminate.eta is %g; a rung keeps 1/eta of its "
                              "trials, so it must be above 1",
                              eta);
    }
    double horizon = (double)esp_study_horizon(study);
    double max = given(stopping->max) ? stopping->max : horizon;
    double min = stopping->min;
    if (!given(min)) {
        double interval = (double)esp_report_interval(study);
        min = max > 0 ? fmax(max / pow(eta, DEFAULT_RUNGS_BELOW), interval) : 1;
        min = fmax(1, floor(min));
    }
    if ((max > 0 && min > max) || (horizon > 0 && min >= horizon && given(stopping->min))) {
        return esp_error_line(error,
                              -EINVAL,
                              stopping->line,
                              "early_terminate.min is %.0f, but a trial's last rung is "
                              "%.0f; give a smaller min, or leave it out",
                              min,
                              horizon > 0 ? fmin(max, horizon) : max);
    }
    rungs->eta = eta;
    rungs->count = 0;
    double level = min;
    while (rungs->count < ESP_RUNGS_MAX - 1 && level < 0x1p62 && !(max > 0 && level > max) &&
           !(horizon > 0 && level >= horizon)) {
        int64_t whole = (int64_t)ceil(level - 1e-6);
        if (rungs->count == 0 || whole > rungs->level[rungs->count - 1]) {
            rungs->level[rungs->count++] = whole;
        }
        level *= eta;
    }
    rungs->level[rungs->count++] = INT64_MAX;
    return 0;
}

int64_t esp_rungs_target(const struct esp_rungs *rungs, int rung, int64_t horizon)
{
    assert(rung >= 0);
    int64_t level = rungs->level[rung < rungs->count ? rung : rungs->count - 1];
    return level < horizon ? level : horizon;
}

int esp_rungs_top(const struct esp_rungs *rungs, int64_t horizon)
{
    int top = 0;
    while (rungs->level[top] < horizon) {
        top++;
    }
    return top;
}

int esp_rungs_reached(const struct esp_rungs *rungs, int64_t tokens, int64_t horizon)
{
    int top = esp_rungs_top(rungs, horizon), rung = -1;
    while (rung < top && tokens >= esp_rungs_target(rungs, rung + 1, horizon)) {
        rung++;
    }
    return rung;
}

uint32_t esp_rungs_share(uint32_t n, double eta)
{
    /* 27 / 3 must not be rounded down to 8 when eta was read as 3.0000000000000004. */
    return (uint32_t)floor((double)n / eta + 1e-9);
}

void esp_reason_rank(struct esp_reason *reason,
                     const struct esp_loss_ranking *ranking,
                     double loss,
                     uint32_t trial,
                     uint32_t kept)
{
    uint32_t n = esp_loss_ranking_count(ranking);
    uint32_t rank = esp_loss_ranking_rank(ranking, loss, trial);
    reason->rank = (int32_t)rank;
    reason->of = (int32_t)n;
    reason->value = loss;
    reason->threshold = kept >= 1 && kept <= n ? esp_loss_ranking_at(ranking, kept).loss : NAN;
    int found = 0;
    for (uint32_t away = 1; away <= ESP_RIVALS_MAX && found < ESP_RIVALS_MAX; away++) {
        if (rank > away) {
            reason->rivals[found++] = (int32_t)esp_loss_ranking_at(ranking, rank - away).trial;
        }
        if (rank + away <= n && found < ESP_RIVALS_MAX) {
            reason->rivals[found++] = (int32_t)esp_loss_ranking_at(ranking, rank + away).trial;
        }
    }
}
