/* Which trial freeze-thaw trains next, after the start-up.
 *
 * The options are the best paused trials of every mark and one new trial, for the settings that
 * the surrogate proposes. They are ranked by
 *
 *   log EI at the horizon - ½·log(remaining cost)
 *
 * where the cost is in device seconds, as predicted for the slot's device (cost.h), or in
 * tokens while no rate is known. A share of the training goes to the leader instead: the paused
 * trial whose extrapolated curve ends lowest, whatever the model predicts for its settings. */
#include "freeze_thaw_private.h"
#include "rungs.h"

#include <math.h>

/* Paused trials of each mark that a decision looks at. */
#define LOOKED_AT 6
/* Expected improvements below this share of the best loss are not worth training for. */
#define WORTH 2e-4
/* Largest share of the tokens since the start-up that goes to new trials: where most settings
 * are equally bad, unknown ones always seem to promise more. */
#define NEW_SHARE_MAX 0.3
/* Share of the tokens since the start-up that goes to leaders. */
#define LEADER_SHARE 0.4
/* A leader's curve ends at most this share of the best loss above it: curves cannot be
 * extrapolated more accurately. */
#define LEADER_NEAR 0.02
/* A trial that is this near to its next mark is trained to the one after. */
#define STEP_MIN 1.2

/* The next mark that is far enough beyond the trial's tokens; the last one is the horizon. */
static int64_t next_mark(const struct esp_freeze_thaw *f, const struct esp_roster_trial *t)
{
    double horizon = (double)t->horizon, until_min = fmax((double)t->tokens * STEP_MIN, 1);
    until_min = fmax(until_min, (double)(t->tokens + esp_report_interval(f->study)) - 0.5);
    for (int k = 0; k < ESP_MARKS - 1; k++) {
        double mark = esp_marks_tokens(ESP_MARKS, k, t->horizon);
        if (mark >= until_min && mark < horizon) {
            return (int64_t)mark;
        }
    }
    return t->horizon;
}

struct option {
    int64_t trial;  /* -1: a new one */
    double score;   /* larger is better */
    double cost;    /* tokens that remain to the horizon */
    double seconds; /* device seconds for them; NaN: unknown */
    struct esp_prediction prediction;
};

/* `rate`, seconds per token, is NaN for all options or for none. */
static struct option
option_of(int64_t trial, const struct esp_prediction *prediction, double tokens, double rate)
{
    double cost = fmax(tokens, 1);
    return (struct option){.trial = trial,
                           .score =
                               prediction->log_ei - 0.5 * log(isnan(rate) ? cost : cost * rate),
                           .cost = tokens,
                           .seconds = tokens * rate,
                           .prediction = *prediction};
}

/* The best first; equal scores stay in order. */
static void sort_options(struct option *options, int count)
{
    for (int i = 1; i < count; i++) {
        struct option o = options[i];
        int at = i;
        while (at > 0 && options[at - 1].score < o.score) {
            options[at] = options[at - 1];
            at--;
        }
        options[at] = o;
    }
}

/* Fills `options` with the best paused trials of every mark, `own` (-1: none) and a new trial,
 * the best choice first. Returns their number. */
static int weigh(const struct esp_freeze_thaw *f,
                 const struct esp_slot_view *view,
                 int64_t own,
                 struct option *options)
{
    uint32_t trials[ESP_MARKS * LOOKED_AT + 1];
    struct esp_prediction predictions[ESP_MARKS * LOOKED_AT + 1];
    int count = 0, total = 0;
    for (int k = ESP_MARKS - 1; k >= 0; k--) {
        uint32_t there = esp_loss_ranking_count(&f->paused[k]);
        for (uint32_t r = 1; r <= there && r <= LOOKED_AT; r++) {
            trials[count++] = esp_loss_ranking_at(&f->paused[k], r).trial;
        }
    }
    if (own >= 0) {
        trials[count++] = (uint32_t)own;
    }
    esp_surrogate_predict_trials(f->surrogate, trials, count, predictions);
    for (int i = 0; i < count; i++) {
        const struct esp_roster_trial *t = esp_roster_get(&f->roster, trials[i]);
        double rate = esp_cost_of_trial(f->cost, trials[i], view->device);
        options[total++] =
            option_of(trials[i], &predictions[i], (double)(t->horizon - t->tokens), rate);
    }
    bool enough = count > 0 && f->spent_new > NEW_SHARE_MAX * f->spent;
    if (view->may_create && !enough) {
        double values[ESP_PARAMS_MAX];
        struct esp_prediction new =
            esp_surrogate_propose(f->surrogate, view->next_trial, values);
        double rate = esp_cost_of_values(f->cost, values, view->device);
        options[total++] = option_of(-1, &new, f->horizon > 0 ? f->horizon : 1, rate);
    }
    sort_options(options, total);
    return total;
}

static void explain(struct esp_reason *reason,
                    const struct esp_freeze_thaw *f,
                    const struct option *options,
                    int total,
                    int own)
{
    reason->rule = ESP_RULE_FREEZE_THAW;
    reason->rank = own + 1;
    reason->of = total;
    reason->expected = exp(options[own].prediction.log_ei);
    reason->value = options[own].prediction.mean;
    reason->threshold = f->best;
    reason->cost = options[own].cost;
    reason->cost_seconds = options[own].seconds;
    for (int i = 0, found = 0; i < total && found < ESP_RIVALS_MAX; i++) {
        if (i != own && options[i].trial >= 0) {
            reason->rivals[found++] = (int32_t)options[i].trial;
        }
    }
}

/* Of the best paused trial of every mark, CONTINUE the one whose extrapolated curve ends
 * lowest; NONE where no curve ends near the best loss. The trial may have been discarded and
 * then begins again: a discard must not change any decision (discard.h). */
static struct esp_verdict lead(const struct esp_freeze_thaw *f)
{
    int64_t leader = -1;
    int32_t of = 0;
    double lowest = INFINITY;
    for (int k = ESP_MARKS - 1; k >= 0; k--) {
        if (esp_loss_ranking_count(&f->paused[k]) == 0) {
            continue;
        }
        uint32_t trial = esp_loss_ranking_at(&f->paused[k], 1).trial;
        double expected = esp_surrogate_extrapolated_loss(f->surrogate, trial);
        of++;
        if (isfinite(expected) && expected < lowest) {
            leader = trial;
            lowest = expected;
        }
    }
    if (leader < 0 || lowest > f->best + LEADER_NEAR * fabs(f->best)) {
        return esp_verdict_none(ESP_RULE_NONE);
    }
    const struct esp_roster_trial *t = esp_roster_get(&f->roster, (uint32_t)leader);
    struct esp_verdict verdict =
        esp_verdict_make(ESP_VERDICT_CONTINUE, leader, next_mark(f, t), ESP_RULE_LEADER);
    verdict.reason.at = t->tokens;
    verdict.reason.value = lowest;
    verdict.reason.threshold = f->best;
    verdict.reason.rank = 1;
    verdict.reason.of = of;
    verdict.reason.cost = (double)(t->horizon - t->tokens);
    return verdict;
}

struct esp_verdict esp_freeze_thaw_choose(const struct esp_freeze_thaw *f,
                                          const struct esp_slot_view *view)
{
    struct option options[ESP_MARKS * LOOKED_AT + 2];
    if (esp_loss_ranking_count(&f->unfinished) > 0) {
        uint32_t trial = esp_loss_ranking_at(&f->unfinished, 1).trial;
        const struct esp_roster_trial *t = esp_roster_get(&f->roster, trial);
        int64_t until = t->until > t->tokens ? t->until : f->first;
        return esp_verdict_make(ESP_VERDICT_CONTINUE,
                                trial,
                                until < t->horizon ? until : t->horizon,
                                ESP_RULE_RESTART);
    }
    int total = weigh(f, view, -1, options);
    /* False: no option is left, or none is worth its cost. */
    bool worth = total > 0 && (view->may_create || f->complete == 0 ||
                               options[0].prediction.log_ei > log(WORTH * fabs(f->best)));
    if (!worth) {
        return view->live > 0 ? esp_verdict_none(ESP_RULE_NONE)
                              : esp_verdict_make(ESP_VERDICT_END, -1, 0, ESP_RULE_STUDY_END);
    }
    if (f->spent_leader < LEADER_SHARE * f->spent) {
        struct esp_verdict leader = lead(f);
        if (leader.action != ESP_VERDICT_NONE) {
            return leader;
        }
    }
    struct esp_verdict verdict;
    if (options[0].trial < 0) {
        verdict = esp_verdict_make(
            ESP_VERDICT_START, view->next_trial, f->first, ESP_RULE_FREEZE_THAW);
    } else {
        const struct esp_roster_trial *t =
            esp_roster_get(&f->roster, (uint32_t)options[0].trial);
        verdict = esp_verdict_make(
            ESP_VERDICT_CONTINUE, options[0].trial, next_mark(f, t), ESP_RULE_FREEZE_THAW);
        verdict.reason.at = t->tokens;
    }
    explain(&verdict.reason, f, options, total, 0);
    return verdict;
}

struct esp_verdict esp_freeze_thaw_judge(const struct esp_freeze_thaw *f,
                                         uint32_t trial,
                                         const struct esp_slot_view *view)
{
    const struct esp_roster_trial *t = esp_roster_get(&f->roster, trial);
    struct option options[ESP_MARKS * LOOKED_AT + 2];
    int total = weigh(f, view, trial, options), own = 0;
    while (options[own].trial != (int64_t)trial) {
        own++;
    }
    struct esp_verdict verdict =
        own == 0 ? esp_verdict_make(
                       ESP_VERDICT_CONTINUE, trial, next_mark(f, t), ESP_RULE_FREEZE_THAW)
                 : esp_verdict_make(ESP_VERDICT_PAUSE, trial, 0, ESP_RULE_FREEZE_THAW);
    verdict.reason.at = t->tokens;
    explain(&verdict.reason, f, options, total, own);
    return verdict;
}
