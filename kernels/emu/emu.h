/* The part of CUDA's device language that kernels/cuda uses, on the host.
 *
 * The threads of a block are fibers of one host thread. They run one at a time, each until its
 * next barrier, in the order set by esp_emu_set_order: a result that depends on the order
 * reveals a missing barrier. Blocks run one after another, in the same kind of order. Shared
 * memory is a heap block of exactly the bytes that the launch requested, filled with 0xff (NaN
 * in every type), and device memory is heap memory filled the same way, so that
 * AddressSanitizer detects every address out of bounds.
 *
 * Tensor core instructions are computed lane by lane from their layout in the PTX manual
 * (9.7.14, "Warp-level matrix instructions"). Asynchronous copies are carried out when they are
 * waited for, so that a missing wait is detected too. */
#ifndef ESP_EMU_EMU_H
#define ESP_EMU_EMU_H

#include <cuda_runtime.h>

#include <assert.h>
#include <functional>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <tuple>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__ __restrict

#define ESP_EMU_WARP 32
#define ESP_EMU_THREADS_MAX 1024

/* Data that one lane passes to its warp at a time: four registers of A, two of B. */
struct esp_emu_lane {
    uint64_t word[4];
};

struct esp_emu_copy {
    void *to;
    const void *from;
    int bytes, filled; /* the last `bytes` − `filled` bytes become zero */
};

struct esp_emu_place {
    unsigned x, y, z;
};

extern struct esp_emu_place esp_emu_thread, esp_emu_block;
extern dim3 esp_emu_block_extent, esp_emu_grid_extent;

#define threadIdx esp_emu_thread
#define blockIdx esp_emu_block
#define blockDim esp_emu_block_extent
#define gridDim esp_emu_grid_extent

void __syncthreads(void);
int __syncthreads_or(int predicate);
void __syncwarp(unsigned mask = 0xffffffffu);

/* The current block's dynamic shared memory. */
unsigned char *esp_emu_shared(void);
#define SHARED_MEMORY(name) unsigned char *name = esp_emu_shared()

/* Every lane of a warp passes `mine`. Afterwards each may read those of the others until its
 * second exchange after this one. */
const struct esp_emu_lane *esp_emu_exchange(const struct esp_emu_lane *mine);
int esp_emu_lane_index(void);

template <typename T> static inline T esp_emu_from_lane(T value, int lane)
{
    struct esp_emu_lane mine = {};
    static_assert(sizeof value <= sizeof mine, "a shuffle moves one register");
    memcpy(&mine, &value, sizeof value);
    T other;
    memcpy(&other, &esp_emu_exchange(&mine)[lane], sizeof other);
    return other;
}

template <typename T> static inline T __shfl_sync(unsigned mask, T value, int lane)
{
    assert(mask == 0xffffffffu);
    return esp_emu_from_lane(value, lane & 31);
}

template <typename T> static inline T __shfl_xor_sync(unsigned mask, T value, int bits)
{
    assert(mask == 0xffffffffu);
    return esp_emu_from_lane(value, esp_emu_lane_index() ^ bits);
}

static inline unsigned __ballot_sync(unsigned mask, int predicate)
{
    struct esp_emu_lane mine = {{predicate ? 1u : 0u, 0, 0, 0}};
    assert(mask == 0xffffffffu);
    const struct esp_emu_lane *all = esp_emu_exchange(&mine);
    unsigned bits = 0;
    for (int i = 0; i < ESP_EMU_WARP; i++) {
        bits |= (unsigned)all[i].word[0] << i;
    }
    return bits;
}

static inline int __popc(unsigned bits)
{
    return __builtin_popcount(bits);
}

static inline unsigned __umulhi(unsigned a, unsigned b)
{
    return (unsigned)((uint64_t)a * b >> 32);
}

static inline float rsqrtf(float x)
{
    return 1.0f / sqrtf(x);
}

/* Half types: stored as bits, rounded to nearest even. */
struct bf16 {
    uint16_t bits;
};

struct fp16 {
    uint16_t bits;
};

static inline float __bfloat162float(bf16 x)
{
    const uint32_t word = (uint32_t)x.bits << 16;
    float f;
    memcpy(&f, &word, sizeof f);
    return f;
}

static inline bf16 __float2bfloat16(float f)
{
    uint32_t word;
    memcpy(&word, &f, sizeof word);
    if ((word & 0x7fffffffu) > 0x7f800000u) {
        return bf16{0x7fff};
    }
    word += 0x7fffu + ((word >> 16) & 1);
    return bf16{(uint16_t)(word >> 16)};
}

float esp_emu_half_to_float(uint16_t bits);
uint16_t esp_emu_half_from_float(float f);

static inline float __half2float(fp16 x)
{
    return esp_emu_half_to_float(x.bits);
}

static inline fp16 __float2half(float f)
{
    return fp16{esp_emu_half_from_float(f)};
}

/* D = A · B + C for one warp, m16n8k16, two values in each register of A and B. */
void esp_emu_mma_16816(float d[4], const uint32_t a[4], const uint32_t b[2], bool is_bf16);
/* Loads four 8 · 8 matrices of 16-bit values; lane l passes the address of row l % 8 of matrix
 * l / 8. */
void esp_emu_ldmatrix(uint32_t r[4], const void *row, bool transposed);

/* cp.async of 16 bytes, the last 16 − filled of them zero; groups as in the hardware. */
void esp_emu_copy_async(void *to, const void *from, int filled);
void esp_emu_copy_commit(void);
void esp_emu_copy_wait(int groups_left);

/* Appends to the work that a stream does, in order, when the host waits for it. */
void esp_emu_enqueue(cudaStream_t stream, std::function<void()> work);
void esp_emu_run_grid(dim3 grid,
                      dim3 block,
                      size_t shared_bytes,
                      const void *kernel,
                      const std::function<void()> &thread);

template <typename... P, typename... Q>
static inline void esp_emu_launch(
    void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream, Q... given)
{
    /* copied now, as a launch copies its arguments */
    std::tuple<P...> args(given...);
    esp_emu_enqueue(stream, [=] {
        esp_emu_run_grid(
            grid, block, shared, (const void *)kernel, [&] { std::apply(kernel, args); });
    });
}

#define LAUNCH(kernel, grid, block, shared, stream, ...)                                       \
    esp_emu_launch(kernel, grid, block, shared, stream, __VA_ARGS__)

#endif
