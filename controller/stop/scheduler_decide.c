/* What the next free slot does, and what a trial does after a report.
 *
 * In this order: a reached target ends the search; where only the budget's part for repeats is
 * left, leading settings that tie are repeated; the inner scheduler decides; when it has
 * nothing to do and nothing runs, ties are repeated; what was kept for repeats becomes new
 * settings; one audit is trained; the search ends. */
#include "scheduler_private.h"

#include "roster.h"

#include <assert.h>
#include <espalier/limits.h>
#include <math.h>

static struct esp_verdict target_reached(const struct esp_scheduler *s)
{
    struct esp_verdict verdict =
        esp_verdict_make(ESP_VERDICT_END, s->target_trial, 0, ESP_RULE_TARGET);
    verdict.reason.at = s->target_tokens;
    verdict.reason.value = s->target_loss;
    verdict.reason.threshold = s->target;
    return verdict;
}

bool esp_scheduler_target(const struct esp_scheduler *s, struct esp_verdict *verdict)
{
    *verdict = s->target_trial >= 0 ? target_reached(s) : esp_verdict_none(ESP_RULE_NONE);
    return s->target_trial >= 0;
}

/* Whether the next trial is one of those of run_cap that are kept for repeats. Once one of them
 * was used for a new setting, so may the others. */
static bool next_is_kept(const struct esp_scheduler *s, const struct esp_slot_view *view)
{
    int64_t kept = esp_repeat_reserve(s->repeat.repeats_max, s->repeats_given, view->run_cap);
    int64_t left = view->run_cap - view->next_trial;
    bool pays_one = view->budget.whole == 0 || view->budget.left >= 1;
    return view->may_repeat && pays_one && kept > 0 && left <= kept &&
           (left == kept || esp_repeat_was_last(&s->repeat));
}

/* Whether the budget has no room for another training beside those kept for repeats. */
static bool budget_is_kept(const struct esp_scheduler *s, const struct esp_slot_view *view)
{
    double whole = fmin(view->budget.whole, (double)ESP_TRIALS_MAX);
    uint32_t kept = esp_repeat_reserve(s->repeat.repeats_max, s->repeats_given, (int64_t)whole);
    return kept > 0 && view->budget.left < kept + 1;
}

/* Whether the budget covers one more training of a setting, at the rate predicted for it on
 * this device: the best settings may cost more than the mean, and a training that the budget
 * cuts off is wasted. */
static bool
is_covered(const struct esp_scheduler *s, const struct esp_slot_view *view, int64_t trial)
{
    const struct esp_trainings *budget = &view->budget;
    double tokens = (double)esp_repeat_horizon(&s->repeat, (uint32_t)trial);
    double rate = esp_scheduler_rate(s, (uint32_t)trial, view->device);
    double seconds = tokens * (isnan(rate) ? budget->rate : rate);
    return budget->whole == 0 || (tokens <= budget->tokens && seconds <= budget->seconds);
}

/* A repeat that the budget does not cover is not requested: it would be requested again for
 * every free slot, and the search would not end. */
static struct esp_verdict next_repeat(const struct esp_scheduler *s,
                                      const struct esp_slot_view *view)
{
    struct esp_verdict verdict = esp_repeat_next(&s->repeat, view->may_repeat);
    bool over = verdict.action == ESP_VERDICT_REPEAT && !is_covered(s, view, verdict.trial);
    return over ? esp_verdict_none(ESP_RULE_NONE) : verdict;
}

bool esp_scheduler_repeats_first(const struct esp_scheduler *s,
                                 const struct esp_slot_view *view)
{
    return budget_is_kept(s, view) && next_repeat(s, view).action != ESP_VERDICT_NONE;
}

/* The slot as the inner scheduler sees it: without repeats. */
static struct esp_slot_view
inner_view(const struct esp_scheduler *s, const struct esp_slot_view *view, bool may_create)
{
    uint32_t repeats = esp_repeat_live(&s->repeat);
    return (struct esp_slot_view){
        .may_create = may_create,
        .next_trial = esp_setting_numbers_to_setting(&s->numbers, view->next_trial),
        .live = view->live > repeats ? view->live - repeats : 0,
        .device = view->device,
    };
}

static struct esp_verdict
ask_slot(const struct esp_scheduler *s, const struct esp_slot_view *view, bool may_create)
{
    struct esp_slot_view inside = inner_view(s, view, may_create);
    return esp_scheduler_outward(s, s->ops->slot(s->self, &inside));
}

/* Repeats come when the inner scheduler has nothing more to do and nothing is running that
 * could still change which settings lead. Trials that were kept for repeats and are not needed
 * become new settings. The inner scheduler does not know of the part of a budget that is kept,
 * and it could also go on with paused trials: so it is not asked while leading settings tie and
 * only that part is left. */
static struct esp_verdict search_slot(const struct esp_scheduler *s,
                                      const struct esp_slot_view *view)
{
    bool kept = next_is_kept(s, view);
    uint32_t repeats = esp_repeat_live(&s->repeat);
    if (budget_is_kept(s, view)) {
        struct esp_verdict tie = next_repeat(s, view);
        if (repeats > 0 || tie.action != ESP_VERDICT_NONE) {
            return view->live > repeats ? esp_verdict_none(ESP_RULE_NONE) : tie;
        }
    }
    struct esp_verdict verdict = ask_slot(s, view, view->may_create && !kept);
    bool over = verdict.action == ESP_VERDICT_END || verdict.action == ESP_VERDICT_NONE;
    if (!over || view->live > repeats) {
        return verdict;
    }
    struct esp_verdict further = next_repeat(s, view);
    if (further.action != ESP_VERDICT_NONE) {
        return further;
    }
    if (repeats > 0) {
        return esp_verdict_none(ESP_RULE_NONE);
    }
    return kept ? ask_slot(s, view, view->may_create) : verdict;
}

/* The audit (discard.h) comes last, so that it changes nothing in the search. If its trial then
 * leads in a tie, repeats follow. */
struct esp_verdict esp_scheduler_slot(const struct esp_scheduler *s,
                                      const struct esp_slot_view *view)
{
    if (s->target_trial >= 0) {
        return target_reached(s);
    }
    struct esp_verdict verdict = search_slot(s, view);
    if (verdict.action == ESP_VERDICT_END) {
        struct esp_verdict audit = esp_discard_audit(&s->discard);
        return audit.action == ESP_VERDICT_CONTINUE ? esp_scheduler_outward(s, audit) : verdict;
    }
    return verdict;
}

struct esp_verdict esp_scheduler_report(const struct esp_scheduler *s,
                                        uint32_t trial,
                                        bool waiting,
                                        const struct esp_slot_view *view)
{
    assert(trial < s->count);
    uint32_t setting;
    if (s->target_trial >= 0) {
        return target_reached(s);
    }
    if (!esp_scheduler_setting(s, trial, &setting)) {
        return esp_repeat_report(&s->repeat, trial, waiting);
    }
    if (s->discard.audit == (int64_t)setting) {
        /* An audit trains to its horizon, whatever the inner scheduler would decide. */
        return waiting ? esp_verdict_make(ESP_VERDICT_CONTINUE,
                                          trial,
                                          s->discard.trials[setting].horizon,
                                          ESP_RULE_CALIBRATED)
                       : esp_verdict_none(ESP_RULE_NONE);
    }
    struct esp_slot_view inside =
        inner_view(s, view, view->may_create && !next_is_kept(s, view));
    return esp_scheduler_outward(s, s->ops->report(s->self, setting, waiting, &inside));
}
