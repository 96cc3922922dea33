/* Layer norm after the residual sum. */
#include "cpu.h"

#include <math.h>

#define NORM_EPSILON 1e-5

/* Σ x over a row, vector by vector. */
ESP_INLINE real row_sum(const real *x, int width)
{
    vec sum = {0};
    int c = 0;
    for (; c + LANES <= width; c += LANES) {
        sum += vec_load(x + c);
    }
    if (c < width) {
        sum += vec_load_part(x + c, width - c, 0);
    }
    return vec_sum(sum);
}

/* Σ (x − mean)² over a row. */
ESP_INLINE real row_squares(const real *x, real mean, int width)
{
    vec sum = {0};
    int c = 0;
    for (; c + LANES <= width; c += LANES) {
        vec d = vec_load(x + c) - mean;
        sum += d * d;
    }
    if (c < width) {
        vec d = vec_load_part(x + c, width - c, mean) - mean;
        sum += d * d;
    }
    return vec_sum(sum);
}

static void normalise_row(const real *restrict x,
                          const real *restrict weight,
                          const real *restrict bias,
                          real *restrict out,
                          int width,
                          real *mean_out,
                          real *rstd_out)
{
    const real mean = row_sum(x, width) / (real)width;
    const real variance = row_squares(x, mean, width) / (real)width;
    const real rstd = (real)(1.0 / sqrt((double)variance + NORM_EPSILON));
    for (int c = 0; c < width; c++) {
        out[c] = (x[c] - mean) * rstd * weight[c] + bias[c];
    }
    *mean_out = mean;
    *rstd_out = rstd;
}

static void forward(const struct esp_batch *batch, const struct esp_norm_forward *op, int k)
{
    const struct esp_control *control = &batch->control[k];
    const int width = op->width;
    const int64_t rows = rows_of(batch, k);
    const real *weight = member_of(op->weight, k);
    const real *bias = member_of(op->bias, k);
    const real *branches = member_of(op->branch, k);
    real *mean = member_of(op->mean, k);
    real *rstd = member_of(op->rstd, k);
    for (int64_t n = 0; n < rows; n++) {
        const real *x = member_of(op->stream, k) + n * width;
        if (branches) {
            const real *branch = branches + n * width;
            real *sum = member_of(op->sum, k) + n * width;
            for (int start = 0; start < width; start += 64) {
                real kept[64];
                int some = width - start < 64 ? width - start : 64;
                const real *part = branch + start;
                if (control->dropout > 0) {
                    uint64_t first = element_of(batch, k, n, width) + (uint64_t)start;
                    ESP_CPU(drop)(control, op->dropout_tensor, first, some, part, kept);
                    part = kept;
                }
                for (int c = 0; c < some; c++) {
                    sum[start + c] = x[start + c] + part[c];
                }
            }
            x = sum;
        }
        normalise_row(
            x, weight, bias, member_of(op->out, k) + n * width, width, mean + n, rstd + n);
    }
}

void ESP_CPU(norm_forward)(const struct esp_kernels *kernels,
                           const struct esp_batch *batch,
                           const struct esp_norm_forward *op)
{
    (void)kernels;
    FOR_ACTIVE(batch, k)
    {
        forward(batch, op, k);
    }
}

/* Inputs of the gradient of one row. */
struct norm_row {
    const real *grad_out, *sum, *weight;
    real *grad_sum;
    real mean, rstd;
    int width;
    bool first;
};

/* One vector of grad_sum, from h, x̂ and the row's two means. */
ESP_INLINE vec
row_gradient(vec g, vec x, vec w, const struct norm_row *row, real mean_h, real mean_hx)
{
    vec normal = (x - row->mean) * row->rstd;
    return (g * w - mean_h - normal * mean_hx) * row->rstd;
}

static void backward_row(const struct norm_row *row)
{
    const int width = row->width;
    vec sum_h = {0}, sum_hx = {0};
    int c = 0;
    for (; c + LANES <= width; c += LANES) {
        vec h = vec_load(row->grad_out + c) * vec_load(row->weight + c);
        sum_h += h;
        sum_hx += h * ((vec_load(row->sum + c) - row->mean) * row->rstd);
    }
    const int rest = width - c;
    vec g_rest = {0}, x_rest = {0}, w_rest = {0};
    if (rest) {
        g_rest = vec_load_part(row->grad_out + c, rest, 0);
        x_rest = vec_load_part(row->sum + c, rest, row->mean);
        w_rest = vec_load_part(row->weight + c, rest, 0);
        sum_h += g_rest * w_rest;
        sum_hx += g_rest * w_rest * ((x_rest - row->mean) * row->rstd);
    }
    const real mean_h = vec_sum(sum_h) / (real)width;
    const real mean_hx = vec_sum(sum_hx) / (real)width;
    for (c = 0; c + LANES <= width; c += LANES) {
        vec g = row_gradient(vec_load(row->grad_out + c),
                             vec_load(row->sum + c),
                             vec_load(row->weight + c),
                             row,
                             mean_h,
                             mean_hx);
        vec_store(row->grad_sum + c, row->first ? g : vec_load(row->grad_sum + c) + g);
    }
    if (rest) {
        vec g = row_gradient(g_rest, x_rest, w_rest, row, mean_h, mean_hx);
        if (!row->first) {
            g += vec_load_part(row->grad_sum + c, rest, 0);
        }
        vec_store_part(row->grad_sum + c, g, rest);
    }
}

/* Rows between two additions to grad_weight and grad_bias: the rows are still in the L1 cache
 * (2 · 16 · 384 · 4 = 48 KiB at width 384), and sums of 16 lose no precision. */
#define ROWS_TOGETHER 16

static void add_parameters(const real *grad_out,
                           const real *sum,
                           const real *mean,
                           const real *rstd,
                           int64_t rows,
                           int width,
                           real *grad_weight,
                           real *grad_bias)
{
    for (int c = 0; c < width; c += LANES) {
        const int some = width - c < LANES ? width - c : LANES;
        vec w = {0}, b = {0};
        for (int64_t n = 0; n < rows; n++) {
            const real *grad = grad_out + n * width + c;
            const real *x = sum + n * width + c;
            vec g = some == LANES ? vec_load(grad) : vec_load_part(grad, some, 0);
            vec v = some == LANES ? vec_load(x) : vec_load_part(x, some, 0);
            w += g * ((v - mean[n]) * rstd[n]);
            b += g;
        }
        vec_store_part(grad_weight + c, vec_load_part(grad_weight + c, some, 0) + w, some);
        vec_store_part(grad_bias + c, vec_load_part(grad_bias + c, some, 0) + b, some);
    }
}

static void backward(const struct esp_batch *batch, const struct esp_norm_backward *op, int k)
{
    const struct esp_control *control = &batch->control[k];
    const int width = op->width;
    const int64_t rows = rows_of(batch, k);
    const real *grad_out = member_of(op->grad_out, k);
    const real *sum = member_of(op->sum, k);
    const real *mean = member_of(op->mean, k);
    const real *rstd = member_of(op->rstd, k);
    real *grad_sum = member_of(op->grad_sum, k);
    real *grad_branch = member_of(op->grad_branch, k);
    for (int64_t start = 0; start < rows; start += ROWS_TOGETHER) {
        const int64_t some = rows - start < ROWS_TOGETHER ? rows - start : ROWS_TOGETHER;
        const int64_t at = start * width;
        add_parameters(grad_out + at,
                       sum + at,
                       mean + start,
                       rstd + start,
                       some,
                       width,
                       member_of(op->grad_weight, k),
                       member_of(op->grad_bias, k));
        for (int64_t n = start; n < start + some; n++) {
            struct norm_row row = {.grad_out = grad_out + n * width,
                                   .sum = sum + n * width,
                                   .weight = member_of(op->weight, k),
                                   .grad_sum = grad_sum + n * width,
                                   .mean = mean[n],
                                   .rstd = rstd[n],
                                   .width = width,
                                   .first = op->first};
            backward_row(&row);
        }
        if (grad_branch && control->dropout > 0) {
            uint64_t element = element_of(batch, k, start, width);
            ESP_CPU(drop)
            (control,
             op->dropout_tensor,
             element,
             some * width,
             grad_sum + at,
             grad_branch + at);
        } else if (grad_branch) {
            memcpy(grad_branch + at, grad_sum + at, (size_t)(some * width) * sizeof(real));
        }
    }
}

void ESP_CPU(norm_backward)(const struct esp_kernels *kernels,
                            const struct esp_batch *batch,
                            const struct esp_norm_backward *op)
{
    (void)kernels;
    FOR_ACTIVE(batch, k)
    {
        backward(batch, op, k);
    }
}
