#include "training_points.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Earlier losses of a trial are taken this many marks apart. */
#define MARKS_APART 3

void esp_training_points_release(struct esp_training_points *points)
{
    free(points->points);
    free(points->x);
    *points = (struct esp_training_points){0};
}

const double *esp_training_points_x(const struct esp_training_points *points, int index)
{
    return &points->x[points->points[index].place * points->axes];
}

/* All trials with a loss or a failure. */
static int choose_all(const struct esp_loss_curves *curves, uint32_t *chosen)
{
    int count = 0;
    for (uint32_t i = 0; i < curves->count; i++) {
        if (!isnan(curves->trials[i].last) || curves->trials[i].state == ESP_CURVE_FAILED) {
            chosen[count++] = i;
        }
    }
    return count;
}

/* The best of each mark, from the horizon down; `taken`: how many of each. */
static int choose_best(const struct esp_loss_curves *curves,
                       int limit,
                       uint32_t *chosen,
                       uint32_t taken[ESP_MARKS])
{
    int count = 0, good = limit * 2 / 3;
    for (int k = ESP_MARKS - 1; k >= 0; k--) {
        uint32_t there = esp_loss_ranking_count(&curves->at_mark[k]);
        uint32_t count_max = k == ESP_MARKS - 1 ? (uint32_t)limit / 3 : (uint32_t)limit / 8;
        while (taken[k] < there && taken[k] < count_max && count < good) {
            chosen[count++] = esp_loss_ranking_at(&curves->at_mark[k], ++taken[k]).trial;
        }
    }
    return count;
}

/* An even sample of the failed trials. */
static int
choose_failed(const struct esp_loss_curves *curves, int limit, uint32_t *chosen, int count)
{
    uint32_t failed = esp_loss_ranking_count(&curves->failed);
    uint32_t count_max = (uint32_t)limit / 12;
    for (uint32_t i = 0; i < failed && i < count_max && count < limit; i++) {
        uint32_t rank =
            1 + (uint32_t)((uint64_t)i * failed / (failed < count_max ? failed : count_max));
        chosen[count++] = esp_loss_ranking_at(&curves->failed, rank).trial;
    }
    return count;
}

/* An even sample of the trials that choose_best left. */
static int choose_rest(const struct esp_loss_curves *curves,
                       int limit,
                       uint32_t *chosen,
                       int count,
                       const uint32_t taken[ESP_MARKS])
{
    uint32_t rest = 0;
    for (int k = 0; k < ESP_MARKS; k++) {
        rest += esp_loss_ranking_count(&curves->at_mark[k]) - taken[k];
    }
    uint32_t room = (uint32_t)(limit - count), sample = room < rest ? room : rest;
    for (uint32_t i = 0; i < sample; i++) {
        uint32_t at = (uint32_t)(((uint64_t)2 * i + 1) * rest / (2 * sample));
        for (int k = ESP_MARKS - 1; k >= 0; k--) {
            uint32_t there = esp_loss_ranking_count(&curves->at_mark[k]) - taken[k];
            if (at < there) {
                chosen[count++] =
                    esp_loss_ranking_at(&curves->at_mark[k], taken[k] + at + 1).trial;
                break;
            }
            at -= there;
        }
    }
    return count;
}

static int choose_trials(const struct esp_loss_curves *curves, int limit, uint32_t *chosen)
{
    if (curves->count <= (uint32_t)limit) {
        return choose_all(curves, chosen);
    }
    uint32_t taken[ESP_MARKS] = {0};
    int count = choose_best(curves, limit, chosen, taken);
    count = choose_failed(curves, limit, chosen, count);
    return choose_rest(curves, limit, chosen, count, taken);
}

static void
add_point(struct esp_training_points *points, uint32_t trial, int place, double h, double z)
{
    if (points->count < points->capacity) {
        points->points[points->count++] = (struct esp_training_point){trial, place, h, z};
    }
}

/* The last loss of every chosen trial, then earlier ones, so that gains are learnt where they
 * differ between settings. */
static void add_losses(struct esp_training_points *points,
                       const struct esp_loss_curves *curves,
                       const uint32_t *chosen,
                       int count)
{
    const struct esp_curve_projection *projection = &curves->projection;
    size_t axes = (size_t)points->axes;
    for (int i = 0; i < count; i++) {
        const struct esp_loss_curve *curve = &curves->trials[chosen[i]];
        memcpy(&points->x[(size_t)i * axes],
               esp_loss_curves_place(curves, chosen[i]),
               axes * sizeof *points->x);
        bool failed = curve->state == ESP_CURVE_FAILED;
        double z = failed ? INFINITY
                          : esp_curve_projection_project(
                                projection, curve->last, curve->last_h, curve->log_rate);
        add_point(points, chosen[i], i, failed ? 0 : curve->last_h, z);
    }
    points->place_count = count;
    for (int back = MARKS_APART; back < ESP_MARKS; back += MARKS_APART) {
        for (int i = 0; i < count; i++) {
            const struct esp_loss_curve *curve = &curves->trials[chosen[i]];
            int mark = curve->mark - back;
            if (curve->state == ESP_CURVE_FAILED || mark < 0 || isnan(curve->loss[mark])) {
                continue;
            }
            double z = esp_curve_projection_project(
                projection, curve->loss[mark], curve->h[mark], curve->log_rate);
            add_point(points, chosen[i], i, curve->h[mark], z);
        }
    }
}

int esp_training_points_choose(struct esp_training_points *points,
                               const struct esp_loss_curves *curves,
                               int limit)
{
    uint32_t chosen[ESP_ACTIVE_MAX];
    assert(limit <= ESP_ACTIVE_MAX);
    points->axes = curves->space.count;
    if (!points->points) {
        size_t cells = ESP_POINTS_MAX * (size_t)points->axes;
        points->points = malloc(ESP_POINTS_MAX * sizeof *points->points);
        points->x = malloc((cells + 1) * sizeof *points->x);
        if (!points->points || !points->x) {
            esp_training_points_release(points);
            return -ENOMEM;
        }
    }
    points->count = 0;
    points->capacity = limit * 3 / 2 < ESP_POINTS_MAX ? limit * 3 / 2 : ESP_POINTS_MAX;
    int count = choose_trials(curves, limit, chosen);
    add_losses(points, curves, chosen, count);
    return 0;
}

bool esp_training_points_assume(struct esp_training_points *points, const double *x)
{
    if (points->count == ESP_POINTS_MAX || points->place_count == ESP_POINTS_MAX) {
        return false;
    }
    size_t axes = (size_t)points->axes;
    memcpy(&points->x[(size_t)points->place_count * axes], x, axes * sizeof *points->x);
    points->points[points->count++] =
        (struct esp_training_point){ESP_NO_TRIAL, points->place_count++, 0, NAN};
    return true;
}
