/* Standard normal draws for fresh weights (Box & Muller 1958): two from each block of bits,
 *
 *   u = 1 − unit(words 0, 1), v = unit(words 2, 3), ρ = √(−2 ln u)
 *   ρ cos 2πv and ρ sin 2πv
 *
 * in double by libm. A fresh weight is a draw times a standard deviation; in float that double
 * is rounded once more.
 *
 * esp_normal_floats gives the same bits many times faster. It computes in double with
 * polynomials whose results differ from libm's by less than 2⁻⁴⁸ of their value, and checks
 * whether a value 2⁻⁴⁴ smaller or larger would round to another float. If not, libm's value
 * rounds to the same float. If so (one pair in some hundred thousand), and where a polynomial
 * would lose its precision, the pair is drawn again by libm (Ziv 1991, rounding test). */
#ifndef ESP_MODEL_NORMAL_H
#define ESP_MODEL_NORMAL_H

#include <espalier/random.h>
#include <stdint.h>

/* Pairs in one block. */
#define ESP_NORMAL_BLOCK 64

/* A tensor of fresh weights: seed, tensor number and standard deviation. */
struct esp_normal_tensor {
    uint64_t seed;
    uint64_t tensor;
    double deviation;
};

/* Elements first … first + count − 1; `first` is even. */
void esp_normal_doubles(const struct esp_normal_tensor *tensor,
                        int64_t first,
                        int64_t count,
                        double *out);

/* The same, each rounded to float. */
void esp_normal_floats(const struct esp_normal_tensor *tensor,
                       int64_t first,
                       int64_t count,
                       float *out);

/* Pairs counter … counter + ESP_NORMAL_BLOCK − 1: random bits (word w of pair i in words[w][i])
 * and results. Where unsure[i] is not 0, even[i] and odd[i] may differ from libm's floats. */
struct esp_normal_block {
    uint32_t words[4][ESP_NORMAL_BLOCK];
    float even[ESP_NORMAL_BLOCK];
    float odd[ESP_NORMAL_BLOCK];
    uint64_t unsure[ESP_NORMAL_BLOCK];
};

typedef void
esp_normal_lanes(const struct esp_normal_tensor *, uint64_t counter, struct esp_normal_block *);

/* Implementations for the levels of x86-64. */
esp_normal_lanes esp_normal_lanes_v1, esp_normal_lanes_v3, esp_normal_lanes_v4;

/* The implementation of a level (0 … 2: v1, v3, v4); NULL where this processor does not support
 * it. All support v1. */
#define ESP_NORMAL_LEVELS 3
esp_normal_lanes *esp_normal_lanes_at(int level);

#endif
