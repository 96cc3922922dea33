/* Asynchronous successive halving in both published forms, and PASHA.
 *
 * Promotion (Li et al., arXiv 1810.05934, algorithm 2): a trial that reaches a rung waits there
 * with a checkpoint. A free slot looks from the highest rung down for the best waiting trial
 * among the top ⌊n/eta⌋ of the n that have reached the rung, sends it to the next rung, and
 * starts a new trial only when there is none. A trial that is among the top when it arrives
 * goes on at once: pausing it only to choose it again would cost a checkpoint.
 *
 * Stopping (Optuna's SuccessiveHalvingPruner): no trial waits. At rung k a trial is stopped for
 * good unless it is among the top ⌊n/eta⌋ (at least one), itself included.
 *
 * Beyond the paper, because a search must end with an answer: when no new trial may be created,
 * nothing runs, nothing can be promoted and no trial has reached its horizon, the best waiting
 * trial of the highest rung is promoted, until one has. Trials that diverge before a rung count
 * there as the worst, so that a wide range of learning rates does not starve promotion.
 *
 * PASHA (progressive) is the promotion form with a highest rung, the ceiling, that rises by one
 * whenever the order of the trials there is not the one that they had a rung below.
 *
 * A trial is in at most one of two lists: `candidates` of its rung, where it waits, or
 * `unfinished` of its goal, when it was interrupted on the way; unfinished trials are continued
 * first. */
#include "pasha.h"
#include "roster.h"
#include "rungs.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* The paper's first ceiling is r·eta². */
#define PASHA_FIRST_CEILING 2
/* Trials of the ceiling whose order is compared: bounds the cost of a report. */
#define PASHA_TOP_MAX 32

enum listed {
    LISTED_NOWHERE,
    LISTED_CANDIDATE,
    LISTED_UNFINISHED,
};

struct climber {
    int rung;     /* highest rung reached; -1: none */
    int goal;     /* rung that it was sent to */
    int fresh;    /* lowest rung that the last report reached; -1: none */
    double value; /* loss at `rung` */
    double below; /* loss at the rung before it */
    enum listed listed;
    int listed_at;
};

struct asha {
    struct esp_roster roster;
    struct esp_rungs rungs;
    bool stopping_form;
    int ceiling;       /* PASHA: highest rung that trials are promoted to; else ESP_RUNGS_MAX */
    uint32_t complete; /* trials at their horizon */
    struct climber *climbers;
    uint32_t capacity;
    struct esp_loss_ranking rung[ESP_RUNGS_MAX]; /* trials that reached it, by loss there */
    struct esp_loss_ranking candidates[ESP_RUNGS_MAX]; /* promotion form: waiting there */
    struct esp_loss_ranking unfinished[ESP_RUNGS_MAX]; /* paused on the way to it, by number */
};

static int
create_with(const struct esp_study *study, void **self, int ceiling, struct esp_error *error)
{
    struct asha *asha = calloc(1, sizeof *asha);
    if (!asha) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    int rc = esp_rungs_make(&asha->rungs, study, error);
    if (rc < 0) {
        free(asha);
        return rc;
    }
    asha->stopping_form = study->stopping.form == ESP_ASHA_STOPPING && ceiling == ESP_RUNGS_MAX;
    asha->ceiling = ceiling;
    esp_roster_init(&asha->roster);
    for (int k = 0; k < ESP_RUNGS_MAX; k++) {
        esp_loss_ranking_init(&asha->rung[k]);
        esp_loss_ranking_init(&asha->candidates[k]);
        esp_loss_ranking_init(&asha->unfinished[k]);
    }
    *self = asha;
    return 0;
}

static int create(const struct esp_study *study, void **self, struct esp_error *error)
{
    return create_with(study, self, ESP_RUNGS_MAX, error);
}

static int create_pasha(const struct esp_study *study, void **self, struct esp_error *error)
{
    return create_with(study, self, PASHA_FIRST_CEILING, error);
}

static void destroy(void *self)
{
    struct asha *asha = self;
    esp_roster_release(&asha->roster);
    for (int k = 0; k < ESP_RUNGS_MAX; k++) {
        esp_loss_ranking_release(&asha->rung[k]);
        esp_loss_ranking_release(&asha->candidates[k]);
        esp_loss_ranking_release(&asha->unfinished[k]);
    }
    free(asha->climbers);
    free(asha);
}

/* Moves the trial to the list where it now belongs. */
static void relist(struct asha *asha, uint32_t trial)
{
    struct climber *c = &asha->climbers[trial];
    const struct esp_roster_trial *t = esp_roster_get(&asha->roster, trial);
    if (c->listed == LISTED_CANDIDATE) {
        esp_loss_ranking_erase(&asha->candidates[c->listed_at], c->value, trial);
    } else if (c->listed == LISTED_UNFINISHED) {
        esp_loss_ranking_erase(&asha->unfinished[c->listed_at], 0, trial);
    }
    c->listed = LISTED_NOWHERE;
    if (t->state != ESP_ROSTER_PAUSED || t->held) {
        return;
    }
    if (c->goal > c->rung) {
        c->listed = LISTED_UNFINISHED;
        c->listed_at = c->goal;
        esp_loss_ranking_insert(&asha->unfinished[c->goal], 0, trial);
    } else if (t->tokens < t->horizon) {
        c->listed = LISTED_CANDIDATE;
        c->listed_at = c->rung;
        esp_loss_ranking_insert(&asha->candidates[c->rung], c->value, trial);
    }
}

static int top_of(const struct asha *asha, uint32_t trial)
{
    return esp_rungs_top(&asha->rungs, esp_roster_get(&asha->roster, trial)->horizon);
}

static void created(void *self, uint32_t trial, int64_t horizon, const double *values)
{
    struct asha *asha = self;
    (void)values;
    esp_roster_created(&asha->roster, trial, horizon);
    if (trial >= asha->capacity) {
        uint32_t capacity = asha->capacity ? asha->capacity * 2 : 16;
        asha->climbers = realloc(asha->climbers, capacity * sizeof *asha->climbers);
        assert(asha->climbers);
        asha->capacity = capacity;
    }
    asha->climbers[trial] = (struct climber){.rung = -1, .fresh = -1, .value = NAN};
    if (asha->stopping_form) {
        asha->climbers[trial].goal = top_of(asha, trial);
    }
}

/* The trial reached every rung up to `rung`, the new ones with `loss`. */
static void climb(struct asha *asha, uint32_t trial, int rung, double loss)
{
    struct climber *c = &asha->climbers[trial];
    if (rung <= c->rung) {
        return;
    }
    if (c->listed == LISTED_CANDIDATE) { /* its key changes below */
        esp_loss_ranking_erase(&asha->candidates[c->listed_at], c->value, trial);
        c->listed = LISTED_NOWHERE;
    }
    c->fresh = c->rung + 1;
    c->below = c->rung >= 0 ? c->value : loss;
    while (c->rung < rung) {
        c->rung++;
        esp_loss_ranking_insert(&asha->rung[c->rung], loss, trial);
    }
    c->value = isnan(loss) ? INFINITY : loss;
}

/* PASHA: whether the best trials of the highest rung had another order one rung below. */
static bool ranking_unstable(const struct asha *asha)
{
    const struct esp_loss_ranking *top = &asha->rung[asha->ceiling];
    uint32_t count = esp_loss_ranking_count(top);
    count = count < PASHA_TOP_MAX ? count : PASHA_TOP_MAX;
    double here[PASHA_TOP_MAX], below[PASHA_TOP_MAX];
    for (uint32_t i = 0; i < count; i++) {
        struct esp_loss_ranking_entry e = esp_loss_ranking_at(top, i + 1);
        here[i] = e.loss;
        below[i] = asha->climbers[e.trial].below;
    }
    return esp_pasha_order_changed(here, below, count);
}

static void
observed(void *self, uint32_t trial, int64_t tokens, double loss, double device_seconds)
{
    struct asha *asha = self;
    esp_roster_observed(&asha->roster, trial, tokens, loss, device_seconds);
    const struct esp_roster_trial *t = esp_roster_get(&asha->roster, trial);
    asha->climbers[trial].fresh = -1;
    climb(asha, trial, esp_rungs_reached(&asha->rungs, t->tokens, t->horizon), loss);
    if (asha->climbers[trial].fresh >= 0 && asha->climbers[trial].rung == asha->ceiling &&
        asha->ceiling < asha->rungs.count - 1 && ranking_unstable(asha)) {
        asha->ceiling++;
    }
    relist(asha, trial);
}

static void decided(void *self, const struct esp_verdict *verdict)
{
    struct asha *asha = self;
    esp_roster_decided(&asha->roster, verdict);
    if (verdict->trial < 0 || verdict->trial >= asha->roster.count) {
        return;
    }
    uint32_t trial = (uint32_t)verdict->trial;
    struct climber *c = &asha->climbers[trial];
    if (verdict->action == ESP_VERDICT_CONTINUE) {
        /* The goal is the first rung at or beyond `until`. */
        int64_t horizon = esp_roster_get(&asha->roster, trial)->horizon;
        int top = top_of(asha, trial), goal = 0;
        while (goal < top && esp_rungs_target(&asha->rungs, goal, horizon) < verdict->until) {
            goal++;
        }
        c->goal = goal > c->goal ? goal : c->goal;
    }
    relist(asha, trial);
}

static void paused(void *self, uint32_t trial, bool held)
{
    struct asha *asha = self;
    esp_roster_paused(&asha->roster, trial, held);
    relist(asha, trial);
}

static void ended(void *self, uint32_t trial, enum esp_cause cause)
{
    struct asha *asha = self;
    struct climber *c = &asha->climbers[trial];
    esp_roster_ended(&asha->roster, trial, cause);
    if (cause == ESP_CAUSE_COMPLETE) {
        asha->complete++;
    } else if (cause == ESP_CAUSE_DIVERGED && c->rung < top_of(asha, trial) &&
               (c->rung < 0 || isfinite(c->value))) {
        climb(asha,
              trial,
              c->rung + 1,
              INFINITY); /* else the report that diverged reached a rung */
    }
    relist(asha, trial);
}

static void returned(void *self, uint32_t trial)
{
    struct asha *asha = self;
    esp_roster_returned(&asha->roster, trial);
    if (esp_roster_get(&asha->roster, trial)->continued_by_user) {
        asha->climbers[trial].goal = top_of(asha, trial);
    }
    relist(asha, trial);
}

static struct esp_verdict promote(const struct asha *asha, int rung, uint32_t trial)
{
    const struct esp_loss_ranking *arrived = &asha->rung[rung];
    int64_t horizon = esp_roster_get(&asha->roster, trial)->horizon;
    struct esp_verdict verdict =
        esp_verdict_make(ESP_VERDICT_CONTINUE,
                         trial,
                         esp_rungs_target(&asha->rungs, rung + 1, horizon),
                         ESP_RULE_ASHA_PROMOTE);
    verdict.reason.rung = rung;
    verdict.reason.at = esp_rungs_target(&asha->rungs, rung, horizon);
    esp_reason_rank(&verdict.reason,
                    arrived,
                    asha->climbers[trial].value,
                    trial,
                    esp_rungs_share(esp_loss_ranking_count(arrived), asha->rungs.eta));
    return verdict;
}

/* The best trial that waits at a rung; -1: none, or it is not among the top as it must be. */
static int64_t best_candidate(const struct asha *asha, int rung, bool must_be_top)
{
    if (esp_loss_ranking_count(&asha->candidates[rung]) == 0) {
        return -1;
    }
    struct esp_loss_ranking_entry best = esp_loss_ranking_at(&asha->candidates[rung], 1);
    const struct esp_loss_ranking *arrived = &asha->rung[rung];
    if (must_be_top && esp_loss_ranking_rank(arrived, best.loss, best.trial) >
                           esp_rungs_share(esp_loss_ranking_count(arrived), asha->rungs.eta)) {
        return -1;
    }
    return isfinite(best.loss) ? (int64_t)best.trial : -1;
}

static struct esp_verdict slot(const void *self, const struct esp_slot_view *view)
{
    const struct asha *asha = self;
    if (asha->stopping_form) {
        return esp_roster_slot_to_horizon(&asha->roster, view);
    }
    for (int k = asha->rungs.count - 1; k >= 0; k--) {
        if (esp_loss_ranking_count(&asha->unfinished[k]) > 0) {
            uint32_t trial = esp_loss_ranking_at(&asha->unfinished[k], 1).trial;
            int64_t horizon = esp_roster_get(&asha->roster, trial)->horizon;
            struct esp_verdict verdict =
                esp_verdict_make(ESP_VERDICT_CONTINUE,
                                 trial,
                                 esp_rungs_target(&asha->rungs, k, horizon),
                                 ESP_RULE_RESTART);
            verdict.reason.rung = k;
            return verdict;
        }
    }
    for (int k = asha->rungs.count - 2; k >= 0; k--) {
        int64_t trial = k < asha->ceiling ? best_candidate(asha, k, true) : -1;
        if (trial >= 0) {
            return promote(asha, k, (uint32_t)trial);
        }
    }
    if (view->may_create) {
        struct esp_verdict verdict = esp_verdict_make(
            ESP_VERDICT_START, view->next_trial, asha->rungs.level[0], ESP_RULE_NEW);
        verdict.reason.rung = 0;
        return verdict;
    }
    if (view->live > 0) {
        return esp_verdict_none(ESP_RULE_NONE);
    }
    for (int k = asha->rungs.count - 2; k >= 0 && asha->complete == 0; k--) {
        int64_t trial = best_candidate(asha, k, false);
        if (trial >= 0) {
            return promote(asha, k, (uint32_t)trial);
        }
    }
    return esp_verdict_make(ESP_VERDICT_END, -1, 0, ESP_RULE_STUDY_END);
}

static struct esp_verdict report_stopping(const struct asha *asha, uint32_t trial, bool waiting)
{
    const struct climber *c = &asha->climbers[trial];
    for (int k = c->fresh; k >= 0 && k <= c->rung; k++) {
        const struct esp_loss_ranking *arrived = &asha->rung[k];
        uint32_t kept = esp_rungs_share(esp_loss_ranking_count(arrived), asha->rungs.eta);
        kept = kept > 0 ? kept : 1;
        if (c->value > esp_loss_ranking_at(arrived, kept).loss || !isfinite(c->value)) {
            struct esp_verdict verdict =
                esp_verdict_make(ESP_VERDICT_PRUNE, trial, 0, ESP_RULE_ASHA_STOP);
            verdict.reason.rung = k;
            verdict.reason.at = esp_rungs_target(
                &asha->rungs, k, esp_roster_get(&asha->roster, trial)->horizon);
            esp_reason_rank(&verdict.reason, arrived, c->value, trial, kept);
            return verdict;
        }
    }
    return esp_roster_report_to_horizon(&asha->roster, trial, waiting);
}

static struct esp_verdict
report(const void *self, uint32_t trial, bool waiting, const struct esp_slot_view *view)
{
    (void)view;
    const struct asha *asha = self;
    const struct climber *c = &asha->climbers[trial];
    const struct esp_roster_trial *t = esp_roster_get(&asha->roster, trial);
    if (t->tokens >= t->horizon || t->continued_by_user) {
        return esp_roster_report_to_horizon(&asha->roster, trial, waiting);
    }
    if (asha->stopping_form) {
        return report_stopping(asha, trial, waiting);
    }
    if (c->rung < c->goal) {
        if (!waiting) {
            return esp_verdict_none(ESP_RULE_NONE);
        }
        return esp_verdict_make(ESP_VERDICT_CONTINUE,
                                trial,
                                esp_rungs_target(&asha->rungs, c->goal, t->horizon),
                                ESP_RULE_RESTART);
    }
    const struct esp_loss_ranking *arrived = &asha->rung[c->rung];
    uint32_t kept = esp_rungs_share(esp_loss_ranking_count(arrived), asha->rungs.eta);
    if (isfinite(c->value) && c->rung < asha->ceiling &&
        esp_loss_ranking_rank(arrived, c->value, trial) <= kept) {
        return promote(asha, c->rung, trial);
    }
    struct esp_verdict verdict =
        esp_verdict_make(ESP_VERDICT_PAUSE, trial, 0, ESP_RULE_ASHA_WAIT);
    verdict.reason.rung = c->rung;
    verdict.reason.at = esp_rungs_target(&asha->rungs, c->rung, t->horizon);
    esp_reason_rank(&verdict.reason, arrived, c->value, trial, kept);
    return verdict;
}

#define ASHA_OPS(create_)                                                                      \
    {                                                                                          \
        .create = create_, .destroy = destroy, .created = created, .observed = observed,       \
        .decided = decided, .paused = paused, .ended = ended, .returned = returned,            \
        .slot = slot, .report = report                                                         \
    }

const struct esp_scheduler_ops esp_scheduler_asha = ASHA_OPS(create);
const struct esp_scheduler_ops esp_scheduler_pasha = ASHA_OPS(create_pasha);
