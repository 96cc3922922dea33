/* Which settings lead and tie, and which of them is trained again. */
#include "repeat_private.h"

#include "roster.h"

#include <math.h>

static struct esp_setting_rank rank_of(const struct esp_repeat *r, uint32_t trial, double noise)
{
    const struct esp_repeat_trial *t = &r->trials[trial];
    bool at_horizon = t->seeds.count > 0;
    return esp_setting_rank_of(trial, at_horizon, INFINITY, &t->seeds, noise);
}

/* Settings with one seed rank by their loss, so the first of them stands for all. */
int64_t esp_repeat_best(const struct esp_repeat *r)
{
    double noise = esp_repeat_noise(r);
    bool found = esp_loss_ranking_count(&r->singles) > 0;
    struct esp_setting_rank best = {0};
    if (found) {
        best = rank_of(r, esp_loss_ranking_at(&r->singles, 1).trial, noise);
    }
    for (uint32_t i = 0; i < r->repeated_count; i++) {
        struct esp_setting_rank other = rank_of(r, r->repeated[i], noise);
        if (other.at_horizon && (!found || esp_setting_ranks_before(&other, &best))) {
            best = other;
            found = true;
        }
    }
    return found ? best.trial : -1;
}

/* The first settings that are different trainings, best first. */
struct leaders {
    struct esp_setting_rank list[ESP_REPEAT_LOOKED_AT];
    uint32_t count;
};

/* Inserts a setting at its place, if it is among the first. */
static void place(struct leaders *leaders, struct esp_setting_rank new)
{
    uint32_t at = leaders->count;
    while (at > 0 && esp_setting_ranks_before(&new, &leaders->list[at - 1])) {
        at--;
    }
    if (at == ESP_REPEAT_LOOKED_AT) {
        return;
    }
    leaders->count += leaders->count < ESP_REPEAT_LOOKED_AT;
    for (uint32_t i = leaders->count - 1; i > at; i--) {
        leaders->list[i] = leaders->list[i - 1];
    }
    leaders->list[at] = new;
}

/* Trials of the same values and seed, which a sampler may draw twice, have losses that are
 * equal to the last bit. */
static bool is_same_training(const struct esp_repeat *r, uint32_t trial, uint32_t other)
{
    return r->trials[trial].final == r->trials[other].final;
}

/* Whether a setting with one seed is the same training as one with several, or as a leader. */
static bool
is_drawn_twice(const struct esp_repeat *r, uint32_t trial, const struct leaders *leaders)
{
    for (uint32_t i = 0; i < r->repeated_count; i++) {
        if (is_same_training(r, trial, r->repeated[i])) {
            return true;
        }
    }
    for (uint32_t i = 0; i < leaders->count; i++) {
        if (is_same_training(r, trial, (uint32_t)leaders->list[i].trial)) {
            return true;
        }
    }
    return false;
}

static void find_leaders(const struct esp_repeat *r, double noise, struct leaders *leaders)
{
    uint32_t singles = esp_loss_ranking_count(&r->singles);
    leaders->count = 0;
    for (uint32_t i = 0; i < r->repeated_count; i++) {
        place(leaders, rank_of(r, r->repeated[i], noise));
    }
    for (uint32_t k = 1; k <= singles && k <= ESP_REPEAT_LOOKED_AT; k++) {
        uint32_t trial = esp_loss_ranking_at(&r->singles, k).trial;
        if (!is_drawn_twice(r, trial, leaders)) {
            place(leaders, rank_of(r, trial, noise));
        }
    }
}

void esp_repeat_tied(const struct esp_repeat *r, struct esp_tied *out)
{
    struct leaders leaders;
    *out = (struct esp_tied){.noise = esp_repeat_noise(r)};
    find_leaders(r, out->noise, &leaders);
    for (uint32_t i = 0; i < leaders.count; i++) {
        uint32_t first = (uint32_t)leaders.list[0].trial,
                 trial = (uint32_t)leaders.list[i].trial;
        if (i == 0 ||
            esp_seeds_tie(&r->trials[first].seeds, &r->trials[trial].seeds, out->noise)) {
            out->trials[out->count++] = trial;
            out->leaders += i < ESP_REPEAT_LEADERS;
        }
    }
    if (out->count < 2) {
        out->count = out->leaders = 0;
    }
}

/* Whether a setting may get one more seed of at most `repeats_max`, when `since` settings were
 * first repeated since the last new one. */
static bool eligible(const struct esp_repeat_trial *t, uint32_t repeats_max, uint32_t since)
{
    return t->made < repeats_max && (t->made > 0 || since < ESP_REPEAT_LEADERS);
}

/* The setting's repeats that will go on, and the tokens that remain to them. */
static uint32_t begun(const struct esp_repeat *r, uint32_t trial, double *tokens)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->open_count; i++) {
        const struct esp_repeat_trial *t = &r->trials[r->open[i]];
        if (t->of == trial && t->state != ESP_REPEAT_HELD) {
            count++;
            *tokens += (double)(t->horizon - t->tokens);
        }
    }
    return count;
}

void esp_repeat_further(const struct esp_repeat *r,
                        const struct esp_tied *tied,
                        double horizon,
                        struct esp_repeat_plan *out)
{
    uint32_t repeats_max = r->repeats_max > 0 ? r->repeats_max : 1, since = r->since;
    *out = (struct esp_repeat_plan){0};
    for (uint32_t i = 0; i < tied->leaders && tied->leaders > 1; i++) {
        const struct esp_repeat_trial *t = &r->trials[tied->trials[i]];
        uint32_t go_on = begun(r, tied->trials[i], &out->tokens[i]);
        if (go_on > 0) {
            out->trainings += go_on;
            out->begun += go_on;
        } else if (eligible(t, repeats_max, since)) {
            since += t->made == 0;
            out->trainings++;
            out->tokens[i] = horizon;
        }
        out->tokens_total += out->tokens[i];
    }
}

static struct esp_verdict
repeat(const struct esp_repeat *r, const struct esp_tied *tied, uint32_t chosen)
{
    const struct esp_repeat_trial *first = &r->trials[tied->trials[0]];
    const struct esp_repeat_trial *t = &r->trials[tied->trials[chosen]];
    struct esp_verdict verdict = esp_verdict_make(
        ESP_VERDICT_REPEAT, tied->trials[chosen], t->horizon, ESP_RULE_SEED_NOISE);
    verdict.reason.at = t->horizon;
    verdict.reason.rank = (int32_t)chosen + 1;
    verdict.reason.of = (int32_t)tied->leaders;
    verdict.reason.value = t->seeds.mean;
    verdict.reason.threshold =
        first->seeds.mean + tied->noise * sqrt(1.0 / first->seeds.count + 1.0 / t->seeds.count);
    for (uint32_t i = 0, found = 0; i < tied->leaders && found < ESP_RIVALS_MAX; i++) {
        if (i != chosen) {
            verdict.reason.rivals[found++] = (int32_t)tied->trials[i];
        }
    }
    return verdict;
}

/* The leader that gets the next seed: of those that may, the one with the fewest, the best
 * first; its index, or `leaders`: none. */
static uint32_t choose(const struct esp_repeat *r, const struct esp_tied *tied)
{
    uint32_t chosen = tied->leaders;
    for (uint32_t i = 0; tied->leaders > 1 && i < tied->leaders; i++) {
        const struct esp_repeat_trial *t = &r->trials[tied->trials[i]];
        if (eligible(t, r->repeats_max, r->since) &&
            (chosen == tied->leaders || t->made < r->trials[tied->trials[chosen]].made)) {
            chosen = i;
        }
    }
    return chosen;
}

struct esp_verdict esp_repeat_next(const struct esp_repeat *r, bool may_repeat)
{
    for (uint32_t i = 0; i < r->open_count; i++) {
        const struct esp_repeat_trial *t = &r->trials[r->open[i]];
        if (t->state == ESP_REPEAT_PAUSED && t->tokens < t->horizon) {
            return esp_verdict_make(
                ESP_VERDICT_CONTINUE, r->open[i], t->horizon, ESP_RULE_RESTART);
        }
    }
    struct esp_verdict none = esp_verdict_none(ESP_RULE_NONE);
    if (r->repeats_max == 0 || !may_repeat) {
        return none;
    }
    struct esp_tied tied;
    esp_repeat_tied(r, &tied);
    uint32_t chosen = choose(r, &tied);
    if (chosen == tied.leaders) {
        return none;
    }
    bool further = r->trials[tied.trials[chosen]].made > 0;
    return further && esp_repeat_live(r) > 0 ? none : repeat(r, &tied, chosen);
}

struct esp_verdict esp_repeat_report(const struct esp_repeat *r, uint32_t trial, bool waiting)
{
    const struct esp_repeat_trial *t = &r->trials[trial];
    if (waiting && t->tokens < t->horizon) {
        return esp_verdict_make(ESP_VERDICT_CONTINUE, trial, t->horizon, ESP_RULE_HORIZON);
    }
    return esp_verdict_none(ESP_RULE_NONE);
}

uint32_t esp_repeat_reserve(uint32_t repeats_max, bool given, int64_t run_cap)
{
    int64_t share = given ? run_cap / 2 : run_cap / 5;
    int64_t wanted = repeats_max > 0 ? ESP_REPEAT_LEADERS : 0;
    int64_t kept = share < wanted ? share : wanted;
    return kept < 2 ? 0 : (uint32_t)kept;
}
