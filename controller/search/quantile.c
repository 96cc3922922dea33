#include "quantile.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

void esp_quantile_init(struct esp_quantile *quantile, double q)
{
    assert(q >= 0 && q <= 1);
    *quantile = (struct esp_quantile){.q = q};
}

void esp_quantile_release(struct esp_quantile *quantile)
{
    free(quantile->low);
    free(quantile->high);
    *quantile = (struct esp_quantile){.q = quantile->q};
}

/* Both heaps have the number first that is largest after multiplication by `sign`. */
static void push(double **heap, uint32_t *count, uint32_t *capacity, double number, double sign)
{
    if (*count == *capacity) {
        uint32_t grown = *capacity ? *capacity * 2 : 8;
        *heap = realloc(*heap, grown * sizeof **heap);
        assert(*heap);
        *capacity = grown;
    }
    uint32_t at = (*count)++;
    while (at > 0 && sign * number > sign * (*heap)[(at - 1) / 2]) {
        (*heap)[at] = (*heap)[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    (*heap)[at] = number;
}

static double pop(double *heap, uint32_t *count, double sign)
{
    double first = heap[0], number = heap[--*count];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < *count; at = child) {
        if (child + 1 < *count && sign * heap[child + 1] > sign * heap[child]) {
            child++;
        }
        if (sign * number >= sign * heap[child]) {
            break;
        }
        heap[at] = heap[child];
    }
    heap[at] = number;
    return first;
}

void esp_quantile_add(struct esp_quantile *quantile, double number)
{
    struct esp_quantile *x = quantile;
    number = isnan(number) ? INFINITY : number;
    if (x->low_count > 0 && number < x->low[0]) {
        push(&x->low, &x->low_count, &x->low_capacity, number, 1);
    } else {
        push(&x->high, &x->high_count, &x->high_capacity, number, -1);
    }
    uint32_t n = esp_quantile_count(x);
    uint32_t wanted = (uint32_t)floor(x->q * (double)(n - 1)) + 1;
    while (x->low_count < wanted) {
        double moved = pop(x->high, &x->high_count, -1);
        push(&x->low, &x->low_count, &x->low_capacity, moved, 1);
    }
    while (x->low_count > wanted) {
        double moved = pop(x->low, &x->low_count, 1);
        push(&x->high, &x->high_count, &x->high_capacity, moved, -1);
    }
}

uint32_t esp_quantile_count(const struct esp_quantile *quantile)
{
    return quantile->low_count + quantile->high_count;
}

double esp_quantile_value(const struct esp_quantile *quantile)
{
    uint32_t n = esp_quantile_count(quantile);
    if (n == 0) {
        return NAN;
    }
    double position = quantile->q * (double)(n - 1), share = position - floor(position);
    double below = quantile->low[0];
    if (share == 0 || isinf(below) || quantile->high_count == 0) {
        return below;
    }
    return below + share * (quantile->high[0] - below);
}
