/* Comparisons for qsort. */
#ifndef ESPALIER_COMPARE_H
#define ESPALIER_COMPARE_H

/* Two doubles, ascending. A NaN equals every number: callers remove or replace it before. */
static inline int esp_compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

#endif
