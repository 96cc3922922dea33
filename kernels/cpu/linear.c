/* Products with the weights. The epilogue (bias, activation, derivative of the activation) runs
 * on each block of the result while it is in the cache. */
#include "cpu.h"
#include "product.h"

ESP_INLINE real *row_at(struct esp_view view, int k, int64_t row, int width)
{
    real *first = member_of(view, k);
    return first ? first + row * width : NULL;
}

/* Context of an epilogue; the addresses are those of the product's first row. */
struct epilogue {
    const real *bias;
    real *pre;
    real *out;
    int width;
    enum esp_kernel_activation activation;
};

static void add_bias(const void *context, int64_t row, int64_t rows, int column, int columns)
{
    const struct epilogue *e = context;
    const int64_t at = row * e->width + column;
    const struct esp_cpu_block block = {
        .rows = rows, .columns = columns, .step = e->width, .activation = e->activation};
    real *out = e->out + at;
    real *pre = e->pre ? e->pre + at : NULL;
    ESP_CPU(bias_activation)(&block, out, e->bias ? e->bias + column : NULL, pre, out);
}

static void
multiply_slope(const void *context, int64_t row, int64_t rows, int column, int columns)
{
    const struct epilogue *e = context;
    const int64_t at = row * e->width + column;
    const struct esp_cpu_block block = {
        .rows = rows, .columns = columns, .step = e->width, .activation = e->activation};
    ESP_CPU(activation_slope)(&block, e->out + at, e->pre + at);
}

void ESP_CPU(linear_forward)(const struct esp_kernels *kernels,
                             const struct esp_batch *batch,
                             const struct esp_linear_forward *op)
{
    FOR_ACTIVE(batch, k)
    {
        const int64_t first = op->rows.first;
        const struct epilogue e = {
            .bias = member_of(op->bias, k),
            .pre = row_at(op->pre, k, first, op->width_out),
            .out = row_at(op->out, k, op->out_packed ? 0 : first, op->width_out),
            .width = op->width_out,
            .activation = op->activation,
        };
        const struct product p = {
            .m = rows_within(batch, k, op->rows),
            .n = op->width_out,
            .k = op->width_in,
            .a = {.data = row_at(op->in, k, first, op->width_in), .step = op->width_in},
            .b = {.data = member_of(op->weight, k),
                  .step = op->transposed ? op->width_in : op->width_out,
                  .transposed = op->transposed},
            .c = e.out,
            .c_step = op->width_out,
            .after = e.bias || e.activation != ESP_KERNEL_LINEAR ? add_bias : NULL,
            .second = e.pre,
            .context = &e,
        };
        ESP_CPU(multiply)(&p, kernels->state);
    }
}

void ESP_CPU(linear_backward_input)(const struct esp_kernels *kernels,
                                    const struct esp_batch *batch,
                                    const struct esp_linear_backward_input *op)
{
    FOR_ACTIVE(batch, k)
    {
        const int64_t first = op->rows.first;
        const struct epilogue e = {
            .pre = row_at(op->pre, k, first, op->width_in),
            .out = row_at(op->grad_in, k, first, op->width_in),
            .width = op->width_in,
            .activation = op->activation,
        };
        const struct product p = {
            .m = rows_within(batch, k, op->rows),
            .n = op->width_in,
            .k = op->width_out,
            .a = {.data = row_at(op->grad_out, k, op->grad_packed ? 0 : first, op->width_out),
                  .step = op->width_out},
            .b = {.data = member_of(op->weight, k),
                  .step = op->transposed ? op->width_in : op->width_out,
                  .transposed = !op->transposed},
            .c = e.out,
            .c_step = op->width_in,
            .after = e.activation != ESP_KERNEL_LINEAR ? multiply_slope : NULL,
            .second = e.pre,
            .context = &e,
        };
        ESP_CPU(multiply)(&p, kernels->state);
    }
}

void ESP_CPU(linear_backward_weight)(const struct esp_kernels *kernels,
                                     const struct esp_batch *batch,
                                     const struct esp_linear_backward_weight *op)
{
    FOR_ACTIVE(batch, k)
    {
        const int64_t first = op->rows.first;
        const int64_t rows = rows_within(batch, k, op->rows);
        const real *in = row_at(op->in, k, first, op->width_in);
        const real *out = row_at(op->grad_out, k, op->grad_packed ? 0 : first, op->width_out);
        struct product p = {
            .m = op->transposed ? op->width_out : op->width_in,
            .n = op->transposed ? op->width_in : op->width_out,
            .k = rows,
            .a = {.data = op->transposed ? out : in, .transposed = 1},
            .b = {.data = op->transposed ? in : out},
            .accumulate = 1,
            .c = member_of(op->grad_weight, k),
        };
        p.a.step = p.m;
        p.b.step = p.n;
        p.c_step = p.n;
        p.sums = op->transposed ? NULL : member_of(op->grad_bias, k);
        if (rows > 0) {
            ESP_CPU(multiply)(&p, kernels->state);
        }
        if (op->transposed && op->grad_bias.data) {
            ESP_CPU(add_columns)(out, rows, op->width_out, member_of(op->grad_bias, k));
        }
    }
}
