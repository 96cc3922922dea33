/* Device seconds per token against batch size, fitted from intervals between reports.
 *
 * An update of B sequences takes a fixed time (launches, the optimizer's pass over the weights)
 * and one that grows with B, so a token takes
 *
 *   a/B + b   seconds, a and b not negative.
 *
 * Intervals are kept by batch size, the last few of each. Their lower middle one speaks for
 * them: whatever disturbs an interval (a stall, a neighbour, the first step's warming up) makes
 * it longer, and old ones are forgotten. Through these middles goes a least-squares line in
 * 1/B, weighted by how many intervals stand behind each and by 1/rate² (errors are in
 * proportion), with the weights of far ones lowered (Huber). One batch size alone says nothing
 * of a: then every token costs the same.
 *
 * The cost of a report is bounded: ESP_RATE_KEPT intervals, ESP_RATE_SIZES_MAX sizes. */
#ifndef ESPALIER_STOP_RATE_H
#define ESPALIER_STOP_RATE_H

#include <stdint.h>

/* What is believed, in seconds per token: beyond it lies a broken clock, and squares of what is
 * within neither overflow nor vanish. */
#define ESP_RATE_MIN 1e-15
#define ESP_RATE_MAX 1e12
#define ESP_RATE_KEPT 15
/* Batch sizes told apart, eighths of an octave; when there are more, the nearest is taken. */
#define ESP_RATE_SIZES_MAX 24

struct esp_rate_size {
    int eighth;     /* of an octave, of B */
    uint32_t count; /* intervals told in all */
    double inverse[ESP_RATE_KEPT], rate[ESP_RATE_KEPT];
    double x, y; /* mean 1/B and middle rate of those kept */
};

struct esp_rate {
    struct esp_rate_size *sizes;
    int count;
    double a, b;
    double least, most; /* 1/B seen */
};

void esp_rate_init(struct esp_rate *rate);
void esp_rate_release(struct esp_rate *rate);

/* An interval of a trial with this 1/B, in (0, 1], took `seconds` per token, in [ESP_RATE_MIN,
 * ESP_RATE_MAX]. */
void esp_rate_add(struct esp_rate *rate, double inverse, double seconds);

/* Seconds per token at 1/B; NaN before anything was told. Beyond what was seen the line is
 * followed for two octaves and no further. */
double esp_rate_at(const struct esp_rate *rate, double inverse);

/* The lower middle one of `count` numbers, at most ESP_RATE_KEPT. */
double esp_rate_middle(const double *numbers, int count);

#endif
