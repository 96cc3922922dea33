/* Products with the weights. The epilogue (bias, activation) follows each block of rows while
 * it is in the cache. */
#include "cpu.h"
#include "gemm.h"

/* Rows of one product: few enough for its result to stay in a second-level cache of 1 MiB
 * (256 · 1024 · 4), many enough for the BLAS, which packs the weights anew for every block. */
#define ROWS_BLOCK 256

ESP_INLINE real *row_at(struct esp_view view, int k, int64_t row, int width)
{
    real *first = member_of(view, k);
    return first ? first + row * width : NULL;
}

static void forward(const struct esp_batch *batch, const struct esp_linear_forward *op, int k)
{
    const int64_t rows = rows_within(batch, k, op->rows);
    const real *bias = member_of(op->bias, k);
    const struct matrix weight = {
        .data = member_of(op->weight, k),
        .step = op->transposed ? op->width_in : op->width_out,
        .transposed = op->transposed,
    };
    const bool epilogue = bias || op->activation != ESP_KERNEL_LINEAR;
    const int64_t block = epilogue ? ROWS_BLOCK : rows;
    for (int64_t n = 0; n < rows; n += block) {
        const int64_t some = rows - n < block ? rows - n : block;
        const int64_t row = op->rows.first + n;
        struct matrix in = {.data = row_at(op->in, k, row, op->width_in), .step = op->width_in};
        real *out = row_at(op->out, k, op->out_packed ? n : row, op->width_out);
        gemm(some, op->width_out, op->width_in, 1, in, weight, 0, out, op->width_out);
        if (epilogue) {
            real *pre = row_at(op->pre, k, row, op->width_out);
            ESP_CPU(bias_activation)(out, bias, pre, out, some, op->width_out, op->activation);
        }
    }
}

void ESP_CPU(linear_forward)(const struct esp_kernels *kernels,
                             const struct esp_batch *batch,
                             const struct esp_linear_forward *op)
{
    (void)kernels;
    FOR_ACTIVE(batch, k)
    {
        forward(batch, op, k);
    }
}

static void
backward_input(const struct esp_batch *batch, const struct esp_linear_backward_input *op, int k)
{
    const int64_t rows = rows_within(batch, k, op->rows);
    const struct matrix weight = {
        .data = member_of(op->weight, k),
        .step = op->transposed ? op->width_in : op->width_out,
        .transposed = !op->transposed,
    };
    const bool epilogue = op->activation != ESP_KERNEL_LINEAR;
    const int64_t block = epilogue ? ROWS_BLOCK : rows;
    for (int64_t n = 0; n < rows; n += block) {
        const int64_t some = rows - n < block ? rows - n : block;
        const int64_t row = op->rows.first + n;
        struct matrix out = {
            .data = row_at(op->grad_out, k, op->grad_packed ? n : row, op->width_out),
            .step = op->width_out,
        };
        real *in = row_at(op->grad_in, k, row, op->width_in);
        gemm(some, op->width_in, op->width_out, 1, out, weight, 0, in, op->width_in);
        if (epilogue) {
            const real *pre = row_at(op->pre, k, row, op->width_in);
            ESP_CPU(activation_slope)(in, pre, some * op->width_in, op->activation);
        }
    }
}

void ESP_CPU(linear_backward_input)(const struct esp_kernels *kernels,
                                    const struct esp_batch *batch,
                                    const struct esp_linear_backward_input *op)
{
    (void)kernels;
    FOR_ACTIVE(batch, k)
    {
        backward_input(batch, op, k);
    }
}

static void backward_weight(const struct esp_batch *batch,
                            const struct esp_linear_backward_weight *op,
                            int k)
{
    const int64_t rows = rows_within(batch, k, op->rows);
    if (rows == 0) {
        return;
    }
    const int64_t first = op->rows.first;
    const real *in = row_at(op->in, k, first, op->width_in);
    const real *out = row_at(op->grad_out, k, op->grad_packed ? 0 : first, op->width_out);
    real *weight = member_of(op->grad_weight, k);
    struct matrix left = {.data = in, .step = op->width_in, .transposed = 1};
    struct matrix right = {.data = out, .step = op->width_out};
    if (op->transposed) {
        left = (struct matrix){.data = out, .step = op->width_out, .transposed = 1};
        right = (struct matrix){.data = in, .step = op->width_in};
        gemm(op->width_out, op->width_in, rows, 1, left, right, 1, weight, op->width_in);
    } else {
        gemm(op->width_in, op->width_out, rows, 1, left, right, 1, weight, op->width_out);
    }
    if (op->grad_bias.data) {
        ESP_CPU(add_columns)(out, rows, op->width_out, member_of(op->grad_bias, k));
    }
}

void ESP_CPU(linear_backward_weight)(const struct esp_kernels *kernels,
                                     const struct esp_batch *batch,
                                     const struct esp_linear_backward_weight *op)
{
    (void)kernels;
    FOR_ACTIVE(batch, k)
    {
        backward_weight(batch, op, k);
    }
}
