/* Products by tiles in registers, with AVX-512. See product.h.
 *
 * The BLAS packs both operands on every call, which takes a fifth of the time at the widths of
 * small models, and it cannot pass on finished rows. This product follows Goto & van de Geijn
 * (2008), except that the left operand is not packed, since the hardware prefetcher follows 8
 * rows as 8 streams:
 *
 *   for each block of columns and part of the summed extent:      pack b, 16 columns a vector
 *     for each block of MC rows:                                  a stays in the L2 cache
 *       for each panel of 48 columns:                             the panel is in L2 too
 *         for each 8 rows: 8 × 3 vectors of sums in registers (tile.h)
 *       and the epilogue of those 48 columns
 *
 * The sum of an element runs over k in order, in parts that depend only on k and the kind of
 * product, never on the element's row or column. */
#include "cpu.h"
#include "packing.h"
#include "product.h"
#include "tile.h"

#define MC ESP_CPU_PACK_ROWS

/* Largest part of the summed extent at a time. A left operand that is not copied leaves the L2
 * cache to the packed one; parts twice as long then read and write c half as often. */
#define KC_COPIED ESP_CPU_PACK_DEPTH
#define KC_STRAIGHT (2 * ESP_CPU_PACK_DEPTH)

/* Limits the strip's tiles to the triangle: sets begin and end (struct strip). */
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

/* Rows ahead that are prefetched while one is copied: the hardware prefetcher does not follow
 * short strips of wide rows. */
#define ROWS_AHEAD 8

/* Copies a transposed left block as [rows / 16, depth, 16], so that a tile reads its part
 * sequentially. In place the block's rows are far apart, often by a power of two, so that they
 * would share a few sets of the cache. No tile of the block reads the summed extent before
 * `begin`. */
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

/* Both operands of a weight's gradient are copied, from the L3 cache or memory, a few rows at a
 * time. What is copied next is prefetched while the sums are computed. Each strip of a whole
 * block prefetches its share of the left operand of the next block (of the next part, after the
 * last block)... */
ESP_INLINE struct ahead
prefetch_left(const struct product *p, const struct part *part, int64_t row, int64_t number)
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

/* ... and, in the last rows of a part, a share of the right operand of the next part: the
 * strip's columns, and as many rows as the strip has. */
ESP_INLINE struct ahead
prefetch_right(const struct product *p, const struct part *part, int64_t row, int64_t column)
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

/* Multiplies rows row … row + rows − 1 by all packed columns. With `done` the sums are then
 * complete, and the epilogue runs while they are in the cache. */
static void multiply_block(const struct product *p,
                           const struct esp_cpu_state *state,
                           const struct part *part,
                           int64_t row,
                           int64_t rows,
                           int done)
{
    struct strip s = {.rows = rows,
                      .depth = part->depth,
                      .c_step = p->c_step,
                      .add = p->accumulate || part->k > 0,
                      .second_offset = done && p->second
                                           ? (int64_t)((uintptr_t)p->second - (uintptr_t)p->c)
                                           : 0};
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
            s.left = prefetch_left(p, part, row, number);
            s.right = prefetch_right(p, part, row, column);
        }
        strip(&s, vectors, p->triangle != TRIANGLE_NONE);
        if (done && p->after) {
            p->after(p->context, row, rows, (int)column, (int)(left < whole ? left : whole));
        }
        j += whole;
    }
}

/* Size of blocks of equal size that are at most `most` long, a multiple of `grain`: a short
 * last block would read and write all of c once more. */
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
