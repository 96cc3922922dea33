/* The operations under test, forward and backward. As in the model, the backward pass reads the
 * results of the forward pass. */
#ifndef ESP_TEST_CUDA_OPS_H
#define ESP_TEST_CUDA_OPS_H

#include "harness.h"

static inline void run_embed(struct run *r)
{
    const int c = r->e.width, v = r->e.vocabulary;
    const int64_t n = rows_in(r);
    const struct esp_embed_forward forward = {.tokens = add_tokens(r, n, v, false),
                                              .token_table = input(r, REAL, (int64_t)v * c),
                                              .position_table =
                                                  input(r, REAL, (int64_t)r->e.context * c),
                                              .out = output(r, ACTIVATION, n * c),
                                              .width = c,
                                              .vocabulary = v,
                                              .dropout_tensor = 3};
    const struct esp_embed_backward backward = {.tokens = forward.tokens,
                                                .grad = input(r, ACTIVATION, n * c),
                                                .grad_token = sum(r, (int64_t)v * c),
                                                .grad_position =
                                                    sum(r, (int64_t)r->e.context * c),
                                                .width = c,
                                                .vocabulary = v,
                                                .dropout_tensor = 3};
    begin(r);
    r->k->embed_forward(r->k, &r->batch, &forward);
    r->k->embed_backward(r->k, &r->batch, &backward);
    end(r);
}

static inline void run_norm(struct run *r)
{
    const int c = r->e.width;
    const int64_t n = rows_in(r);
    const struct esp_view none = {0};
    const struct esp_view stream = add_slot(r, ACTIVATION, INPUT, n * c, 1, 0.5);
    const struct esp_norm_forward forward = {
        .stream = stream,
        .branch = r->e.branch ? input(r, ACTIVATION, n * c) : none,
        .sum = r->e.branch ? output(r, ACTIVATION, n * c) : stream,
        .out = output(r, ACTIVATION, n * c),
        .weight = add_slot(r, REAL, INPUT, c, 0.5, 1),
        .bias = input(r, REAL, c),
        .mean = output(r, REAL, n),
        .rstd = output(r, REAL, n),
        .width = c,
        .dropout_tensor = 4};
    struct esp_norm_backward backward = {.grad_out = input(r, ACTIVATION, n * c),
                                         .sum = forward.sum,
                                         .weight = forward.weight,
                                         .mean = forward.mean,
                                         .rstd = forward.rstd,
                                         .grad_sum = output(r, ACTIVATION, n * c),
                                         .grad_branch =
                                             r->e.branch ? output(r, ACTIVATION, n * c) : none,
                                         .grad_weight = sum(r, c),
                                         .grad_bias = sum(r, c),
                                         .width = c,
                                         .dropout_tensor = 4,
                                         .first = true};
    begin(r);
    r->k->norm_forward(r->k, &r->batch, &forward);
    r->k->norm_backward(r->k, &r->batch, &backward);
    /* once more, to test adding to the present value */
    backward.first = false;
    r->k->norm_backward(r->k, &r->batch, &backward);
    end(r);
}

/* Three products in sequence as in the model; the second half of the rows uses packed buffers,
 * as the head does. */
static inline void run_linear(struct run *r)
{
    const int in_width = r->e.width, out_width = r->e.width_out;
    const int64_t n = rows_in(r);
    const bool curved = r->e.activation != ESP_KERNEL_LINEAR;
    const struct esp_view none = {0};
    const struct esp_rows rows = {.count = n}, half = {.first = n / 2, .count = n - n / 2};
    const int bias_slot = r->count + 2;
    struct esp_linear_forward forward = {
        .in = input(r, ACTIVATION, n * in_width),
        .weight = input(r, ACTIVATION, (int64_t)in_width * out_width),
        .bias = input(r, REAL, out_width),
        .out = output(r, ACTIVATION, n * out_width),
        .pre = curved ? output(r, ACTIVATION, n * out_width) : none,
        .rows = rows,
        .width_in = in_width,
        .width_out = out_width,
        .activation = r->e.activation,
        .transposed = r->e.transposed};
    if (r->e.narrow_bias && r->k->narrow) {
        const struct slot *bias = &r->slots[bias_slot];
        forward.narrow_bias = output(r, ACTIVATION, out_width);
        r->slots[r->count - 1].role = INPUT;
        for (int m = 0; m < r->e.members; m++) {
            r->k->narrow(r->k,
                         (char *)forward.narrow_bias.data +
                             (size_t)(m * forward.narrow_bias.stride) * r->k->activation_bytes,
                         (char *)bias->view.data +
                             (size_t)(m * bias->view.stride) * r->k->real_bytes,
                         out_width);
        }
    } else {
        input(r, ACTIVATION, out_width); /* so that both sides have the same slots */
    }
    const struct esp_linear_backward_input through = {
        .grad_out = input(r, ACTIVATION, n * in_width),
        .weight = input(r, ACTIVATION, (int64_t)in_width * out_width),
        .grad_in = output(r, ACTIVATION, n * out_width),
        .pre = forward.pre,
        .rows = rows,
        .width_in = out_width,
        .width_out = in_width,
        .activation = r->e.activation};
    const struct esp_linear_backward_input down = {.grad_out = through.grad_in,
                                                   .weight = forward.weight,
                                                   .grad_in =
                                                       output(r, ACTIVATION, n * in_width),
                                                   .rows = rows,
                                                   .width_in = in_width,
                                                   .width_out = out_width,
                                                   .transposed = r->e.transposed};
    struct esp_linear_backward_weight weights = {.in = forward.in,
                                                 .grad_out = through.grad_in,
                                                 .grad_weight =
                                                     sum(r, (int64_t)in_width * out_width),
                                                 .grad_bias = sum(r, out_width),
                                                 .rows = rows,
                                                 .width_in = in_width,
                                                 .width_out = out_width,
                                                 .transposed = r->e.transposed};
    const struct esp_view packed = output(r, ACTIVATION, half.count * out_width);
    begin(r);
    r->k->linear_forward(r->k, &r->batch, &forward);
    r->k->linear_backward_input(r->k, &r->batch, &through);
    r->k->linear_backward_input(r->k, &r->batch, &down);
    r->k->linear_backward_weight(r->k, &r->batch, &weights);
    forward.out = packed;
    forward.out_packed = true;
    forward.bias = forward.narrow_bias = forward.pre = none;
    forward.activation = ESP_KERNEL_LINEAR;
    forward.rows = half;
    r->k->linear_forward(r->k, &r->batch, &forward);
    weights.grad_out = packed;
    weights.grad_packed = true;
    weights.rows = half;
    r->k->linear_backward_weight(r->k, &r->batch, &weights);
    end(r);
}

static inline void run_attention(struct run *r)
{
    const int c = r->e.width;
    const int64_t n = rows_in(r);
    const struct esp_attention_forward forward = {
        .qkv = add_slot(r, ACTIVATION, INPUT, n * 3 * c, 1.5, 0),
        .out = output(r, ACTIVATION, n * c),
        .lse = output(r, REAL, n * r->e.heads),
        .width = c,
        .heads = r->e.heads,
        .causal = r->e.causal};
    const struct esp_attention_backward backward = {.qkv = forward.qkv,
                                                    .out = forward.out,
                                                    .lse = forward.lse,
                                                    .grad_out = input(r, ACTIVATION, n * c),
                                                    .grad_qkv =
                                                        output(r, ACTIVATION, n * 3 * c),
                                                    .width = c,
                                                    .heads = r->e.heads,
                                                    .causal = r->e.causal};
    begin(r);
    r->k->attention_forward(r->k, &r->batch, &forward);
    r->k->attention_backward(r->k, &r->batch, &backward);
    end(r);
}

static inline void run_activation(struct run *r)
{
    const int64_t n = rows_in(r);
    const struct esp_activation_forward op = {
        .in = add_slot(r, ACTIVATION, INPUT, n * r->e.width, 6, 0),
        .out = output(r, ACTIVATION, n * r->e.width),
        .width = r->e.width,
        .activation = r->e.activation};
    begin(r);
    r->k->activation_forward(r->k, &r->batch, &op);
    end(r);
}

/* A chunk in the middle of the rows; the loss is a slot of doubles that is downloaded
 * separately. */
static inline void run_loss(struct run *r)
{
    const int v = r->e.vocabulary, padded = (v + 7) / 8 * 8;
    const int64_t n = rows_in(r);
    const struct esp_rows rows = {.first = n / 4, .count = n - n / 4};
    struct esp_loss_sum *loss = r->k->allocate(r->k, sizeof *loss * (size_t)r->e.members);
    struct esp_loss_sum sums[MEMBERS_MAX];
    const struct esp_cross_entropy op = {
        .logits = add_slot(r, ACTIVATION, SUM, rows.count * padded, 4, 0),
        .targets = add_tokens(r, n, v, true),
        .loss = loss,
        .rows = rows,
        .vocabulary = v,
        .vocabulary_padded = padded,
        .gradient = true};
    const int sum_slot = r->count;
    output(r, REAL, 2);
    r->k->cross_entropy(r->k, &r->batch, &op);
    assert_int_equal(r->k->download(r->k, sums, loss, sizeof *loss * (size_t)r->e.members), 0);
    /* registered as a result like the others */
    for (int m = 0; m < r->e.members; m++) {
        const struct slot *s = &r->slots[sum_slot];
        double pair[2];
        pack(pair, r->k->real_bytes, ESP_PRECISION_FP32, 0, sums[m].sum);
        pack(pair, r->k->real_bytes, ESP_PRECISION_FP32, 1, (double)sums[m].count);
        char *to = (char *)s->view.data + (size_t)(m * s->view.stride) * r->k->real_bytes;
        if (r->control[m].active) {
            assert_int_equal(r->k->upload(r->k, to, pair, 2 * r->k->real_bytes), 0);
        }
    }
    r->k->release(r->k, loss);
}

#endif
