/* Budgets: what is spent, and what is promised to the trials that are live. */
#include "state.h"
#include "stop/rungs.h"

#include <math.h>

static double usd(const struct esp_core *core, double seconds)
{
    return seconds / 3600 * core->budget.price_per_hour;
}

static bool limited(const struct esp_core *core)
{
    return core->budget.tokens > 0 || core->budget.seconds > 0 || core->budget.usd > 0;
}

static bool over(const struct esp_core *core, double tokens, double seconds)
{
    const struct esp_budget *b = &core->budget;
    return (b->tokens > 0 && tokens >= b->tokens) ||
           (b->seconds > 0 && seconds >= b->seconds) ||
           (b->usd > 0 && b->price_per_hour > 0 && usd(core, seconds) >= b->usd);
}

bool esp_budget_spent(const struct esp_core *core)
{
    return over(core, (double)core->spent_tokens, core->spent_seconds);
}

/* What a token took so far, all devices and trials together. */
static double mean_seconds(const struct esp_core *core)
{
    double spent = (double)core->spent_tokens;
    return spent > 0 ? core->spent_seconds / spent : 0;
}

/* What a trial's token takes where it trains, as trials of its kind showed; before any report
 * on such a device, what tokens took so far on all of them. */
static double seconds_per_token(const struct esp_core *core, const struct esp_trial *t)
{
    double rate = esp_scheduler_rate(
        core->scheduler, esp_trial_index(core, t), esp_device_of(core, t->process));
    return !isnan(rate) ? rate : mean_seconds(core);
}

struct demand {
    double tokens, seconds;
};

/* Spent, and promised to what is live. */
static struct demand committed(const struct esp_core *core)
{
    struct demand sum = {(double)core->spent_tokens, core->spent_seconds};
    for (uint32_t i = core->alive.first; i != ESP_NOWHERE;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        for (uint32_t k = core->processes[i].hosted.first; k != ESP_NOWHERE;
             k = esp_list_next(core, ESP_LIST_TRIALS, k)) {
            const struct esp_trial *t = &core->trials[k];
            int64_t until = t->until < t->attempt_horizon ? t->until : t->attempt_horizon;
            bool trains = t->state == ESP_TRIAL_ASSIGNED || t->state == ESP_TRIAL_RUNNING;
            if (trains && until > t->at_tokens && until != INT64_MAX) {
                sum.tokens += (double)(until - t->at_tokens);
                sum.seconds += (double)(until - t->at_tokens) * seconds_per_token(core, t);
            }
        }
    }
    return sum;
}

bool esp_budget_committed(const struct esp_core *core)
{
    if (!limited(core)) {
        return false;
    }
    struct demand sum = committed(core);
    return over(core, sum.tokens, sum.seconds);
}

/* What of `limit` is left, and all of it, in trainings of which each costs so much. */
static void count(struct esp_trainings *out, double limit, double used, double cost)
{
    if (limit > 0 && cost > 0) {
        out->whole = fmin(out->whole, limit / cost);
        out->left = fmin(out->left, (limit - used) / cost);
    }
}

struct esp_trainings esp_budget_trainings(const struct esp_core *core)
{
    struct esp_trainings out = {.whole = INFINITY,
                                .left = INFINITY,
                                .tokens = INFINITY,
                                .seconds = INFINITY,
                                .rate = mean_seconds(core)};
    const struct esp_budget *b = &core->budget;
    if (!limited(core)) {
        return out;
    }
    /* How far a program trains nobody knows. */
    double tokens =
        core->study->abilities.horizon_known ? (double)esp_study_horizon(core->study) : 0;
    double seconds = tokens * out.rate;
    struct demand sum = committed(core);
    count(&out, b->tokens, sum.tokens, tokens);
    count(&out, b->seconds, sum.seconds, seconds);
    count(&out, b->price_per_hour > 0 ? b->usd : 0, usd(core, sum.seconds), usd(core, seconds));
    if (b->tokens > 0) {
        out.tokens = b->tokens - sum.tokens;
    }
    if (b->seconds > 0) {
        out.seconds = b->seconds - sum.seconds;
    }
    if (b->usd > 0 && b->price_per_hour > 0) {
        out.seconds = fmin(out.seconds, b->usd / b->price_per_hour * 3600 - sum.seconds);
    }
    return out;
}
