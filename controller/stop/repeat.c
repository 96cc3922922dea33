#include "repeat.h"

#include "roster.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum standing { LIVE, PAUSED, HELD, ENDED };

struct esp_repeat_trial {
    int64_t horizon, tokens;
    double final; /* the loss there; NaN: not yet */
    double last;  /* the last finite one; NaN: none yet */
    uint32_t of;  /* the setting's first trial; its own number for that one */
    enum standing standing;
    /* of a first trial */
    uint32_t made; /* repeats created */
    struct esp_seeds seeds;
    struct esp_scatter scatter; /* of its own curve, a repeat's too */
};

void esp_repeat_init(struct esp_repeat *r, uint32_t most)
{
    *r = (struct esp_repeat){
        .most = most < ESP_REPEATS_MAX ? most : ESP_REPEATS_MAX, .least = NAN, .scatter = NAN};
    esp_loss_ranking_init(&r->singles);
}

void esp_repeat_release(struct esp_repeat *r)
{
    esp_loss_ranking_release(&r->singles);
    free(r->trials);
    free(r->repeated);
    free(r->open);
    *r = (struct esp_repeat){0};
}

static void push(uint32_t **list, uint32_t *count, uint32_t *capacity, uint32_t trial)
{
    if (*count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 8;
        *list = realloc(*list, *capacity * sizeof **list);
        assert(*list);
    }
    (*list)[(*count)++] = trial;
}

static void add_trial(struct esp_repeat *r, uint32_t trial, uint32_t of, int64_t horizon)
{
    assert(trial == r->count);
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 16;
        r->trials = realloc(r->trials, r->capacity * sizeof *r->trials);
        assert(r->trials);
    }
    r->trials[r->count++] = (struct esp_repeat_trial){
        .horizon = horizon, .final = NAN, .last = NAN, .of = of, .standing = LIVE};
}

void esp_repeat_created(struct esp_repeat *r, uint32_t trial, int64_t horizon)
{
    add_trial(r, trial, trial, horizon);
    r->since = 0;
}

void esp_repeat_repeated(struct esp_repeat *r, uint32_t trial, uint32_t of, int64_t horizon)
{
    assert(of < r->count && r->trials[of].of == of);
    add_trial(r, trial, of, horizon);
    struct esp_repeat_trial *first = &r->trials[of];
    if (first->made++ == 0) {
        push(&r->repeated, &r->repeated_count, &r->repeated_capacity, of);
        r->since++;
        if (first->seeds.count > 0) {
            esp_loss_ranking_erase(&r->singles, first->final, of);
        }
    }
    push(&r->open, &r->open_count, &r->open_capacity, trial);
}

/* The first loss at the horizon counts. */
static void settle(struct esp_repeat *r, uint32_t trial, double loss)
{
    struct esp_repeat_trial *t = &r->trials[trial];
    if (!isnan(t->final) || !isfinite(loss)) {
        return;
    }
    t->final = loss;
    if (!(loss >= r->least)) {
        r->least = loss;
        r->scatter = esp_scatter_size(&t->scatter);
    }
    struct esp_repeat_trial *first = &r->trials[t->of];
    esp_seeds_add(&first->seeds, &r->pool, loss);
    if (first->made == 0) {
        esp_loss_ranking_insert(&r->singles, loss, trial);
    }
}

void esp_repeat_observed(struct esp_repeat *r, uint32_t trial, int64_t tokens, double loss)
{
    struct esp_repeat_trial *t = &r->trials[trial];
    t->tokens = tokens > t->tokens ? tokens : t->tokens;
    t->last = isfinite(loss) ? loss : t->last;
    esp_scatter_add(&t->scatter, tokens, t->horizon, loss);
    if (tokens >= t->horizon) {
        settle(r, trial, loss);
    }
}

static void stand(struct esp_repeat *r, uint32_t trial, enum standing standing)
{
    struct esp_repeat_trial *t = &r->trials[trial];
    bool was_open = t->standing != ENDED, is_open = standing != ENDED;
    t->standing = standing;
    if (t->of == trial || was_open == is_open) {
        return;
    }
    if (is_open) {
        push(&r->open, &r->open_count, &r->open_capacity, trial);
        return;
    }
    for (uint32_t i = 0; i < r->open_count; i++) {
        if (r->open[i] == trial) {
            r->open[i] = r->open[--r->open_count];
            return;
        }
    }
}

void esp_repeat_continued(struct esp_repeat *r, uint32_t trial)
{
    stand(r, trial, LIVE);
}

void esp_repeat_paused(struct esp_repeat *r, uint32_t trial, bool held)
{
    stand(r, trial, held ? HELD : PAUSED);
}

void esp_repeat_ended(struct esp_repeat *r, uint32_t trial, enum esp_cause cause)
{
    struct esp_repeat_trial *t = &r->trials[trial];
    stand(r, trial, ENDED);
    if (cause == ESP_CAUSE_COMPLETE) {
        settle(r, trial, t->last); /* a program may be at its end before our horizon */
    }
    if (cause == ESP_CAUSE_DIVERGED && t->of != trial) {
        r->trials[t->of].seeds.spoiled = true;
    }
}

uint32_t esp_repeat_live(const struct esp_repeat *r)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < r->open_count; i++) {
        live += r->trials[r->open[i]].standing == LIVE;
    }
    return live;
}

bool esp_repeat_was_last(const struct esp_repeat *r)
{
    return r->count > 0 && r->trials[r->count - 1].of != r->count - 1;
}

uint32_t esp_repeat_of(const struct esp_repeat *r, uint32_t trial)
{
    assert(trial < r->count);
    return r->trials[trial].of;
}

int64_t esp_repeat_horizon(const struct esp_repeat *r, uint32_t trial)
{
    assert(trial < r->count);
    return r->trials[trial].horizon;
}

const struct esp_seeds *esp_repeat_seeds(const struct esp_repeat *r, uint32_t trial)
{
    assert(trial < r->count);
    return &r->trials[trial].seeds;
}

double esp_repeat_noise(const struct esp_repeat *r)
{
    return esp_seed_noise(&r->pool, r->least, r->scatter);
}

struct leader {
    double score;
    uint32_t trial;
};

static bool ranks_before(const struct leader *a, const struct leader *b)
{
    return a->score < b->score || (a->score == b->score && a->trial < b->trial);
}

static struct leader leader_of(const struct esp_repeat *r, uint32_t trial, double noise)
{
    return (struct leader){esp_seeds_score(&r->trials[trial].seeds, noise), trial};
}

/* Single seeds rank by their loss, so the first of them stands for all. */
int64_t esp_repeat_best(const struct esp_repeat *r)
{
    double noise = esp_repeat_noise(r);
    bool found = esp_loss_ranking_count(&r->singles) > 0;
    struct leader best = {0};
    if (found) {
        best = leader_of(r, esp_loss_ranking_at(&r->singles, 1).trial, noise);
    }
    for (uint32_t i = 0; i < r->repeated_count; i++) {
        struct leader other = leader_of(r, r->repeated[i], noise);
        if (r->trials[other.trial].seeds.count > 0 && (!found || ranks_before(&other, &best))) {
            best = other;
            found = true;
        }
    }
    return found ? (int64_t)best.trial : -1;
}

/* Into its place among at most ESP_REPEAT_LEADERS; equal scores by number. */
static int place(struct leader *leaders, int count, struct leader new)
{
    int at = count;
    while (at > 0 && ranks_before(&new, &leaders[at - 1])) {
        at--;
    }
    if (at == ESP_REPEAT_LEADERS) {
        return count;
    }
    int kept = count < ESP_REPEAT_LEADERS ? count : ESP_REPEAT_LEADERS - 1;
    for (int i = kept; i > at; i--) {
        leaders[i] = leaders[i - 1];
    }
    leaders[at] = new;
    return kept + 1;
}

bool esp_repeat_same(double loss, double other)
{
    return loss == other;
}

static bool
is_same_training(const struct esp_repeat *r, uint32_t trial, const struct leader *to, int count)
{
    for (int i = 0; i < count; i++) {
        if (esp_repeat_same(r->trials[to[i].trial].final, r->trials[trial].final)) {
            return true;
        }
    }
    return false;
}

/* The first settings, best first. */
static int lead(const struct esp_repeat *r, double noise, struct leader *leaders)
{
    uint32_t singles = esp_loss_ranking_count(&r->singles);
    int count = 0;
    for (uint32_t i = 0; i < r->repeated_count; i++) {
        count = place(leaders, count, leader_of(r, r->repeated[i], noise));
    }
    for (uint32_t k = 1; k <= singles && k <= ESP_REPEAT_LOOKED_AT; k++) {
        uint32_t trial = esp_loss_ranking_at(&r->singles, k).trial;
        if (!is_same_training(r, trial, leaders, count)) {
            count = place(leaders, count, leader_of(r, trial, noise));
        }
    }
    return count;
}

/* Whether a setting may get one more seed now. */
static bool eligible(const struct esp_repeat *r, uint32_t trial)
{
    const struct esp_repeat_trial *t = &r->trials[trial];
    return t->made < r->most && (t->made > 0 || r->since < ESP_REPEAT_LEADERS);
}

static struct esp_verdict repeat(
    const struct esp_repeat *r, const struct leader *tied, int count, int chosen, double noise)
{
    const struct esp_repeat_trial *first = &r->trials[tied[0].trial];
    const struct esp_repeat_trial *t = &r->trials[tied[chosen].trial];
    struct esp_verdict verdict = esp_verdict_make(
        ESP_VERDICT_REPEAT, tied[chosen].trial, t->horizon, ESP_RULE_SEED_NOISE);
    verdict.reason.at = t->horizon;
    verdict.reason.rank = chosen + 1;
    verdict.reason.of = count;
    verdict.reason.value = t->seeds.mean;
    verdict.reason.threshold =
        first->seeds.mean + noise * sqrt(1.0 / first->seeds.count + 1.0 / t->seeds.count);
    for (int i = 0, found = 0; i < count && found < ESP_RIVALS_MAX; i++) {
        if (i != chosen) {
            verdict.reason.rivals[found++] = (int32_t)tied[i].trial;
        }
    }
    return verdict;
}

struct esp_verdict esp_repeat_next(const struct esp_repeat *r, bool may_repeat)
{
    for (uint32_t i = 0; i < r->open_count; i++) {
        const struct esp_repeat_trial *t = &r->trials[r->open[i]];
        if (t->standing == PAUSED && t->tokens < t->horizon) {
            return esp_verdict_make(
                ESP_VERDICT_CONTINUE, r->open[i], t->horizon, ESP_RULE_RESTART);
        }
    }
    struct esp_verdict none = esp_verdict_none(ESP_RULE_NONE);
    struct leader tied[ESP_REPEAT_LEADERS];
    double noise = esp_repeat_noise(r);
    if (r->most == 0 || !may_repeat) {
        return none;
    }
    int leaders = lead(r, noise, tied), count = leaders > 0 ? 1 : 0;
    for (int i = 1; i < leaders; i++) {
        if (esp_seeds_tie(
                &r->trials[tied[0].trial].seeds, &r->trials[tied[i].trial].seeds, noise)) {
            tied[count++] = tied[i];
        }
    }
    int chosen = -1;
    for (int i = 0; count > 1 && i < count; i++) {
        if (eligible(r, tied[i].trial) &&
            (chosen < 0 ||
             r->trials[tied[i].trial].made < r->trials[tied[chosen].trial].made)) {
            chosen = i;
        }
    }
    bool further = chosen >= 0 && r->trials[tied[chosen].trial].made > 0;
    if (chosen < 0 || (further && esp_repeat_live(r) > 0)) {
        return none;
    }
    return repeat(r, tied, count, chosen, noise);
}

struct esp_verdict esp_repeat_report(const struct esp_repeat *r, uint32_t trial, bool waiting)
{
    const struct esp_repeat_trial *t = &r->trials[trial];
    if (waiting && t->tokens < t->horizon) {
        return esp_verdict_make(ESP_VERDICT_CONTINUE, trial, t->horizon, ESP_RULE_HORIZON);
    }
    return esp_verdict_none(ESP_RULE_NONE);
}

uint32_t esp_repeat_reserve(uint32_t most, bool by_name, int64_t run_cap)
{
    int64_t share = by_name ? run_cap / 2 : run_cap / 5;
    int64_t wanted = most > 0 ? ESP_REPEAT_LEADERS : 0;
    int64_t kept = share < wanted ? share : wanted;
    return kept < 2 ? 0 : (uint32_t)kept;
}
