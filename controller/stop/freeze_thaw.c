/* freeze-thaw, the default: train next whatever promises the most at the horizon for its cost.
 *
 * Start-up by promotion: one bracket of successive halving, two to three full trainings. It
 * shows how losses move with training, and puts a first trial at its horizon. After it (or as
 * soon as a slot would idle in it) every decision weighs the paused trials and the best new
 * settings that the surrogate knows by
 *
 *   log EI at the horizon - ½·log(cost that remains to it)
 *
 * with the cost in device seconds, as predicted for the slot's device (cost.h); in tokens while
 * nothing is known of it; and trains the winner to the next mark, half an octave further
 * (Swersky et al., "Freeze-thaw Bayesian optimization", arXiv 1406.3896; the weighing as in
 * search-and-stopping notes). A trial that reaches its mark goes on when it still is the best
 * choice, otherwise it waits, saved: pausing is reversible, so nothing is given up because
 * small learning rates lead early.
 *
 * A share of the training goes to the paused trial whose curve alone points lowest, when that
 * is near the best loss or below it, whatever the model expects of its settings. Where the
 * model is mistaken about the space, what leads still gets to its horizon.
 *
 * The search ends when no new trial may be created and no paused one promises more than a
 * small share of the best loss, provided that some trial has reached its horizon.
 *
 * Paused trials are kept by mark and loss, and only the leaders of every mark are asked about:
 * a decision costs the same among ten thousand trials as among two hundred. */
#include "roster.h"
#include "rungs.h"
#include "startup.h"

#include "search/surrogate.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MARKS 13  /* half octaves: 1/64 of the horizon to the horizon */
#define LEADERS 6 /* paused trials of each mark that a decision looks at */
#define STARTUP_RUNGS 3
/* Of eta^s: 24 of 27, 8 of 9. Two instead of three then train a third of the way, which the
 * model would not have chosen either. Where no more settings than these are searched, 18 of 27
 * are enough. */
#define STARTUP_SHARE (8.0 / 9)
#define STARTUP_SHARE_FEW (2.0 / 3)
#define FEW_SETTINGS 4
#define STARTUP_RUNGS_LAW 2 /* a scaling law says where to look */
/* A first level hardly before the first report is at it: of 25 reports, the first is at 0.04.
 */
#define LEVEL_NEAR 0.9
/* Expected improvements below this share of the best loss are not worth training for. */
#define WORTH 2e-4
/* Of what is spent after the start-up no more than this share goes into new trials: where most
 * settings are equally hopeless, the unknown ones always seem to promise more. */
#define NEW_SHARE_MAX 0.3
/* What is spent on leaders after the start-up, and how far above the best loss a curve may
 * point to lead still: a share of that loss, for curves tell no better than that where they
 * will end. */
#define LEADER_SHARE 0.4
#define LEADER_NEAR 0.02
/* A trial that is this near its next mark is sent to the one after. */
#define STEP_MIN 1.2
/* A new trial is first judged a quarter beyond its warm-up: before, all learning rates are
 * small, and too large ones look as good as the best. The start-up's levels are powers of eta,
 * so that its first one may be where the warm-up ends: it ranks by the later ones as well. */
#define WARMED_UP 1.25

struct freeze_thaw {
    const struct esp_study *study;
    struct esp_startup bracket;
    bool startup;
    struct esp_roster roster;
    struct esp_surrogate *surrogate;
    const struct esp_cost *cost;
    int64_t first;  /* where a new trial is sent */
    double horizon; /* of the study; 0: as the first trial says */
    double best;    /* at a horizon; infinity: none yet */
    uint32_t complete;
    /* Tokens since the start-up: in all, up to `first`, and named for the leader. */
    double spent, spent_new, spent_leader;
    struct esp_loss_ranking paused[MARKS];
    struct esp_loss_ranking unfinished; /* interrupted on the way, by number */
    int *listed;                        /* mark, -1: nowhere, MARKS: unfinished */
    double *listed_loss;
    uint32_t capacity;
};

static void destroy(void *self)
{
    struct freeze_thaw *f = self;
    esp_startup_release(&f->bracket);
    for (int k = 0; k < MARKS; k++) {
        esp_loss_ranking_release(&f->paused[k]);
    }
    esp_loss_ranking_release(&f->unfinished);
    esp_roster_release(&f->roster);
    esp_surrogate_destroy(f->surrogate);
    free(f->listed);
    free(f->listed_loss);
    free(f);
}

/* The share of the steps that every trial spends on it; 0: they differ. */
static double warmup_of(const struct freeze_thaw *f)
{
    for (int i = 0; i < f->study->param_count; i++) {
        const struct esp_param *p = &f->study->params[i];
        if (esp_trainer_field(p->name) == esp_trainer_field("warmup")) {
            return p->distribution == ESP_CONSTANT ? p->choices[0].real : 0;
        }
    }
    return f->study->trainer.warmup;
}

/* Most of eta^s trials at H/eta^s, a third of them to three times as much, …: less than s + 1
 * full trainings (startup.h). New trials begin there too: much earlier losses tell little (the
 * first report is often of an untrained model), and those of the warm-up none at all. */
static int make_startup(struct freeze_thaw *f, struct esp_error *error)
{
    struct esp_rungs rungs;
    int rc = esp_rungs_make(&rungs, f->study, error);
    if (rc < 0) {
        return rc;
    }
    const struct esp_scaling_law *law = esp_surrogate_law(f->surrogate);
    bool known = esp_scaling_law_is_known(law) && law->matched;
    int s = known ? STARTUP_RUNGS_LAW : STARTUP_RUNGS;
    f->first = rungs.level[0];
    if (f->horizon <= 0) {
        return 0;
    }
    double least = fmax((double)esp_report_interval(f->study), 1), warm = 0;
    if (f->study->stopping.min > 0) {
        least = f->study->stopping.min;
    } else {
        warm = warmup_of(f);
        least = fmax(least, warm * f->horizon);
    }
    double first = fmax(pow(rungs.eta, -STARTUP_RUNGS), fmin(WARMED_UP * warm, 1));
    f->first = (int64_t)fmax(ceil(f->horizon * first - 1e-6), least);
    while (s > 0 && f->horizon * pow(rungs.eta, -s) < least * LEVEL_NEAR) {
        s--;
    }
    bool few = s == STARTUP_RUNGS && esp_surrogate_space(f->surrogate)->count <= FEW_SETTINGS;
    double share = few ? STARTUP_SHARE_FEW : STARTUP_SHARE;
    uint32_t size = s > 0 ? (uint32_t)floor(share * pow(rungs.eta, s) + 1e-6) : 0;
    if (f->study->run_cap > 0 && size > f->study->run_cap) {
        size = (uint32_t)f->study->run_cap;
    }
    f->startup = size > 0;
    rc = esp_startup_init(&f->bracket, size, s, least, f->horizon, rungs.eta);
    return rc < 0 ? esp_error_set(error, rc, "out of memory") : 0;
}

static int create(const struct esp_study *study, void **self, struct esp_error *error)
{
    struct freeze_thaw *f = calloc(1, sizeof *f);
    if (!f) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    f->study = study;
    f->horizon = (double)esp_study_horizon(study);
    f->best = INFINITY;
    esp_roster_init(&f->roster);
    esp_loss_ranking_init(&f->unfinished);
    for (int k = 0; k < MARKS; k++) {
        esp_loss_ranking_init(&f->paused[k]);
    }
    int rc = esp_surrogate_create(study, &f->surrogate, error);
    if (rc == 0) {
        rc = make_startup(f, error);
    }
    if (rc < 0) {
        destroy(f);
        return rc;
    }
    *self = f;
    return 0;
}

static void costs(void *self, const struct esp_cost *cost)
{
    struct freeze_thaw *f = self;
    f->cost = cost;
}

static int mark_of(int64_t tokens, int64_t horizon)
{
    double octaves = -log2((double)tokens / (double)horizon);
    int mark = MARKS - 1 - (int)ceil(2 * octaves - 1e-9);
    return mark < 0 ? 0 : mark;
}

static void relist(struct freeze_thaw *f, uint32_t trial)
{
    const struct esp_roster_trial *t = esp_roster_get(&f->roster, trial);
    if (f->listed[trial] == MARKS) {
        esp_loss_ranking_erase(&f->unfinished, 0, trial);
    } else if (f->listed[trial] >= 0) {
        esp_loss_ranking_erase(&f->paused[f->listed[trial]], f->listed_loss[trial], trial);
    }
    f->listed[trial] = -1;
    if (t->state != ESP_ROSTER_PAUSED || t->held || t->tokens >= t->horizon) {
        return;
    }
    if (t->tokens == 0 || t->tokens < (t->until < t->horizon ? t->until : t->horizon)) {
        f->listed[trial] = MARKS;
        esp_loss_ranking_insert(&f->unfinished, 0, trial);
    } else if (isfinite(t->last)) {
        f->listed[trial] = mark_of(t->tokens, t->horizon);
        f->listed_loss[trial] = t->last;
        esp_loss_ranking_insert(&f->paused[f->listed[trial]], t->last, trial);
    }
}

static void created(void *self, uint32_t trial, int64_t horizon, const double *values)
{
    struct freeze_thaw *f = self;
    esp_roster_created(&f->roster, trial, horizon);
    if (trial >= f->capacity) {
        f->capacity = f->capacity ? f->capacity * 2 : 16;
        f->listed = realloc(f->listed, f->capacity * sizeof *f->listed);
        f->listed_loss = realloc(f->listed_loss, f->capacity * sizeof *f->listed_loss);
        assert(f->listed && f->listed_loss);
    }
    f->listed[trial] = -1;
    int64_t until = f->startup && trial < f->bracket.size ? f->bracket.level[0] : f->first;
    f->roster.trials[trial].until = until < horizon ? until : horizon;
    esp_surrogate_created(f->surrogate, trial, values);
}

static void
observed(void *self, uint32_t trial, int64_t tokens, double loss, double device_seconds)
{
    struct freeze_thaw *f = self;
    int64_t before = esp_roster_get(&f->roster, trial)->tokens;
    esp_roster_observed(&f->roster, trial, tokens, loss, device_seconds);
    if (!f->startup && tokens > before) {
        f->spent += (double)(tokens - before);
        f->spent_new += fmax(0, (double)((tokens < f->first ? tokens : f->first) - before));
    }
    esp_surrogate_observed(f->surrogate, trial, tokens, loss);
    if (f->startup) {
        double adjusted = esp_surrogate_rate_adjusted_loss(f->surrogate, trial, tokens, loss);
        esp_startup_observed(&f->bracket, trial, tokens, adjusted);
    }
    const struct esp_roster_trial *t = esp_roster_get(&f->roster, trial);
    if (t->tokens >= t->horizon && isfinite(loss)) {
        f->best = fmin(f->best, loss);
    }
    relist(f, trial);
}

static void decided(void *self, const struct esp_verdict *verdict)
{
    struct freeze_thaw *f = self;
    esp_roster_decided(&f->roster, verdict);
    /* The first choice by the model ends the start-up. */
    f->startup = f->startup && verdict->reason.rule != ESP_RULE_FREEZE_THAW;
    if (verdict->reason.rule == ESP_RULE_LEADER) {
        f->spent_leader += (double)(verdict->until - verdict->reason.at);
    }
    if (verdict->trial >= 0 && verdict->trial < f->roster.count) {
        relist(f, (uint32_t)verdict->trial);
    }
}

static void paused(void *self, uint32_t trial, bool held)
{
    struct freeze_thaw *f = self;
    esp_roster_paused(&f->roster, trial, held);
    relist(f, trial);
}

static void ended(void *self, uint32_t trial, enum esp_cause cause)
{
    struct freeze_thaw *f = self;
    esp_roster_ended(&f->roster, trial, cause);
    if (f->startup) {
        esp_startup_ended(&f->bracket, trial);
    }
    if (cause == ESP_CAUSE_COMPLETE) {
        f->complete++;
        esp_surrogate_completed(f->surrogate, trial);
    } else if (cause == ESP_CAUSE_DIVERGED || cause == ESP_CAUSE_FAILED) {
        esp_surrogate_failed(f->surrogate, trial);
    } else if (cause != ESP_CAUSE_LOST) {
        esp_surrogate_closed(f->surrogate, trial);
    }
    relist(f, trial);
}

static void returned(void *self, uint32_t trial)
{
    struct freeze_thaw *f = self;
    esp_roster_returned(&f->roster, trial);
    if (f->startup) {
        esp_startup_returned(&f->bracket, trial);
    }
    relist(f, trial);
}

/* The next mark, half octaves apart and ending at the horizon. */
static int64_t next_mark(const struct freeze_thaw *f, const struct esp_roster_trial *t)
{
    double horizon = (double)t->horizon, least = fmax((double)t->tokens * STEP_MIN, 1);
    least = fmax(least, (double)(t->tokens + esp_report_interval(f->study)) - 0.5);
    for (int k = 0; k < MARKS - 1; k++) {
        double mark = ceil(horizon * exp2(-(MARKS - 1 - k) / 2.0));
        if (mark >= least && mark < horizon) {
            return (int64_t)mark;
        }
    }
    return t->horizon;
}

struct option {
    int64_t trial;               /* -1: a new one */
    double score, cost, seconds; /* what remains: tokens, and device seconds or NaN */
    struct esp_prediction belief;
};

/* `rate` is NaN for all options or for none. */
static struct option
option_of(int64_t trial, const struct esp_prediction *belief, double tokens, double rate)
{
    double cost = fmax(tokens, 1);
    return (struct option){.trial = trial,
                           .score =
                               belief->log_ei - 0.5 * log(isnan(rate) ? cost : cost * rate),
                           .cost = tokens,
                           .seconds = tokens * rate,
                           .belief = *belief};
}

/* The leaders among the paused, plus `own` (-1: none), and a new trial; the best first. */
static int weigh(const struct freeze_thaw *f,
                 const struct esp_slot_view *view,
                 int64_t own,
                 struct option *options)
{
    uint32_t trials[MARKS * LEADERS + 1];
    struct esp_prediction beliefs[MARKS * LEADERS + 1];
    int count = 0, total = 0;
    for (int k = MARKS - 1; k >= 0; k--) {
        uint32_t there = esp_loss_ranking_count(&f->paused[k]);
        for (uint32_t r = 1; r <= there && r <= LEADERS; r++) {
            trials[count++] = esp_loss_ranking_at(&f->paused[k], r).trial;
        }
    }
    if (own >= 0) {
        trials[count++] = (uint32_t)own;
    }
    esp_surrogate_predict_trials(f->surrogate, trials, count, beliefs);
    for (int i = 0; i < count; i++) {
        const struct esp_roster_trial *t = esp_roster_get(&f->roster, trials[i]);
        double rate = esp_cost_of_trial(f->cost, trials[i], view->device);
        options[total++] =
            option_of(trials[i], &beliefs[i], (double)(t->horizon - t->tokens), rate);
    }
    bool enough = count > 0 && f->spent_new > NEW_SHARE_MAX * f->spent;
    if (view->may_create && !enough) {
        double values[ESP_PARAMS_MAX];
        struct esp_prediction belief =
            esp_surrogate_propose(f->surrogate, view->next_trial, values);
        double rate = esp_cost_of_values(f->cost, values, view->device);
        options[total++] = option_of(-1, &belief, f->horizon > 0 ? f->horizon : 1, rate);
    }
    for (int i = 1; i < total; i++) { /* the best first; equal ones stay in order */
        struct option o = options[i];
        int at = i;
        while (at > 0 && options[at - 1].score < o.score) {
            options[at] = options[at - 1];
            at--;
        }
        options[at] = o;
    }
    return total;
}

static void explain(struct esp_reason *reason,
                    const struct freeze_thaw *f,
                    const struct option *options,
                    int total,
                    int own)
{
    reason->rule = ESP_RULE_FREEZE_THAW;
    reason->rank = own + 1;
    reason->of = total;
    reason->expected = exp(options[own].belief.log_ei);
    reason->value = options[own].belief.mean;
    reason->threshold = f->best;
    reason->cost = options[own].cost;
    reason->cost_seconds = options[own].seconds;
    for (int i = 0, found = 0; i < total && found < ESP_RIVALS_MAX; i++) {
        if (i != own && options[i].trial >= 0) {
            reason->rivals[found++] = (int32_t)options[i].trial;
        }
    }
}

/* Onward with the one, of the best at every mark, whose curve points lowest; NONE where no
 * curve points near the best loss. It may have been given up and then begins anew: what is
 * given up must change no decision (discard.h). */
static struct esp_verdict lead(const struct freeze_thaw *f)
{
    int64_t leader = -1;
    int32_t of = 0;
    double least = INFINITY;
    for (int k = MARKS - 1; k >= 0; k--) {
        if (esp_loss_ranking_count(&f->paused[k]) == 0) {
            continue;
        }
        uint32_t trial = esp_loss_ranking_at(&f->paused[k], 1).trial;
        double expected = esp_surrogate_extrapolated_loss(f->surrogate, trial);
        of++;
        if (isfinite(expected) && expected < least) {
            leader = trial;
            least = expected;
        }
    }
    if (leader < 0 || least > f->best + LEADER_NEAR * fabs(f->best)) {
        return esp_verdict_none(ESP_RULE_NONE);
    }
    const struct esp_roster_trial *t = esp_roster_get(&f->roster, (uint32_t)leader);
    struct esp_verdict verdict =
        esp_verdict_make(ESP_VERDICT_CONTINUE, leader, next_mark(f, t), ESP_RULE_LEADER);
    verdict.reason.at = t->tokens;
    verdict.reason.value = least;
    verdict.reason.threshold = f->best;
    verdict.reason.rank = 1;
    verdict.reason.of = of;
    verdict.reason.cost = (double)(t->horizon - t->tokens);
    return verdict;
}

static struct esp_verdict choose(const struct freeze_thaw *f, const struct esp_slot_view *view)
{
    struct option options[MARKS * LEADERS + 2];
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
    /* What is left is not worth its cost, or there is nothing left. */
    bool worth = total > 0 && (view->may_create || f->complete == 0 ||
                               options[0].belief.log_ei > log(WORTH * fabs(f->best)));
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

static struct esp_verdict in_startup(const struct freeze_thaw *f, uint32_t trial)
{
    const struct esp_roster_trial *t = esp_roster_get(&f->roster, trial);
    int64_t until = esp_startup_onward(&f->bracket, trial);
    bool on = until > t->tokens;
    struct esp_verdict verdict = esp_verdict_make(on ? ESP_VERDICT_CONTINUE : ESP_VERDICT_PAUSE,
                                                  trial,
                                                  !on                  ? 0
                                                  : until < t->horizon ? until
                                                                       : t->horizon,
                                                  ESP_RULE_STARTUP);
    verdict.reason.at = t->tokens;
    esp_startup_explain(&f->bracket, trial, &verdict.reason);
    return verdict;
}

/* The best of those that wait at the highest rung which goes on; -1: none. */
static int64_t next_promoted(const struct freeze_thaw *f)
{
    for (int k = f->bracket.rungs - 1; k >= 0; k--) {
        int64_t trial;
        for (uint32_t r = 1; (trial = esp_startup_next(&f->bracket, k, r)) >= 0; r++) {
            const struct esp_roster_trial *t = esp_roster_get(&f->roster, (uint32_t)trial);
            if (t->state == ESP_ROSTER_PAUSED && !t->held &&
                esp_startup_rung(&f->bracket, (uint32_t)trial) == k && t->tokens < t->horizon) {
                return trial;
            }
        }
    }
    return -1;
}

static struct esp_verdict slot(const void *self, const struct esp_slot_view *view)
{
    const struct freeze_thaw *f = self;
    if (f->startup && esp_loss_ranking_count(&f->unfinished) == 0) {
        if (view->may_create && f->roster.count < f->bracket.size) {
            return esp_verdict_make(
                ESP_VERDICT_START, view->next_trial, f->bracket.level[0], ESP_RULE_NEW);
        }
        int64_t best = next_promoted(f);
        if (best >= 0) {
            return in_startup(f, (uint32_t)best);
        }
    }
    return choose(f, view);
}

static struct esp_verdict
report(const void *self, uint32_t trial, bool waiting, const struct esp_slot_view *view)
{
    const struct freeze_thaw *f = self;
    const struct esp_roster_trial *t = esp_roster_get(&f->roster, trial);
    if (t->tokens >= t->horizon || t->insisted) {
        return esp_roster_report_to_horizon(&f->roster, trial, waiting);
    }
    if (t->tokens < t->until && !waiting) {
        return esp_verdict_none(ESP_RULE_NONE);
    }
    if (f->startup) {
        return in_startup(f, trial);
    }
    struct option options[MARKS * LEADERS + 2];
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

static int refit(const void *self, double *numbers, int capacity)
{
    const struct freeze_thaw *f = self;
    return esp_surrogate_refit(f->surrogate, numbers, capacity);
}

static void fitted(void *self, const double *numbers, int count)
{
    struct freeze_thaw *f = self;
    esp_surrogate_fitted(f->surrogate, numbers, count);
}

const struct esp_scheduler_ops esp_scheduler_freeze_thaw = {
    .create = create,
    .destroy = destroy,
    .costs = costs,
    .created = created,
    .observed = observed,
    .decided = decided,
    .paused = paused,
    .ended = ended,
    .returned = returned,
    .slot = slot,
    .report = report,
    .refit = refit,
    .fitted = fitted,
};
