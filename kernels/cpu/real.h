/* The real type and the vector type that the CPU operations are written in.
 *
 * The sources of kernels/cpu are compiled several times (meson.build): in float for each level
 * of the x86-64 instruction set, and once in double as the reference. ESP_REAL is the type,
 * ESP_LEVEL the suffix of this build's symbols.
 *
 * Sums are kept in the lanes of one wide vector and added up in a fixed tree, so that they
 * vectorise without -ffast-math and give the same bits on every run. GCC splits a vector that
 * is wider than the machine's. */
#ifndef ESP_CPU_REAL_H
#define ESP_CPU_REAL_H

#include <stdint.h>
#include <string.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#ifndef ESP_REAL
#define ESP_REAL float
#define ESP_REAL_IS_FLOAT 1
#define ESP_LEVEL lint
#endif

typedef ESP_REAL real;

#define ESP_CPU_JOIN2(a, b) a##_##b
#define ESP_CPU_JOIN(a, b) ESP_CPU_JOIN2(a, b)
/* The name of a function of this build: esp_cpu_norm_forward → esp_cpu_norm_forward_f32_v4. */
#define ESP_CPU(name) ESP_CPU_JOIN(esp_cpu_##name, ESP_LEVEL)

#define ESP_INLINE static inline __attribute__((always_inline))

/* Unrolls the loop that follows n times. In a build with sanitizers the loop stays a loop: each
 * copy of an unrolled load or store would be instrumented separately, and the tiles of tile.h
 * alone would come to 2 MB of code. All checks stay on, and the operations and their order are
 * the same. */
#define ESP_PRAGMA(text) _Pragma(#text)
#ifdef ESP_SANITIZE
#define ESP_UNROLL(n) ESP_PRAGMA(GCC unroll 1)
#else
#define ESP_UNROLL(n) ESP_PRAGMA(GCC unroll n)
#endif

/* Lanes of a vector of 64 bytes, one AVX-512 register. */
#define LANES ((int)(64 / sizeof(real)))

typedef real vec __attribute__((vector_size(64)));
/* The same type without an alignment requirement, for loads and stores; may_alias because
 * activations of other types share buffers. */
typedef real vec_loose __attribute__((vector_size(64), aligned(sizeof(real)), may_alias));

#if ESP_REAL_IS_FLOAT
typedef int32_t ivec __attribute__((vector_size(64)));
#else
typedef int64_t ivec __attribute__((vector_size(64)));
#endif

ESP_INLINE vec vec_load(const real *p)
{
    return *(const vec_loose *)p;
}

ESP_INLINE void vec_store(real *p, vec v)
{
    *(vec_loose *)p = v;
}

ESP_INLINE vec vec_set(real x)
{
    return x - (vec){0};
}

#if ESP_REAL_IS_FLOAT && defined(__AVX512F__)

/* Lanes 0 … n−1 from memory, the others `fill`. */
ESP_INLINE vec vec_load_part(const real *p, int n, real fill)
{
    return (vec)_mm512_mask_loadu_ps(_mm512_set1_ps(fill), (__mmask16)((1u << n) - 1), p);
}

ESP_INLINE void vec_store_part(real *p, vec v, int n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}

#else

/* Lanes 0 … n−1 from memory, the others `fill`. */
ESP_INLINE vec vec_load_part(const real *p, int n, real fill)
{
    real lane[64 / sizeof(real)];
    for (int i = 0; i < LANES; i++) {
        lane[i] = fill;
    }
    memcpy(lane, p, (size_t)n * sizeof(real));
    return vec_load(lane);
}

ESP_INLINE void vec_store_part(real *p, vec v, int n)
{
    real lane[64 / sizeof(real)];
    vec_store(lane, v);
    memcpy(p, lane, (size_t)n * sizeof(real));
}

#endif

ESP_INLINE vec vec_select(ivec mask, vec yes, vec no)
{
    return (vec)(((ivec)yes & mask) | ((ivec)no & ~mask));
}

/* Lane by lane a > b ? a : b. */
ESP_INLINE vec vec_max(vec a, vec b)
{
#if ESP_REAL_IS_FLOAT && defined(__AVX512F__)
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#else
    return vec_select(a > b, a, b);
#endif
}

/* x within [low, high]; NaN stays NaN. */
ESP_INLINE vec vec_clamp(vec x, real low, real high)
{
#if ESP_REAL_IS_FLOAT && defined(__AVX512F__)
    /* for a NaN and a number these instructions return the second operand */
    return (vec)_mm512_min_ps(_mm512_set1_ps(high),
                              _mm512_max_ps(_mm512_set1_ps(low), (__m512)x));
#else
    x = vec_select(x < vec_set(low), vec_set(low), x);
    return vec_select(x > vec_set(high), vec_set(high), x);
#endif
}

/* a / b for ordinary b. With AVX-512 a 14-bit estimate and two Newton steps: nothing would hide
 * the 16 cycles of a division. The error is at most two units in the last place. */
ESP_INLINE vec vec_ratio(vec a, vec b)
{
#if ESP_REAL_IS_FLOAT && defined(__AVX512F__)
    vec inverse = (vec)_mm512_rcp14_ps((__m512)b);
    inverse = inverse * (2.0f - b * inverse);
    vec ratio = a * inverse;
    return ratio + inverse * (a - b * ratio);
#else
    return a / b;
#endif
}

/* Sums in a fixed tree: halves are folded onto each other, in registers where there are
 * instructions for it, with the same result. */
#if ESP_REAL_IS_FLOAT && defined(__AVX512F__)

ESP_INLINE real vec_sum(vec v)
{
    return _mm512_reduce_add_ps((__m512)v);
}

ESP_INLINE real vec_largest(vec v)
{
    const __m512 x = (__m512)v;
    __m512 y = _mm512_max_ps(_mm512_shuffle_f32x4(x, x, 0x4e), x);
    y = _mm512_max_ps(_mm512_shuffle_f32x4(y, y, 0xb1), y);
    y = _mm512_max_ps(_mm512_permute_ps(y, 0x4e), y);
    y = _mm512_max_ps(_mm512_permute_ps(y, 0xb1), y);
    return _mm512_cvtss_f32(y);
}

#else

ESP_INLINE real vec_sum(vec v)
{
    real lane[64 / sizeof(real)];
    vec_store(lane, v);
    for (int half = LANES / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            lane[i] += lane[i + half];
        }
    }
    return lane[0];
}

ESP_INLINE real vec_largest(vec v)
{
    real lane[64 / sizeof(real)];
    vec_store(lane, v);
    for (int half = LANES / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            lane[i] = lane[i + half] > lane[i] ? lane[i + half] : lane[i];
        }
    }
    return lane[0];
}

#endif

#endif
