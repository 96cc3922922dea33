/* Sums over the rows of a matrix: gradients of biases. */
#include "cpu.h"

/* Rows that are summed separately before the sum is added: 128 float additions in sequence lose
 * at most 128 · 2^-24 ≈ 8e-6 relative, and far less with random signs. */
#define ROWS_APART 128

/* Adds four vectors of columns in one pass over the rows. */
ESP_INLINE void add_strip(const real *in, int64_t rows, int step, real *out)
{
    vec a = {0}, b = {0}, c = {0}, d = {0};
    for (int64_t r = 0; r < rows; r++) {
        const real *row = in + r * step;
        a += vec_load(row);
        b += vec_load(row + LANES);
        c += vec_load(row + 2 * LANES);
        d += vec_load(row + 3 * LANES);
    }
    vec_store(out, vec_load(out) + a);
    vec_store(out + LANES, vec_load(out + LANES) + b);
    vec_store(out + 2 * LANES, vec_load(out + 2 * LANES) + c);
    vec_store(out + 3 * LANES, vec_load(out + 3 * LANES) + d);
}

ESP_INLINE void add_narrow(const real *in, int64_t rows, int step, int width, real *out)
{
    vec a = {0};
    for (int64_t r = 0; r < rows; r++) {
        a += width == LANES ? vec_load(in + r * step) : vec_load_part(in + r * step, width, 0);
    }
    vec_store_part(out, vec_load_part(out, width, 0) + a, width);
}

void ESP_CPU(add_columns)(const real *in, int64_t rows, int columns, real *out)
{
    for (int64_t start = 0; start < rows; start += ROWS_APART) {
        int64_t some = rows - start < ROWS_APART ? rows - start : ROWS_APART;
        const real *block = in + start * columns;
        int c = 0;
        for (; c + 4 * LANES <= columns; c += 4 * LANES) {
            add_strip(block + c, some, columns, out + c);
        }
        for (; c < columns; c += LANES) {
            int width = columns - c < LANES ? columns - c : LANES;
            add_narrow(block + c, some, columns, width, out + c);
        }
    }
}
