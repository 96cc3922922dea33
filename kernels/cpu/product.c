/* Our own products where there is AVX-512, the BLAS elsewhere.
 *
 * The BLAS packs both operands on every call, which at the widths of small models costs a fifth
 * of the time, and cannot hand over finished rows. Here (after Goto & van de Geijn 2008, with
 * the left operand not packed, since 8 rows are 8 streams that the processor follows by
 * itself):
 *
 *   for each block of columns and part of the summed extent:      pack b, 16 columns a vector
 *     for each block of MC rows:                                  a stays in the second level
 *       for each panel of 48 columns:                             it comes from there too
 *         for each 8 rows: 8 × 3 vectors of sums in registers (tile.h)
 *       and the epilogue of those 48 columns
 *
 * An element's sum runs over k in order, in parts that k and the kind of product alone decide,
 * whatever its row or column. */
#include "product.h"
#include "cpu.h"

#if ESP_REAL_IS_FLOAT && defined(__AVX512F__)

#include "tile.h"

#define MC ESP_CPU_PACK_ROWS

/* Of the summed extent at a time, at most. A left operand that is not copied leaves the second
 * level to the packed one: longer sums then have c read and written half as often. */
#define KC_COPIED ESP_CPU_PACK_DEPTH
#define KC_STRAIGHT (2 * ESP_CPU_PACK_DEPTH)

/* 16 rows of 16, `step` apart, become 16 vectors of their columns, `to_step` apart. Quarters of
 * rows are gathered as they are loaded, which leaves half of the exchanges that registers would
 * need. */
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

/* `depth` rows of a whole panel. */
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

/* One panel, from row k of the part on. */
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

/* Rows that are packed together, panel after panel: they are read along, which the processor
 * fetches ahead for by itself, and it follows so many at a time. */
#define ROWS_ALONG 4

/* sums += `rows` rows of a panel's columns: those that have just been packed. */
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

/* A part's sums are formed apart before they are added: the longer sum keeps its precision. */
static void pack_and_sum(const struct product *p, const struct part *part, real *to, real *sums)
{
    _Static_assert(ESP_CPU_PACK / LANES <= ESP_CPU_SCRATCH, "as many columns as packed ones");
    memset(sums, 0, (size_t)part->columns * sizeof(real));
    pack(p, part, to, sums);
    for (int64_t j = 0; j < part->columns; j++) {
        p->sums[part->first + j] += sums[j];
    }
}

/* What of the strip's tiles a triangle leaves: see struct strip. */
ESP_INLINE void
cut_triangle(const struct product *p, const struct part *part, int64_t row, struct strip *s)
{
    s->begin = -s->rows;
    s->end = part->depth;
    if (p->triangle != TRIANGLE_LEFT) {
        return;
    }
    if (p->a.transposed) {
        s->begin = row - p->shift - part->k;
    } else {
        s->end = row + p->shift - part->k;
    }
}

/* Rows ahead that are asked for while one is copied: strips of wide rows are no stream that the
 * processor would follow by itself. */
#define ROWS_AHEAD 8

/* A transposed left block lies in rows that are far apart, often by a power of two, which only
 * a few sets of the cache would hold: it is copied, [rows / 16, depth, 16], so that a tile
 * reads its part from one end to the other. What lies before `begin` of the summed extent no
 * tile of the block reads. */
static void copy_left(const struct product *p,
                      const struct part *part,
                      int64_t row,
                      int64_t rows,
                      int64_t begin,
                      real *to)
{
    const int64_t step = p->a.step, depth = part->depth;
    const real *from = p->a.data + (part->k + begin) * step + row;
    _Static_assert(MC == 4 * LANES, "a whole block is four vectors");
    for (int64_t k = begin; k < depth && rows == MC; k++) {
        ESP_UNROLL(4)
        for (int v = 0; v < 4; v++) {
            __builtin_prefetch(from + ROWS_AHEAD * step + v * LANES);
            vec_store(to + (v * depth + k) * LANES, vec_load(from + v * LANES));
        }
        from += step;
    }
    for (int64_t r = 0; r < rows && rows < MC; r += LANES) {
        const int some = rows - r < LANES ? (int)(rows - r) : LANES;
        for (int64_t k = begin; k < depth; k++) {
            const real *at = p->a.data + (part->k + k) * step + row + r;
            vec_store(to + r * depth + k * LANES, vec_load_part(at, some, 0));
        }
    }
}

/* Both operands of a weight's gradient are copied, out of the third level or memory, for a few
 * rows each: what will be copied next is asked for while the sums are computed. Each strip of a
 * whole block does its share of the left operand of the block that follows (of the next part,
 * after the last one)... */
ESP_INLINE struct ahead
fetch_left(const struct product *p, const struct part *part, int64_t row, int64_t number)
{
    const int64_t last = part->depth - MC, share = number * MC;
    int64_t k = part->k;
    row += MC;
    if (row >= p->m) {
        row = 0;
        k = k + part->depth < p->k ? k + part->depth : 0;
    }
    if (row + MC > p->m || k + part->depth > p->k || last < 0 || share >= part->depth) {
        return (struct ahead){.data = p->a.data};
    }
    k += share < last ? share : last;
    return (struct ahead){.data = p->a.data + k * p->a.step + row, .step = p->a.step};
}

/* ... and, in the last rows of a part, of the right operand of the next part: its own columns,
 * and as many rows as it has. */
ESP_INLINE struct ahead
fetch_right(const struct product *p, const struct part *part, int64_t row, int64_t column)
{
    const int64_t last = p->m < part->depth ? p->m : part->depth;
    int64_t k = part->k + part->depth;
    row -= p->m - last;
    if (k >= p->k) {
        k = 0;
        column += part->columns;
    }
    if (p->b.transposed || row < 0 || row + MC > last || k + last > p->k ||
        column + PANEL_COLUMNS > p->n) {
        return (struct ahead){.data = p->b.data};
    }
    return (struct ahead){.data = p->b.data + (k + row) * p->b.step + column,
                          .step = p->b.step};
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
        .rows = rows,
        .depth = part->depth,
        .c_step = p->c_step,
        .add = p->accumulate || part->k > 0,
        .beside = done && p->beside ? (int64_t)((uintptr_t)p->beside - (uintptr_t)p->c) : 0};
    cut_triangle(p, part, row, &s);
    if (p->a.transposed) {
        copy_left(p, part, row, rows, within(s.begin, 0, part->depth), state->left);
        s.a = state->left;
        s.turned = true;
    } else {
        s.a = p->a.data + row * p->a.step + part->k;
        s.row_step = p->a.step;
    }
    s.left.data = s.right.data = s.a;
    for (int64_t j = 0, number = 0; j < part->columns; number++) {
        const int vectors = panel_vectors(j, part->columns);
        const int64_t whole = vectors * LANES, left = part->columns - j;
        const int64_t column = part->first + j;
        s.packed = (const real *)state->pack + j * part->depth;
        s.c = p->c + row * p->c_step + column;
        s.c_next = left > whole ? s.c + whole : s.c + rows * p->c_step - j;
        s.first = p->triangle == TRIANGLE_RESULT ? column - p->shift - row : 0;
        s.last = left < whole ? (int)(left - (vectors - 1) * LANES) : LANES;
        if (p->a.transposed && rows == MC) {
            s.left = fetch_left(p, part, row, number);
            s.right = fetch_right(p, part, row, column);
        }
        strip(&s, vectors, p->triangle != TRIANGLE_NONE);
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

const int ESP_CPU(queries) = ESP_CPU_QUERIES;

void ESP_CPU(multiply)(const struct product *p, const struct esp_cpu_state *state)
{
    const int64_t kc = even_block(p->k, p->a.transposed ? KC_COPIED : KC_STRAIGHT, LANES);
    const int64_t fit = (int64_t)ESP_CPU_PACK / kc / PANEL_COLUMNS * PANEL_COLUMNS;
    const int64_t nc = even_block(p->n, fit, PANEL_COLUMNS);
    for (int64_t first = 0; first < p->n; first += nc) {
        const int64_t columns = p->n - first < nc ? p->n - first : nc;
        for (int64_t k = 0; k < p->k; k += kc) {
            const int64_t depth = p->k - k < kc ? p->k - k : kc;
            const struct part part = {
                .k = k, .depth = depth, .first = first, .columns = columns};
            if (p->sums) {
                pack_and_sum(p, &part, state->pack, state->scratch);
            } else {
                pack(p, &part, state->pack, NULL);
            }
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

const int ESP_CPU(queries) = ESP_CPU_QUERIES_WASTED;

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
    if (p->sums) {
        ESP_CPU(add_columns)(p->b.data, p->k, (int)p->n, p->sums);
    }
}

#endif
