/* Packing the right operand of a product into panels of 48 columns, for tile.h. */
#ifndef ESP_CPU_PACKING_H
#define ESP_CPU_PACKING_H

#include "product.h"
#include "tile.h"

/* Transposes 16 rows of 16 elements, `step` apart, to rows `to_step` apart. Loading quarters of
 * rows into place saves half of the shuffles that a transposition in registers needs. */
ESP_INLINE void transpose(const real *from, int64_t step, real *to, int64_t to_step)
{
    ESP_UNROLL(4)
    for (int quarter = 0; quarter < 4; quarter++) {
        __m512 r[4];
        ESP_UNROLL(4)
        for (int i = 0; i < 4; i++) { /* rows i, i + 4, i + 8, i + 12 */
            const real *at = from + i * step + 4 * quarter;
            r[i] = _mm512_castps128_ps512(_mm_loadu_ps(at));
            r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps(at + 4 * step), 1);
            r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps(at + 8 * step), 2);
            r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps(at + 12 * step), 3);
        }
        const __m512 low01 = _mm512_unpacklo_ps(r[0], r[1]);
        const __m512 low23 = _mm512_unpacklo_ps(r[2], r[3]);
        const __m512 high01 = _mm512_unpackhi_ps(r[0], r[1]);
        const __m512 high23 = _mm512_unpackhi_ps(r[2], r[3]);
        real *const row = to + 4 * quarter * to_step;
        vec_store(row, (vec)_mm512_shuffle_ps(low01, low23, 0x44));
        vec_store(row + to_step, (vec)_mm512_shuffle_ps(low01, low23, 0xee));
        vec_store(row + 2 * to_step, (vec)_mm512_shuffle_ps(high01, high23, 0x44));
        vec_store(row + 3 * to_step, (vec)_mm512_shuffle_ps(high01, high23, 0xee));
    }
}

/* Packs `depth` rows of a whole panel. */
ESP_INLINE void copy_rows(const real *from, int64_t step, int64_t depth, real *to)
{
    for (int64_t k = 0; k < depth; k++) {
        ESP_UNROLL(PANEL)
        for (int v = 0; v < PANEL; v++) {
            vec_store(to + v * LANES, vec_load(from + v * LANES));
        }
        from += step;
        to += PANEL_COLUMNS;
    }
}

/* Packs `columns` (1 … 48) columns of `depth` rows into rows of `vectors` vectors, filled up
 * with zeros. */
ESP_INLINE void
pack_rows(const real *b, int64_t step, int64_t depth, int columns, int vectors, real *to)
{
    if (columns == PANEL_COLUMNS) {
        copy_rows(b, step, depth, to);
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
    const int64_t to_step = vectors * LANES;
    for (int v = 0; v < vectors; v++) {
        const int left = columns - v * LANES, rows = left < LANES ? left : LANES;
        for (int64_t k = 0; k < depth; k += LANES) {
            const int some = depth - k < LANES ? (int)(depth - k) : LANES;
            const real *from = b + v * LANES * step + k;
            real *const at = to + k * to_step + v * LANES;
            if (rows == LANES && some == LANES) {
                transpose(from, step, at, to_step);
                continue;
            }
            real whole[LANES * LANES], turned[LANES * LANES];
            memset(whole, 0, sizeof whole);
            for (int i = 0; i < rows; i++) {
                memcpy(whole + i * LANES, from + i * step, (size_t)some * sizeof(real));
            }
            transpose(whole, LANES, turned, LANES);
            for (int i = 0; i < some; i++) {
                vec_store(at + i * to_step, vec_load(turned + i * LANES));
            }
        }
    }
}

/* Vectors of the panel that begins at `column` of `columns`: 3, except that the last 4 are
 * split 2 + 2. A panel of a single vector has too few sums to hide the latency of
 * multiply-adds. */
ESP_INLINE int panel_vectors(int64_t column, int64_t columns)
{
    const int64_t left = (columns - column + LANES - 1) / LANES;
    if (left == 4) {
        return 2;
    }
    return left < PANEL ? (int)left : PANEL;
}

/* The part of b that is packed at a time. */
struct part {
    int64_t k, depth;       /* of the summed extent */
    int64_t first, columns; /* of b's columns */
};

/* Packs `depth` rows of one panel, from row k of the part on. */
ESP_INLINE void pack_panel(const struct product *p,
                           const struct part *part,
                           int64_t j,
                           int64_t k,
                           int64_t depth,
                           real *to)
{
    const int vectors = panel_vectors(j, part->columns);
    const int64_t left = part->columns - j, whole = vectors * LANES, step = p->b.step;
    const int some = (int)(left < whole ? left : whole);
    real *const at = to + j * part->depth + k * whole;
    if (p->b.transposed) {
        const real *b = p->b.data + (part->first + j) * step + part->k + k;
        pack_transposed(b, step, depth, some, vectors, at);
    } else {
        const real *b = p->b.data + (part->k + k) * step + part->first + j;
        pack_rows(b, step, depth, some, vectors, at);
    }
}

/* Rows that are packed together, panel after panel, so that they are read sequentially: as many
 * streams as the hardware prefetcher follows well. */
#define ROWS_ALONG 4

/* sums += the sum over `rows` rows of a panel's columns, which have just been packed. */
ESP_INLINE void add_rows(const real *b, int64_t step, int64_t rows, int64_t columns, real *sums)
{
    for (int64_t c = 0; c < columns && c < PANEL_COLUMNS; c += LANES) {
        const int some = columns - c < LANES ? (int)(columns - c) : LANES;
        vec sum = {0};
        for (int64_t k = 0; k < rows; k++) {
            sum += vec_load_part(b + k * step + c, some, 0);
        }
        vec_store_part(sums + c, vec_load_part(sums + c, some, 0) + sum, some);
    }
}

static void pack(const struct product *p, const struct part *part, real *to, real *sums)
{
    const int64_t along = p->b.transposed ? part->depth : ROWS_ALONG;
    for (int64_t k = 0; k < part->depth; k += along) {
        const int64_t some = part->depth - k < along ? part->depth - k : along;
        for (int64_t j = 0; j < part->columns;) {
            const int64_t whole = panel_vectors(j, part->columns) * LANES;
            const int64_t left = part->columns - j;
            pack_panel(p, part, j, k, some, to);
            if (sums) {
                const real *b = p->b.data + (part->k + k) * p->b.step + part->first + j;
                add_rows(b, p->b.step, some, left < whole ? left : whole, sums + j);
            }
            j += whole;
        }
    }
}

/* Packs a part and adds its column sums to p->sums. A part's sums are formed separately first,
 * so that the long sum keeps its precision. */
static void pack_and_sum(const struct product *p, const struct part *part, real *to, real *sums)
{
    _Static_assert(ESP_CPU_PACK / LANES <= ESP_CPU_SCRATCH, "as many columns as packed ones");
    memset(sums, 0, (size_t)part->columns * sizeof(real));
    pack(p, part, to, sums);
    for (int64_t j = 0; j < part->columns; j++) {
        p->sums[part->first + j] += sums[j];
    }
}

#endif
