/* The innermost part of product_tiles.c: tiles of the result that stay in registers during the
 * loop over the summed extent. AVX-512 only.
 *
 * A tile is 8 rows by 3 vectors: 24 sums hide the latency of the multiply-adds twice over, and
 * 11 loads for 24 multiply-adds leave the load ports half free. A tile's place in the result is
 * in the L3 cache or in memory, so the next tile's place is prefetched while this one is
 * computed, one row at a time: prefetching all of it at once would delay the operands. */
#ifndef ESP_CPU_TILE_H
#define ESP_CPU_TILE_H

#include "real.h"

#include <immintrin.h>
#include <stdbool.h>

#define TILE_ROWS 8
#define PANEL 3 /* vectors */
#define PANEL_COLUMNS (PANEL * LANES)

/* Steps of the summed extent between prefetches of two rows of the next tile's place. */
#define STEPS_FOR_ROW 8

/* Elements of the left operand that are prefetched with each row. */
#define AHEAD (4 * LANES)

/* Elements to prefetch during a strip: some for each of its rows, `step` apart. */
struct ahead {
    const real *data;
    int64_t step;
};

/* The product of one block of rows and one packed panel. Element (i, k) of the left block is
 * a[i · row_step + k]. When the block was transposed while it was copied (`turned`), it is
 * element (i / 16, k, i % 16) of [rows / 16, depth, 16]. */
struct strip {
    const real *a;
    bool turned;
    int64_t row_step; /* unused when turned */
    int64_t rows, depth;
    const real *packed;
    real *c;
    int64_t c_step;
    int last;           /* columns of the last vector that exist in c */
    int add;            /* the sums are added to c; else c is overwritten */
    const real *c_next; /* the next strip's first tile */
    /* Distance in bytes from c to the second matrix that the epilogue uses; 0: none. */
    int64_t second_offset;
    /* Prefetches of what is copied next, of both operands. */
    struct ahead left, right;
    /* Triangles: tiles that end at or before row `first` are left out; the tile of rows i … j −
     * 1 sums from begin + i to end + j, clamped to 0 … depth. */
    int64_t first, begin, end;
};

/* Position of one tile. `rows` and `vectors` are constants where its functions are inlined. */
struct tile {
    const real *a[TILE_ROWS / 3 + 1]; /* rows 0, 3, 6 */
    const real *b;
    int64_t row_step, k_step;
    int64_t depth;
    real *c;
    const real *next;
    const real *left, *right; /* see struct ahead */
};

/* sum += left · right, as one instruction that keeps its place in the source: the compiler
 * would move it among those of other steps and run out of registers. */
ESP_INLINE void multiply_add(vec *sum, vec left, vec right)
{
    __asm__ volatile("vfmadd231ps %1, %2, %0" : "+v"(*sum) : "v"(left), "v"(right));
}

/* Adds `steps` steps of the summed extent, sum += a[0 … rows − 1] · b, and moves past them.
 *
 * An integer operation takes the issue slot of a multiply-add in two cases out of five. Rows
 * are therefore addressed relative to every third one, by a multiple of their step, which is
 * part of the load instruction. The empty assembly hides the pointer's value; otherwise the
 * compiler would compute a separate address for each row. */
ESP_INLINE void
tile_steps(struct tile *t, int steps, int rows, int vectors, vec sum[TILE_ROWS][PANEL])
{
    ESP_UNROLL(STEPS_FOR_ROW)
    for (int j = 0; j < steps; j++) {
        vec right[PANEL];
        ESP_UNROLL(PANEL)
        for (int v = 0; v < vectors; v++) {
            right[v] = vec_load(t->b + (j * vectors + v) * LANES);
        }
        ESP_UNROLL(TILE_ROWS)
        for (int i = 0; i < rows; i++) {
            if (i % 3 == 0) {
                __asm__ volatile("" : "+r"(t->a[i / 3]));
            }
            const real *a = t->a[i / 3] + j * t->k_step;
            const vec left = vec_set(a[i % 3 * t->row_step]);
            ESP_UNROLL(PANEL)
            for (int v = 0; v < vectors; v++) {
                multiply_add(&sum[i][v], left, right[v]);
            }
        }
    }
    ESP_UNROLL(TILE_ROWS / 3 + 1)
    for (int i = 0; i < rows; i += 3) {
        t->a[i / 3] += steps * t->k_step;
    }
    t->b += steps * vectors * LANES;
}

ESP_INLINE void
tile_store(const struct strip *s, real *c, int rows, int vectors, vec sum[TILE_ROWS][PANEL])
{
    const __mmask16 last = (__mmask16)((1u << s->last) - 1);
    if (s->add) {
        ESP_UNROLL(TILE_ROWS)
        for (int i = 0; i < rows; i++) {
            ESP_UNROLL(PANEL)
            for (int v = 0; v < vectors; v++) {
                const __mmask16 mask = v == vectors - 1 ? last : (__mmask16)0xffff;
                const real *from = c + i * s->c_step + v * LANES;
                sum[i][v] += (vec)_mm512_maskz_loadu_ps(mask, from);
            }
        }
    }
    ESP_UNROLL(TILE_ROWS)
    for (int i = 0; i < rows; i++) {
        ESP_UNROLL(PANEL)
        for (int v = 0; v < vectors; v++) {
            const __mmask16 mask = v == vectors - 1 ? last : (__mmask16)0xffff;
            _mm512_mask_storeu_ps(c + i * s->c_step + v * LANES, mask, (__m512)sum[i][v]);
        }
    }
}

/* Prefetches one row's share of what is copied next. */
ESP_INLINE void prefetch_ahead(const struct strip *s, struct tile *t, int vectors)
{
    ESP_UNROLL(AHEAD / LANES)
    for (int v = 0; v < AHEAD; v += LANES) {
        __builtin_prefetch(t->left + v, 0, 2);
    }
    t->left += s->left.step;
    ESP_UNROLL(PANEL)
    for (int v = 0; v < vectors; v++) {
        __builtin_prefetch(t->right + v * LANES, 0, 2);
    }
    t->right += s->right.step;
}

/* `turned`: the left operand was copied, so its next block is prefetched. */
ESP_INLINE void tile(const struct strip *s, struct tile t, int rows, int vectors, bool turned)
{
    vec sum[TILE_ROWS][PANEL];
    real *const c = t.c;
    int64_t k = 0;
    ESP_UNROLL(TILE_ROWS)
    for (int i = 0; i < rows; i++) {
        ESP_UNROLL(PANEL)
        for (int v = 0; v < vectors; v++) {
            sum[i][v] = (vec){0};
        }
    }
    for (int i = 0; i < rows && k + STEPS_FOR_ROW <= t.depth; i++) {
        ESP_UNROLL(PANEL)
        for (int v = 0; v < vectors; v++) {
            __builtin_prefetch(t.next + v * LANES, 0, 2);
            __builtin_prefetch((const char *)(t.next + v * LANES) + s->second_offset, 0, 2);
        }
        t.next += s->c_step;
        if (turned) {
            prefetch_ahead(s, &t, vectors);
        }
        tile_steps(&t, STEPS_FOR_ROW, rows, vectors, sum);
        k += STEPS_FOR_ROW;
    }
    for (int64_t left = (t.depth - k) / 4; left > 0; left--) {
        tile_steps(&t, 4, rows, vectors, sum);
    }
    for (int64_t left = (t.depth - k) % 4; left > 0; left--) {
        tile_steps(&t, 1, rows, vectors, sum);
    }
    tile_store(s, c, rows, vectors, sum);
}

ESP_INLINE int64_t within(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* The tile of rows i … i + rows − 1 of the strip. The layout of the left block (`turned`) and
 * whether there is a triangle (`cut`) are compile-time constants, which shortens the address
 * computation of the inner loop. */
ESP_INLINE void
tile_at(const struct strip *s, int64_t i, int rows, int vectors, bool cut, bool turned)
{
    const int64_t row_step = turned ? 1 : s->row_step, k_step = turned ? LANES : 1;
    const real *a = s->a + (turned ? i / LANES * LANES * s->depth + i % LANES : i * row_step);
    struct tile t = {.b = s->packed,
                     .row_step = row_step,
                     .k_step = k_step,
                     .depth = s->depth,
                     .c = s->c + i * s->c_step,
                     .left = s->left.data + i * s->left.step,
                     .right = s->right.data + i * s->right.step};
    if (cut) {
        const int64_t begin = within(s->begin + i, 0, s->depth);
        const int64_t end = within(s->end + i + rows, begin, s->depth);
        if (i + rows <= s->first) {
            return;
        }
        a += begin * k_step;
        t.b += begin * vectors * LANES;
        t.depth = end - begin;
    }
    for (int g = 0; g < rows; g += 3) {
        t.a[g / 3] = a + g * row_step;
    }
    t.next = i + rows < s->rows ? t.c + rows * s->c_step : s->c_next;
    tile(s, t, rows, vectors, turned);
}

ESP_INLINE void tiles_of(const struct strip *s, int vectors, bool cut, bool turned)
{
    int64_t i = 0;
    for (; s->rows - i >= 8; i += 8) {
        tile_at(s, i, 8, vectors, cut, turned);
    }
    for (; s->rows - i >= 4; i += 4) {
        tile_at(s, i, 4, vectors, cut, turned);
    }
    for (; s->rows - i >= 1; i += 1) {
        tile_at(s, i, 1, vectors, cut, turned);
    }
}

#ifdef ESP_SANITIZE

/* One copy for all shapes: each instrumented copy of the tiles costs seconds to compile. */
static __attribute__((noinline)) void strip(const struct strip *s, int vectors, bool cut)
{
    tiles_of(s, vectors, cut, s->turned);
}

#else

#define ESP_CPU_STRIP(name, vectors, cut)                                                      \
    static __attribute__((noinline)) void name(const struct strip *s)                          \
    {                                                                                          \
        if (s->turned) {                                                                       \
            tiles_of(s, vectors, cut, true);                                                   \
        } else {                                                                               \
            tiles_of(s, vectors, cut, false);                                                  \
        }                                                                                      \
    }

ESP_CPU_STRIP(strip_1, 1, false)
ESP_CPU_STRIP(strip_2, 2, false)
ESP_CPU_STRIP(strip_3, 3, false)
ESP_CPU_STRIP(cut_strip_1, 1, true)
ESP_CPU_STRIP(cut_strip_2, 2, true)
ESP_CPU_STRIP(cut_strip_3, 3, true)

/* A strip of 1 … 3 vectors. */
static void strip(const struct strip *s, int vectors, bool cut)
{
    static void (*const strips[2][PANEL])(const struct strip *) = {
        {strip_1, strip_2, strip_3}, {cut_strip_1, cut_strip_2, cut_strip_3}};
    strips[cut][vectors - 1](s);
}

#endif

#endif
