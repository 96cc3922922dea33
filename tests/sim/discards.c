/* Invariants of discarding at a stated risk (controller/stop/discard.h), checked on the
 * committed events:
 *
 *   - the scores of finished studies are recorded once, before the study is opened;
 *   - a trial is discarded only when it is paused, is not held by the user, is neither an audit
 *     nor a repeat, some trial is complete, and more settings than the limit are better at its
 *     highest mark. So the best trial is never discarded, and a complete trial keeps its
 *     checkpoint;
 *   - exactly the trials that are drawn as audits are spared;
 *   - a trial that was discarded starts afresh when the scheduler chooses it again, and never
 *     because a user asks;
 *   - once an audit continues no trial is discarded, and a study does not end before at least
 * one of its audits was trained.
 *
 * The limit, the marks and the draw are computed here independently. */
#include "sim.h"

#include <espalier/random.h>
#include <math.h>
#include <stdlib.h>

bool sim_is_audit(uint64_t study_seed, uint64_t setting)
{
    return esp_random_at(study_seed, setting, ESP_RANDOM_AUDIT, 0).word[0] <
           UINT32_MAX / ESP_AUDIT_EVERY;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The limit is the ceil((K + 1) / 2)-th smallest of K scores: every study here has risk 1/2. */
static void take_scores(struct world *w, const struct esp_event *e)
{
    struct sim_shadow *s = &w->shadow;
    uint32_t count = e->calibrated.scores.count;
    double scores[SIM_SCORES_MAX];
    if (s->calibrated || s->opened) {
        sim_violate(w, "the study is calibrated %s", s->opened ? "after it began" : "twice");
        return;
    }
    s->calibrated = true;
    for (uint32_t i = 0; i < count; i++) {
        scores[i] = e->calibrated.scores.data[i];
    }
    qsort(scores, count, sizeof *scores, compare);
    s->limit = count > 0 ? scores[(count + 2) / 2 - 1] : INFINITY;
}

static void take_created(struct world *w, const struct esp_event *e)
{
    struct sim_discard_state *g = &w->shadow.discards[e->trial];
    bool repeat = e->created.repeats >= 0;
    *g = (struct sim_discard_state){.horizon = e->created.horizon,
                                    .setting = repeat ? -1 : w->shadow.settings++,
                                    .mark = -1};
    for (int k = 0; k < ESP_DISCARD_MARKS; k++) {
        g->loss[k] = NAN;
    }
}

/* A mark is a half octave of the horizon; the highest one that was passed counts. */
static void take_report(struct world *w, const struct esp_event *e)
{
    struct sim_discard_state *g = &w->shadow.discards[e->trial];
    int mark = ESP_DISCARD_MARKS - 1;
    if (e->report.point.tokens <= 0) {
        return;
    }
    while (mark > 0 &&
           (double)e->report.point.tokens <
               (double)g->horizon * exp2((mark - (ESP_DISCARD_MARKS - 1)) / 2.0 - 5e-10)) {
        mark--;
    }
    if (mark > g->mark) {
        g->mark = mark;
        g->loss[mark] =
            isfinite(e->report.point.value) ? (float)e->report.point.value : INFINITY;
    }
}

static int count_better(const struct sim_shadow *s, const struct sim_discard_state *g)
{
    int count = 0;
    for (int i = 0; i < SIM_TRIALS_MAX; i++) {
        const struct sim_discard_state *other = &s->discards[i];
        count += s->trials[i].exists && other->setting >= 0 &&
                 other->loss[g->mark] < g->loss[g->mark];
    }
    return count;
}

static void check_discarded(struct world *w, const struct esp_event *e)
{
    struct sim_shadow *s = &w->shadow;
    struct sim_discard_state *g = &s->discards[e->trial];
    bool spare = e->verdict.action == ESP_VERDICT_SPARE;
    const char *fault = s->trials[e->trial].state != ESP_TRIAL_PAUSED ? "it is not paused"
                        : g->held                                     ? "the user holds it"
                        : g->setting < 0                              ? "it is a repeat"
                        : g->spared                      ? "it was spared as an audit"
                        : s->complete == 0               ? "no trial is complete"
                        : s->audit_continued             ? "an audit continues"
                        : g->mark < 0                    ? "it has not reported"
                        : count_better(s, g) <= s->limit ? "too few are better"
                        : spare != sim_is_audit(w->study->seed, (uint64_t)g->setting)
                            ? "the draw of audits is different"
                            : NULL;
    sim_log(w, "trial %lld is %s", (long long)e->trial, spare ? "spared" : "discarded");
    if (fault) {
        sim_violate(w,
                    "trial %lld is %s, but %s",
                    (long long)e->trial,
                    spare ? "spared" : "discarded",
                    fault);
    }
    g->spared |= spare;
    g->decided = !spare;
}

static void take_verdict(struct world *w, const struct esp_event *e)
{
    if (e->verdict.reason.rule != ESP_RULE_CALIBRATED || e->trial < 0) {
        return;
    }
    const struct sim_discard_state *g = &w->shadow.discards[e->trial];
    if (e->verdict.action != ESP_VERDICT_CONTINUE) {
        check_discarded(w, e);
    } else if (!g->spared) {
        sim_violate(w, "trial %lld continues as an audit and is none", (long long)e->trial);
    } else {
        w->shadow.audit_continued = true;
    }
}

/* A trial that was discarded may only start afresh. */
static void check_after(struct world *w, const struct esp_event *e, struct sim_discard_state *g)
{
    if (e->moved.trigger == ESP_TRIGGER_CONTINUE) {
        sim_log(w, "trial %lld starts afresh", (long long)e->trial);
        g->discarded = false;
        g->afresh = true;
    } else {
        sim_violate(w,
                    "trial %lld was discarded, and then: %s",
                    (long long)e->trial,
                    esp_trigger_name(e->moved.trigger));
    }
}

static void take_move(struct world *w, const struct esp_event *e)
{
    struct sim_discard_state *g = &w->shadow.discards[e->trial];
    if (g->discarded) {
        check_after(w, e, g);
    } else if (e->moved.from == ESP_TRIAL_PRUNED && e->moved.trigger == ESP_TRIGGER_CONTINUE) {
        sim_violate(w, "trial %lld starts afresh and was not discarded", (long long)e->trial);
    }
    if (g->decided && e->moved.trigger != ESP_TRIGGER_DISCARD) {
        sim_violate(w, "trial %lld is to be discarded and is not", (long long)e->trial);
    }
    if (g->decided) {
        g->decided = false;
        g->discarded = true;
        for (int i = 0; i < w->checkpoint_count; i++) {
            struct sim_checkpoint *c = &w->checkpoints[i];
            c->discarded |= c->trial == e->trial;
        }
    }
    if (e->moved.trigger == ESP_TRIGGER_GRANT && g->afresh && e->moved.resumed_from >= 0) {
        sim_violate(w,
                    "trial %lld was discarded and resumes at %lld tokens",
                    (long long)e->trial,
                    (long long)e->moved.resumed_from);
    }
    g->held = e->moved.trigger == ESP_TRIGGER_HOLD ||
              (g->held && e->moved.trigger != ESP_TRIGGER_RESUME &&
               e->moved.trigger != ESP_TRIGGER_CONTINUE);
    g->diverged |= e->moved.cause == ESP_CAUSE_DIVERGED;
    w->shadow.complete += e->moved.to == ESP_TRIAL_COMPLETE;
}

void sim_discards_commit(struct world *w, const struct esp_event *e)
{
    if (w->violation[0]) {
        return;
    }
    switch (e->kind) {
    case ESP_EVENT_CALIBRATED:
        take_scores(w, e);
        break;
    case ESP_EVENT_OPENED:
        w->shadow.opened = true;
        break;
    case ESP_EVENT_CREATED:
        take_created(w, e);
        break;
    case ESP_EVENT_REPORT:
        take_report(w, e);
        break;
    case ESP_EVENT_SAVED:
        w->shadow.discards[e->trial].afresh = false;
        break;
    case ESP_EVENT_VERDICT:
        take_verdict(w, e);
        break;
    case ESP_EVENT_MOVED:
        take_move(w, e);
        break;
    default:
        break;
    }
}

void sim_discards_end(struct world *w)
{
    const struct sim_shadow *s = &w->shadow;
    int spared = 0, tested = 0, first = -1;
    for (int i = 0; i < SIM_TRIALS_MAX; i++) {
        const struct sim_discard_state *g = &s->discards[i];
        if (!s->trials[i].exists) {
            continue;
        }
        struct esp_trial_view view = esp_core_trial(w->controller.core, (uint32_t)i);
        if (g->discarded && view.checkpoint_tokens >= 0) {
            sim_violate(w, "trial %d was discarded and has a checkpoint", i);
        }
        bool ended = s->trials[i].state == ESP_TRIAL_COMPLETE ||
                     s->trials[i].state == ESP_TRIAL_FAILED || g->diverged;
        first = g->spared && first < 0 ? i : first;
        spared += g->spared;
        tested += g->spared && ended;
    }
    if (spared > 0 && tested == 0 && !w->commands) { /* a user may pause or stop them */
        sim_violate(w, "the study has ended and its audit, trial %d, was not trained", first);
    }
}
