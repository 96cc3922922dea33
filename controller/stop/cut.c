/* The k-epoch cut: every trial trains to `at` tokens; once no new trial may be created, the
 * best of them go on to their horizon. It often matches more elaborate rules (Egele et al.,
 * "The unreasonable effectiveness of early discarding after one epoch", Neurocomputing 2024),
 * so it is the baseline for them. With `eta` the best ⌊n/eta⌋ go on, else the best three; at
 * least one. */
#include "roster.h"
#include "rungs.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define DEFAULT_KEPT 3

struct cut {
    struct esp_roster roster;
    int64_t at;
    double eta;                      /* 0: not given */
    struct esp_loss_ranking arrived; /* trials that reached `at`, by loss there */
    struct esp_loss_ranking waiting; /* of these, trials that are paused there */
    double *value;                   /* by trial: loss at `at`; NaN: not reached */
    bool *sent;                      /* by trial: it was sent to its horizon */
    uint32_t sent_count;             /* of these, trials that have not failed since */
    uint32_t capacity;
};

static int create(const struct esp_study *study, void **self, struct esp_error *error)
{
    struct cut *cut = calloc(1, sizeof *cut);
    if (!cut) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    int64_t interval = esp_report_interval(study);
    cut->at = study->stopping.at >= 1 ? (int64_t)study->stopping.at : interval;
    cut->eta = study->stopping.eta > 1 ? study->stopping.eta : 0;
    esp_roster_init(&cut->roster);
    esp_loss_ranking_init(&cut->arrived);
    esp_loss_ranking_init(&cut->waiting);
    *self = cut;
    return 0;
}

static void destroy(void *self)
{
    struct cut *cut = self;
    esp_roster_release(&cut->roster);
    esp_loss_ranking_release(&cut->arrived);
    esp_loss_ranking_release(&cut->waiting);
    free(cut->value);
    free(cut->sent);
    free(cut);
}

static void relist(struct cut *cut, uint32_t trial)
{
    const struct esp_roster_trial *t = esp_roster_get(&cut->roster, trial);
    esp_loss_ranking_erase(&cut->waiting, cut->value[trial], trial);
    if (t->state == ESP_ROSTER_PAUSED && !t->held && !cut->sent[trial] &&
        isfinite(cut->value[trial])) {
        esp_loss_ranking_insert(&cut->waiting, cut->value[trial], trial);
    }
}

static void created(void *self, uint32_t trial, int64_t horizon, const double *values)
{
    struct cut *cut = self;
    (void)values;
    esp_roster_created(&cut->roster, trial, horizon);
    if (trial >= cut->capacity) {
        cut->capacity = cut->capacity ? cut->capacity * 2 : 16;
        cut->value = realloc(cut->value, cut->capacity * sizeof *cut->value);
        cut->sent = realloc(cut->sent, cut->capacity * sizeof *cut->sent);
        assert(cut->value && cut->sent);
    }
    cut->value[trial] = NAN;
    cut->sent[trial] = false;
}

static void
observed(void *self, uint32_t trial, int64_t tokens, double loss, double device_seconds)
{
    struct cut *cut = self;
    esp_roster_observed(&cut->roster, trial, tokens, loss, device_seconds);
    if (isnan(cut->value[trial]) && tokens >= cut->at) {
        cut->value[trial] = isfinite(loss) ? loss : INFINITY;
        esp_loss_ranking_insert(&cut->arrived, cut->value[trial], trial);
    }
}

static void decided(void *self, const struct esp_verdict *verdict)
{
    struct cut *cut = self;
    esp_roster_decided(&cut->roster, verdict);
    if (verdict->trial < 0 || verdict->trial >= cut->roster.count) {
        return;
    }
    uint32_t trial = (uint32_t)verdict->trial;
    if (verdict->action == ESP_VERDICT_CONTINUE && verdict->until > cut->at &&
        !cut->sent[trial]) {
        cut->sent[trial] = true;
        cut->sent_count++;
    }
    relist(cut, trial);
}

static void paused(void *self, uint32_t trial, bool held)
{
    struct cut *cut = self;
    esp_roster_paused(&cut->roster, trial, held);
    relist(cut, trial);
}

static void ended(void *self, uint32_t trial, enum esp_cause cause)
{
    struct cut *cut = self;
    esp_roster_ended(&cut->roster, trial, cause);
    if (cut->sent[trial] && cause != ESP_CAUSE_COMPLETE && cause != ESP_CAUSE_LOST) {
        cut->sent_count--; /* the next best trial takes its place */
    }
    relist(cut, trial);
}

static void returned(void *self, uint32_t trial)
{
    struct cut *cut = self;
    esp_roster_returned(&cut->roster, trial);
    relist(cut, trial);
}

static uint32_t kept(const struct cut *cut)
{
    uint32_t n = esp_loss_ranking_count(&cut->arrived);
    uint32_t kept = cut->eta > 0 ? esp_rungs_share(n, cut->eta) : DEFAULT_KEPT;
    return kept > 0 ? kept : 1;
}

static struct esp_verdict slot(const void *self, const struct esp_slot_view *view)
{
    const struct cut *cut = self;
    /* First the interrupted trials: before the cut, or on the way to their horizon. */
    uint32_t waiting = esp_loss_ranking_count(&cut->roster.waiting);
    for (uint32_t i = 1; i <= waiting; i++) {
        uint32_t trial = esp_loss_ranking_at(&cut->roster.waiting, i).trial;
        const struct esp_roster_trial *t = esp_roster_get(&cut->roster, trial);
        if (cut->sent[trial] || isnan(cut->value[trial])) {
            int64_t until = cut->sent[trial] || cut->at > t->horizon ? t->horizon : cut->at;
            return esp_verdict_make(ESP_VERDICT_CONTINUE, trial, until, ESP_RULE_RESTART);
        }
        if (waiting > esp_loss_ranking_count(&cut->waiting)) {
            continue;
        }
        break; /* all of them wait at the cut */
    }
    if (view->may_create) {
        return esp_verdict_make(ESP_VERDICT_START, view->next_trial, cut->at, ESP_RULE_NEW);
    }
    if (cut->sent_count < kept(cut) && esp_loss_ranking_count(&cut->waiting) > 0 &&
        (view->live == 0 || cut->sent_count > 0)) {
        struct esp_loss_ranking_entry best = esp_loss_ranking_at(&cut->waiting, 1);
        struct esp_verdict verdict =
            esp_verdict_make(ESP_VERDICT_CONTINUE,
                             best.trial,
                             esp_roster_get(&cut->roster, best.trial)->horizon,
                             ESP_RULE_CUT);
        verdict.reason.at = cut->at;
        esp_reason_rank(&verdict.reason, &cut->arrived, best.loss, best.trial, kept(cut));
        return verdict;
    }
    return view->live > 0 ? esp_verdict_none(ESP_RULE_NONE)
                          : esp_verdict_make(ESP_VERDICT_END, -1, 0, ESP_RULE_STUDY_END);
}

static struct esp_verdict
report(const void *self, uint32_t trial, bool waiting, const struct esp_slot_view *view)
{
    (void)view;
    const struct cut *cut = self;
    const struct esp_roster_trial *t = esp_roster_get(&cut->roster, trial);
    if (t->tokens >= t->horizon || t->continued_by_user || cut->sent[trial]) {
        return esp_roster_report_to_horizon(&cut->roster, trial, waiting);
    }
    if (t->tokens < cut->at) {
        return waiting ? esp_verdict_make(ESP_VERDICT_CONTINUE, trial, cut->at, ESP_RULE_CUT)
                       : esp_verdict_none(ESP_RULE_NONE);
    }
    struct esp_verdict verdict = esp_verdict_make(ESP_VERDICT_PAUSE, trial, 0, ESP_RULE_CUT);
    verdict.reason.at = cut->at;
    esp_reason_rank(&verdict.reason, &cut->arrived, cut->value[trial], trial, kept(cut));
    return verdict;
}

const struct esp_scheduler_ops esp_scheduler_cut = {
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
