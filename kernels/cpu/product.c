/* Our own products where there is AVX-512, the BLAS elsewhere.
 *
 * The BLAS packs both operands on every call, which at the widths of small models costs a fifth
 * of the time, and cannot hand over finished rows. Here (after Goto & van de Geijn 2008, with
 * the left operand not packed, since 8 rows are 8 streams that the processor follows by
 * itself):
 *
 *   for each block of columns and ≤ KC of the summed extent:        pack b, 16 columns a vector
 *     for each block of MC rows:                                    a stays in the second level
 *       for each panel of 48 columns:                               stays in the first level
 *         for each 8 rows: 8 × 3 vectors of sums in registers
 *
 * An element's sum runs over k in order, in blocks that k alone decides, whatever its row or
 * column. */
#include "product.h"
#include "cpu.h"

#if ESP_REAL_IS_FLOAT && defined(__AVX512F__)

#include "tile.h"

#define MC ESP_CPU_PACK_ROWS
#define KC ESP_CPU_PACK_DEPTH

/* r becomes its transpose: four rounds of exchanges between rows that are s apart. */
ESP_INLINE void transpose(vec r[LANES])
{
    const ivec lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#pragma GCC unroll 4
    for (int s = 8; s > 0; s /= 2) {
        const ivec high = (lane & s) != 0;
        const ivec first = (high & (lane - s + LANES)) | (~high & lane);
        const ivec second = (high & (lane + LANES)) | (~high & (lane + s));
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) {
            if (!(i & s)) {
                vec a = r[i], b = r[i + s];
                r[i] = __builtin_shuffle(a, b, first);
                r[i + s] = __builtin_shuffle(a, b, second);
            }
        }
    }
}

/* Rows ahead that are asked for while one is copied: strips of wide rows are no stream that the
 * processor would follow by itself. */
#define ROWS_AHEAD 8

/* `depth` rows of `vectors` whole vectors; the number is a constant where this is inlined. */
ESP_INLINE void copy_rows(const real *from, int64_t step, int64_t depth, int vectors, real *to)
{
    for (int64_t k = 0; k < depth; k++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            __builtin_prefetch(from + ROWS_AHEAD * step + v * LANES);
            vec_store(to + v * LANES, vec_load(from + v * LANES));
        }
        from += step;
        to += vectors * LANES;
    }
}

/* Packs `columns` (1 … 48) columns of `depth` rows into rows of `vectors` vectors, filled up
 * with zeros. */
static void
pack_rows(const real *b, int64_t step, int64_t depth, int columns, int vectors, real *to)
{
    if (columns == 3 * LANES) {
        copy_rows(b, step, depth, 3, to);
        return;
    }
    if (columns == 2 * LANES) {
        copy_rows(b, step, depth, 2, to);
        return;
    }
    for (int64_t k = 0; k < depth; k++) {
        for (int v = 0; v < vectors; v++) {
            const int left = columns - v * LANES;
            const real *from = b + k * step + v * LANES;
            vec x = left >= LANES ? vec_load(from) : vec_load_part(from, left, 0);
            vec_store(to + (k * vectors + v) * LANES, x);
        }
    }
}

static void
pack_transposed(const real *b, int64_t step, int64_t depth, int columns, int vectors, real *to)
{
    for (int v = 0; v < vectors; v++) {
        const int left = columns - v * LANES;
        for (int64_t k = 0; k < depth; k += LANES) {
            const int some = depth - k < LANES ? (int)(depth - k) : LANES;
            vec r[LANES];
            for (int j = 0; j < LANES; j++) {
                const real *from = b + (v * LANES + j) * step + k;
                if (j >= left) {
                    r[j] = (vec){0};
                } else {
                    r[j] = some == LANES ? vec_load(from) : vec_load_part(from, some, 0);
                }
            }
            transpose(r);
            for (int i = 0; i < some; i++) {
                vec_store(to + ((k + i) * vectors + v) * LANES, r[i]);
            }
        }
    }
}

/* Vectors of the panel that begins at `column` of `columns`: 3 while there are more than 4
 * left, so that the end is not a single one, whose sums are too few to hide the latency. */
ESP_INLINE int panel_vectors(int64_t column, int64_t columns)
{
    const int64_t left = (columns - column + LANES - 1) / LANES;
    if (left == 4) {
        return 2;
    }
    return left < PANEL ? (int)left : PANEL;
}

/* What is packed at a time: columns first … of b, k … of the summed extent. */
struct part {
    int64_t k, depth;
    int64_t first, columns;
};

static void pack(const struct product *p, const struct part *part, real *to)
{
    const int64_t depth = part->depth, step = p->b.step;
    for (int64_t j = 0; j < part->columns;) {
        const int vectors = panel_vectors(j, part->columns);
        const int64_t left = part->columns - j, whole = vectors * LANES;
        const int some = (int)(left < whole ? left : whole);
        const int64_t column = part->first + j;
        if (p->b.transposed) {
            const real *b = p->b.data + column * step + part->k;
            pack_transposed(b, step, depth, some, vectors, to + j * depth);
        } else {
            const real *b = p->b.data + part->k * step + column;
            pack_rows(b, step, depth, some, vectors, to + j * depth);
        }
        j += whole;
    }
}

/* A transposed left block lies in rows that are far apart, often by a power of two, which only
 * a few sets of the cache would hold: it is copied, [depth, MC]. */
static void copy_left(
    const struct product *p, int64_t row, int64_t rows, int64_t k, int64_t depth, real *to)
{
    const real *from = p->a.data + k * p->a.step + row;
    _Static_assert(MC == 4 * LANES, "a whole block is four vectors");
    if (rows == MC) {
        copy_rows(from, p->a.step, depth, 4, to);
        return;
    }
    for (int64_t i = 0; i < depth; i++) {
        memcpy(to + i * MC, from + i * p->a.step, (size_t)rows * sizeof(real));
    }
}

/* Rows row … row + rows of c, against everything that is packed; `done`: the sums are then
 * whole, and the epilogue follows while they are in the cache. */
static void multiply_block(const struct product *p,
                           const struct esp_cpu_state *state,
                           const struct part *part,
                           int64_t row,
                           int64_t rows,
                           int done)
{
    struct strip s = {
        .a = p->a.data + row * p->a.step + part->k,
        .row_step = p->a.step,
        .k_step = 1,
        .rows = rows,
        .depth = part->depth,
        .c_step = p->c_step,
        .add = p->accumulate || part->k > 0,
        .beside = done && p->beside ? (int64_t)((uintptr_t)p->beside - (uintptr_t)p->c) : 0};
    if (p->a.transposed) {
        copy_left(p, row, rows, part->k, part->depth, state->left);
        s.a = state->left;
        s.row_step = 1;
        s.k_step = MC;
    }
    for (int64_t j = 0; j < part->columns;) {
        const int vectors = panel_vectors(j, part->columns);
        const int64_t whole = vectors * LANES, left = part->columns - j;
        const int64_t column = part->first + j;
        s.packed = (const real *)state->pack + j * part->depth;
        s.c = p->c + row * p->c_step + column;
        s.c_next = left > whole ? s.c + whole : s.c + rows * p->c_step - j;
        s.last = left < whole ? (int)(left - (vectors - 1) * LANES) : LANES;
        (vectors == 3 ? strip_3 : vectors == 2 ? strip_2 : strip_1)(&s);
        if (done && p->after) {
            p->after(p->context, row, rows, (int)column, (int)(left < whole ? left : whole));
        }
        j += whole;
    }
}

/* Even blocks of at most `most`, in multiples of `grain`: a rest of a few would read and write
 * all of c once more. */
ESP_INLINE int64_t even_block(int64_t extent, int64_t most, int64_t grain)
{
    const int64_t blocks = (extent + most - 1) / most;
    const int64_t block = blocks > 0 ? (extent + blocks - 1) / blocks : grain;
    return (block + grain - 1) / grain * grain;
}

void ESP_CPU(multiply)(const struct product *p, const struct esp_cpu_state *state)
{
    const int64_t kc = even_block(p->k, KC, LANES);
    const int64_t fit = (int64_t)ESP_CPU_PACK / kc / PANEL_COLUMNS * PANEL_COLUMNS;
    const int64_t nc = even_block(p->n, fit, PANEL_COLUMNS);
    for (int64_t first = 0; first < p->n; first += nc) {
        const int64_t columns = p->n - first < nc ? p->n - first : nc;
        for (int64_t k = 0; k < p->k; k += kc) {
            const int64_t depth = p->k - k < kc ? p->k - k : kc;
            const struct part part = {
                .k = k, .depth = depth, .first = first, .columns = columns};
            pack(p, &part, state->pack);
            for (int64_t i = 0; i < p->m; i += MC) {
                const int64_t rows = p->m - i < MC ? p->m - i : MC;
                multiply_block(p, state, &part, i, rows, k + depth == p->k);
            }
        }
    }
}

#else

/* Rows of one product: few enough for its result to stay in a second-level cache of 1 MiB
 * (256 · 1024 · 4), many enough for the BLAS, which packs the weights anew for every block. */
#define ROWS_BLOCK 256

void ESP_CPU(multiply)(const struct product *p, const struct esp_cpu_state *state)
{
    const int64_t block = p->after ? ROWS_BLOCK : p->m;
    const int64_t row_step = p->a.transposed ? 1 : p->a.step;
    (void)state;
    for (int64_t i = 0; i < p->m; i += block) {
        const int64_t rows = p->m - i < block ? p->m - i : block;
        struct matrix a = p->a;
        a.data += i * row_step;
        gemm(rows,
             p->n,
             p->k,
             1,
             a,
             p->b,
             p->accumulate ? 1 : 0,
             p->c + i * p->c_step,
             p->c_step);
        if (p->after) {
            p->after(p->context, i, rows, 0, (int)p->n);
        }
    }
}

#endif
