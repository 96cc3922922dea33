/* Bias and activation on rows that a product has just written, and the activation's gradient.
 */
#include "cpu.h"
#include "vmath.h"

ESP_INLINE vec activate(vec x, enum esp_kernel_activation activation)
{
    switch (activation) {
    case ESP_KERNEL_GELU:
        return vec_gelu(x);
    case ESP_KERNEL_GELU_TANH:
        return vec_gelu_tanh(x);
    case ESP_KERNEL_LINEAR:
        break;
    }
    return x;
}

ESP_INLINE vec slope(vec x, enum esp_kernel_activation activation)
{
    return activation == ESP_KERNEL_GELU ? vec_gelu_slope(x) : vec_gelu_tanh_slope(x);
}

/* One row. `activation` is a constant where this is inlined, so each activation has its own
 * loop. */
ESP_INLINE void row_activation(const real *in,
                               const real *bias,
                               real *pre,
                               real *out,
                               int columns,
                               enum esp_kernel_activation activation)
{
    int c = 0;
    for (; c + LANES <= columns; c += LANES) {
        vec x = vec_load(in + c);
        x = bias ? x + vec_load(bias + c) : x;
        if (pre) {
            vec_store(pre + c, x);
        }
        vec_store(out + c, activate(x, activation));
    }
    if (c < columns) {
        int rest = columns - c;
        vec x = vec_load_part(in + c, rest, 0);
        x = bias ? x + vec_load_part(bias + c, rest, 0) : x;
        if (pre) {
            vec_store_part(pre + c, x, rest);
        }
        vec_store_part(out + c, activate(x, activation), rest);
    }
}

void ESP_CPU(bias_activation)(
    const struct esp_cpu_block *block, const real *in, const real *bias, real *pre, real *out)
{
    for (int64_t r = 0; r < block->rows; r++) {
        const int64_t at = r * block->step;
        const int columns = block->columns;
        real *kept = pre ? pre + at : NULL;
        switch (block->activation) {
        case ESP_KERNEL_LINEAR:
            row_activation(in + at, bias, kept, out + at, columns, ESP_KERNEL_LINEAR);
            break;
        case ESP_KERNEL_GELU:
            row_activation(in + at, bias, kept, out + at, columns, ESP_KERNEL_GELU);
            break;
        case ESP_KERNEL_GELU_TANH:
            row_activation(in + at, bias, kept, out + at, columns, ESP_KERNEL_GELU_TANH);
            break;
        }
    }
}

ESP_INLINE void
row_slope(real *grad, const real *pre, int columns, enum esp_kernel_activation activation)
{
    int c = 0;
    for (; c + LANES <= columns; c += LANES) {
        vec_store(grad + c, vec_load(grad + c) * slope(vec_load(pre + c), activation));
    }
    if (c < columns) {
        int rest = columns - c;
        vec g = vec_load_part(grad + c, rest, 0);
        vec_store_part(grad + c, g * slope(vec_load_part(pre + c, rest, 0), activation), rest);
    }
}

void ESP_CPU(activation_slope)(const struct esp_cpu_block *block, real *grad, const real *pre)
{
    for (int64_t r = 0; r < block->rows; r++) {
        const int64_t at = r * block->step;
        if (block->activation == ESP_KERNEL_GELU) {
            row_slope(grad + at, pre + at, block->columns, ESP_KERNEL_GELU);
        } else if (block->activation == ESP_KERNEL_GELU_TANH) {
            row_slope(grad + at, pre + at, block->columns, ESP_KERNEL_GELU_TANH);
        }
    }
}

void ESP_CPU(activation_forward)(const struct esp_kernels *kernels,
                                 const struct esp_batch *batch,
                                 const struct esp_activation_forward *op)
{
    (void)kernels;
    FOR_ACTIVE(batch, k)
    {
        const struct esp_cpu_block block = {.rows = rows_of(batch, k),
                                            .columns = op->width,
                                            .step = op->width,
                                            .activation = op->activation};
        ESP_CPU(bias_activation)
        (&block, member_of(op->in, k), NULL, NULL, member_of(op->out, k));
    }
}
