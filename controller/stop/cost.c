#include "cost.h"

#include "rate.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

/* Intervals of a trial that are kept: enough for a median that one stall does not change. */
#define OWN_KEPT 5
/* With fewer intervals, a trial's own rate is limited to within a factor of FIRST_OFF of the
 * fitted one: a single interval may have been a stall. */
#define OWN_SURE 3
#define FIRST_OFF 2.0
/* Weight of the fitted rate, in intervals. */
#define FIT_COUNTS 1.0
/* Combinations of the settings, other than batch size, that change the cost. Further ones are
 * predicted from all trials. */
#define KINDS_MAX 32
#define SHAPES_MAX 12
#define KIND_NONE (-1)

struct trial {
    double inverse; /* 1/B */
    int kind, device;
    int64_t tokens;     /* where the next interval begins */
    double seconds;     /* the trial's clock there; NaN: unknown */
    uint32_t intervals; /* on this device */
    double own[OWN_KEPT];
};

struct esp_cost {
    const struct esp_study *study;
    int batch; /* index of the batch size among the parameters; -1: not searched, or unknown */
    int shapes[SHAPES_MAX], shape_count;
    double kinds[KINDS_MAX][SHAPES_MAX];
    int kind_count;
    /* By kind, and (the last) of all together; NULL: no interval yet. */
    struct esp_rate *rates[ESP_DEVICE_CLASSES_MAX][KINDS_MAX + 1];
    struct trial *trials;
    uint32_t count, capacity;
};

int esp_cost_create(const struct esp_study *study,
                    struct esp_cost **out,
                    struct esp_error *error)
{
    struct esp_cost *cost = calloc(1, sizeof *cost);
    if (!cost) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    cost->study = study;
    cost->batch = -1;
    for (int i = 0; i < study->param_count && study->abilities.settings_known; i++) {
        const struct esp_field *field = esp_trainer_field(study->params[i].name);
        if (field && field->offset == offsetof(struct esp_trainer, batch_size)) {
            cost->batch = i;
        } else if (field && (field->flags & ESP_FIELD_SHAPE) != 0 &&
                   study->params[i].distribution != ESP_CONSTANT &&
                   cost->shape_count < SHAPES_MAX) {
            cost->shapes[cost->shape_count++] = i;
        }
    }
    *out = cost;
    return 0;
}

void esp_cost_destroy(struct esp_cost *cost)
{
    if (!cost) {
        return;
    }
    for (int d = 0; d < ESP_DEVICE_CLASSES_MAX; d++) {
        for (int k = 0; k <= KINDS_MAX; k++) {
            if (cost->rates[d][k]) {
                esp_rate_release(cost->rates[d][k]);
                free(cost->rates[d][k]);
            }
        }
    }
    free(cost->trials);
    free(cost);
}

/* 1/B. A program's batch size is unknown: its trials differ only by their own rates. */
static double inverse_of(const struct esp_cost *cost, const double *values)
{
    double size =
        cost->study->abilities.settings_known ? (double)cost->study->trainer.batch_size : 1;
    if (cost->batch >= 0) {
        const struct esp_param *param = &cost->study->params[cost->batch];
        size = esp_param_value(param, values[cost->batch]).real;
    }
    return size >= 1 && isfinite(size) ? 1 / size : 1;
}

static int find_kind(const struct esp_cost *cost, const double *values)
{
    for (int k = 0; k < cost->kind_count; k++) {
        bool same = true;
        for (int i = 0; i < cost->shape_count && same; i++) {
            same = cost->kinds[k][i] == values[cost->shapes[i]];
        }
        if (same) {
            return k;
        }
    }
    return KIND_NONE;
}

static int keep_kind(struct esp_cost *cost, const double *values)
{
    int kind = cost->shape_count > 0 ? find_kind(cost, values) : KIND_NONE;
    if (cost->shape_count == 0 || kind != KIND_NONE || cost->kind_count == KINDS_MAX) {
        return kind;
    }
    for (int i = 0; i < cost->shape_count; i++) {
        cost->kinds[cost->kind_count][i] = values[cost->shapes[i]];
    }
    return cost->kind_count++;
}

void esp_cost_created(struct esp_cost *cost, uint32_t trial, const double *values)
{
    assert(trial == cost->count);
    if (cost->count == cost->capacity) {
        uint32_t capacity = cost->capacity ? cost->capacity * 2 : 16;
        cost->trials = realloc(cost->trials, capacity * sizeof *cost->trials);
        assert(cost->trials);
        cost->capacity = capacity;
    }
    cost->trials[cost->count++] =
        (struct trial){.inverse = inverse_of(cost, values), .kind = keep_kind(cost, values)};
}

void esp_cost_started(
    struct esp_cost *cost, uint32_t trial, int device, int64_t tokens, double device_seconds)
{
    assert(trial < cost->count && device >= 0 && device < ESP_DEVICE_CLASSES_MAX);
    struct trial *t = &cost->trials[trial];
    if (t->device != device) {
        t->device = device;
        t->intervals = 0;
    }
    t->tokens = tokens;
    t->seconds = device_seconds;
}

static void add(struct esp_cost *cost, int device, int kind, double inverse, double rate)
{
    struct esp_rate **at = &cost->rates[device][kind == KIND_NONE ? KINDS_MAX : kind];
    if (!*at) {
        *at = malloc(sizeof **at);
        assert(*at);
        esp_rate_init(*at);
    }
    esp_rate_add(*at, inverse, rate);
}

void esp_cost_observed(struct esp_cost *cost,
                       uint32_t trial,
                       int64_t tokens,
                       double device_seconds)
{
    assert(trial < cost->count);
    struct trial *t = &cost->trials[trial];
    double rate = (device_seconds - t->seconds) / (double)(tokens - t->tokens);
    bool further = tokens > t->tokens;
    t->tokens = tokens;
    t->seconds = isfinite(device_seconds) ? device_seconds : NAN;
    if (!further || !(rate >= ESP_RATE_MIN && rate <= ESP_RATE_MAX)) {
        return;
    }
    t->own[t->intervals++ % OWN_KEPT] = rate;
    add(cost, t->device, KIND_NONE, t->inverse, rate);
    if (t->kind != KIND_NONE) {
        add(cost, t->device, t->kind, t->inverse, rate);
    }
}

static double fitted(const struct esp_cost *cost, int device, int kind, double inverse)
{
    const struct esp_rate *all = cost->rates[device][KINDS_MAX];
    const struct esp_rate *mine = kind == KIND_NONE ? NULL : cost->rates[device][kind];
    if (!all || !mine) {
        return all ? esp_rate_at(all, inverse) : NAN;
    }
    if (mine->count == 1) {
        const struct esp_rate_size *only = &mine->sizes[0];
        return only->y * esp_rate_at(all, inverse) / esp_rate_at(all, only->x);
    }
    return esp_rate_at(mine, inverse);
}

double esp_cost_of_trial(const struct esp_cost *cost, uint32_t trial, int device)
{
    assert(trial < cost->count && device >= 0 && device < ESP_DEVICE_CLASSES_MAX);
    const struct trial *t = &cost->trials[trial];
    double fit = fitted(cost, device, t->kind, t->inverse);
    if (t->intervals == 0 || t->device != device) {
        return fit;
    }
    int n = t->intervals < OWN_KEPT ? (int)t->intervals : OWN_KEPT;
    double own = esp_rate_median(t->own, n);
    if (n < OWN_SURE) {
        own = fmin(fmax(own, fit / FIRST_OFF), fit * FIRST_OFF);
    }
    return exp((n * log(own) + FIT_COUNTS * log(fit)) / (n + FIT_COUNTS));
}

double esp_cost_of_values(const struct esp_cost *cost, const double *values, int device)
{
    assert(device >= 0 && device < ESP_DEVICE_CLASSES_MAX);
    int kind = cost->shape_count > 0 ? find_kind(cost, values) : KIND_NONE;
    return fitted(cost, device, kind, inverse_of(cost, values));
}
