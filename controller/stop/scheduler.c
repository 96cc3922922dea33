/* Which scheduler a study asks for, and what holds for all of them: the search ends once
 * metric.target has been reached, paused trials are given up at the stated risk, ties under
 * seed noise are settled by repeats before a search ends, one audit is trained when there is
 * nothing else to do, and answers name trials that exist.
 *
 * A scheduler is not told of trials that are given up: it decides as if none were (discard.h).
 *
 * The scheduler inside counts settings, and so does the rule of giving up; repeats, and the
 * study's numbers, are this file's. What training costs counts settings, too, and is learnt
 * from their first trials alone: repeats come when hardly anything is left to weigh. */
#include "scheduler.h"

#include "discard.h"
#include "registry.h"
#include "repeat.h"
#include "roster.h"
#include "search/setting_numbers.h"

#include <assert.h>
#include <errno.h>
#include <espalier/limits.h>
#include <math.h>
#include <stdlib.h>

struct esp_scheduler {
    const struct esp_scheduler_ops *ops;
    void *self;
    uint32_t count;
    bool has_target;
    double target;  /* as a loss: smaller is better */
    int64_t winner; /* the trial that reached it; -1: none yet */
    double winning;
    int64_t winning_tokens;
    struct esp_discard discard;
    struct esp_cost *cost;
    struct esp_repeat repeat;
    bool by_name; /* the study asks for repeats */
    struct esp_setting_numbers numbers;
    struct esp_study *inner_study; /* without the trials kept for repeats; NULL: the study */
};

/* Schedulers that divide run_cap among brackets must count without what is kept for repeats. */
static int
inner_study(struct esp_scheduler *s, const struct esp_study *study, struct esp_error *error)
{
    uint32_t kept = esp_repeat_reserve(s->repeat.most, s->by_name, study->run_cap);
    if (kept == 0) {
        return 0;
    }
    s->inner_study = malloc(sizeof *s->inner_study);
    if (!s->inner_study) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    *s->inner_study = *study;
    s->inner_study->run_cap -= kept;
    return 0;
}

int esp_scheduler_create(const struct esp_study *study,
                         struct esp_scheduler **out,
                         struct esp_error *error)
{
    const struct esp_scheduler_ops *ops = esp_scheduler_of(study)->ops;
    struct esp_scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (!scheduler) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    scheduler->ops = ops;
    scheduler->has_target = study->has_target;
    scheduler->target = study->maximize ? -study->target : study->target;
    scheduler->winner = -1;
    esp_repeat_init(&scheduler->repeat, (uint32_t)study->stopping.repeats);
    scheduler->by_name = study->stopping.repeats_by_name;
    int rc = inner_study(scheduler, study, error);
    if (rc == 0) {
        rc = esp_cost_create(study, &scheduler->cost, error);
    }
    if (rc == 0) {
        const struct esp_study *inner = scheduler->inner_study ? scheduler->inner_study : study;
        rc = ops->create(inner, &scheduler->self, error);
    }
    if (rc < 0) {
        esp_cost_destroy(scheduler->cost);
        free(scheduler->inner_study);
        esp_repeat_release(&scheduler->repeat);
        free(scheduler);
        return rc;
    }
    if (ops->costs) {
        ops->costs(scheduler->self, scheduler->cost);
    }
    esp_discard_init(&scheduler->discard, study);
    *out = scheduler;
    return 0;
}

void esp_scheduler_destroy(struct esp_scheduler *scheduler)
{
    if (scheduler) {
        scheduler->ops->destroy(scheduler->self);
        esp_discard_release(&scheduler->discard);
        esp_cost_destroy(scheduler->cost);
        esp_repeat_release(&scheduler->repeat);
        esp_setting_numbers_release(&scheduler->numbers);
        free(scheduler->inner_study);
        free(scheduler);
    }
}

/* The setting that a trial is for the scheduler inside; false: a repeat, which it never hears
 * of. */
static bool setting_of(const struct esp_scheduler *s, uint32_t trial, uint32_t *setting)
{
    if (esp_setting_numbers_is_repeat(&s->numbers, trial)) {
        return false;
    }
    *setting = esp_setting_numbers_to_setting(&s->numbers, trial);
    return true;
}

/* A verdict of the scheduler inside, in the study's numbers. */
static struct esp_verdict outward(const struct esp_scheduler *s, struct esp_verdict verdict)
{
    if (s->numbers.count == 0) {
        return verdict;
    }
    if (verdict.trial >= 0) {
        verdict.trial = esp_setting_numbers_to_trial(&s->numbers, (uint32_t)verdict.trial);
    }
    for (int i = 0; i < ESP_RIVALS_MAX; i++) {
        int32_t *rival = &verdict.reason.rivals[i];
        *rival = *rival < 0
                     ? *rival
                     : (int32_t)esp_setting_numbers_to_trial(&s->numbers, (uint32_t)*rival);
    }
    return verdict;
}

void esp_scheduler_created(struct esp_scheduler *s,
                           uint32_t trial,
                           int64_t horizon,
                           const double *values)
{
    assert(trial == s->count && horizon > 0);
    uint32_t setting = esp_setting_numbers_to_setting(&s->numbers, trial);
    s->count++;
    esp_repeat_created(&s->repeat, trial, horizon);
    esp_discard_created(&s->discard, setting, horizon);
    esp_cost_created(s->cost, setting, values);
    s->ops->created(s->self, setting, horizon, values);
}

void esp_scheduler_repeated(struct esp_scheduler *s,
                            uint32_t trial,
                            uint32_t of,
                            int64_t horizon)
{
    assert(trial == s->count && of < trial && horizon > 0);
    s->count++;
    esp_setting_numbers_add_repeat(&s->numbers, trial);
    esp_repeat_repeated(&s->repeat, trial, of, horizon);
}

void esp_scheduler_started(
    struct esp_scheduler *s, uint32_t trial, int device, int64_t tokens, double device_seconds)
{
    uint32_t setting;
    if (setting_of(s, trial, &setting)) {
        esp_cost_started(s->cost, setting, device, tokens, device_seconds);
    }
}

void esp_scheduler_observed(
    struct esp_scheduler *s, uint32_t trial, int64_t tokens, double loss, double device_seconds)
{
    assert(trial < s->count);
    uint32_t setting;
    if (s->has_target && s->winner < 0 && loss <= s->target) {
        s->winner = trial;
        s->winning = loss;
        s->winning_tokens = tokens;
    }
    esp_repeat_observed(&s->repeat, trial, tokens, loss);
    if (setting_of(s, trial, &setting)) {
        esp_discard_observed(&s->discard, setting, tokens, loss);
        esp_cost_observed(s->cost, setting, tokens, device_seconds);
        s->ops->observed(s->self, setting, tokens, loss, device_seconds);
    }
}

void esp_scheduler_calibrated(struct esp_scheduler *s, const double *scores, int count)
{
    esp_discard_calibrated(&s->discard, scores, count);
}

void esp_scheduler_decided(struct esp_scheduler *s, const struct esp_verdict *verdict)
{
    struct esp_verdict inward = *verdict;
    if (verdict->trial >= 0) {
        uint32_t setting;
        if (verdict->action == ESP_VERDICT_CONTINUE && verdict->trial < s->count) {
            esp_repeat_continued(&s->repeat, (uint32_t)verdict->trial);
        }
        if (!setting_of(s, (uint32_t)verdict->trial, &setting)) {
            return;
        }
        inward.trial = setting;
    }
    esp_discard_decided(&s->discard, &inward);
    s->ops->decided(s->self, &inward);
}

void esp_scheduler_paused(struct esp_scheduler *s, uint32_t trial, bool held)
{
    assert(trial < s->count);
    uint32_t setting;
    esp_repeat_paused(&s->repeat, trial, held);
    if (setting_of(s, trial, &setting)) {
        esp_discard_waits(&s->discard, setting, !held);
        s->ops->paused(s->self, setting, held);
    }
}

/* A loss at a horizon, or a repeat that ran away, may have changed who ranks first. */
static void tell_leader(struct esp_scheduler *s)
{
    int64_t best = esp_repeat_best(&s->repeat);
    if (best >= 0) {
        esp_discard_leads(&s->discard,
                          esp_setting_numbers_to_setting(&s->numbers, (uint32_t)best));
    }
}

void esp_scheduler_ended(struct esp_scheduler *s, uint32_t trial, enum esp_cause cause)
{
    assert(trial < s->count);
    uint32_t setting;
    esp_repeat_ended(&s->repeat, trial, cause);
    bool repeat = !setting_of(s, trial, &setting);
    if (cause == ESP_CAUSE_COMPLETE || repeat) {
        tell_leader(s);
    }
    if (repeat) {
        return;
    }
    esp_discard_waits(&s->discard, setting, false);
    if (!s->discard.trials[setting].given_up) {
        s->ops->ended(s->self, setting, cause);
    }
}

void esp_scheduler_returned(struct esp_scheduler *s, uint32_t trial)
{
    assert(trial < s->count);
    uint32_t setting;
    esp_repeat_continued(&s->repeat, trial);
    if (setting_of(s, trial, &setting)) {
        esp_discard_waits(&s->discard, setting, false);
        s->ops->returned(s->self, setting);
    }
}

static struct esp_verdict target_reached(const struct esp_scheduler *s)
{
    struct esp_verdict verdict =
        esp_verdict_make(ESP_VERDICT_END, s->winner, 0, ESP_RULE_TARGET);
    verdict.reason.at = s->winning_tokens;
    verdict.reason.value = s->winning;
    verdict.reason.threshold = s->target;
    return verdict;
}

/* Whether the next trial is one of those kept for repeats. Once one of them has become a new
 * setting, so may the others. */
static bool next_is_kept(const struct esp_scheduler *s, const struct esp_slot_view *view)
{
    int64_t kept = esp_repeat_reserve(s->repeat.most, s->by_name, view->run_cap);
    int64_t left = view->run_cap - view->next_trial;
    bool pays_one = view->budget.whole == 0 || view->budget.left >= 1;
    return view->may_repeat && pays_one && kept > 0 && left <= kept &&
           (left == kept || esp_repeat_was_last(&s->repeat));
}

/* Whether no other training fits into the budget beside what is kept of it for repeats. */
static bool budget_is_kept(const struct esp_scheduler *s, const struct esp_slot_view *view)
{
    double whole = fmin(view->budget.whole, (double)ESP_TRIALS_MAX);
    uint32_t kept = esp_repeat_reserve(s->repeat.most, s->by_name, (int64_t)whole);
    return kept > 0 && view->budget.left < kept + 1;
}

/* Whether the budget pays one more training of a setting, at what its own took on such a
 * device: the leaders may be dearer than the mean, and a training that is cut off is wasted. */
static bool pays(const struct esp_scheduler *s, const struct esp_slot_view *view, int64_t trial)
{
    const struct esp_trainings *budget = &view->budget;
    double tokens = (double)esp_repeat_horizon(&s->repeat, (uint32_t)trial);
    double rate = esp_scheduler_rate(s, (uint32_t)trial, view->device);
    double seconds = tokens * (isnan(rate) ? budget->rate : rate);
    return budget->whole == 0 || (tokens <= budget->tokens && seconds <= budget->seconds);
}

/* The core is never told of a repeat that the budget does not pay: it would be asked for again
 * with every slot, and the search would not end. */
static struct esp_verdict next_repeat(const struct esp_scheduler *s,
                                      const struct esp_slot_view *view)
{
    struct esp_verdict verdict = esp_repeat_next(&s->repeat, view->may_repeat);
    bool over = verdict.action == ESP_VERDICT_REPEAT && !pays(s, view, verdict.trial);
    return over ? esp_verdict_none(ESP_RULE_NONE) : verdict;
}

/* Without the repeats. */
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
    return outward(s, s->ops->slot(s->self, &inside));
}

/* Repeats come when the scheduler has nothing more to do and nothing is under way that could
 * still change who leads. What was kept of run_cap for them and is not needed becomes new
 * settings. What is kept of a budget is told to no scheduler, which might go on with paused
 * trials as well: the search stands still for as long as leaders tie. */
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

/* The audit comes last of all, so that it changes nothing of the search; if it then leads in a
 * tie, repeats follow. */
struct esp_verdict esp_scheduler_slot(const struct esp_scheduler *s,
                                      const struct esp_slot_view *view)
{
    if (s->winner >= 0) {
        return target_reached(s);
    }
    struct esp_verdict verdict = search_slot(s, view);
    if (verdict.action == ESP_VERDICT_END) {
        struct esp_verdict audit = esp_discard_audit(&s->discard);
        return audit.action == ESP_VERDICT_CONTINUE ? outward(s, audit) : verdict;
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
    if (s->winner >= 0) {
        return target_reached(s);
    }
    if (!setting_of(s, trial, &setting)) {
        return esp_repeat_report(&s->repeat, trial, waiting);
    }
    if (s->discard.audit == (int64_t)setting) {
        /* It trains to its horizon, whatever the scheduler thinks of it. */
        return waiting ? esp_verdict_make(ESP_VERDICT_CONTINUE,
                                          trial,
                                          s->discard.trials[setting].horizon,
                                          ESP_RULE_CALIBRATED)
                       : esp_verdict_none(ESP_RULE_NONE);
    }
    struct esp_slot_view inside =
        inner_view(s, view, view->may_create && !next_is_kept(s, view));
    return outward(s, s->ops->report(s->self, setting, waiting, &inside));
}

struct esp_verdict esp_scheduler_discard(const struct esp_scheduler *s)
{
    struct esp_verdict verdict = esp_discard_next(&s->discard);
    if (verdict.action == ESP_VERDICT_NONE && s->ops->discard) {
        verdict = s->ops->discard(s->self);
    }
    return outward(s, verdict);
}

const struct esp_seeds *esp_scheduler_seeds(const struct esp_scheduler *s, uint32_t trial)
{
    return esp_repeat_seeds(&s->repeat, trial);
}

double esp_scheduler_noise(const struct esp_scheduler *s)
{
    return esp_repeat_noise(&s->repeat);
}

double esp_scheduler_limit(const struct esp_scheduler *s)
{
    return s->discard.limit;
}

double esp_scheduler_score(const struct esp_scheduler *s)
{
    return esp_discard_score(&s->discard);
}

const struct esp_cost *esp_scheduler_cost(const struct esp_scheduler *s)
{
    return s->cost;
}

double esp_scheduler_rate(const struct esp_scheduler *s, uint32_t trial, int device)
{
    assert(trial < s->count);
    uint32_t first = esp_repeat_of(&s->repeat, trial);
    return esp_cost_of_trial(
        s->cost, esp_setting_numbers_to_setting(&s->numbers, first), device);
}

int esp_scheduler_refit(const struct esp_scheduler *s, double *numbers, int capacity)
{
    return s->ops->refit ? s->ops->refit(s->self, numbers, capacity) : 0;
}

void esp_scheduler_fitted(struct esp_scheduler *s, const double *numbers, int count)
{
    if (s->ops->fitted) {
        s->ops->fitted(s->self, numbers, count);
    }
}
