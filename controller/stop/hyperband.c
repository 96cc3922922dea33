/* Hyperband (Li et al., JMLR 18, 2018, algorithm 1), and successive halving as one of its
 * brackets over and over.
 *
 * Sizes and amounts of training are those of bracket_plan.h. A rung waits for all of its
 * trials; slots that would be idle meanwhile begin the next bracket. BOHB is Hyperband's
 * schedule with a model in the sampler.
 *
 * When no new trial may be created, a bracket that could not be filled goes on with the trials
 * that it has. Failed, diverged, stopped and held trials do not keep a rung waiting. */
#include "bracket_plan.h"
#include "roster.h"
#include "rungs.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct bracket {
    int s;
    int rung;         /* rung that its trials are reaching */
    uint32_t size;    /* trials planned for that rung */
    uint32_t count;   /* trials sent to it so far */
    uint32_t missing; /* of these, trials that will not arrive */
    bool done;
    double cut;                      /* worst loss promoted from the rung before; NaN: none */
    struct esp_loss_ranking arrived; /* at `rung` */
    struct esp_loss_ranking ready;   /* paused on the way to `rung`, by their last loss there */
};

struct member {
    uint32_t bracket;
    int rung;     /* rung that it was sent to */
    bool arrived; /* at that rung */
    bool missing; /* counted in its bracket's `missing` */
    bool ready;   /* in its bracket's `ready` */
    double value; /* loss at the last rung reached; infinity: none */
};

struct hyperband {
    struct esp_roster roster;
    enum esp_rule rule;
    struct esp_bracket_plan plan;
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
    struct hyperband *h = calloc(1, sizeof *h);
    if (!h) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    int rc = esp_bracket_plan_make(&h->plan, study, rule == ESP_RULE_HALVING, error);
    if (rc < 0) {
        free(h);
        return rc;
    }
    h->rule = rule;
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

/* Whether the trial may be continued by a free slot. */
static bool waits(const struct hyperband *h, uint32_t trial)
{
    const struct esp_roster_trial *t = esp_roster_get(&h->roster, trial);
    return t->state == ESP_ROSTER_PAUSED && !t->held;
}

/* Keeps `ready` up to date. */
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

/* Promotes the best once all trials of the rung have arrived or are missing. */
static void advance(struct hyperband *h, struct bracket *b)
{
    while (!b->done && b->count == b->size &&
           esp_loss_ranking_count(&b->arrived) + b->missing == b->size) {
        uint32_t there = esp_loss_ranking_count(&b->arrived), promoted = 0;
        uint32_t keep = esp_bracket_plan_kept(&h->plan, b->s, b->size, b->rung);
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
    *b = (struct bracket){.s = esp_bracket_plan_s(&h->plan, h->bracket_count), .cut = NAN};
    b->size = esp_bracket_plan_size(&h->plan, b->s);
    esp_loss_ranking_init(&b->arrived);
    esp_loss_ranking_init(&b->ready);
    h->bracket_count++;
}

/* The bracket that a new trial joins; bracket_count: a new one must be opened. */
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
    if (m->arrived || m->missing ||
        t->tokens < esp_bracket_plan_target(&h->plan, b->s, m->rung, t->horizon)) {
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

/* Stops waiting for the trial. */
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
        b->size = b->count; /* no further trial joins this bracket */
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

/* CONTINUE to a rung, because of the loss `value`. */
static struct esp_verdict
send(const struct hyperband *h, uint32_t trial, int rung, double value)
{
    const struct bracket *b = &h->brackets[h->members[trial].bracket];
    struct esp_verdict verdict =
        esp_verdict_make(ESP_VERDICT_CONTINUE,
                         trial,
                         esp_bracket_plan_target(
                             &h->plan, b->s, rung, esp_roster_get(&h->roster, trial)->horizon),
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
        int s = bracket < h->bracket_count ? h->brackets[bracket].s
                                           : esp_bracket_plan_s(&h->plan, bracket);
        struct esp_verdict verdict =
            esp_verdict_make(ESP_VERDICT_START,
                             view->next_trial,
                             esp_bracket_plan_target(&h->plan, s, 0, h->plan.last),
                             ESP_RULE_NEW);
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
    if (t->tokens >= t->horizon || t->continued_by_user || m->missing) {
        return esp_roster_report_to_horizon(&h->roster, trial, waiting);
    }
    if (!m->arrived) {
        /* Just promoted, or on the way to its rung. */
        return waiting ? send(h, trial, m->rung, m->value) : esp_verdict_none(ESP_RULE_NONE);
    }
    struct esp_verdict verdict = esp_verdict_make(ESP_VERDICT_PAUSE, trial, 0, h->rule);
    verdict.reason.rung = m->rung;
    verdict.reason.at = esp_bracket_plan_target(&h->plan, b->s, m->rung, t->horizon);
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
