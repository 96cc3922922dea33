/* cuBLASLt on the host: column-major strided batches with the epilogues of the header, computed
 * from their definition. It refuses what the library refuses where kernels/cuda depends on it
 * (types of the bias, order of the attributes, a shape without an algorithm). */
#include "emu.h"
#include "order.h"

#include <cublasLt.h>
#include <vector>

struct esp_emu_lt {
    int unused;
};

struct esp_emu_lt_desc {
    cublasComputeType_t compute;
    int transpose_a, transpose_b;
    int epilogue;
    const void *bias;
    int64_t bias_stride;
    void *aux;
    int64_t aux_step, aux_stride;
};

struct esp_emu_lt_layout {
    cudaDataType_t type;
    uint64_t rows, columns;
    int64_t step;
    int32_t batch;
    int64_t stride;
};

struct esp_emu_lt_preference {
    uint32_t align[4];
};

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    *handle = new esp_emu_lt();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *desc,
                                        cublasComputeType_t compute,
                                        cudaDataType_t scale)
{
    assert(scale == CUDA_R_32F);
    *desc = new esp_emu_lt_desc();
    (*desc)->compute = compute;
    (*desc)->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc)
{
    delete desc;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t set(void *field, size_t size, const void *value, size_t bytes)
{
    if (size != bytes) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    memcpy(field, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

#define SET(field) set(&(field), sizeof(field), value, bytes)

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void *value,
                                              size_t bytes)
{
    switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
        return SET(desc->transpose_a);
    case CUBLASLT_MATMUL_DESC_TRANSB:
        return SET(desc->transpose_b);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
        return SET(desc->epilogue);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        return SET(desc->bias);
    case CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE:
        return SET(desc->bias_stride);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER:
        return SET(desc->aux);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD:
        return SET(desc->aux_step);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE:
        return SET(desc->aux_stride);
    }
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout,
                                          cudaDataType_t type,
                                          uint64_t rows,
                                          uint64_t columns,
                                          int64_t step)
{
    if (rows == 0 || columns == 0 || step < (int64_t)rows) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    *layout = new esp_emu_lt_layout{type, rows, columns, step, 1, 0};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    delete layout;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                const void *value,
                                                size_t bytes)
{
    switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
        return SET(layout->batch);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
        return SET(layout->stride);
    }
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference)
{
    *preference = new esp_emu_lt_preference();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    delete preference;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                     cublasLtMatmulPreferenceAttributes_t attribute,
                                     const void *value,
                                     size_t bytes)
{
    if (attribute >= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES) {
        return SET(preference->align[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES]);
    }
    return bytes == (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES ? 8u : 4u)
               ? CUBLAS_STATUS_SUCCESS
               : CUBLAS_STATUS_INVALID_VALUE;
}

/* m, n and k of a product; k is negative if the layouts do not match. */
struct extent {
    int64_t m, n, k;
};

static struct extent extent_of(cublasLtMatmulDesc_t desc,
                               cublasLtMatrixLayout_t a,
                               cublasLtMatrixLayout_t b,
                               cublasLtMatrixLayout_t d)
{
    struct extent e;
    e.m = (int64_t)(desc->transpose_a ? a->columns : a->rows);
    e.k = (int64_t)(desc->transpose_a ? a->rows : a->columns);
    e.n = (int64_t)(desc->transpose_b ? b->rows : b->columns);
    const int64_t other = (int64_t)(desc->transpose_b ? b->columns : b->rows);
    if (other != e.k || e.m != (int64_t)d->rows || e.n != (int64_t)d->columns ||
        a->batch != d->batch || b->batch != d->batch) {
        e.k = -1;
    }
    return e;
}

static uint64_t heuristics;

extern "C" uint64_t esp_emu_heuristics(void)
{
    return heuristics;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle,
                                              cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c,
                                              cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference,
                                              int wanted,
                                              cublasLtMatmulHeuristicResult_t *results,
                                              int *found)
{
    (void)handle;
    (void)preference;
    *found = 0;
    heuristics++;
    if (extent_of(desc, a, b, d).k < 0 || c->type != d->type || wanted < 1) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    /* as on Hopper: fused activations only for whole vectors of 8 */
    if (desc->aux && (d->rows % 8 || desc->aux_step % 8)) {
        return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    results[0] = cublasLtMatmulHeuristicResult_t{};
    *found = 1;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t handle,
                                       cublasLtMatmulDesc_t desc,
                                       cublasLtMatrixLayout_t a,
                                       cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t c,
                                       cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t *algo,
                                       cublasLtMatmulHeuristicResult_t *result)
{
    (void)handle;
    (void)c;
    *result = cublasLtMatmulHeuristicResult_t{};
    result->algo = *algo;
    return extent_of(desc, a, b, d).k < 0 ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_SUCCESS;
}

static float element(const void *data, cudaDataType_t type, int64_t at)
{
    switch (type) {
    case CUDA_R_16F:
        return __half2float(((const fp16 *)data)[at]);
    case CUDA_R_16BF:
        return __bfloat162float(((const bf16 *)data)[at]);
    case CUDA_R_32F:
        break;
    }
    return ((const float *)data)[at];
}

static void put(void *data, cudaDataType_t type, int64_t at, float value)
{
    switch (type) {
    case CUDA_R_16F:
        ((fp16 *)data)[at] = __float2half(value);
        break;
    case CUDA_R_16BF:
        ((bf16 *)data)[at] = __float2bfloat16(value);
        break;
    case CUDA_R_32F:
        ((float *)data)[at] = value;
        break;
    }
}

/* Rounds to 10 bits of fraction, as the tensor cores do with fp32 in tf32. */
static float rounded(float x, cublasComputeType_t compute)
{
    if (compute == CUBLAS_COMPUTE_32F_FAST_TF32 && isfinite(x)) {
        uint32_t word;
        memcpy(&word, &x, sizeof word);
        word = (word + 0xfffu + ((word >> 13) & 1)) & ~0x1fffu;
        memcpy(&x, &word, sizeof x);
    }
    return x;
}

static float gelu(float x)
{
    const double inner = 0.7978845608028654 * (x + 0.044715 * x * (double)x * x);
    return (float)(0.5 * x * (1 + tanh(inner)));
}

static float gelu_slope(float x)
{
    const double inner = 0.7978845608028654 * (x + 0.044715 * x * (double)x * x);
    const double t = tanh(inner);
    return (float)(0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.7978845608028654 *
                                       (1 + 3 * 0.044715 * x * (double)x));
}

static float
finish(const esp_emu_lt_desc *e, cudaDataType_t type, int batch, int64_t i, int64_t j, float x)
{
    if (e->epilogue & CUBLASLT_EPILOGUE_BIAS) {
        x += element(e->bias, type, batch * e->bias_stride + i);
    }
    const int64_t at = batch * e->aux_stride + j * e->aux_step + i;
    if (e->epilogue == CUBLASLT_EPILOGUE_DGELU) {
        return x * gelu_slope(element(e->aux, type, at));
    }
    if ((e->epilogue & 128) != 0) {
        put(e->aux, type, at, x);
    }
    return e->epilogue & 32 ? gelu(x) : x;
}

/* op(A) row by row, op(B) column by column, so that sums read both sequentially. */
static std::vector<float> rows_of(const void *data,
                                  const esp_emu_lt_layout *l,
                                  int batch,
                                  bool along,
                                  int64_t k,
                                  cublasComputeType_t compute)
{
    const int64_t count = (int64_t)(l->rows * l->columns) / k;
    std::vector<float> out((size_t)(count * k));
    for (int64_t i = 0; i < count; i++) {
        for (int64_t p = 0; p < k; p++) {
            const int64_t at = along ? i * l->step + p : p * l->step + i;
            out[(size_t)(i * k + p)] =
                rounded(element(data, l->type, batch * l->stride + at), compute);
        }
    }
    return out;
}

/* Four sums at a time, each in the order of k, so that tests do not take too long. */
static void dot_four(const float *a, const float *const b[4], int64_t k, float sum[4])
{
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int64_t p = 0; p < k; p++) {
        s0 += a[p] * b[0][p];
        s1 += a[p] * b[1][p];
        s2 += a[p] * b[2][p];
        s3 += a[p] * b[3][p];
    }
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
    sum[3] = s3;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle,
                              cublasLtMatmulDesc_t desc,
                              const void *alpha,
                              const void *a,
                              cublasLtMatrixLayout_t a_layout,
                              const void *b,
                              cublasLtMatrixLayout_t b_layout,
                              const void *beta,
                              const void *c,
                              cublasLtMatrixLayout_t c_layout,
                              void *d,
                              cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t *algo,
                              void *workspace,
                              size_t workspace_bytes,
                              cudaStream_t stream)
{
    const struct extent e = extent_of(desc, a_layout, b_layout, d_layout);
    const esp_emu_lt_desc how = *desc;
    const esp_emu_lt_layout la = *a_layout, lb = *b_layout, ld = *d_layout;
    const float scale = *(const float *)alpha, keep = *(const float *)beta;
    (void)handle;
    (void)algo;
    (void)workspace;
    (void)workspace_bytes;
    if (e.k < 0 || c != d || c_layout->step != ld.step) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    esp_emu_enqueue(stream, [=] {
        for (int batch = 0; batch < ld.batch; batch++) {
            const std::vector<float> left =
                rows_of(a, &la, batch, how.transpose_a != 0, e.k, how.compute);
            const std::vector<float> right =
                rows_of(b, &lb, batch, how.transpose_b == 0, e.k, how.compute);
            for (int64_t j = 0; j < e.n; j++) {
                for (int64_t i = 0; i < e.m; i += 4) {
                    const float *rows[4];
                    float sum[4];
                    for (int64_t r = 0; r < 4; r++) {
                        rows[r] = &left[(size_t)((i + r < e.m ? i + r : i) * e.k)];
                    }
                    dot_four(&right[(size_t)(j * e.k)], rows, e.k, sum);
                    for (int64_t r = 0; r < 4 && i + r < e.m; r++) {
                        const int64_t at = batch * ld.stride + j * ld.step + i + r;
                        float x = scale * sum[r];
                        x += keep != 0 ? keep * element(d, ld.type, at) : 0;
                        put(d, ld.type, at, finish(&how, ld.type, batch, i + r, j, x));
                    }
                }
            }
        }
    });
    return CUBLAS_STATUS_SUCCESS;
}
