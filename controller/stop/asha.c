/* Asynchronous successive halving in both published forms.
 *
 * Promotion (Li et al., arXiv 1810.05934, algorithm 2): a trial that reaches a rung waits
 * there, saved. A free slot looks from the highest rung down for the best waiting trial among
 * the top ⌊n/eta⌋ of the n that have reached the rung, sends it to the next, and only when
 * there is none starts a new trial. A trial that is among the top as it arrives goes on at
 * once: pausing it only to choose it again would cost a checkpoint.
 *
 * Stopping (Optuna's SuccessiveHalvingPruner): no trial waits; at rung k it is stopped for good
 * unless it is among the top ⌊n/eta⌋ (at least one), itself included.
 *
 * Beyond the paper, because a search must end with an answer: when no new trial may be created,
 * nothing runs, nothing can be promoted and no trial has reached its horizon, the best waiting
 * trial of the highest rung is promoted, until one has. Trials that diverge before a rung are
 * counted there as the worst, so that a wide range of learning rates does not starve promotion.
 *
 * PASHA (progressive) is the promotion form with a ceiling that rises by one rung whenever the
 * order of the trials there is not the one they had a rung below.
 *
 * A trial is in at most one of two lists: `candidates` of its rung (it waits there), or
 * `unfinished` of its goal (interrupted on the way; it is continued first). */
#include "roster.h"
#include "rungs.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* The paper starts with r·eta² as its largest amount of training. */
#define PASHA_FIRST_CEILING 2
/* Top-rung trials whose order is looked at; more would make a report's cost grow. */
#define PASHA_TOP_MAX 32

enum listed {
    LISTED_NOWHERE,
    LISTED_CANDIDATE,
    LISTED_UNFINISHED,
};

struct climber {
    int rung;     /* the highest reached; -1: none */
    int goal;     /* where it was sent */
    int fresh;    /* the lowest rung that the last report reached; -1: none */
    double value; /* at `rung` */
    double below; /* at the rung before it */
    enum listed listed;
    int listed_at;
};

struct asha {
    struct esp_roster roster;
    struct esp_rungs rungs;
    bool stopping_form;
    int ceiling;       /* PASHA: the highest rung that is promoted to now; else ESP_RUNGS_MAX */
    uint32_t complete; /* trials that have reached their horizon */
    struct climber *climbers;
    uint32_t capacity;
    struct esp_loss_ranking rung[ESP_RUNGS_MAX]; /* everyone who reached it, by value there */
    struct esp_loss_ranking candidates[ESP_RUNGS_MAX]; /* promotion form: waiting there */
    struct esp_loss_ranking unfinished[ESP_RUNGS_MAX]; /* waiting on the way to it, by number */
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

/* Puts the trial on the list where it now belongs. */
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

/* The trial stands at every rung up to `rung`, with `loss` at those it had not reached. */
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

/* PASHA (Bohdal et al., ICLR 2023): the ranking is stable when the trials at the ceiling had
 * the same order one rung below, but for ties: soft ranking, with as tie what differs below by
 * no more than the spread within which neighbours changed places. */
static bool ranking_unstable(const struct asha *asha)
{
    const struct esp_loss_ranking *top = &asha->rung[asha->ceiling];
    uint32_t count = esp_loss_ranking_count(top);
    count = count < PASHA_TOP_MAX ? count : PASHA_TOP_MAX;
    if (count < 2) {
        return false;
    }
    double here[PASHA_TOP_MAX], below[PASHA_TOP_MAX];
    for (uint32_t i = 0; i < count; i++) {
        struct esp_loss_ranking_entry e = esp_loss_ranking_at(top, i + 1);
        here[i] = e.loss;
        below[i] = asha->climbers[e.trial].below;
    }
    /* Noise: how far apart those are here that neighbour each other and have changed places. */
    double noise = 0;
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (below[i] > below[i + 1] && isfinite(here[i + 1])) {
            noise = fmax(noise, here[i + 1] - here[i]);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = i + 1; k < count; k++) {
            if (below[i] > below[k] && here[k] - here[i] > noise) {
                return true;
            }
        }
    }
    return false;
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
        /* The goal is the first rung that `until` covers. */
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
        climb(asha, trial, c->rung + 1, INFINITY); /* unless it reached a rung by diverging */
    }
    relist(asha, trial);
}

static void returned(void *self, uint32_t trial)
{
    struct asha *asha = self;
    esp_roster_returned(&asha->roster, trial);
    if (esp_roster_get(&asha->roster, trial)->insisted) {
        asha->climbers[trial].goal = top_of(asha, trial);
    }
    relist(asha, trial);
}

static struct esp_verdict promote(const struct asha *asha, int rung, uint32_t trial)
{
    const struct esp_loss_ranking *everyone = &asha->rung[rung];
    int64_t horizon = esp_roster_get(&asha->roster, trial)->horizon;
    struct esp_verdict verdict =
        esp_verdict_make(ESP_VERDICT_CONTINUE,
                         trial,
                         esp_rungs_target(&asha->rungs, rung + 1, horizon),
                         ESP_RULE_ASHA_PROMOTE);
    verdict.reason.rung = rung;
    verdict.reason.at = esp_rungs_target(&asha->rungs, rung, horizon);
    esp_reason_rank(&verdict.reason,
                    everyone,
                    asha->climbers[trial].value,
                    trial,
                    esp_rungs_share(esp_loss_ranking_count(everyone), asha->rungs.eta));
    return verdict;
}

/* The best of those who wait at a rung; -1: nobody, or not good enough. */
static int64_t best_candidate(const struct asha *asha, int rung, bool must_be_top)
{
    if (esp_loss_ranking_count(&asha->candidates[rung]) == 0) {
        return -1;
    }
    struct esp_loss_ranking_entry best = esp_loss_ranking_at(&asha->candidates[rung], 1);
    const struct esp_loss_ranking *everyone = &asha->rung[rung];
    if (must_be_top && esp_loss_ranking_rank(everyone, best.loss, best.trial) >
                           esp_rungs_share(esp_loss_ranking_count(everyone), asha->rungs.eta)) {
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
        const struct esp_loss_ranking *everyone = &asha->rung[k];
        uint32_t kept = esp_rungs_share(esp_loss_ranking_count(everyone), asha->rungs.eta);
        kept = kept > 0 ? kept : 1;
        if (c->value > esp_loss_ranking_at(everyone, kept).loss || !isfinite(c->value)) {
            struct esp_verdict verdict =
                esp_verdict_make(ESP_VERDICT_PRUNE, trial, 0, ESP_RULE_ASHA_STOP);
            verdict.reason.rung = k;
            verdict.reason.at = esp_rungs_target(
                &asha->rungs, k, esp_roster_get(&asha->roster, trial)->horizon);
            esp_reason_rank(&verdict.reason, everyone, c->value, trial, kept);
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
    if (t->tokens >= t->horizon || t->insisted) {
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
    const struct esp_loss_ranking *everyone = &asha->rung[c->rung];
    uint32_t kept = esp_rungs_share(esp_loss_ranking_count(everyone), asha->rungs.eta);
    if (isfinite(c->value) && c->rung < asha->ceiling &&
        esp_loss_ranking_rank(everyone, c->value, trial) <= kept) {
        return promote(asha, c->rung, trial);
    }
    struct esp_verdict verdict =
        esp_verdict_make(ESP_VERDICT_PAUSE, trial, 0, ESP_RULE_ASHA_WAIT);
    verdict.reason.rung = c->rung;
    verdict.reason.at = esp_rungs_target(&asha->rungs, c->rung, t->horizon);
    esp_reason_rank(&verdict.reason, everyone, c->value, trial, kept);
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
