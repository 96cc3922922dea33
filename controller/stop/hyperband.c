/* Hyperband (Li et al., JMLR 18, 2018, algorithm 1), and successive halving as one of its
 * brackets again and again.
 *
 * R is the last rung, r the first, s_max = ⌊log_eta(R/r)⌋. Bracket s starts
 * n_s = ⌈(s_max + 1)/(s + 1)·eta^s⌉ trials at R·eta^-s; at its rung i the best ⌊n_s·eta^-(i+1)⌋
 * go on to eta times as much. Brackets follow each other from s_max down to 0, over and over.
 * A rung waits for all of its trials; slots that would idle meanwhile begin the next bracket.
 * `halving` has the bracket s_max alone, with run_cap trials in it when there is one. BOHB is
 * Hyperband's schedule; its model is the sampler's.
 *
 * When no new trial may be created, the bracket that could not be filled goes on with those it
 * has. Failed, diverged, stopped and held trials do not keep a rung waiting. */
#include "roster.h"
#include "rungs.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define BRACKETS_MAX 32 /* eta = 2 over 31 octaves */

struct bracket {
    int s;
    int rung;       /* the one that is being reached */
    uint32_t size;  /* trials meant for it; at rung 0 the plan */
    uint32_t count; /* trials sent to it so far */
    uint32_t missing;
    bool done;
    double cut; /* the last loss that was promoted from the rung before; NaN: none */
    struct esp_loss_ranking arrived; /* at `rung` */
    struct esp_loss_ranking ready;   /* paused on the way to `rung`, by the loss they have */
};

struct member {
    uint32_t bracket;
    int rung;     /* the one it is sent to */
    bool arrived; /* there */
    bool missing; /* counted as one that will not come */
    bool ready;
    double value; /* at the last rung it reached; infinity: none */
};

struct hyperband {
    struct esp_roster roster;
    enum esp_rule rule;
    double eta;
    int64_t last; /* R */
    int s_max;
    bool one_bracket;
    uint32_t run_cap;
    struct bracket *brackets;
    uint32_t bracket_count, bracket_capacity, first_open;
    struct member *members;
    uint32_t capacity;
};

static int create_as(const struct esp_study *study,
                     void **self,
                     enum esp_rule rule,
                     struct esp_error *error)
{
    struct esp_rungs rungs;
    int rc = esp_rungs_make(&rungs, study, error);
    if (rc < 0) {
        return rc;
    }
    double last =
        study->stopping.max > 0 ? study->stopping.max : (double)esp_study_horizon(study);
    if (!(last > 0)) {
        return esp_error_line(error,
                              -EINVAL,
                              study->stopping.line,
                              "early_terminate %s shares out a known amount of "
                              "training; give max",
                              rule == ESP_RULE_HALVING ? "halving" : "hyperband");
    }
    struct hyperband *h = calloc(1, sizeof *h);
    if (!h) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    h->rule = rule;
    h->eta = rungs.eta;
    h->last = (int64_t)last;
    h->one_bracket = rule == ESP_RULE_HALVING;
    h->run_cap = study->run_cap > 0 ? (uint32_t)study->run_cap : 0;
    double first = rungs.level[0] == INT64_MAX ? last : (double)rungs.level[0];
    /* A first rung that was rounded up to a whole token still is the one it stands for. */
    while (h->s_max + 1 < BRACKETS_MAX) {
        double next = last * pow(h->eta, -(h->s_max + 1)) + 1e-6;
        if (next < 1 || next <= first - 1) {
            break;
        }
        h->s_max++;
    }
    esp_roster_init(&h->roster);
    *self = h;
    return 0;
}

static int create_hyperband(const struct esp_study *study, void **self, struct esp_error *error)
{
    return create_as(study, self, ESP_RULE_HYPERBAND, error);
}

static int create_halving(const struct esp_study *study, void **self, struct esp_error *error)
{
    return create_as(study, self, ESP_RULE_HALVING, error);
}

static void destroy(void *self)
{
    struct hyperband *h = self;
    for (uint32_t i = 0; i < h->bracket_count; i++) {
        esp_loss_ranking_release(&h->brackets[i].arrived);
        esp_loss_ranking_release(&h->brackets[i].ready);
    }
    free(h->brackets);
    free(h->members);
    esp_roster_release(&h->roster);
    free(h);
}

/* The s of the bracket that would be opened as number `index`. */
static int bracket_s(const struct hyperband *h, uint32_t index)
{
    return h->one_bracket ? h->s_max : h->s_max - (int)(index % (uint32_t)(h->s_max + 1));
}

static uint32_t bracket_size(const struct hyperband *h, int s)
{
    if (h->one_bracket && h->run_cap > 0) {
        return h->run_cap;
    }
    double share = h->one_bracket ? 1 : (double)(h->s_max + 1) / (s + 1);
    return (uint32_t)ceil(share * pow(h->eta, s) - 1e-9);
}

/* R·eta^(rung - s); the last rung is the horizon when R is. */
static int64_t target(const struct hyperband *h, int s, int rung, int64_t horizon)
{
    double level = ceil((double)h->last * pow(h->eta, rung - s) - 1e-6);
    if (rung >= s || level >= (double)horizon) {
        return h->last < horizon && rung == s && level < (double)horizon ? (int64_t)level
                                                                         : horizon;
    }
    return level < 1 ? 1 : (int64_t)level;
}

static bool waits(const struct hyperband *h, uint32_t trial)
{
    const struct esp_roster_trial *t = esp_roster_get(&h->roster, trial);
    return t->state == ESP_ROSTER_PAUSED && !t->held;
}

static void relist(struct hyperband *h, uint32_t trial)
{
    struct member *m = &h->members[trial];
    struct bracket *b = &h->brackets[m->bracket];
    bool ready = waits(h, trial) && !m->arrived && !m->missing;
    if (m->ready && !ready) {
        esp_loss_ranking_erase(&b->ready, m->value, trial);
    } else if (!m->ready && ready) {
        esp_loss_ranking_insert(&b->ready, m->value, trial);
    }
    m->ready = ready;
}

/* Once all are there, the best go on. */
static void advance(struct hyperband *h, struct bracket *b)
{
    while (!b->done && b->count == b->size &&
           esp_loss_ranking_count(&b->arrived) + b->missing == b->size) {
        uint32_t there = esp_loss_ranking_count(&b->arrived), promoted = 0;
        double planned = bracket_size(h, b->s);
        planned = planned < b->size || b->rung > 0 ? planned : b->size;
        uint32_t keep = (uint32_t)floor(planned * pow(h->eta, -(b->rung + 1)) + 1e-9);
        keep = keep > 0 ? keep : 1;
        b->cut = NAN;
        struct esp_loss_ranking before = b->arrived;
        esp_loss_ranking_init(&b->arrived);
        b->missing = 0;
        b->rung++;
        for (uint32_t rank = 1; b->rung <= b->s && rank <= there && promoted < keep; rank++) {
            struct esp_loss_ranking_entry e = esp_loss_ranking_at(&before, rank);
            const struct esp_roster_trial *t = esp_roster_get(&h->roster, e.trial);
            if (!isfinite(e.loss) || t->state == ESP_ROSTER_ENDED || t->held ||
                t->tokens >= t->horizon) {
                continue;
            }
            h->members[e.trial].rung = b->rung;
            h->members[e.trial].arrived = false;
            b->cut = e.loss;
            promoted++;
            relist(h, e.trial);
        }
        esp_loss_ranking_release(&before);
        b->size = b->count = promoted;
        b->done = promoted == 0;
    }
    while (h->first_open < h->bracket_count && h->brackets[h->first_open].done) {
        h->first_open++;
    }
}

static void open_bracket(struct hyperband *h)
{
    if (h->bracket_count == h->bracket_capacity) {
        h->bracket_capacity = h->bracket_capacity ? h->bracket_capacity * 2 : 8;
        h->brackets = realloc(h->brackets, h->bracket_capacity * sizeof *h->brackets);
        assert(h->brackets);
    }
    struct bracket *b = &h->brackets[h->bracket_count];
    *b = (struct bracket){.s = bracket_s(h, h->bracket_count), .cut = NAN};
    b->size = bracket_size(h, b->s);
    esp_loss_ranking_init(&b->arrived);
    esp_loss_ranking_init(&b->ready);
    h->bracket_count++;
}

/* The bracket that a new trial joins; bracket_count: one to be opened. */
static uint32_t joining(const struct hyperband *h)
{
    uint32_t last = h->bracket_count;
    if (last > 0 && !h->brackets[last - 1].done && h->brackets[last - 1].rung == 0 &&
        h->brackets[last - 1].count < h->brackets[last - 1].size) {
        return last - 1;
    }
    return last;
}

static void created(void *self, uint32_t trial, int64_t horizon, const double *values)
{
    struct hyperband *h = self;
    (void)values;
    esp_roster_created(&h->roster, trial, horizon);
    if (trial >= h->capacity) {
        h->capacity = h->capacity ? h->capacity * 2 : 16;
        h->members = realloc(h->members, h->capacity * sizeof *h->members);
        assert(h->members);
    }
    uint32_t bracket = joining(h);
    if (bracket == h->bracket_count) {
        open_bracket(h);
    }
    h->brackets[bracket].count++;
    h->members[trial] = (struct member){.bracket = bracket, .value = INFINITY};
}

static void
observed(void *self, uint32_t trial, int64_t tokens, double loss, double device_seconds)
{
    struct hyperband *h = self;
    struct member *m = &h->members[trial];
    struct bracket *b = &h->brackets[m->bracket];
    esp_roster_observed(&h->roster, trial, tokens, loss, device_seconds);
    const struct esp_roster_trial *t = esp_roster_get(&h->roster, trial);
    if (m->arrived || m->missing || t->tokens < target(h, b->s, m->rung, t->horizon)) {
        return;
    }
    if (m->ready) {
        esp_loss_ranking_erase(&b->ready, m->value, trial);
        m->ready = false;
    }
    m->arrived = true;
    m->value = isfinite(loss) ? loss : INFINITY;
    esp_loss_ranking_insert(&b->arrived, m->value, trial);
    advance(h, b);
}

static void miss(struct hyperband *h, uint32_t trial)
{
    struct member *m = &h->members[trial];
    struct bracket *b = &h->brackets[m->bracket];
    relist(h, trial);
    if (!m->arrived && !m->missing) {
        m->missing = true;
        b->missing++;
        advance(h, b);
    }
}

static void decided(void *self, const struct esp_verdict *verdict)
{
    struct hyperband *h = self;
    esp_roster_decided(&h->roster, verdict);
    if (verdict->trial < 0 || verdict->trial >= h->roster.count) {
        return;
    }
    uint32_t trial = (uint32_t)verdict->trial;
    struct member *m = &h->members[trial];
    struct bracket *b = &h->brackets[m->bracket];
    if (verdict->action == ESP_VERDICT_CONTINUE && m->arrived && m->rung == b->rung &&
        verdict->reason.rule == h->rule) {
        b->size = b->count; /* a bracket that nobody joins any more */
        advance(h, b);
    }
    relist(h, trial);
}

static void paused(void *self, uint32_t trial, bool held)
{
    struct hyperband *h = self;
    esp_roster_paused(&h->roster, trial, held);
    if (held) {
        miss(h, trial);
    }
    relist(h, trial);
}

static void ended(void *self, uint32_t trial, enum esp_cause cause)
{
    struct hyperband *h = self;
    esp_roster_ended(&h->roster, trial, cause);
    if (cause != ESP_CAUSE_LOST) {
        miss(h, trial);
    }
}

static void returned(void *self, uint32_t trial)
{
    struct hyperband *h = self;
    esp_roster_returned(&h->roster, trial);
    relist(h, trial);
}

static struct esp_verdict
send(const struct hyperband *h, uint32_t trial, int rung, double value)
{
    const struct bracket *b = &h->brackets[h->members[trial].bracket];
    struct esp_verdict verdict =
        esp_verdict_make(ESP_VERDICT_CONTINUE,
                         trial,
                         target(h, b->s, rung, esp_roster_get(&h->roster, trial)->horizon),
                         h->rule);
    verdict.reason.rung = rung - 1;
    verdict.reason.value = value;
    verdict.reason.threshold = b->cut;
    verdict.reason.of = (int32_t)b->size;
    return verdict;
}

static struct esp_verdict slot(const void *self, const struct esp_slot_view *view)
{
    const struct hyperband *h = self;
    for (uint32_t i = h->first_open; i < h->bracket_count; i++) {
        const struct bracket *b = &h->brackets[i];
        if (esp_loss_ranking_count(&b->ready) > 0) {
            struct esp_loss_ranking_entry e = esp_loss_ranking_at(&b->ready, 1);
            return send(h, e.trial, h->members[e.trial].rung, e.loss);
        }
    }
    if (view->may_create) {
        uint32_t bracket = joining(h);
        int s = bracket < h->bracket_count ? h->brackets[bracket].s : bracket_s(h, bracket);
        struct esp_verdict verdict = esp_verdict_make(
            ESP_VERDICT_START, view->next_trial, target(h, s, 0, h->last), ESP_RULE_NEW);
        verdict.reason.rung = 0;
        return verdict;
    }
    if (view->live > 0) {
        return esp_verdict_none(ESP_RULE_NONE);
    }
    for (uint32_t i = h->first_open; i < h->bracket_count; i++) {
        const struct bracket *b = &h->brackets[i];
        uint32_t there = b->done ? 0 : esp_loss_ranking_count(&b->arrived);
        for (uint32_t rank = 1; rank <= there; rank++) {
            struct esp_loss_ranking_entry e = esp_loss_ranking_at(&b->arrived, rank);
            const struct esp_roster_trial *t = esp_roster_get(&h->roster, e.trial);
            if (isfinite(e.loss) && waits(h, e.trial) && t->tokens < t->horizon &&
                b->rung < b->s) {
                return send(h, e.trial, b->rung + 1, e.loss);
            }
        }
    }
    return esp_verdict_make(ESP_VERDICT_END, -1, 0, ESP_RULE_STUDY_END);
}

static struct esp_verdict
report(const void *self, uint32_t trial, bool waiting, const struct esp_slot_view *view)
{
    (void)view;
    const struct hyperband *h = self;
    const struct member *m = &h->members[trial];
    const struct bracket *b = &h->brackets[m->bracket];
    const struct esp_roster_trial *t = esp_roster_get(&h->roster, trial);
    if (t->tokens >= t->horizon || t->insisted || m->missing) {
        return esp_roster_report_to_horizon(&h->roster, trial, waiting);
    }
    if (!m->arrived) {
        /* Just promoted, or on its way. */
        return waiting ? send(h, trial, m->rung, m->value) : esp_verdict_none(ESP_RULE_NONE);
    }
    struct esp_verdict verdict = esp_verdict_make(ESP_VERDICT_PAUSE, trial, 0, h->rule);
    verdict.reason.rung = m->rung;
    verdict.reason.at = target(h, b->s, m->rung, t->horizon);
    if (m->rung == b->rung && !b->done) {
        esp_reason_rank(&verdict.reason, &b->arrived, m->value, trial, 0);
    } else {
        verdict.reason.value = m->value;
        verdict.reason.threshold = b->cut;
    }
    return verdict;
}

#define HYPERBAND_OPS(create_)                                                                 \
    {                                                                                          \
        .create = create_, .destroy = destroy, .created = created, .observed = observed,       \
        .decided = decided, .paused = paused, .ended = ended, .returned = returned,            \
        .slot = slot, .report = report                                                         \
    }

const struct esp_scheduler_ops esp_scheduler_hyperband = HYPERBAND_OPS(create_hyperband);
const struct esp_scheduler_ops esp_scheduler_halving = HYPERBAND_OPS(create_halving);
