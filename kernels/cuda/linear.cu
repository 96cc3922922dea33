/* Products with the weights, for each run of active members: with the library's epilogue where
 * it has the one needed, else followed by a kernel. */
#include "backend.h"

#include <errno.h>

template <typename A> struct library_type;
template <> struct library_type<float> {
    static const cudaDataType_t value = CUDA_R_32F;
};
template <> struct library_type<bf16> {
    static const cudaDataType_t value = CUDA_R_16BF;
};
template <> struct library_type<fp16> {
    static const cudaDataType_t value = CUDA_R_16F;
};

/* Consecutive active members, `first` … first + count − 1. */
struct run {
    int first, count;
};

/* The first run from `from` on; count 0: there is none. */
static struct run next_run(const struct esp_batch *batch, int from)
{
    const uint64_t active = batch->active ? batch->active : ~(uint64_t)0;
    struct run run = {from, 0};
    while (run.first < batch->members && !(active >> run.first & 1)) {
        run.first++;
    }
    while (run.first + run.count < batch->members && (active >> (run.first + run.count) & 1)) {
        run.count++;
    }
    return run;
}

/* A tensor's rows from `row` on, of the first member of a run. */
template <typename T>
static struct esp_cuda_matrix
matrix_at(struct esp_view view, int member, int64_t row, int64_t width, cudaDataType_t type)
{
    struct esp_cuda_matrix matrix = {};
    matrix.data = (const T *)view.data + member * view.stride + row * width;
    matrix.stride = view.stride;
    matrix.type = type;
    return matrix;
}

template <typename A> static struct esp_view view_from(struct esp_view view, int64_t elements)
{
    struct esp_view moved = view;
    moved.data = view.data ? (A *)view.data + elements : NULL;
    return moved;
}

/* Multiplies all runs with the epilogue. -ENOTSUP: the library has no algorithm for one of
 * them, and the product has to be computed without epilogue. */
static int multiply_runs(const struct esp_kernels *kernels,
                         const struct esp_batch *batch,
                         const struct esp_cuda_product *whole,
                         size_t size_a,
                         size_t size_b,
                         size_t size_c)
{
    int rc = 0;
    for (struct run r = next_run(batch, 0); r.count > 0 && rc == 0;
         r = next_run(batch, r.first + r.count)) {
        struct esp_cuda_product p = *whole;
        const size_t first = (size_t)r.first;
        p.a.data = (const char *)p.a.data + first * (size_t)p.a.stride * size_a;
        p.b.data = (const char *)p.b.data + first * (size_t)p.b.stride * size_b;
        p.c.data = (const char *)p.c.data + first * (size_t)p.c.stride * size_c;
        if (p.bias) {
            p.bias = (const char *)p.bias + first * (size_t)p.bias_stride * size_c;
        }
        if (p.aux) {
            p.aux = (char *)p.aux + first * (size_t)p.aux_stride * size_c;
        }
        p.members = r.count;
        rc = esp_cuda_multiply(kernels, &p);
    }
    return rc;
}

/* Multiplies with the library's epilogue if there is one, else without; returns whether it was
 * used. */
static bool multiply_fused(const struct esp_kernels *kernels,
                           const struct esp_batch *batch,
                           const struct esp_cuda_product *product,
                           size_t size)
{
    if (product->epilogue == CUBLASLT_EPILOGUE_DEFAULT) {
        multiply_runs(kernels, batch, product, size, size, size);
        return false;
    }
    if (multiply_runs(kernels, batch, product, size, size, size) == 0) {
        return true;
    }
    struct esp_cuda_product plain = *product;
    plain.epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    plain.bias = NULL;
    plain.aux = NULL;
    multiply_runs(kernels, batch, &plain, size, size, size);
    return false;
}

/* Whether the library's GELU may be used. It is the tanh form, and the accuracy of its tanh is
 * not documented, so fp32, which is chosen for accuracy, runs our own kernel after the product.
 */
static bool library_has_gelu(const struct esp_kernels *kernels,
                             enum esp_kernel_activation activation)
{
    return activation == ESP_KERNEL_GELU_TANH && kernels->precision != ESP_PRECISION_FP32;
}

/* The bias in the product's type, which is what the library adds. */
template <typename A> static struct esp_view library_bias(const struct esp_linear_forward *op)
{
    return sizeof(A) == sizeof(float) ? op->bias : op->narrow_bias;
}

template <typename A>
void esp_cuda_linear_forward(const struct esp_kernels *kernels,
                             const struct esp_batch *batch,
                             const struct esp_linear_forward *op)
{
    const cudaDataType_t type = library_type<A>::value;
    const int64_t first = op->rows.first, out_first = op->out_packed ? 0 : first;
    const struct esp_view bias = library_bias<A>(op);
    struct esp_cuda_product p = {};
    p.m = op->rows.count;
    p.n = op->width_out;
    p.k = op->width_in;
    p.a = matrix_at<A>(op->in, 0, first, op->width_in, type);
    p.b = matrix_at<A>(op->weight, 0, 0, 0, type);
    p.b.transposed = op->transposed;
    p.c = matrix_at<A>(op->out, 0, out_first, op->width_out, type);
    p.epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    if (bias.data) {
        p.bias = bias.data;
        p.bias_stride = bias.stride;
        p.epilogue = CUBLASLT_EPILOGUE_BIAS;
    }
    if (bias.data && library_has_gelu(kernels, op->activation)) {
        p.epilogue = CUBLASLT_EPILOGUE_GELU_BIAS;
        if (op->pre.data) {
            p.aux = (A *)op->pre.data + first * op->width_out;
            p.aux_stride = op->pre.stride;
            p.epilogue = CUBLASLT_EPILOGUE_GELU_AUX_BIAS;
        }
    }
    const cublasLtEpilogue_t wanted = p.epilogue;
    const bool fused = multiply_fused(kernels, batch, &p, sizeof(A));
    const bool activated = fused && wanted != CUBLASLT_EPILOGUE_BIAS;
    const bool curved = op->activation != ESP_KERNEL_LINEAR;
    if (activated || (!curved && (fused || !op->bias.data))) {
        return;
    }
    struct esp_cuda_epilogue after = {};
    after.in = view_from<A>(op->out, out_first * op->width_out);
    after.out = after.in;
    after.pre = view_from<A>(op->pre, first * op->width_out);
    after.bias = fused ? after.bias : op->bias;
    after.rows = op->rows.count;
    after.width = op->width_out;
    after.activation = op->activation;
    esp_cuda_epilogue<A>(kernels, batch, &after);
}

ESP_CUDA_INSTANTIATE(linear_forward, esp_linear_forward)

template <typename A>
void esp_cuda_linear_backward_input(const struct esp_kernels *kernels,
                                    const struct esp_batch *batch,
                                    const struct esp_linear_backward_input *op)
{
    const cudaDataType_t type = library_type<A>::value;
    const int64_t first = op->rows.first;
    const bool curved = op->activation != ESP_KERNEL_LINEAR;
    struct esp_cuda_product p = {};
    p.m = op->rows.count;
    p.n = op->width_in;
    p.k = op->width_out;
    p.a = matrix_at<A>(op->grad_out, 0, op->grad_packed ? 0 : first, op->width_out, type);
    p.b = matrix_at<A>(op->weight, 0, 0, 0, type);
    p.b.transposed = !op->transposed;
    p.c = matrix_at<A>(op->grad_in, 0, first, op->width_in, type);
    p.epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    if (library_has_gelu(kernels, op->activation)) {
        p.aux = (A *)op->pre.data + first * op->width_in;
        p.aux_stride = op->pre.stride;
        p.epilogue = CUBLASLT_EPILOGUE_DGELU;
    }
    if (multiply_fused(kernels, batch, &p, sizeof(A)) || !curved) {
        return;
    }
    struct esp_cuda_epilogue after = {};
    after.in = view_from<A>(op->grad_in, first * op->width_in);
    after.out = after.in;
    after.pre = view_from<A>(op->pre, first * op->width_in);
    after.rows = op->rows.count;
    after.width = op->width_in;
    after.activation = op->activation;
    after.slope = true;
    esp_cuda_epilogue<A>(kernels, batch, &after);
}

ESP_CUDA_INSTANTIATE(linear_backward_input, esp_linear_backward_input)

template <typename A>
void esp_cuda_linear_backward_weight(const struct esp_kernels *kernels,
                                     const struct esp_batch *batch,
                                     const struct esp_linear_backward_weight *op)
{
    const cudaDataType_t type = library_type<A>::value;
    const int64_t first = op->rows.first, out_first = op->grad_packed ? 0 : first;
    const struct esp_cuda_matrix in = matrix_at<A>(op->in, 0, first, op->width_in, type);
    const struct esp_cuda_matrix out =
        matrix_at<A>(op->grad_out, 0, out_first, op->width_out, type);
    struct esp_cuda_product p = {};
    p.m = op->transposed ? op->width_out : op->width_in;
    p.n = op->transposed ? op->width_in : op->width_out;
    p.k = op->rows.count;
    p.a = op->transposed ? out : in;
    p.a.transposed = true;
    p.b = op->transposed ? in : out;
    p.c = matrix_at<float>(op->grad_weight, 0, 0, 0, CUDA_R_32F);
    p.accumulate = true;
    p.epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    multiply_runs(kernels, batch, &p, sizeof(A), sizeof(A), sizeof(float));
    if (op->grad_bias.data) {
        struct esp_cuda_columns columns = {};
        columns.in = view_from<A>(op->grad_out, out_first * op->width_out);
        columns.out = op->grad_bias;
        columns.rows = op->rows.count;
        columns.width = op->width_out;
        esp_cuda_add_columns<A>(kernels, batch, &columns);
    }
}

ESP_CUDA_INSTANTIATE(linear_backward_weight, esp_linear_backward_weight)
