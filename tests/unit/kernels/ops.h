/* The operations under test, forward and backward, as functions of a run. As in the model, the
 * backward pass reads the results of the forward pass. */
#ifndef ESP_TEST_KERNELS_OPS_H
#define ESP_TEST_KERNELS_OPS_H

#include "harness.h"

static inline void objective(struct run *r, int out, int weight)
{
    r->objective_out = out;
    r->objective_weight = weight;
}

static inline void run_embed(struct run *r)
{
    const int c = r->e.width, v = r->e.vocabulary;
    const int64_t n = rows_in(r);
    r->batch.control = r->control;
    const struct esp_view tokens = add_tokens(r, n, v, false);
    const int table = add_input(r, (int64_t)v * c, 1, 0);
    const int positions = add_input(r, (int64_t)r->e.context * c, 1, 0);
    const int grad = add_input(r, n * c, 1, 0);
    const int out = add_output(r, n * c, -1);
    const int grad_table = add_sum(r, (int64_t)v * c, table);
    const int grad_positions = add_sum(r, (int64_t)r->e.context * c, positions);
    objective(r, out, grad);
    r->k->embed_forward(r->k,
                        &r->batch,
                        &(struct esp_embed_forward){.tokens = tokens,
                                                    .token_table = view(r, table),
                                                    .position_table = view(r, positions),
                                                    .out = view(r, out),
                                                    .width = c,
                                                    .vocabulary = v,
                                                    .dropout_tensor = 3});
    r->k->embed_backward(r->k,
                         &r->batch,
                         &(struct esp_embed_backward){.tokens = tokens,
                                                      .grad = view(r, grad),
                                                      .grad_token = view(r, grad_table),
                                                      .grad_position = view(r, grad_positions),
                                                      .width = c,
                                                      .vocabulary = v,
                                                      .dropout_tensor = 3});
}

static inline void run_norm(struct run *r)
{
    const int c = r->e.width;
    const int64_t n = rows_in(r);
    const struct esp_view none = {0};
    r->batch.control = r->control;
    const int stream = add_input(r, n * c, 1, 0.5);
    const int branch = add_input(r, n * c, 1, 0);
    const int weight = add_input(r, c, 0.5, 1);
    const int bias = add_input(r, c, 1, 0);
    const int grad = add_input(r, n * c, 1, 0);
    /* without a branch the stream is the sum, and nothing is written to it */
    const int sum = r->e.branch ? add_output(r, n * c, -1) : stream;
    const int out = add_output(r, n * c, -1);
    const int mean = add_output(r, n, -1), rstd = add_output(r, n, -1);
    const int grad_stream = add_output(r, n * c, stream);
    const int grad_branch = r->e.branch ? add_output(r, n * c, branch) : -1;
    const int grad_weight = add_sum(r, c, weight), grad_bias = add_sum(r, c, bias);
    objective(r, out, grad);
    r->k->norm_forward(
        r->k,
        &r->batch,
        &(struct esp_norm_forward){.stream = view(r, stream),
                                   .branch = r->e.branch ? view(r, branch) : none,
                                   .sum = view(r, sum),
                                   .out = view(r, out),
                                   .weight = view(r, weight),
                                   .bias = view(r, bias),
                                   .mean = view(r, mean),
                                   .rstd = view(r, rstd),
                                   .width = c,
                                   .dropout_tensor = 4});
    r->k->norm_backward(
        r->k,
        &r->batch,
        &(struct esp_norm_backward){.grad_out = view(r, grad),
                                    .sum = view(r, sum),
                                    .weight = view(r, weight),
                                    .mean = view(r, mean),
                                    .rstd = view(r, rstd),
                                    .grad_sum = view(r, grad_stream),
                                    .grad_branch = r->e.branch ? view(r, grad_branch) : none,
                                    .grad_weight = view(r, grad_weight),
                                    .grad_bias = view(r, grad_bias),
                                    .width = c,
                                    .dropout_tensor = 4,
                                    .first = true});
}

/* A product followed by an activation. Its gradient is computed as in the model: the next
 * product's backward pass, here with the unit matrix as weight, multiplies by the activation's
 * derivative. */
static inline void run_linear(struct run *r)
{
    const int in_width = r->e.width, out_width = r->e.width_out;
    const int64_t n = rows_in(r);
    const struct esp_rows rows = {.count = n};
    const bool curved = r->e.activation != ESP_KERNEL_LINEAR;
    r->batch.control = r->control;
    const int in = add_input(r, n * in_width, 1, 0);
    const int weight = add_input(r, (int64_t)in_width * out_width, 1, 0);
    const int bias = add_input(r, out_width, 1, 0);
    const int grad = add_input(r, n * out_width, 1, 0);
    const int unit = add_input(r, (int64_t)out_width * out_width, 0, 0);
    for (int m = 0; m < r->e.members; m++) {
        for (int i = 0; i < out_width; i++) {
            put(r, view(r, unit), m * view(r, unit).stride + (int64_t)i * out_width + i, 1);
        }
    }
    const int out = add_output(r, n * out_width, -1);
    const int pre = curved ? add_output(r, n * out_width, -1) : -1;
    const int grad_pre = add_output(r, n * out_width, -1);
    const int grad_in = add_output(r, n * in_width, in);
    const int grad_weight = add_sum(r, (int64_t)in_width * out_width, weight);
    const int grad_bias = add_sum(r, out_width, bias);
    const struct esp_view kept = curved ? view(r, pre) : (struct esp_view){0};
    objective(r, out, grad);
    r->k->linear_forward(r->k,
                         &r->batch,
                         &(struct esp_linear_forward){.in = view(r, in),
                                                      .weight = view(r, weight),
                                                      .bias = view(r, bias),
                                                      .out = view(r, out),
                                                      .pre = kept,
                                                      .rows = rows,
                                                      .width_in = in_width,
                                                      .width_out = out_width,
                                                      .activation = r->e.activation,
                                                      .transposed = r->e.transposed});
    r->k->linear_backward_input(
        r->k,
        &r->batch,
        &(struct esp_linear_backward_input){.grad_out = view(r, grad),
                                            .weight = view(r, unit),
                                            .grad_in = view(r, grad_pre),
                                            .pre = kept,
                                            .rows = rows,
                                            .width_in = out_width,
                                            .width_out = out_width,
                                            .activation = r->e.activation});
    r->k->linear_backward_input(
        r->k,
        &r->batch,
        &(struct esp_linear_backward_input){.grad_out = view(r, grad_pre),
                                            .weight = view(r, weight),
                                            .grad_in = view(r, grad_in),
                                            .rows = rows,
                                            .width_in = in_width,
                                            .width_out = out_width,
                                            .transposed = r->e.transposed});
    r->k->linear_backward_weight(
        r->k,
        &r->batch,
        &(struct esp_linear_backward_weight){.in = view(r, in),
                                             .grad_out = view(r, grad_pre),
                                             .grad_weight = view(r, grad_weight),
                                             .grad_bias = view(r, grad_bias),
                                             .rows = rows,
                                             .width_in = in_width,
                                             .width_out = out_width,
                                             .transposed = r->e.transposed});
}

static inline void run_attention(struct run *r)
{
    const int c = r->e.width;
    const int64_t n = rows_in(r);
    r->batch.control = r->control;
    const int qkv = add_input(r, n * 3 * c, 2, 0);
    const int grad = add_input(r, n * c, 1, 0);
    const int out = add_output(r, n * c, -1);
    const int lse = add_output(r, n * r->e.heads, -1);
    const int grad_qkv = add_output(r, n * 3 * c, qkv);
    objective(r, out, grad);
    r->k->attention_forward(r->k,
                            &r->batch,
                            &(struct esp_attention_forward){.qkv = view(r, qkv),
                                                            .out = view(r, out),
                                                            .lse = view(r, lse),
                                                            .width = c,
                                                            .heads = r->e.heads,
                                                            .causal = r->e.causal});
    r->k->attention_backward(r->k,
                             &r->batch,
                             &(struct esp_attention_backward){.qkv = view(r, qkv),
                                                              .out = view(r, out),
                                                              .lse = view(r, lse),
                                                              .grad_out = view(r, grad),
                                                              .grad_qkv = view(r, grad_qkv),
                                                              .width = c,
                                                              .heads = r->e.heads,
                                                              .causal = r->e.causal});
}

static inline void run_activation(struct run *r)
{
    const int64_t n = rows_in(r);
    r->batch.control = r->control;
    const int in = add_input(r, n * r->e.width, 6, 0);
    const int out = add_output(r, n * r->e.width, -1);
    r->k->activation_forward(r->k,
                             &r->batch,
                             &(struct esp_activation_forward){.in = view(r, in),
                                                              .out = view(r, out),
                                                              .width = r->e.width,
                                                              .activation = r->e.activation});
}

#endif
