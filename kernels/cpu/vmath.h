/* exp, erf and tanh over vectors, and the activations made from them.
 *
 * In float: polynomials without tables or branches, accurate to about 2 units in the last place
 * (the tests require 4e-7); NaN in gives NaN out. In double: libm lane by lane, since that
 * build is the reference and need not be fast. */
#ifndef ESP_CPU_VMATH_H
#define ESP_CPU_VMATH_H

#include "real.h"

#include <math.h>

#if ESP_REAL_IS_FLOAT

/* Cody and Waite's reduction x = n ln 2 + r and a polynomial in r (Cephes, expf.c, S. Moshier).
 * Below −87.33 the result is 0: subnormals are slow and do not matter in a softmax. */
ESP_INLINE vec vec_exp(vec x)
{
    const vec clamped = vec_clamp(x, -87.33f, 88.72f);
#ifdef __AVX512F__
    const vec whole = (vec)_mm512_roundscale_ps((__m512)(clamped * 1.44269504088896341f),
                                                _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
    /* adding 1.5 · 2^23 rounds to the nearest integer and leaves it in the low mantissa bits */
    const vec shifter = vec_set(12582912.0f);
    const vec shifted = clamped * 1.44269504088896341f + shifter;
    const vec whole = shifted - shifter;
#endif
    vec r = clamped - whole * 0.693359375f;
    r = r + whole * 2.12194440e-4f;
    vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
#ifdef __AVX512F__
    const __mmask16 large = _mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(-87.33f), _CMP_NLT_UQ);
    return (vec)_mm512_maskz_scalef_ps(large, (__m512)p, (__m512)whole);
#else
    /* 2^n in two factors, since n may be 128 */
    const ivec n = (ivec)shifted - (ivec)shifter, half = n >> 1;
    vec scaled = p * (vec)((half + 127) << 23) * (vec)((n - half + 127) << 23);
    return vec_select(x < vec_set(-87.33f), (vec){0}, scaled);
#endif
}

/* A rational function of x on [−4, 4], where erf has reached ±1 in float (Eigen,
 * generic_fast_erf_float). */
ESP_INLINE vec vec_erf(vec x)
{
    const vec c = vec_clamp(x, -4.0f, 4.0f);
    vec s = c * c;
    vec p = s * -2.72614225801306e-10f + 2.77068142495902e-08f;
    p = p * s + -2.10102402082508e-06f;
    p = p * s + -5.69250639462346e-05f;
    p = p * s + -7.34990630326855e-04f;
    p = p * s + -2.95459980854025e-03f;
    p = p * s + -1.60960333262415e-02f;
    vec q = s * -1.45660718464996e-05f + -2.13374055278905e-04f;
    q = q * s + -1.68282697438203e-03f;
    q = q * s + -7.37332916720468e-03f;
    q = q * s + -1.42647390514189e-02f;
    return vec_ratio(c * p, q);
}

/* A rational function of x on [−7.9, 7.9] (Eigen, generic_fast_tanh_float). */
ESP_INLINE vec vec_tanh(vec x)
{
    const vec c = vec_clamp(x, -7.90531110763549805f, 7.90531110763549805f);
    vec s = c * c;
    vec p = s * -2.76076847742355e-16f + 2.00018790482477e-13f;
    p = p * s + -8.60467152213735e-11f;
    p = p * s + 5.12229709037114e-08f;
    p = p * s + 1.48572235717979e-05f;
    p = p * s + 6.37261928875436e-04f;
    p = p * s + 4.89352455891786e-03f;
    vec q = s * 1.19825839466702e-06f + 1.18534705686654e-04f;
    q = q * s + 2.26843463243900e-03f;
    q = q * s + 4.89352518554385e-03f;
    return vec_ratio(c * p, q);
}

#else

ESP_INLINE vec vec_exp(vec x)
{
    for (int i = 0; i < LANES; i++) {
        x[i] = exp(x[i]);
    }
    return x;
}

ESP_INLINE vec vec_erf(vec x)
{
    for (int i = 0; i < LANES; i++) {
        x[i] = erf(x[i]);
    }
    return x;
}

ESP_INLINE vec vec_tanh(vec x)
{
    for (int i = 0; i < LANES; i++) {
        x[i] = tanh(x[i]);
    }
    return x;
}

#endif

/* 1/√2, 1/√(2π), √(2/π): Hendrycks & Gimpel 2016. */
#define ESP_SQRT_HALF ((real)0.70710678118654752440)
#define ESP_NORMAL_PEAK ((real)0.39894228040143267794)
#define ESP_SQRT_2_BY_PI ((real)0.79788456080286535588)
#define ESP_GELU_CUBIC ((real)0.044715)

ESP_INLINE vec vec_gelu(vec x)
{
    return x * (real)0.5 * (vec_erf(x * ESP_SQRT_HALF) + (real)1);
}

/* d/dx x Φ(x) = Φ(x) + x φ(x), φ the normal density. In float one rational function of x on
 * [−5.65, 5.65], outside of which the value is within 3e-7 of 0 or 1: half of the arithmetic of
 * erf and exp. Fitted by reweighted least squares on 12,000 points to 1.1e-7; 3.1e-7 as
 * computed. */
ESP_INLINE vec vec_gelu_slope(vec x)
{
#if ESP_REAL_IS_FLOAT
    const vec c = vec_clamp(x, -5.65f, 5.65f);
    vec s = c * c;
    vec p = s * 1.925517192412e-07f + 3.592785976780e-05f;
    p = p * s + 1.948704704020e-05f;
    p = p * s + 1.422819633490e-02f;
    p = p * s + -3.098550187107e-02f;
    p = p * s + 7.978853533197e-01f;
    vec q = s * 8.940394972659e-06f + 1.920450697842e-04f;
    q = q * s + 3.522846280985e-03f;
    q = q * s + 4.098203156298e-02f;
    q = q * s + 2.945069410603e-01f;
    q = q * s + 1.0f;
    return vec_ratio(c * p, q) + 0.5f;
#else
    vec density = vec_exp(x * x * (real)-0.5) * ESP_NORMAL_PEAK;
    return (vec_erf(x * ESP_SQRT_HALF) + (real)1) * (real)0.5 + x * density;
#endif
}

ESP_INLINE vec vec_gelu_tanh(vec x)
{
    vec inner = (x + x * x * x * ESP_GELU_CUBIC) * ESP_SQRT_2_BY_PI;
    return x * (real)0.5 * (vec_tanh(inner) + (real)1);
}

/* In float one rational function of x on [−5.3, 5.3], outside of which the value is within
 * 2.1e-7 of 0 or 1; computing it from tanh would lose precision in 1 − t². Fitted as above to
 * 8.4e-8; 2.8e-7 as computed. */
ESP_INLINE vec vec_gelu_tanh_slope(vec x)
{
#if ESP_REAL_IS_FLOAT
    const vec c = vec_clamp(x, -5.3f, 5.3f);
    vec s = c * c;
    vec p = s * -2.647945293223e-07f + 2.995478647881e-05f;
    p = p * s + -3.541335493100e-04f;
    p = p * s + 1.355939272578e-02f;
    p = p * s + -5.279932047404e-02f;
    p = p * s + 7.978851600750e-01f;
    vec q = s * -5.242319790479e-08f + 3.839803422596e-06f;
    q = q * s + 1.010545597399e-04f;
    q = q * s + 1.568213546687e-03f;
    q = q * s + 3.031348934481e-02f;
    q = q * s + 2.688152249709e-01f;
    q = q * s + 1.0f;
    return vec_ratio(c * p, q) + 0.5f;
#else
    vec square = x * x;
    vec t = vec_tanh((x + x * square * ESP_GELU_CUBIC) * ESP_SQRT_2_BY_PI);
    vec inner_slope = (square * (3 * ESP_GELU_CUBIC) + (real)1) * ESP_SQRT_2_BY_PI;
    return (t + (real)1) * (real)0.5 + x * (real)0.5 * ((real)1 - t * t) * inner_slope;
#endif
}

#endif
