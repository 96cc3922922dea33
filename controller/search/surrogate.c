/* The trials as told, and the questions; the algebra is in posterior.c, the fit in fit.c. */
#include "surrogate_private.h"

#include "normal.h"
#include "sobol_points.h"

#include <espalier/random.h>

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where the law's optimum may really be: most of the prior within its width, the rest three
 * times as wide, so that a centre misplaced by octaves is soon moved and never trusted blindly.
 */
#define WIDE_SHARE 0.3
#define WIDE_FACTOR 2.5
/* A bowl's bottom may lie a little outside the range. */
#define GENERIC_REACH 1.2

static void make_shifts(struct esp_surrogate *s)
{
    struct esp_sobol_dimension dimension[ESP_PARAMS_MAX];
    for (int a = 0; a < s->law.count; a++) {
        esp_sobol_dimension_make(&dimension[a], a);
    }
    for (uint32_t i = 0; i < ESP_SHIFTS; i++) {
        bool wide = i % 2 == 1;
        double share = wide ? WIDE_SHARE : 1 - WIDE_SHARE;
        s->shift_prior[i] = s->law.generic ? -log(ESP_SHIFTS) : log(share / (ESP_SHIFTS / 2));
        for (int a = 0; a < s->law.count; a++) {
            double u =
                (esp_sobol_bits(&dimension[a], s->law.generic ? i : i / 2 + 1) + 0.5) * 0x1p-32;
            double z = i < 2 ? 0 : esp_normal_z(u);
            s->shift[i][a] = z * s->law.width[a] * (wide ? WIDE_FACTOR : 1);
            if (s->law.generic) {
                s->shift[i][a] = GENERIC_REACH * (2 * u - 1) * s->law.width[a];
            }
        }
    }
}

int esp_surrogate_create(const struct esp_study *study,
                         struct esp_surrogate **out,
                         struct esp_error *error)
{
    struct esp_surrogate *s = calloc(1, sizeof *s);
    if (!s) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    s->study = study;
    esp_space_make(&s->space, study);
    esp_scaling_law_make(&s->law, &s->space);
    esp_rate_effect_make(&s->anneal, &s->space);
    make_shifts(s);
    s->horizon = study->trainer.tokens > 0 ? (double)study->trainer.tokens : 0;
    for (int k = 0; k < ESP_MARKS; k++) {
        esp_quantile_init(&s->step[k].gain, 0.5);
        esp_quantile_init(&s->step[k].middle, 0.5);
        esp_quantile_init(&s->step[k].height, 0.5);
        s->step[k].reach = INFINITY;
        esp_loss_ranking_init(&s->at_mark[k]);
    }
    esp_loss_ranking_init(&s->bad);
    esp_loss_ranking_init(&s->silent);
    esp_hyper_default(&s->hyper, &s->space);
    s->refit_at = ESP_REFIT_FIRST;
    *out = s;
    return 0;
}

void esp_surrogate_destroy(struct esp_surrogate *s)
{
    if (!s) {
        return;
    }
    for (int k = 0; k < ESP_MARKS; k++) {
        esp_quantile_release(&s->step[k].gain);
        esp_quantile_release(&s->step[k].middle);
        esp_quantile_release(&s->step[k].height);
        esp_loss_ranking_release(&s->at_mark[k]);
    }
    esp_loss_ranking_release(&s->bad);
    esp_loss_ranking_release(&s->silent);
    esp_posterior_release(&s->cache);
    free(s->trials);
    free(s->places);
    free(s);
}

void esp_surrogate_created(struct esp_surrogate *s, uint32_t trial, const double *values)
{
    assert(trial == s->count);
    if (trial >= s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 64;
        s->trials = realloc(s->trials, s->capacity * sizeof *s->trials);
        s->places =
            realloc(s->places, (s->capacity * (size_t)s->space.count + 1) * sizeof(double));
        assert(s->trials && s->places);
    }
    struct esp_curve *c = &s->trials[s->count++];
    *c = (struct esp_curve){.mark = -1, .last = NAN};
    for (int k = 0; k < ESP_MARKS; k++) {
        c->loss[k] = NAN;
    }
    if (s->space.count > 0) {
        esp_space_place(&s->space, values, &s->places[trial * (size_t)s->space.count]);
        c->height =
            esp_rate_effect_log_rate(&s->anneal, &s->places[trial * (size_t)s->space.count]);
    }
    esp_loss_ranking_insert(&s->silent, 0, trial);
    s->cache.ready = false;
}

double esp_surrogate_h(const struct esp_surrogate *s, int64_t tokens)
{
    double share = s->horizon > 0 ? (double)tokens / s->horizon : 1;
    /* Batch sizes make horizons differ by a step: what is within 2 % of the end is the end. */
    if (share > 0.98) {
        return 0;
    }
    return fmin(-log2(share) / ESP_OCTAVES, 1);
}

static int mark_of(double h)
{
    return (int)floor((1 - h) * (ESP_MARKS - 1) + 1e-9);
}

/* Ridge of the slope, in steps of typical size: two steps halve it. */
#define SLOPE_RIDGE 2.0
#define SLOPE_MIN (-0.3)
#define SLOPE_MAX 1.0
/* Deviations beyond this many times the gap between the best and the middle say nothing. */
#define STEP_CLIP 3.0

static double slope_of(const struct esp_step *step)
{
    if (step->weight <= 0 || step->xx <= 0) {
        return 0;
    }
    double slope = step->xy / (step->xx * (1 + SLOPE_RIDGE / step->weight));
    return fmin(fmax(slope, SLOPE_MIN), SLOPE_MAX);
}

/* What goes by on the step from mark k to k + 1. */
static struct esp_rate_effect_span
stretch_of(const struct esp_surrogate *s, int k, double height)
{
    double from = exp2(-ESP_OCTAVES * (1 - (double)k / (ESP_MARKS - 1)));
    double to = exp2(-ESP_OCTAVES * (1 - (double)(k + 1) / (ESP_MARKS - 1)));
    return esp_rate_effect_between(&s->anneal, height, from, to);
}

double esp_surrogate_rate_adjusted_loss(const struct esp_surrogate *s,
                                        uint32_t trial,
                                        int64_t tokens,
                                        double loss)
{
    if (!isfinite(loss)) {
        return loss;
    }
    /* Only what is known beforehand, so that losses told at different times compare. */
    const struct esp_rate_effect_fit nothing = {0};
    double share = s->horizon > 0 ? (double)tokens / s->horizon : 1;
    struct esp_rate_effect_span rest =
        esp_rate_effect_between(&s->anneal, s->trials[trial].height, share, 1);
    return loss - fabs(loss) * esp_rate_effect_decrease(&nothing, rest);
}

/* What a middling trial gains by a step; an unknown one is like the one before it. */
static double gain_of(const struct esp_step *step, double before)
{
    double seen =
        esp_quantile_count(&step->gain) > 0 ? esp_quantile_value(&step->gain) : before;
    return isfinite(seen) ? seen : before;
}

double
esp_surrogate_project(const struct esp_surrogate *s, double loss, double h, double height)
{
    if (h <= 0 || (s->study->ablate & ESP_ABLATE_CURVE)) {
        return loss;
    }
    double position = (1 - h) * (ESP_MARKS - 1), gain = 0, size = fabs(loss);
    for (int k = 0; k + 1 < ESP_MARKS; k++) {
        const struct esp_step *step = &s->step[k];
        bool known = esp_quantile_count(&step->gain) > 0;
        gain = gain_of(step, gain);
        double share = fmin(fmax(k + 1 - position, 0), 1);
        if (share <= 0) {
            continue;
        }
        double slope = known ? slope_of(step) : 0;
        double deviation = slope != 0 ? loss - esp_quantile_value(&step->middle) : 0;
        double above = height - (known ? esp_quantile_value(&step->height) : 0);
        double fall = size * esp_rate_effect_decrease(&s->seen, stretch_of(s, k, above));
        loss += share * (gain + slope * deviation - fall);
    }
    return loss;
}

double esp_surrogate_extrapolated_loss(const struct esp_surrogate *s, uint32_t trial)
{
    assert(trial < s->count);
    const struct esp_curve *c = &s->trials[trial];
    double position = (1 - c->last_h) * (ESP_MARKS - 1), gain = 0, loss = c->last;
    for (int k = 0; k + 1 < ESP_MARKS && !(s->study->ablate & ESP_ABLATE_CURVE); k++) {
        gain = gain_of(&s->step[k], gain);
        loss += gain * fmin(fmax(k + 1 - position, 0), 1);
    }
    return loss;
}

/* A step from an earlier mark to `mark`, shared out over the marks between. */
static void learn_step(struct esp_surrogate *s, const struct esp_curve *c, int mark)
{
    int from = mark - 1;
    while (from >= 0 && isnan(c->loss[from])) {
        from--;
    }
    if (from < 0) {
        return;
    }
    double loss = (double)c->loss[from], each = ((double)c->loss[mark] - loss) / (mark - from);
    for (int k = from; k < mark && isfinite(each); k++, loss += each) {
        struct esp_step *step = &s->step[k];
        esp_quantile_add(&step->gain, each);
        esp_quantile_add(&step->middle, loss);
        esp_quantile_add(&step->height, c->height);
        double middle = esp_quantile_value(&step->middle);
        double gain = esp_quantile_value(&step->gain), reach = step->reach;
        double above = c->height - esp_quantile_value(&step->height);
        struct esp_rate_effect_span stretch = stretch_of(s, k, above);
        double x = loss - middle;
        step->reach = fmin(reach, loss);
        double clip = STEP_CLIP * fabs(middle - step->reach);
        /* Those better than the middle are the ones whose end matters. */
        if (x < 0 && x >= -clip && fabs(each - gain) <= clip) {
            step->weight += 1;
            step->xx += x * x;
            double fall = fabs(loss) * esp_rate_effect_decrease(&s->seen, stretch);
            step->xy += x * (each - gain + fall);
            esp_rate_effect_learn(&s->seen, stretch, (gain - each) / fmax(fabs(loss), 1e-12));
        }
    }
}

static void forget_rank(struct esp_surrogate *s, uint32_t trial)
{
    struct esp_curve *c = &s->trials[trial];
    if (c->mark >= 0) {
        esp_loss_ranking_erase(&s->at_mark[c->mark], (double)c->loss[c->mark], trial);
    }
}

void esp_surrogate_observed(struct esp_surrogate *s,
                            uint32_t trial,
                            int64_t tokens,
                            double loss)
{
    assert(trial < s->count);
    struct esp_curve *c = &s->trials[trial];
    s->cache.ready = false;
    c->tokens = tokens;
    if (!isfinite(loss) || c->state == ESP_CURVE_BAD) {
        return;
    }
    if (s->horizon <= 0) {
        s->horizon = (double)tokens; /* a program whose end nobody has told: the furthest yet */
    }
    double h = esp_surrogate_h(s, tokens);
    int mark = mark_of(h);
    if (isnan(c->last)) {
        s->told++;
        esp_loss_ranking_erase(&s->silent, 0, trial);
    }
    c->last = loss;
    c->last_h = h;
    if (mark > c->mark) {
        forget_rank(s, trial);
        c->mark = mark;
        c->loss[mark] = (float)loss;
        c->since[mark] = (float)h;
        esp_loss_ranking_insert(&s->at_mark[mark], (double)c->loss[mark], trial);
        learn_step(s, c, mark);
    }
}

void esp_surrogate_completed(struct esp_surrogate *s, uint32_t trial)
{
    struct esp_curve *c = &s->trials[trial];
    esp_loss_ranking_erase(&s->silent, 0, trial);
    s->cache.ready = false;
    if (c->state == ESP_CURVE_OPEN) {
        c->state = ESP_CURVE_COMPLETE;
        c->last_h = 0;
    }
}

void esp_surrogate_failed(struct esp_surrogate *s, uint32_t trial)
{
    struct esp_curve *c = &s->trials[trial];
    esp_loss_ranking_erase(&s->silent, 0, trial);
    s->cache.ready = false;
    if (c->state != ESP_CURVE_BAD) {
        forget_rank(s, trial);
        c->mark = -1;
        c->state = ESP_CURVE_BAD;
        esp_loss_ranking_insert(&s->bad, 0, trial);
    }
}

void esp_surrogate_closed(struct esp_surrogate *s, uint32_t trial)
{
    esp_loss_ranking_erase(&s->silent, 0, trial);
    s->cache.ready = false;
    if (s->trials[trial].state == ESP_CURVE_OPEN) {
        s->trials[trial].state = ESP_CURVE_CLOSED;
    }
}

const struct esp_space *esp_surrogate_space(const struct esp_surrogate *s)
{
    return &s->space;
}

const struct esp_scaling_law *esp_surrogate_law(const struct esp_surrogate *s)
{
    return &s->law;
}

/* The cache is a function of what was told: refreshing it changes no answer. */
static const struct esp_posterior *posterior(const struct esp_surrogate *s)
{
    struct esp_surrogate *own = (struct esp_surrogate *)s;
    if (!own->cache.ready) {
        int rc = esp_posterior_make(&own->cache, s, &s->hyper, ESP_ACTIVE_MAX, true);
        assert(rc == 0);
        own->cache.ready = true;
    }
    return &s->cache;
}

static struct esp_prediction in_losses(const struct esp_posterior *p, struct esp_prediction_w w)
{
    return (struct esp_prediction){
        .mean = p->best_z + p->scale * w.mean,
        .deviation = p->scale * sqrt(w.variance),
        .log_ei = w.log_ei + log(p->scale),
    };
}

/* Queries of one prediction: the paused leaders of every mark, and one more. */
#define QUERIES_MAX 128

void esp_surrogate_predict_trials(const struct esp_surrogate *s,
                                  const uint32_t *trials,
                                  int count,
                                  struct esp_prediction *out)
{
    struct esp_query queries[QUERIES_MAX];
    struct esp_prediction_w beliefs[QUERIES_MAX];
    assert(count <= QUERIES_MAX);
    const struct esp_posterior *p = posterior(s);
    for (int i = 0; i < count; i++) {
        queries[i] = (struct esp_query){.x = &s->places[trials[i] * (size_t)s->space.count],
                                        .trial = trials[i]};
    }
    esp_posterior_predict(p, s, queries, count, beliefs);
    for (int i = 0; i < count; i++) {
        out[i] = in_losses(p, beliefs[i]);
    }
}

struct esp_prediction esp_surrogate_predict_at(const struct esp_surrogate *s, const double *x)
{
    struct esp_prediction_w w;
    struct esp_query query = {.x = x, .trial = UINT32_MAX};
    const struct esp_posterior *p = posterior(s);
    esp_posterior_predict(p, s, &query, 1, &w);
    return in_losses(p, w);
}

double esp_surrogate_law_weight(const struct esp_surrogate *s)
{
    return posterior(s)->law_weight;
}

/* Candidates for a new trial: spread over the whole space, around the best trials, and, while
 * the law counts, around where it says. Then once more around the best of them. */
#define SPREAD 192
#define AROUND 128
#define POLISH 64
#define CANDIDATES (SPREAD + AROUND)
#define AROUND_TRIALS 6
/* Counters of the sampler's draws lie above those of the plain samplers. */
#define DRAW_COUNTER (1ull << 32)

static double normal_draw(const struct esp_surrogate *s, uint32_t trial, uint64_t counter)
{
    struct esp_random_block b =
        esp_random_at(s->study->seed, trial, ESP_RANDOM_SAMPLER, DRAW_COUNTER + counter);
    return esp_normal_z(fmax(esp_random_unit(b.word[0], b.word[1]), 1e-15));
}

/* Each axis is moved with probability 1 - 0.5^(1/…); at least one is. */
static void mutate(const struct esp_surrogate *s,
                   uint32_t trial,
                   uint64_t counter,
                   const double *from,
                   double step,
                   double *x)
{
    int count = s->space.count;
    struct esp_random_block pick =
        esp_random_at(s->study->seed, trial, ESP_RANDOM_SAMPLER, 2 * DRAW_COUNTER + counter);
    int forced = (int)(pick.word[0] % (uint32_t)count);
    for (int a = 0; a < count; a++) {
        const struct esp_axis *axis = &s->space.axes[a];
        struct esp_random_block b =
            esp_random_at(s->study->seed,
                          trial,
                          ESP_RANDOM_SAMPLER,
                          3 * DRAW_COUNTER + counter * 64 + (uint64_t)a);
        x[a] = from[a];
        if (a != forced && b.word[2] % 2 && count > 2) {
            continue;
        }
        if (axis->kind == ESP_AXIS_NOMINAL) {
            if (a == forced || b.word[3] % 4 == 0) {
                x[a] = (double)(b.word[0] % (uint32_t)(axis->high + 1.5));
            }
            continue;
        }
        double z = esp_normal_z(fmax(esp_random_unit(b.word[0], b.word[1]), 1e-15));
        x[a] = fmin(fmax(from[a] + z * step * (axis->high - axis->low), axis->low), axis->high);
    }
}

/* Settings nearer than this share of every range tell nothing new: seeds differ by more. */
#define SEPARATION 0.005

static bool same_place(const struct esp_surrogate *s, const double *x, uint32_t trial)
{
    const double *other = &s->places[trial * (size_t)s->space.count];
    for (int a = 0; a < s->space.count; a++) {
        const struct esp_axis *axis = &s->space.axes[a];
        double apart =
            axis->kind == ESP_AXIS_NUMBER ? SEPARATION * (axis->high - axis->low) : 0;
        if (fabs(x[a] - other[a]) > apart + 1e-9) {
            return false;
        }
    }
    return true;
}

/* Whether these settings exist already. */
static bool exists(const struct esp_surrogate *s, const double *x)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (same_place(s, x, i)) {
            return true;
        }
    }
    return false;
}

/* Draws settings from coordinates, and reads the coordinates that came of it. */
static void settle(const struct esp_surrogate *s, double *x)
{
    double drawn[ESP_PARAMS_MAX];
    esp_space_draw(&s->space, x, drawn);
    esp_space_place(&s->space, drawn, x);
}

static int fill_candidates(const struct esp_surrogate *s, uint32_t trial, double *x)
{
    int count = 0, axes = s->space.count;
    double u[ESP_PARAMS_MAX], drawn[ESP_PARAMS_MAX];
    struct esp_sobol_dimension dimension[ESP_PARAMS_MAX];
    for (int a = 0; a < axes; a++) {
        esp_sobol_dimension_make(&dimension[a], a);
    }
    for (uint32_t i = 0; i < SPREAD; i++, count++) {
        for (int a = 0; a < axes; a++) {
            /* A digital shift per trial: each decision sees another net. */
            struct esp_random_block b = esp_random_at(
                s->study->seed, trial, ESP_RANDOM_SAMPLER, 4 * DRAW_COUNTER + (uint64_t)a);
            u[a] = ((esp_sobol_bits(&dimension[a], i) ^ b.word[0]) + 0.5) * 0x1p-32;
        }
        esp_space_uniform(&s->space, u, drawn);
        esp_space_place(&s->space, drawn, &x[count * axes]);
    }
    uint32_t around[AROUND_TRIALS];
    int found = 0;
    for (int k = ESP_MARKS - 1; k >= 0 && found < AROUND_TRIALS; k--) {
        uint32_t there = esp_loss_ranking_count(&s->at_mark[k]);
        for (uint32_t r = 1; r <= there && r <= 3 && found < AROUND_TRIALS; r++) {
            around[found++] = esp_loss_ranking_at(&s->at_mark[k], r).trial;
        }
    }
    for (int i = 0; i < AROUND && found > 0; i++, count++) {
        const double steps[] = {0.02, 0.06, 0.15};
        mutate(s,
               trial,
               (uint64_t)i,
               &s->places[around[i % found] * (size_t)axes],
               steps[(i / found) % 3],
               &x[count * axes]);
        settle(s, &x[count * axes]);
    }
    return count;
}

/* Around the optima that the law's parts believe in. */
static int fill_law(const struct esp_surrogate *s,
                    const struct esp_posterior *p,
                    uint32_t trial,
                    double *x)
{
    int count = 0, axes = s->space.count;
    for (int i = 0; i < p->parts && s->law.active; i++) {
        if (p->part[i].shift < 0 || p->part[i].weight < 0.02) {
            continue;
        }
        for (int k = 0; k < 3; k++, count++) {
            double *at = &x[count * axes];
            memcpy(at, &s->places[0], (size_t)axes * sizeof *at);
            for (int a = 0; a < s->law.count; a++) {
                double jitter =
                    k ? 0.2 * normal_draw(s, trial, (uint64_t)((i * 3 + k) * 64 + a)) : 0;
                at[s->law.axes[a]] = s->law.at[a] + s->shift[p->part[i].shift][a] + jitter;
            }
            settle(s, at);
        }
    }
    return count;
}

/* The first trial of all: where the law says, otherwise the middle. */
static void first_place(const struct esp_surrogate *s, double *x)
{
    for (int a = 0; a < s->space.count; a++) {
        const struct esp_axis *axis = &s->space.axes[a];
        x[a] = axis->kind == ESP_AXIS_NOMINAL ? 0 : 0.5 * (axis->low + axis->high);
    }
    for (int a = 0; a < s->law.count && s->law.active && !s->law.generic; a++) {
        x[s->law.axes[a]] = s->law.at[a];
    }
    settle(s, x);
}

/* The best candidate that no trial has yet, and -1 when every one exists: coordinates that are
 * clipped at the end of their range meet there, though the space is uncountable. Only the best
 * are looked up among the trials. */
static int best_of(const struct esp_surrogate *s,
                   const struct esp_posterior *p,
                   double *x,
                   int count,
                   struct esp_prediction_w *belief)
{
    struct esp_query queries[CANDIDATES + 3 * ESP_MEANS_KEPT];
    struct esp_prediction_w beliefs[CANDIDATES + 3 * ESP_MEANS_KEPT];
    bool taken[CANDIDATES + 3 * ESP_MEANS_KEPT] = {false};
    int axes = s->space.count;
    assert(count > 0);
    for (int i = 0; i < count; i++) {
        queries[i] = (struct esp_query){.x = &x[i * axes], .trial = UINT32_MAX};
    }
    esp_posterior_predict(p, s, queries, count, beliefs);
    for (int tried = 0; tried < count; tried++) {
        int top = 0;
        for (int i = 1; i < count; i++) {
            bool better = taken[top] || beliefs[i].log_ei > beliefs[top].log_ei;
            top = !taken[i] && better ? i : top;
        }
        *belief = beliefs[top];
        if (!exists(s, &x[top * axes])) {
            return top;
        }
        taken[top] = true;
    }
    *belief = beliefs[0];
    return -1;
}

struct esp_prediction
esp_surrogate_propose(const struct esp_surrogate *s, uint32_t trial, double *values)
{
    const struct esp_posterior *p = posterior(s);
    int axes = s->space.count, best = 0;
    size_t room = (size_t)(CANDIDATES + 3 * ESP_MEANS_KEPT) * (size_t)(axes + 1);
    double *x = malloc(room * sizeof *x), *polish = malloc(room * sizeof *polish);
    assert(x && polish);
    struct esp_prediction_w w = {.log_ei = -INFINITY};
    if (axes == 0 || s->count == 0) {
        first_place(s, x);
        esp_posterior_predict(p, s, &(struct esp_query){.x = x, .trial = UINT32_MAX}, 1, &w);
    } else {
        int count = fill_candidates(s, trial, x);
        count += fill_law(s, p, trial, &x[count * axes]);
        best = best_of(s, p, x, count, &w);
        best = best < 0 ? 0 : best; /* every candidate exists: repeat rather than stop */
        for (int i = 0; i < POLISH; i++) {
            mutate(s,
                   trial,
                   (uint64_t)(1000 + i),
                   &x[best * axes],
                   i % 2 ? 0.015 : 0.05,
                   &polish[i * axes]);
            settle(s, &polish[i * axes]);
        }
        struct esp_prediction_w v;
        int nearer = best_of(s, p, polish, POLISH, &v);
        if (nearer >= 0 && v.log_ei > w.log_ei) {
            w = v;
            memcpy(&x[best * axes], &polish[nearer * axes], (size_t)axes * sizeof *x);
        }
    }
    esp_space_draw(&s->space, &x[best * axes], values);
    free(x);
    free(polish);
    return in_losses(p, w);
}
