/* Budgets: what is spent, and what is committed to live trials. */
#include "budget.h"

#include "money/price.h"
#include "process_table.h"
#include "stop/rungs.h"
#include "trial.h"

#include <assert.h>
#include <math.h>

static struct esp_spending spent(const struct esp_core *core)
{
    return (struct esp_spending){(double)core->spent_tokens, core->spent_seconds};
}

bool esp_budget_spent(const struct esp_core *core)
{
    return esp_price_reached(&core->budget, spent(core));
}

enum esp_end_reason esp_budget_end_reason(const struct esp_core *core)
{
    struct esp_budget tokens = {.tokens = core->budget.tokens};
    struct esp_budget hours = {.seconds = core->budget.seconds};
    return esp_price_reached(&tokens, spent(core))  ? ESP_END_BUDGET_TOKENS
           : esp_price_reached(&hours, spent(core)) ? ESP_END_BUDGET_HOURS
                                                    : ESP_END_BUDGET_USD;
}

/* Predicted time of one token of this trial on its device; before any report on such a device,
 * the mean over all devices. */
static double seconds_per_token(const struct esp_core *core, const struct esp_trial *t)
{
    double rate = esp_scheduler_rate(
        core->scheduler, esp_trial_index(core, t), esp_device_of(core, t->process));
    return !isnan(rate) ? rate : esp_price_seconds_per_token(spent(core));
}

/* What is spent, and what live trials will spend until their next decision. */
static struct esp_spending committed(const struct esp_core *core)
{
    struct esp_spending sum = spent(core);
    for (uint32_t i = core->alive.first; i != ESP_NO_INDEX;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        for (uint32_t k = core->processes[i].hosted.first; k != ESP_NO_INDEX;
             k = esp_list_next(core, ESP_LIST_TRIALS, k)) {
            const struct esp_trial *t = &core->trials[k];
            int64_t until = t->until < t->attempt_horizon ? t->until : t->attempt_horizon;
            bool trains = t->state == ESP_TRIAL_ASSIGNED || t->state == ESP_TRIAL_RUNNING;
            if (trains && until > t->attempt_tokens && until != INT64_MAX) {
                sum.tokens += (double)(until - t->attempt_tokens);
                sum.seconds += (double)(until - t->attempt_tokens) * seconds_per_token(core, t);
            }
        }
    }
    assert(sum.tokens >= (double)core->spent_tokens);
    return sum;
}

bool esp_budget_committed(const struct esp_core *core)
{
    return esp_price_limited(&core->budget) &&
           esp_price_reached(&core->budget, committed(core));
}

struct esp_trainings esp_trainings_of(const struct esp_study *study,
                                      const struct esp_budget *budget,
                                      struct esp_spending used,
                                      double rate)
{
    struct esp_trainings out = {.whole = INFINITY,
                                .left = INFINITY,
                                .tokens = INFINITY,
                                .seconds = INFINITY,
                                .rate = rate};
    if (!esp_price_limited(budget)) {
        return out;
    }
    /* The horizon of a program is unknown. */
    double tokens = study->abilities.horizon_known ? (double)esp_study_horizon(study) : 0;
    struct esp_spending training = {tokens, tokens * rate};
    struct esp_affordable fits = esp_price_affordable(budget, used, training);
    struct esp_spending left = esp_price_left(budget, used);
    out.whole = fits.whole;
    out.left = fits.left;
    out.tokens = left.tokens;
    out.seconds = left.seconds;
    return out;
}

struct esp_trainings esp_budget_trainings(const struct esp_core *core)
{
    /* Without a budget the sum over live trials is not needed, and this runs for every report.
     */
    struct esp_spending used = esp_price_limited(&core->budget) ? committed(core) : spent(core);
    return esp_trainings_of(
        core->study, &core->budget, used, esp_price_seconds_per_token(spent(core)));
}
