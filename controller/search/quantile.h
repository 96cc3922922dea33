/* The running q-quantile of numbers that are only added: two heaps, logarithmic time to add,
 * constant time to read.
 *
 * Linear interpolation between order statistics (numpy's default, which Optuna's percentile
 * pruner uses): position q·(n − 1). NaN counts as +infinity. */
#ifndef ESPALIER_SEARCH_QUANTILE_H
#define ESPALIER_SEARCH_QUANTILE_H

#include <stdint.h>

struct esp_quantile {
    double q;
    double *low; /* a heap with its largest first: the ⌊q·(n − 1)⌋ + 1 smallest numbers */
    double *high; /* a heap with its smallest first: the others */
    uint32_t low_count, high_count, low_capacity, high_capacity;
};

void esp_quantile_init(struct esp_quantile *quantile, double q);
void esp_quantile_release(struct esp_quantile *quantile);
void esp_quantile_add(struct esp_quantile *quantile, double number);
uint32_t esp_quantile_count(const struct esp_quantile *quantile);
/* NaN: no numbers. */
double esp_quantile_value(const struct esp_quantile *quantile);

#endif
