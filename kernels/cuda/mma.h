/* Tensor core instructions of sm_80 and later, for one warp: products of 16 · 8 · 16 with float
 * sums (PTX: mma.sync.m16n8k16), loads of their operands from shared memory (ldmatrix) and
 * asynchronous copies to shared memory (cp.async). The emulator implements each from the same
 * layouts, which kernels/emu/tensor.cc lists. */
#ifndef ESP_CUDA_MMA_H
#define ESP_CUDA_MMA_H

#include "device.h"

/* Rows in shared memory are padded by 8 elements, 16 bytes, so that eight rows of a matrix are
 * in different banks. */
#define MMA_PAD 8

#ifdef ESP_EMU

template <typename T> DEVICE void mma(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    /* these bits are 1 only in bf16 */
    esp_emu_mma_16816(d, a, b, wide(T{0x3f80}) == 1.0f);
}

DEVICE void load_matrix(uint32_t r[4], const void *row)
{
    esp_emu_ldmatrix(r, row, false);
}

DEVICE void load_matrix_transposed(uint32_t r[4], const void *row)
{
    esp_emu_ldmatrix(r, row, true);
}

/* 16 bytes; the last 16 − filled become zero. */
DEVICE void copy_async(void *to, const void *from, int filled)
{
    esp_emu_copy_async(to, from, filled);
}

DEVICE void copy_commit(void)
{
    esp_emu_copy_commit();
}

template <int LEFT> DEVICE void copy_wait(void)
{
    esp_emu_copy_wait(LEFT);
}

#else

template <typename T> DEVICE void mma(float d[4], const uint32_t a[4], const uint32_t b[2]);

template <>
__device__ __forceinline__ void mma<bf16>(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, "
                 "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

template <>
__device__ __forceinline__ void mma<fp16>(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, "
                 "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

DEVICE void load_matrix(uint32_t r[4], const void *row)
{
    const unsigned at = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

DEVICE void load_matrix_transposed(uint32_t r[4], const void *row)
{
    const unsigned at = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

/* 16 bytes; the last 16 − filled become zero. */
DEVICE void copy_async(void *to, const void *from, int filled)
{
    const unsigned at = (unsigned)__cvta_generic_to_shared(to);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(at), "l"(from), "r"(filled)
                 : "memory");
}

DEVICE void copy_commit(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int LEFT> DEVICE void copy_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}

#endif

/* Two values in one register, the lower column in the lower half. */
template <typename T> DEVICE uint32_t pair_of(float low, float high)
{
    const T both[2] = {narrow<T>(low), narrow<T>(high)};
    uint32_t word;
    memcpy(&word, both, sizeof word);
    return word;
}

/* A: 16 rows from `tile` on, 16 columns from `column` on, of rows `STEP` apart. */
template <typename T, int STEP> DEVICE void load_a(uint32_t a[4], const T *tile, int column)
{
    const int lane = (int)threadIdx.x % WARP;
    load_matrix(a, tile + (lane / 8 % 2 * 8 + lane % 8) * STEP + column + lane / 16 * 8);
}

/* B of two adjacent products, from a tile whose rows are B's columns: b[0 … 1] for rows 0 … 7
 * of the tile, b[2 … 3] for 8 … 15. */
template <typename T, int STEP> DEVICE void load_b(uint32_t b[4], const T *tile, int column)
{
    const int lane = (int)threadIdx.x % WARP;
    load_matrix(b, tile + (lane / 16 * 8 + lane % 8) * STEP + column + lane / 8 % 2 * 8);
}

/* The same from a tile whose rows are B's rows: b[0 … 1] for columns 0 … 7 from `column` on,
 * b[2 … 3] for 8 … 15. */
template <typename T, int STEP>
DEVICE void load_b_transposed(uint32_t b[4], const T *tile, int column)
{
    const int lane = (int)threadIdx.x % WARP;
    load_matrix_transposed(
        b, tile + (lane / 8 % 2 * 8 + lane % 8) * STEP + column + lane / 16 * 8);
}

/* out[16, 8 · 2 BLOCKS] += A[16, DEPTH] · tileᵀ, with A's rows in shared memory. */
template <typename T, int STEP, int DEPTH, int BLOCKS>
DEVICE void multiply_rows(float out[2 * BLOCKS][4], const T *rows, const T *tile)
{
#pragma unroll
    for (int k = 0; k < DEPTH; k += 16) {
        uint32_t a[4];
        load_a<T, STEP>(a, rows, k);
#pragma unroll
        for (int n = 0; n < BLOCKS; n++) {
            uint32_t b[4];
            load_b<T, STEP>(b, tile + n * 16 * STEP, k);
            mma<T>(out[2 * n], a, b);
            mma<T>(out[2 * n + 1], a, b + 2);
        }
    }
}

/* out[16, DEPTH] += X[16, 16 BLOCKS] · tile, with X in the registers where a product left it.
 */
template <typename T, int STEP, int DEPTH, int BLOCKS>
DEVICE void multiply_left(float out[DEPTH / 8][4], const float x[2 * BLOCKS][4], const T *tile)
{
#pragma unroll
    for (int k = 0; k < BLOCKS; k++) {
        uint32_t a[4];
        a[0] = pair_of<T>(x[2 * k][0], x[2 * k][1]);
        a[1] = pair_of<T>(x[2 * k][2], x[2 * k][3]);
        a[2] = pair_of<T>(x[2 * k + 1][0], x[2 * k + 1][1]);
        a[3] = pair_of<T>(x[2 * k + 1][2], x[2 * k + 1][3]);
#pragma unroll
        for (int d = 0; d < DEPTH / 16; d++) {
            uint32_t b[4];
            load_b_transposed<T, STEP>(b, tile + k * 16 * STEP, d * 16);
            mma<T>(out[2 * d], a, b);
            mma<T>(out[2 * d + 1], a, b + 2);
        }
    }
}

/* Row and column of value i of a lane's four in its 16 · 8 block. */
DEVICE int row_in_block(int i)
{
    return (int)threadIdx.x % WARP / 4 + i / 2 * 8;
}

DEVICE int column_in_block(int i)
{
    return (int)threadIdx.x % 4 * 2 + i % 2;
}

#endif
