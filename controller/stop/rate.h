/* Device seconds per token as a function of batch size, fitted to intervals between reports.
 *
 * An update of B sequences takes a fixed time (launches, the optimizer's pass over the weights)
 * and a time that grows with B, so a token takes
 *
 *   a/B + b   seconds, a and b not negative.
 *
 * The last few intervals of each batch size are kept, and their lower median represents them:
 * disturbances (a stall, another process, the warm-up of the first step) only make intervals
 * longer, and old ones are dropped. A line in 1/B is fitted to these medians by least squares,
 * weighted by the number of intervals and by 1/rate² (errors are proportional), with lower
 * weights for outliers (Huber). One batch size alone does not determine a: then every token
 * costs the same.
 *
 * The cost of a report is bounded by ESP_RATE_KEPT intervals and ESP_RATE_SIZES_MAX sizes. */
#ifndef ESPALIER_STOP_RATE_H
#define ESPALIER_STOP_RATE_H

#include <stdint.h>

/* Accepted seconds per token: values beyond come from a broken clock, and squares of those
 * within neither overflow nor underflow. */
#define ESP_RATE_MIN 1e-15
#define ESP_RATE_MAX 1e12
#define ESP_RATE_KEPT 15
/* Distinct batch sizes, in eighths of an octave; further ones are added to the nearest. */
#define ESP_RATE_SIZES_MAX 24

struct esp_rate_size {
    int eighth;     /* log2 of B, in eighths of an octave */
    uint32_t count; /* intervals so far */
    double inverse[ESP_RATE_KEPT], rate[ESP_RATE_KEPT];
    double x, y; /* mean 1/B and lower median rate of those kept */
};

struct esp_rate {
    struct esp_rate_size *sizes;
    int count;
    double a, b;
    double inverse_min, inverse_max; /* range of 1/B seen */
};

void esp_rate_init(struct esp_rate *rate);
void esp_rate_release(struct esp_rate *rate);

/* Adds an interval of a trial with this 1/B, in (0, 1], that took `seconds` per token, in
 * [ESP_RATE_MIN, ESP_RATE_MAX]. */
void esp_rate_add(struct esp_rate *rate, double inverse, double seconds);

/* Predicted seconds per token at 1/B; NaN before any interval. The line is extrapolated by at
 * most two octaves beyond the batch sizes seen. */
double esp_rate_at(const struct esp_rate *rate, double inverse);

/* The lower median of `count` numbers, at most ESP_RATE_KEPT. */
double esp_rate_median(const double *numbers, int count);

#endif
