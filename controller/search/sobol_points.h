/* Sobol points in up to ESP_PARAMS_MAX dimensions, in Gray-code order (as in SciPy and
 * PyTorch), and Owen's nested uniform scrambling of them. */
#ifndef ESPALIER_SEARCH_SOBOL_POINTS_H
#define ESPALIER_SEARCH_SOBOL_POINTS_H

#include <stdint.h>

/* One dimension's primitive polynomial and first direction integers (Joe and Kuo 2008). */
struct esp_sobol_row {
    uint8_t degree;
    uint8_t polynomial; /* the inner coefficients, as bits */
    uint16_t m[10];
};

/* Rows of the dimensions 1, 2, …; dimension 0 is the van der Corput sequence. */
extern const struct esp_sobol_row esp_sobol_rows[];
extern const int esp_sobol_row_count;

/* Direction numbers of one dimension: 32 bits of precision, so 2^32 points. */
struct esp_sobol_dimension {
    uint32_t v[32];
};

void esp_sobol_dimension_make(struct esp_sobol_dimension *dimension, int index);

/* Coordinate of point `index` (0 is the origin), as a 32-bit fraction. */
uint32_t esp_sobol_bits(const struct esp_sobol_dimension *dimension, uint32_t index);

/* Owen's scrambling: bit k is flipped by a random bit that depends on all bits above it, so
 * that every elementary interval keeps its share of points (Owen 1995). Random bits are keyed
 * by (seed, stream). The result is uniform on [0, 1), and 0 only with probability 2^-53. */
double esp_sobol_scramble(uint32_t bits, uint64_t seed, uint64_t stream, uint32_t index);

#endif
