#include "remedy.h"

#include "budget.h"
#include "process_table.h"
#include "stop/rungs.h"

#include <math.h>

/* Trainings may take longer than predicted: a twentieth more seconds are allowed for. */
#define SECONDS_MARGIN 1.05

static bool is_leader(const struct esp_tied *tied, uint32_t trial)
{
    for (uint32_t i = 0; i < tied->leaders; i++) {
        if (tied->trials[i] == trial) {
            return true;
        }
    }
    return false;
}

/* Tokens that a waiting trial would still train; 0 for repeats of leaders, which are among the
 * further seeds. */
static double remaining(const struct esp_trial *t, const struct esp_tied *tied)
{
    bool waits = t->state == ESP_TRIAL_PAUSED || t->state == ESP_TRIAL_QUEUED;
    int64_t done = t->tokens > 0 ? t->tokens : 0; /* -1 before the first report */
    int64_t until = t->until < t->horizon ? t->until : t->horizon;
    if (!waits || t->held || is_leader(tied, t->repeats) || done >= until) {
        return 0;
    }
    return (double)(until - done);
}

/* An existing limit, raised to what is needed; 0: there is no limit. */
static double raised(double limit, double needed)
{
    return limit > 0 ? fmax(limit, needed) : limit;
}

struct esp_tie_remedy esp_find_tie_remedy(struct esp_core *core)
{
    const struct esp_tie_remedy none = {0};
    struct esp_tie_remedy remedy = {0};
    struct esp_tied tied;
    struct esp_repeat_plan further;
    struct esp_spending spent = {(double)core->spent_tokens, core->spent_seconds};
    double rate = esp_price_seconds_per_token(spent);
    esp_scheduler_tied(core->scheduler, &tied);
    esp_scheduler_plan_repeats(
        core->scheduler, &tied, (double)esp_study_horizon(core->study), &further);
    if (!core->study->abilities.deterministic || further.trainings == 0) {
        return none;
    }
    for (uint32_t i = 0; i < core->trial_count; i++) {
        double tokens = remaining(&core->trials[i], &tied);
        spent.tokens += tokens;
        spent.seconds += SECONDS_MARGIN * tokens * rate;
    }
    double seconds = esp_scheduler_repeat_plan_seconds(
        core->scheduler, &tied, &further, esp_device_next(core), rate);
    remedy.run_cap = (double)core->trial_count + further.trainings - further.begun;
    remedy.tokens = ceil(spent.tokens + further.tokens_total);
    remedy.seconds = spent.seconds + SECONDS_MARGIN * seconds;
    double usd = esp_price_usd(&core->budget, remedy.seconds);
    remedy.usd = isnan(usd) ? 0 : usd;

    struct esp_budget budget = core->budget;
    budget.tokens = raised(budget.tokens, remedy.tokens);
    budget.seconds = raised(budget.seconds, remedy.seconds);
    budget.usd = raised(budget.usd, remedy.usd);
    struct esp_slot_view view = {.next_trial = core->trial_count,
                                 .device = esp_device_next(core),
                                 .may_repeat = true,
                                 .run_cap =
                                     (int64_t)raised((double)core->run_cap, remedy.run_cap),
                                 .budget = esp_trainings_of(core->study, &budget, spent, rate)};
    return esp_scheduler_repeats_first(core->scheduler, &view) ? remedy : none;
}
