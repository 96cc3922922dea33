#include "acquisition.h"

#include "normal.h"
#include "sobol_points.h"

#include <espalier/random.h>

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Candidates: SPREAD over the whole space, AROUND near the best trials, and LAW_JITTERS near
 * each optimum that the posterior's parts expect. POLISH more are drawn near the best of
 * these. */
#define SPREAD 192
#define AROUND 128
#define POLISH 64
#define LAW_JITTERS 3
#define CANDIDATES_MAX (SPREAD + AROUND + LAW_JITTERS * ESP_MEANS_KEPT)
#define AROUND_TRIALS 6
#define AROUND_PER_MARK 3
/* Parts with a smaller weight give no candidates. */
#define LAW_WEIGHT_MIN 0.02
#define LAW_JITTER 0.2
/* Counters of the random numbers drawn here are above those of the plain samplers. */
#define DRAW_COUNTER (1ull << 32)
/* The counter of the first mutation while polishing; those around trials count from 0. */
#define POLISH_COUNTER 1000
/* Settings that differ by less than this share of every range count as the same: the
 * difference between seeds is larger. */
#define SEPARATION 0.005

static double normal_draw(const struct esp_study *study, uint32_t trial, uint64_t counter)
{
    struct esp_random_block b =
        esp_random_at(study->seed, trial, ESP_RANDOM_SAMPLER, DRAW_COUNTER + counter);
    return esp_normal_z(fmax(esp_random_unit(b.word[0], b.word[1]), 1e-15));
}

/* Moves some axes of `from` by a normal step, a share of their range. With three axes or more
 * each moves with probability ½, and one always does. */
static void mutate(const struct esp_space *space,
                   uint32_t trial,
                   uint64_t counter,
                   const double *from,
                   double step,
                   double *x)
{
    int count = space->count;
    uint64_t seed = space->study->seed;
    struct esp_random_block pick =
        esp_random_at(seed, trial, ESP_RANDOM_SAMPLER, 2 * DRAW_COUNTER + counter);
    int forced = (int)(pick.word[0] % (uint32_t)count);
    for (int a = 0; a < count; a++) {
        const struct esp_axis *axis = &space->axes[a];
        struct esp_random_block b = esp_random_at(
            seed, trial, ESP_RANDOM_SAMPLER, 3 * DRAW_COUNTER + counter * 64 + (uint64_t)a);
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

static bool same_place(const struct esp_loss_curves *curves, const double *x, uint32_t trial)
{
    const double *other = esp_loss_curves_place(curves, trial);
    for (int a = 0; a < curves->space.count; a++) {
        const struct esp_axis *axis = &curves->space.axes[a];
        double apart =
            axis->kind == ESP_AXIS_NUMBER ? SEPARATION * (axis->high - axis->low) : 0;
        if (fabs(x[a] - other[a]) > apart + 1e-9) {
            return false;
        }
    }
    return true;
}

/* Whether a trial has these settings. */
static bool exists(const struct esp_loss_curves *curves, const double *x)
{
    for (uint32_t i = 0; i < curves->count; i++) {
        if (same_place(curves, x, i)) {
            return true;
        }
    }
    return false;
}

/* Replaces coordinates by those of the nearest settings that can be drawn. */
static void snap(const struct esp_space *space, double *x)
{
    double drawn[ESP_PARAMS_MAX];
    esp_space_draw(space, x, drawn);
    esp_space_place(space, drawn, x);
}

/* Sobol points, shifted digitally by trial: each decision sees another net. */
static int fill_spread(const struct esp_space *space, uint32_t trial, double *x)
{
    int axes = space->count;
    double u[ESP_PARAMS_MAX], drawn[ESP_PARAMS_MAX];
    struct esp_sobol_dimension dimension[ESP_PARAMS_MAX];
    for (int a = 0; a < axes; a++) {
        esp_sobol_dimension_make(&dimension[a], a);
    }
    for (uint32_t i = 0; i < SPREAD; i++) {
        for (int a = 0; a < axes; a++) {
            struct esp_random_block b = esp_random_at(
                space->study->seed, trial, ESP_RANDOM_SAMPLER, 4 * DRAW_COUNTER + (uint64_t)a);
            u[a] = ((esp_sobol_bits(&dimension[a], i) ^ b.word[0]) + 0.5) * 0x1p-32;
        }
        esp_space_uniform(space, u, drawn);
        esp_space_place(space, drawn, &x[(int)i * axes]);
    }
    return SPREAD;
}

/* Mutations of the best trials, those trained furthest first. */
static int fill_around(const struct esp_loss_curves *curves, uint32_t trial, double *x)
{
    static const double steps[] = {0.02, 0.06, 0.15};
    int count = 0, axes = curves->space.count, found = 0;
    uint32_t around[AROUND_TRIALS];
    for (int k = ESP_MARKS - 1; k >= 0 && found < AROUND_TRIALS; k--) {
        uint32_t there = esp_loss_ranking_count(&curves->at_mark[k]);
        for (uint32_t r = 1; r <= there && r <= AROUND_PER_MARK && found < AROUND_TRIALS; r++) {
            around[found++] = esp_loss_ranking_at(&curves->at_mark[k], r).trial;
        }
    }
    for (int i = 0; i < AROUND && found > 0; i++, count++) {
        double *at = &x[count * axes];
        const double *from = esp_loss_curves_place(curves, around[i % found]);
        mutate(&curves->space, trial, (uint64_t)i, from, steps[(i / found) % 3], at);
        snap(&curves->space, at);
    }
    return count;
}

/* Points near the optima that the posterior's parts expect. */
static int fill_law(const struct esp_loss_curves *curves,
                    const struct esp_posterior *p,
                    uint32_t trial,
                    double *x)
{
    const struct esp_scaling_law *law = &p->process.means->law;
    int count = 0, axes = curves->space.count;
    for (int i = 0; i < p->process.part_count && law->active; i++) {
        int shift = p->process.part[i].function.shift;
        if (shift < 0 || p->process.part[i].weight < LAW_WEIGHT_MIN) {
            continue;
        }
        for (int k = 0; k < LAW_JITTERS; k++, count++) {
            double *at = &x[count * axes];
            memcpy(at, esp_loss_curves_place(curves, 0), (size_t)axes * sizeof *at);
            for (int a = 0; a < law->count; a++) {
                uint64_t counter = (uint64_t)((i * LAW_JITTERS + k) * 64 + a);
                double jitter =
                    k ? LAW_JITTER * normal_draw(curves->space.study, trial, counter) : 0;
                at[law->axes[a]] = law->at[a] + p->process.means->shift[shift][a] + jitter;
            }
            snap(&curves->space, at);
        }
    }
    return count;
}

static void
first_place(const struct esp_space *space, const struct esp_scaling_law *law, double *x)
{
    for (int a = 0; a < space->count; a++) {
        const struct esp_axis *axis = &space->axes[a];
        x[a] = axis->kind == ESP_AXIS_NOMINAL ? 0 : 0.5 * (axis->low + axis->high);
    }
    for (int a = 0; a < law->count && esp_scaling_law_is_known(law); a++) {
        x[law->axes[a]] = law->at[a];
    }
    snap(space, x);
}

/* The best candidate that no trial has yet; -1 when every one exists: coordinates that are
 * clipped at the end of their range are equal, though the space is continuous. Only the best
 * ones are compared with the trials. */
static int best_of(const struct esp_loss_curves *curves,
                   const struct esp_posterior *p,
                   const double *x,
                   int count,
                   struct esp_prediction_w *best)
{
    struct esp_query queries[CANDIDATES_MAX];
    struct esp_prediction_w predictions[CANDIDATES_MAX];
    bool taken[CANDIDATES_MAX] = {false};
    int axes = curves->space.count;
    assert(count > 0 && count <= CANDIDATES_MAX);
    for (int i = 0; i < count; i++) {
        queries[i] = (struct esp_query){.x = &x[i * axes], .trial = ESP_NO_TRIAL};
    }
    esp_posterior_predict(p, queries, count, predictions);
    for (int tried = 0; tried < count; tried++) {
        int top = 0;
        for (int i = 1; i < count; i++) {
            bool better = taken[top] || predictions[i].log_ei > predictions[top].log_ei;
            top = !taken[i] && better ? i : top;
        }
        *best = predictions[top];
        if (!exists(curves, &x[top * axes])) {
            return top;
        }
        taken[top] = true;
    }
    *best = predictions[0];
    return -1;
}

/* Improves x, which `best` is predicted for, by the best mutation of it. `room`: for POLISH
 * candidates. */
static void polish(const struct esp_loss_curves *curves,
                   const struct esp_posterior *p,
                   uint32_t trial,
                   double *x,
                   double *room,
                   struct esp_prediction_w *best)
{
    int axes = curves->space.count;
    for (int i = 0; i < POLISH; i++) {
        double *at = &room[i * axes], step = i % 2 ? 0.015 : 0.05;
        mutate(&curves->space, trial, (uint64_t)(POLISH_COUNTER + i), x, step, at);
        snap(&curves->space, at);
    }
    struct esp_prediction_w prediction;
    int nearer = best_of(curves, p, room, POLISH, &prediction);
    if (nearer >= 0 && prediction.log_ei > best->log_ei) {
        *best = prediction;
        memcpy(x, &room[nearer * axes], (size_t)axes * sizeof *x);
    }
}

struct esp_prediction_w esp_acquisition_maximise(const struct esp_loss_curves *curves,
                                                 const struct esp_posterior *p,
                                                 uint32_t trial,
                                                 double *values)
{
    int axes = curves->space.count, best = 0;
    size_t room = (size_t)CANDIDATES_MAX * (size_t)(axes + 1);
    double *x = malloc(room * sizeof *x), *polished = malloc(room * sizeof *polished);
    assert(x && polished);
    struct esp_prediction_w prediction = {.log_ei = -INFINITY};
    if (axes == 0 || curves->count == 0) {
        struct esp_query query = {.x = x, .trial = ESP_NO_TRIAL};
        first_place(&curves->space, &p->process.means->law, x);
        esp_posterior_predict(p, &query, 1, &prediction);
    } else {
        int count = fill_spread(&curves->space, trial, x);
        count += fill_around(curves, trial, &x[count * axes]);
        count += fill_law(curves, p, trial, &x[count * axes]);
        best = best_of(curves, p, x, count, &prediction);
        best = best < 0 ? 0 : best; /* every candidate exists: repeat rather than stop */
        polish(curves, p, trial, &x[best * axes], polished, &prediction);
    }
    esp_space_draw(&curves->space, &x[best * axes], values);
    free(x);
    free(polished);
    return prediction;
}
