/* Shared device code of all kernels: CUDA's language under nvcc or the emulator's under g++
 * (ESP_EMU), element types, and functions that several kernels use.
 *
 * A kernel takes the operation's struct by value, with the batch. blockIdx.z is the member, or
 * blockIdx.y in kernels without z. A kernel begins with `member_active` and does nothing for an
 * inactive member.
 *
 * All lanes of a warp stay together: shuffles use the full mask, and no thread leaves a kernel
 * before its block's last barrier. */
#ifndef ESP_CUDA_DEVICE_H
#define ESP_CUDA_DEVICE_H

#ifdef ESP_EMU
#include "kernels/emu/emu.h"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
typedef __nv_bfloat16 bf16;
typedef __half fp16;
#define LAUNCH(kernel, grid, block, shared, stream, ...)                                       \
    kernel<<<grid, block, shared, stream>>>(__VA_ARGS__)
#define SHARED_MEMORY(name) extern __shared__ __align__(128) unsigned char name[]
#endif

extern "C" {
#include <espalier/kernels.h>
}

#include <math.h>
#include <string.h>

#define WARP 32
#define FULL_WARP 0xffffffffu
#define DEVICE static __device__ __forceinline__

/* Number of elements of a type in one access of 16 bytes. */
template <typename T> struct per_access {
    enum { count = 16 / sizeof(T) };
};

DEVICE float wide(float x)
{
    return x;
}

DEVICE float wide(bf16 x)
{
    return __bfloat162float(x);
}

DEVICE float wide(fp16 x)
{
    return __half2float(x);
}

template <typename A> __device__ __forceinline__ A narrow(float x);

template <> __device__ __forceinline__ float narrow<float>(float x)
{
    return x;
}

template <> __device__ __forceinline__ bf16 narrow<bf16>(float x)
{
    return __float2bfloat16(x);
}

template <> __device__ __forceinline__ fp16 narrow<fp16>(float x)
{
    return __float2half(x);
}

/* V elements from `p`, by accesses of 16 bytes where V elements fill some; then `p` must be
 * aligned to them. Stores may also use one access of 8 bytes. */
template <typename T, int V> DEVICE void load(const T *p, float out[V])
{
    const int per = 16 / (int)sizeof(T);
    if constexpr (V % per == 0) {
#pragma unroll
        for (int i = 0; i < V / per; i++) {
            const uint4 word = *(const uint4 *)(p + i * per);
            T part[16 / sizeof(T)];
            memcpy(part, &word, sizeof word);
#pragma unroll
            for (int j = 0; j < per; j++) {
                out[(i * per + j) % V] = wide(part[j]);
            }
        }
    } else {
#pragma unroll
        for (int i = 0; i < V; i++) {
            out[i] = wide(p[i]);
        }
    }
}

template <typename T, int V> DEVICE void store(T *p, const float in[V])
{
    const int per = 16 / (int)sizeof(T);
    if constexpr (V % per == 0) {
#pragma unroll
        for (int i = 0; i < V / per; i++) {
            uint4 word;
            T part[16 / sizeof(T)];
#pragma unroll
            for (int j = 0; j < per; j++) {
                part[j] = narrow<T>(in[(i * per + j) % V]);
            }
            memcpy(&word, part, sizeof word);
            *(uint4 *)(p + i * per) = word;
        }
    } else if constexpr (V * sizeof(T) == sizeof(uint2)) {
        uint2 word;
        T part[sizeof(uint2) / sizeof(T)];
#pragma unroll
        for (int i = 0; i < (int)(sizeof(uint2) / sizeof(T)); i++) {
            part[i] = narrow<T>(in[i % V]);
        }
        memcpy(&word, part, sizeof word);
        *(uint2 *)p = word;
    } else {
#pragma unroll
        for (int i = 0; i < V; i++) {
            p[i] = narrow<T>(in[i]);
        }
    }
}

/* A member's first element of a tensor. */
template <typename T> DEVICE T *member_of(struct esp_view view, int member)
{
    return view.data ? (T *)view.data + member * view.stride : (T *)0;
}

DEVICE bool member_active(const struct esp_batch &batch, int member)
{
    return batch.control[member].active != 0;
}

/* Rows of [N, …] that the member uses. */
DEVICE int64_t rows_of(const struct esp_batch &batch, int member)
{
    const int used = batch.control[member].sequences;
    return (int64_t)(used < batch.sequences ? used : batch.sequences) * batch.context;
}

/* Sum and maximum over a warp, equal in every lane, in a fixed tree. */
DEVICE float warp_sum(float x)
{
#pragma unroll
    for (int bits = WARP / 2; bits > 0; bits /= 2) {
        x += __shfl_xor_sync(FULL_WARP, x, bits);
    }
    return x;
}

DEVICE double warp_sum(double x)
{
#pragma unroll
    for (int bits = WARP / 2; bits > 0; bits /= 2) {
        x += __shfl_xor_sync(FULL_WARP, x, bits);
    }
    return x;
}

DEVICE float warp_max(float x)
{
#pragma unroll
    for (int bits = WARP / 2; bits > 0; bits /= 2) {
        x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, bits));
    }
    return x;
}

#endif
