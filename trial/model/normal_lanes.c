/* Normal draws rounded to float, in the widest vectors that a processor has: compiled once for
 * each level of x86-64 (ESP_LEVEL). normal.h explains why the bits are those of libm.
 *
 * Every loop runs over the arrays of one block and has no branch, so that compilers vectorise
 * it. log follows Cephes' and fdlibm's e_log.c (s = f / (2 + f), a polynomial of degree 7 in
 * s²), sine and cosine follow fdlibm's k_sin.c and k_cos.c on [−π/4, π/4] after a reduction by
 * multiples of π/2 in two parts (Cody and Waite). */
#include "normal.h"

#include <math.h>
#include <string.h>

#define NAME_OF(level) esp_normal_lanes_##level
#define NAME_AT(level) NAME_OF(level)

#define BLOCK ESP_NORMAL_BLOCK

/* Relative distance at which a value may round to another float. The errors of libm and of the
 * polynomials below are far smaller. */
#define UNSURE 0x1p-44

/* Closer to 0 than this the reductions lose precision beyond UNSURE, so libm is used. */
#define NEAR 0x1p-20

static inline double double_of(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* esp_random_unit of two words, using 32-bit conversions. */
static inline double unit_of(uint32_t high, uint32_t low)
{
    const double upper = (double)(int32_t)(high ^ 0x80000000u) + 0x1p31;
    const double lower = (double)(int32_t)(low >> 11);
    return (upper * 0x1p21 + lower) * 0x1p-53;
}

/* ln u for 2⁻⁵³ ≤ u < 1: u = 2ᵏ (1 + f), 1/√2 ≤ 1 + f < √2. */
static inline double log_of(double u)
{
    const uint64_t half_root = 0x3fe6a09e667f3bcd;
    const uint64_t shifted = bits_of(u) + (0x3ff0000000000000 - half_root);
    const double k = double_of((shifted >> 52) | 0x4330000000000000) - (0x1p52 + 1023);
    const double f = double_of((shifted & 0x000fffffffffffff) + half_root) - 1;
    const double s = f / (2 + f), z = s * s, w = z * z, square = 0.5 * f * f;
    const double even = w * (3.999999999940941908e-01 +
                             w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    const double odd =
        z * (6.666666666666735130e-01 +
             w * (2.857142874366239149e-01 +
                  w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    return k * 6.93147180369123816490e-01 -
           ((square - (s * (square + even + odd) + k * 1.90821492927058770002e-10)) - f);
}

/* Splits the angle x in [0, 2π) into the number of its quadrant and the rest. */
static inline double reduce(double x, uint64_t *quadrant)
{
    const double shifter = 0x1.8p52;
    const double shifted = x * 6.36619772367581382433e-01 + shifter;
    const double q = shifted - shifter;
    *quadrant = bits_of(shifted);
    return (x - q * 1.57079632673412561417e+00) - q * 6.07710050650619224932e-11;
}

static inline double sine_of(double r)
{
    const double z = r * r;
    const double p =
        8.33333333332248946124e-03 +
        z * (-1.98412698298579493134e-04 +
             z * (2.75573137070700676789e-06 +
                  z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)));
    return r + z * r * (-1.66666666666666324348e-01 + z * p);
}

static inline double cosine_of(double r)
{
    const double z = r * r, half = 0.5 * z, w = 1 - half;
    const double p =
        z *
        (4.16666666666666019037e-02 +
         z * (-1.38888888888741095749e-03 +
              z * (2.48015872894767294178e-05 +
                   z * (-2.75573143513906633035e-07 +
                        z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
    return w + (((1 - w) - half) + z * p);
}

/* Rounds to float; sets `unsure` to 1 when a slightly different value would round to another
 * float. */
static inline float round_checked(double value, uint64_t *unsure)
{
    const float low = (float)(value * (1 - UNSURE)), high = (float)(value * (1 + UNSURE));
    *unsure |= low != high;
    return high;
}

void NAME_AT(ESP_LEVEL)(const struct esp_normal_tensor *t,
                        uint64_t counter,
                        struct esp_normal_block *block)
{
    for (int i = 0; i < BLOCK; i++) {
        const struct esp_random_block bits =
            esp_random_at(t->seed, t->tensor, ESP_RANDOM_INIT, counter + (uint64_t)i);
        for (int w = 0; w < 4; w++) {
            block->words[w][i] = bits.word[w];
        }
    }
    for (int i = 0; i < BLOCK; i++) {
        uint64_t quadrant;
        const double from_one = unit_of(block->words[0][i], block->words[1][i]);
        const double turn = unit_of(block->words[2][i], block->words[3][i]);
        const double radius = sqrt(-2 * log_of(1 - from_one)) * t->deviation;
        const double r = reduce(6.28318530717958647692 * turn, &quadrant);
        const uint64_t sine = bits_of(sine_of(r)), cosine = bits_of(cosine_of(r));
        const uint64_t swap = (quadrant & 1) ? ~UINT64_C(0) : 0;
        const uint64_t across = (cosine & ~swap) | (sine & swap);
        const uint64_t up = (sine & ~swap) | (cosine & swap);
        const uint64_t left = ((quadrant + 1) & 2) << 62, below = (quadrant & 2) << 62;
        uint64_t doubt = (uint64_t)(from_one < NEAR) | (uint64_t)(fabs(r) < NEAR);
        block->even[i] = round_checked(radius * double_of(across ^ left), &doubt);
        block->odd[i] = round_checked(radius * double_of(up ^ below), &doubt);
        block->unsure[i] = doubt;
    }
}
