/* Shared declarations of the CPU backend: the operations of one build, and how they address a
 * member's part of a tensor. */
#ifndef ESP_CPU_CPU_H
#define ESP_CPU_CPU_H

#include "real.h"
#include "state.h"

#include <espalier/kernels.h>

#define ESP_CPU_OP(verb, op)                                                                   \
    void ESP_CPU(verb)(const struct esp_kernels *, const struct esp_batch *, const struct op *)

ESP_CPU_OP(embed_forward, esp_embed_forward);
ESP_CPU_OP(embed_backward, esp_embed_backward);
ESP_CPU_OP(norm_forward, esp_norm_forward);
ESP_CPU_OP(norm_backward, esp_norm_backward);
ESP_CPU_OP(linear_forward, esp_linear_forward);
ESP_CPU_OP(linear_backward_input, esp_linear_backward_input);
ESP_CPU_OP(linear_backward_weight, esp_linear_backward_weight);
ESP_CPU_OP(activation_forward, esp_activation_forward);
ESP_CPU_OP(attention_forward, esp_attention_forward);
ESP_CPU_OP(attention_backward, esp_attention_backward);
ESP_CPU_OP(cross_entropy, esp_cross_entropy);
ESP_CPU_OP(adamw, esp_optimize);
ESP_CPU_OP(sgd, esp_optimize);

/* dropout.c: x[i] ← keep(first + i) ? x[i] · scale : 0, for elements first … first + count − 1
 * of tensor `tensor` (see struct esp_control). */
void ESP_CPU(drop)(const struct esp_control *control,
                   int tensor,
                   uint64_t first,
                   int64_t count,
                   const real *in,
                   real *out);

/* columns.c: out[c] += Σ_r in[r, c] over rows · columns, in blocks of rows so that long sums
 * keep their precision. */
void ESP_CPU(add_columns)(const real *in, int64_t rows, int columns, real *out);

/* activation.c: part of a matrix whose rows are `step` apart. */
struct esp_cpu_block {
    int64_t rows;
    int columns;
    int64_t step;
    enum esp_kernel_activation activation;
};

/* out = act(in + bias), pre = in + bias; `pre` and `bias` may be NULL, `out` may be `in`. */
void ESP_CPU(bias_activation)(
    const struct esp_cpu_block *block, const real *in, const real *bias, real *pre, real *out);
/* grad ← grad ⊙ act'(pre) */
void ESP_CPU(activation_slope)(const struct esp_cpu_block *block, real *grad, const real *pre);

ESP_INLINE real *member_of(struct esp_view view, int member)
{
    return view.data ? (real *)view.data + member * view.stride : NULL;
}

ESP_INLINE const int32_t *tokens_of(struct esp_view view, int member)
{
    return (const int32_t *)view.data + member * view.stride;
}

/* Rows of [N, …] that the member uses. */
ESP_INLINE int64_t rows_of(const struct esp_batch *batch, int member)
{
    int32_t sequences = batch->control[member].sequences;
    return (int64_t)(sequences < batch->sequences ? sequences : batch->sequences) *
           batch->context;
}

/* Rows of the chunk that the member uses. */
ESP_INLINE int64_t rows_within(const struct esp_batch *batch, int member, struct esp_rows rows)
{
    int64_t used = rows_of(batch, member) - rows.first;
    used = used < rows.count ? used : rows.count;
    return used > 0 ? used : 0;
}

/* Number of a row's first element in the member's whole batch, for dropout. */
ESP_INLINE uint64_t element_of(const struct esp_batch *batch,
                               int member,
                               int64_t row,
                               int width)
{
    int64_t first = batch->control[member].first_sequence * batch->context;
    return (uint64_t)(first + row) * (uint64_t)width;
}

#define FOR_ACTIVE(batch, member)                                                              \
    for (int member = 0; member < (batch)->members; member++)                                  \
        if ((batch)->control[member].active)

#endif
