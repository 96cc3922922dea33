#include "rate.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define OCTAVES_BEYOND 2
/* A median that is off by more than this share of the line gets a proportionally lower weight.
 */
#define HUBER 0.5
#define HUBER_ROUNDS 3

void esp_rate_init(struct esp_rate *rate)
{
    *rate = (struct esp_rate){0};
}

void esp_rate_release(struct esp_rate *rate)
{
    free(rate->sizes);
    esp_rate_init(rate);
}

double esp_rate_median(const double *numbers, int count)
{
    double sorted[ESP_RATE_KEPT];
    assert(count > 0 && count <= ESP_RATE_KEPT);
    for (int i = 0; i < count; i++) {
        int at = i;
        while (at > 0 && sorted[at - 1] > numbers[i]) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = numbers[i];
    }
    return sorted[(count - 1) / 2];
}

static int kept(const struct esp_rate_size *size)
{
    return size->count < ESP_RATE_KEPT ? (int)size->count : ESP_RATE_KEPT;
}

/* The entry of a batch size: its own, a new one, or the nearest when there is no room. */
static struct esp_rate_size *size_of(struct esp_rate *rate, double inverse)
{
    int eighth = (int)lround(-8 * log2(inverse)), nearest = 0;
    for (int i = 0; i < rate->count; i++) {
        if (abs(rate->sizes[i].eighth - eighth) < abs(rate->sizes[nearest].eighth - eighth)) {
            nearest = i;
        }
    }
    bool own = rate->count > 0 && rate->sizes[nearest].eighth == eighth;
    if (!own && rate->count < ESP_RATE_SIZES_MAX) {
        size_t bytes = (size_t)(rate->count + 1) * sizeof *rate->sizes;
        rate->sizes = realloc(rate->sizes, bytes);
        assert(rate->sizes);
        nearest = rate->count++;
        rate->sizes[nearest] = (struct esp_rate_size){.eighth = eighth};
    }
    return &rate->sizes[nearest];
}

/* Fits the line by weighted least squares, with a and b not negative. The sum of squares is a
 * quadratic in two unknowns: where its free minimum violates a bound, the minimum is on that
 * bound. */
static void solve(struct esp_rate *rate, const double *weight)
{
    double w = 0, x = 0, y = 0, xx = 0, xy = 0, xx_free = 0, xy_free = 0;
    for (int i = 0; i < rate->count; i++) {
        w += weight[i];
        x += weight[i] * rate->sizes[i].x;
        y += weight[i] * rate->sizes[i].y;
    }
    x /= w;
    y /= w;
    for (int i = 0; i < rate->count; i++) {
        const struct esp_rate_size *s = &rate->sizes[i];
        xx += weight[i] * (s->x - x) * (s->x - x);
        xy += weight[i] * (s->x - x) * (s->y - y);
        xx_free += weight[i] * s->x * s->x;
        xy_free += weight[i] * s->x * s->y;
    }
    bool sloped = rate->count > 1 && xx > 1e-9 * xx_free;
    rate->a = sloped && xy > 0 ? xy / xx : 0;
    rate->b = y - rate->a * x;
    if (rate->b < 0) {
        rate->a = xy_free / xx_free;
        rate->b = 0;
    }
}

static void refit(struct esp_rate *rate)
{
    double plain[ESP_RATE_SIZES_MAX] = {0}, weight[ESP_RATE_SIZES_MAX] = {0};
    for (int i = 0; i < rate->count; i++) {
        const struct esp_rate_size *s = &rate->sizes[i];
        plain[i] = weight[i] = kept(s) / (s->y * s->y);
    }
    solve(rate, weight);
    for (int round = 0; round < HUBER_ROUNDS && rate->count > 2; round++) {
        for (int i = 0; i < rate->count; i++) {
            const struct esp_rate_size *s = &rate->sizes[i];
            double off = fabs(s->y / (rate->a * s->x + rate->b) - 1);
            weight[i] = plain[i] * fmin(1, HUBER / off);
        }
        solve(rate, weight);
    }
}

void esp_rate_add(struct esp_rate *rate, double inverse, double seconds)
{
    assert(inverse > 0 && inverse <= 1 && seconds >= ESP_RATE_MIN && seconds <= ESP_RATE_MAX);
    struct esp_rate_size *size = size_of(rate, inverse);
    int at = (int)(size->count++ % ESP_RATE_KEPT), n = kept(size);
    size->inverse[at] = inverse;
    size->rate[at] = seconds;
    size->x = 0;
    for (int i = 0; i < n; i++) {
        size->x += size->inverse[i] / n;
    }
    size->y = esp_rate_median(size->rate, n);
    rate->inverse_min = rate->inverse_min > 0 ? fmin(rate->inverse_min, inverse) : inverse;
    rate->inverse_max = fmax(rate->inverse_max, inverse);
    refit(rate);
}

double esp_rate_at(const struct esp_rate *rate, double inverse)
{
    if (rate->count == 0) {
        return NAN;
    }
    double x = fmax(inverse, ldexp(rate->inverse_min, -OCTAVES_BEYOND));
    return rate->a * fmin(x, ldexp(rate->inverse_max, OCTAVES_BEYOND)) + rate->b;
}
