#include "loss_curves.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

void esp_loss_curves_init(struct esp_loss_curves *curves, const struct esp_study *study)
{
    *curves = (struct esp_loss_curves){0};
    esp_space_make(&curves->space, study);
    esp_curve_projection_init(&curves->projection, &curves->space);
    for (int k = 0; k < ESP_MARKS; k++) {
        esp_loss_ranking_init(&curves->at_mark[k]);
    }
    esp_loss_ranking_init(&curves->failed);
    esp_loss_ranking_init(&curves->unreported);
}

void esp_loss_curves_release(struct esp_loss_curves *curves)
{
    esp_curve_projection_release(&curves->projection);
    for (int k = 0; k < ESP_MARKS; k++) {
        esp_loss_ranking_release(&curves->at_mark[k]);
    }
    esp_loss_ranking_release(&curves->failed);
    esp_loss_ranking_release(&curves->unreported);
    free(curves->trials);
    free(curves->places);
}

const double *esp_loss_curves_place(const struct esp_loss_curves *curves, uint32_t trial)
{
    assert(trial < curves->count);
    return &curves->places[trial * (size_t)curves->space.count];
}

static void grow(struct esp_loss_curves *curves)
{
    curves->capacity = curves->capacity ? curves->capacity * 2 : 64;
    size_t cells = curves->capacity * (size_t)curves->space.count;
    curves->trials = realloc(curves->trials, curves->capacity * sizeof *curves->trials);
    curves->places = realloc(curves->places, (cells + 1) * sizeof *curves->places);
    assert(curves->trials && curves->places);
}

void esp_loss_curves_created(struct esp_loss_curves *curves,
                             uint32_t trial,
                             const double *values)
{
    assert(trial == curves->count);
    if (trial >= curves->capacity) {
        grow(curves);
    }
    struct esp_loss_curve *curve = &curves->trials[curves->count++];
    *curve = (struct esp_loss_curve){.mark = -1, .last = NAN};
    for (int k = 0; k < ESP_MARKS; k++) {
        curve->loss[k] = NAN;
    }
    if (curves->space.count > 0) {
        double *place = &curves->places[trial * (size_t)curves->space.count];
        esp_space_place(&curves->space, values, place);
        curve->log_rate = esp_rate_effect_log_rate(&curves->projection.rate_effect, place);
    }
    esp_loss_ranking_insert(&curves->unreported, 0, trial);
}

static void remove_from_mark(struct esp_loss_curves *curves, uint32_t trial)
{
    const struct esp_loss_curve *curve = &curves->trials[trial];
    if (curve->mark >= 0) {
        esp_loss_ranking_erase(
            &curves->at_mark[curve->mark], (double)curve->loss[curve->mark], trial);
    }
}

static void
add_to_mark(struct esp_loss_curves *curves, uint32_t trial, int mark, double loss, double h)
{
    struct esp_loss_curve *curve = &curves->trials[trial];
    remove_from_mark(curves, trial);
    curve->mark = mark;
    curve->loss[mark] = (float)loss;
    curve->h[mark] = (float)h;
    esp_loss_ranking_insert(&curves->at_mark[mark], (double)curve->loss[mark], trial);
    esp_curve_projection_learn(&curves->projection, curve->loss, mark, curve->log_rate);
}

void esp_loss_curves_observed(struct esp_loss_curves *curves,
                              uint32_t trial,
                              int64_t tokens,
                              double loss)
{
    assert(trial < curves->count);
    struct esp_loss_curve *curve = &curves->trials[trial];
    if (!isfinite(loss) || curve->state == ESP_CURVE_FAILED) {
        return;
    }
    if (curves->projection.horizon <= 0) {
        /* A program with an unknown end: the first report stands for the horizon. */
        curves->projection.horizon = (double)tokens;
    }
    double h = esp_curve_projection_h(&curves->projection, tokens);
    int mark = esp_curve_projection_mark(h);
    if (isnan(curve->last)) {
        curves->observed_count++;
        esp_loss_ranking_erase(&curves->unreported, 0, trial);
    }
    curve->last = loss;
    curve->last_h = h;
    if (mark > curve->mark) {
        add_to_mark(curves, trial, mark, loss, h);
    }
}

void esp_loss_curves_completed(struct esp_loss_curves *curves, uint32_t trial)
{
    struct esp_loss_curve *curve = &curves->trials[trial];
    esp_loss_ranking_erase(&curves->unreported, 0, trial);
    if (curve->state == ESP_CURVE_OPEN) {
        curve->state = ESP_CURVE_COMPLETE;
        curve->last_h = 0;
    }
}

void esp_loss_curves_failed(struct esp_loss_curves *curves, uint32_t trial)
{
    struct esp_loss_curve *curve = &curves->trials[trial];
    esp_loss_ranking_erase(&curves->unreported, 0, trial);
    if (curve->state != ESP_CURVE_FAILED) {
        remove_from_mark(curves, trial);
        curve->mark = -1;
        curve->state = ESP_CURVE_FAILED;
        esp_loss_ranking_insert(&curves->failed, 0, trial);
    }
}

void esp_loss_curves_closed(struct esp_loss_curves *curves, uint32_t trial)
{
    esp_loss_ranking_erase(&curves->unreported, 0, trial);
    if (curves->trials[trial].state == ESP_CURVE_OPEN) {
        curves->trials[trial].state = ESP_CURVE_CLOSED;
    }
}
