/* Token and position embeddings. */
#include "cpu.h"

static void forward(const struct esp_batch *batch, const struct esp_embed_forward *op, int k)
{
    const struct esp_control *control = &batch->control[k];
    const int32_t *tokens = tokens_of(op->tokens, k);
    const real *tokens_table = member_of(op->token_table, k);
    const real *positions = member_of(op->position_table, k);
    const int width = op->width;
    const int64_t rows = rows_of(batch, k);
    for (int64_t n = 0; n < rows; n++) {
        const real *token = tokens_table + (int64_t)tokens[n] * width;
        const real *position = positions + n % batch->context * width;
        real *out = member_of(op->out, k) + n * width;
        for (int c = 0; c < width; c++) {
            out[c] = token[c] + position[c];
        }
        if (control->dropout > 0) {
            uint64_t element = element_of(batch, k, n, width);
            ESP_CPU(drop)(control, op->dropout_tensor, element, width, out, out);
        }
    }
}

void ESP_CPU(embed_forward)(const struct esp_kernels *kernels,
                            const struct esp_batch *batch,
                            const struct esp_embed_forward *op)
{
    (void)kernels;
    FOR_ACTIVE(batch, k)
    {
        forward(batch, op, k);
    }
}

static void backward(const struct esp_batch *batch, const struct esp_embed_backward *op, int k)
{
    const struct esp_control *control = &batch->control[k];
    const int32_t *tokens = tokens_of(op->tokens, k);
    const int width = op->width;
    const int64_t rows = rows_of(batch, k);
    for (int64_t n = 0; n < rows; n++) {
        const real *grad = member_of(op->grad, k) + n * width;
        real *token = member_of(op->grad_token, k) + (int64_t)tokens[n] * width;
        real *position = member_of(op->grad_position, k) + n % batch->context * width;
        uint64_t element = element_of(batch, k, n, width);
        for (int start = 0; start < width; start += 64) {
            real kept[64];
            int some = width - start < 64 ? width - start : 64;
            const real *part = grad + start;
            if (control->dropout > 0) {
                uint64_t first = element + (uint64_t)start;
                ESP_CPU(drop)(control, op->dropout_tensor, first, some, part, kept);
                part = kept;
            }
            for (int c = 0; c < some; c++) {
                token[start + c] += part[c];
                position[start + c] += part[c];
            }
        }
    }
}

void ESP_CPU(embed_backward)(const struct esp_kernels *kernels,
                             const struct esp_batch *batch,
                             const struct esp_embed_backward *op)
{
    (void)kernels;
    FOR_ACTIVE(batch, k)
    {
        backward(batch, op, k);
    }
}
