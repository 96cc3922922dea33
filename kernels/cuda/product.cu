/* Products by cuBLASLt: strided batches over a run of members, with descriptors and algorithm
 * looked up once for each shape.
 *
 * The library is column-major: row-major C = A · B is Cᵀ = Bᵀ · Aᵀ there, so A and B are
 * exchanged and no operand is transposed.
 *
 * The algorithm of a shape is chosen for a number of members that depends only on the shape,
 * and is used for every number: a member's bits do not depend on how many other members there
 * are. Algorithms that add partial sums in order of arrival are excluded. */
#include "backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Number of members that an algorithm is chosen for: enough that their tiles of 128 · 128 fill
 * a GPU of 132 multiprocessors four times, at most 16. */
#define TILE 128
#define TILES_WANTED (4 * 132)
#define CANONICAL_MAX 16

/* Key of a plan. Zeroed before it is filled, and compared as bytes. */
struct plan_key {
    int64_t m, n, k;
    int64_t stride_a, stride_b, stride_c, bias_stride, aux_stride;
    int32_t type_a, type_b, type_c;
    int32_t transposed_a, transposed_b;
    int32_t accumulate, epilogue, members;
    uint32_t align_a, align_b, align_c;
    int32_t tf32;
};

struct esp_cuda_plan {
    struct plan_key key;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, c; /* in the library's order */
    cublasLtMatmulAlgo_t algo;
    int status;    /* 0, or -ENOTSUP */
    uint64_t used; /* count of all uses at its last use */
};

/* The largest power of two up to 256 that divides a member's address. */
static uint32_t alignment_of(const struct esp_cuda_matrix *matrix)
{
    const size_t size = matrix->type == CUDA_R_32F ? 4 : 2;
    const uintptr_t all =
        (uintptr_t)matrix->data | (uintptr_t)((size_t)matrix->stride * size) | 256;
    return (uint32_t)(all & -all);
}

static struct plan_key key_of(const struct esp_kernels *kernels,
                              const struct esp_cuda_product *p)
{
    struct plan_key key;
    memset(&key, 0, sizeof key);
    key.m = p->m;
    key.n = p->n;
    key.k = p->k;
    key.stride_a = p->a.stride;
    key.stride_b = p->b.stride;
    key.stride_c = p->c.stride;
    key.bias_stride = p->bias ? p->bias_stride : 0;
    key.aux_stride = p->aux ? p->aux_stride : 0;
    key.type_a = p->a.type;
    key.type_b = p->b.type;
    key.type_c = p->c.type;
    key.transposed_a = p->a.transposed;
    key.transposed_b = p->b.transposed;
    key.accumulate = p->accumulate;
    key.epilogue = p->epilogue;
    key.members = p->members;
    key.align_a = alignment_of(&p->a);
    key.align_b = alignment_of(&p->b);
    key.align_c = alignment_of(&p->c);
    key.tf32 = kernels->precision == ESP_PRECISION_TF32;
    return key;
}

static void release_plan(struct esp_cuda_plan *plan)
{
    if (plan->a) {
        cublasLtMatrixLayoutDestroy(plan->a);
    }
    if (plan->b) {
        cublasLtMatrixLayoutDestroy(plan->b);
    }
    if (plan->c) {
        cublasLtMatrixLayoutDestroy(plan->c);
    }
    if (plan->desc) {
        cublasLtMatmulDescDestroy(plan->desc);
    }
}

void esp_cuda_plans_close(struct esp_cuda_state *state)
{
    for (int i = 0; i < state->plan_count; i++) {
        release_plan(&state->plans[i]);
    }
    free(state->plans);
    state->plans = NULL;
    state->plan_count = 0;
}

#define SET(desc, attribute, value)                                                            \
    esp_cuda_check_library(state,                                                              \
                           cublasLtMatmulDescSetAttribute(                                     \
                               desc, CUBLASLT_MATMUL_DESC_##attribute, &value, sizeof value),  \
                           "describing a product: " #attribute)

static void describe(struct esp_cuda_state *state,
                     const struct esp_kernels *kernels,
                     const struct esp_cuda_product *p,
                     struct esp_cuda_plan *plan)
{
    const cublasComputeType_t compute = kernels->precision == ESP_PRECISION_TF32
                                            ? CUBLAS_COMPUTE_32F_FAST_TF32
                                            : CUBLAS_COMPUTE_32F;
    const int32_t first = p->b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    const int32_t second = p->a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    const uint32_t epilogue = (uint32_t)p->epilogue;
    esp_cuda_check_library(state,
                           cublasLtMatmulDescCreate(&plan->desc, compute, CUDA_R_32F),
                           "describing a product");
    if (!plan->desc) {
        return;
    }
    SET(plan->desc, TRANSA, first);
    SET(plan->desc, TRANSB, second);
    SET(plan->desc, EPILOGUE, epilogue);
    if (p->bias) {
        SET(plan->desc, BIAS_POINTER, p->bias);
        SET(plan->desc, BIAS_BATCH_STRIDE, p->bias_stride);
    }
    if (p->aux) {
        const int64_t step = p->n;
        SET(plan->desc, EPILOGUE_AUX_POINTER, p->aux);
        SET(plan->desc, EPILOGUE_AUX_LD, step);
        SET(plan->desc, EPILOGUE_AUX_BATCH_STRIDE, p->aux_stride);
    }
}

static void
set_batch(struct esp_cuda_state *state, cublasLtMatrixLayout_t layout, int32_t count)
{
    if (layout) {
        esp_cuda_check_library(
            state,
            cublasLtMatrixLayoutSetAttribute(
                layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
            "a product's batch");
    }
}

static cublasLtMatrixLayout_t lay_out(struct esp_cuda_state *state,
                                      const struct esp_cuda_matrix *matrix,
                                      int64_t rows,
                                      int64_t columns)
{
    /* row-major [rows, columns] is column-major [columns, rows] */
    cublasLtMatrixLayout_t layout = NULL;
    const int64_t high = matrix->transposed ? rows : columns;
    const int64_t wide = matrix->transposed ? columns : rows;
    esp_cuda_check_library(
        state,
        cublasLtMatrixLayoutCreate(&layout, matrix->type, (uint64_t)high, (uint64_t)wide, high),
        "a product's layout");
    if (layout) {
        esp_cuda_check_library(
            state,
            cublasLtMatrixLayoutSetAttribute(layout,
                                             CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                             &matrix->stride,
                                             sizeof matrix->stride),
            "a product's stride");
    }
    return layout;
}

#define PREFER(attribute, value)                                                               \
    esp_cuda_check_library(                                                                    \
        state,                                                                                 \
        cublasLtMatmulPreferenceSetAttribute(                                                  \
            preference, CUBLASLT_MATMUL_PREF_##attribute, &value, sizeof value),               \
        "a product's preferences")

static cublasLtMatmulPreference_t prefer(struct esp_cuda_state *state,
                                         const struct plan_key *key)
{
    cublasLtMatmulPreference_t preference = NULL;
    const uint64_t bytes = ESP_CUDA_LIBRARY_BYTES;
    const uint32_t reduction =
        CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    esp_cuda_check_library(
        state, cublasLtMatmulPreferenceCreate(&preference), "a product's preferences");
    if (preference) {
        PREFER(MAX_WORKSPACE_BYTES, bytes);
        PREFER(REDUCTION_SCHEME_MASK, reduction);
        PREFER(MIN_ALIGNMENT_A_BYTES, key->align_b);
        PREFER(MIN_ALIGNMENT_B_BYTES, key->align_a);
        PREFER(MIN_ALIGNMENT_C_BYTES, key->align_c);
        PREFER(MIN_ALIGNMENT_D_BYTES, key->align_c);
    }
    return preference;
}

static bool find_algorithm(struct esp_cuda_state *state,
                           struct esp_cuda_plan *plan,
                           cublasLtMatmulPreference_t preference,
                           int members)
{
    cublasLtMatmulHeuristicResult_t result;
    int found = 0;
    set_batch(state, plan->a, members);
    set_batch(state, plan->b, members);
    set_batch(state, plan->c, members);
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(state->library,
                                                                 plan->desc,
                                                                 plan->a,
                                                                 plan->b,
                                                                 plan->c,
                                                                 plan->c,
                                                                 preference,
                                                                 1,
                                                                 &result,
                                                                 &found);
    if (status != CUBLAS_STATUS_SUCCESS || found < 1) {
        return false;
    }
    plan->algo = result.algo;
    return true;
}

/* Chooses the algorithm for the canonical number of members, if it supports the actual number
 * too. */
static int choose(struct esp_cuda_state *state, struct esp_cuda_plan *plan)
{
    const struct plan_key *key = &plan->key;
    const int64_t tiles = divide_up(key->m, TILE) * divide_up(key->n, TILE);
    int64_t canonical = divide_up(TILES_WANTED, tiles);
    canonical = canonical < CANONICAL_MAX ? canonical : CANONICAL_MAX;
    cublasLtMatmulPreference_t preference = prefer(state, key);
    bool found = !state->failed && find_algorithm(state, plan, preference, (int)canonical);
    if (found) {
        cublasLtMatmulHeuristicResult_t result;
        set_batch(state, plan->a, key->members);
        set_batch(state, plan->b, key->members);
        set_batch(state, plan->c, key->members);
        const cublasStatus_t fits = cublasLtMatmulAlgoCheck(state->library,
                                                            plan->desc,
                                                            plan->a,
                                                            plan->b,
                                                            plan->c,
                                                            plan->c,
                                                            &plan->algo,
                                                            &result);
        found = fits == CUBLAS_STATUS_SUCCESS && result.workspaceSize <= ESP_CUDA_LIBRARY_BYTES;
    }
    if (!found && !state->failed) {
        found = find_algorithm(state, plan, preference, key->members);
    }
    if (preference) {
        cublasLtMatmulPreferenceDestroy(preference);
    }
    return found ? 0 : -ENOTSUP;
}

/* A slot for one more plan: a new one, or that of the least recently used plan. NULL: out of
 * memory. */
static struct esp_cuda_plan *make_room(struct esp_cuda_state *state)
{
    if (!state->plans) {
        state->plans = (struct esp_cuda_plan *)calloc(ESP_CUDA_PLANS, sizeof *state->plans);
        if (!state->plans) {
            esp_cuda_check(state, cudaErrorMemoryAllocation, "planning a product");
            return NULL;
        }
    }
    if (state->plan_count < ESP_CUDA_PLANS) {
        return &state->plans[state->plan_count++];
    }
    struct esp_cuda_plan *oldest = &state->plans[0];
    for (int i = 1; i < state->plan_count; i++) {
        oldest = state->plans[i].used < oldest->used ? &state->plans[i] : oldest;
    }
    release_plan(oldest);
    return oldest;
}

static struct esp_cuda_plan *find_plan(const struct esp_kernels *kernels,
                                       const struct esp_cuda_product *p)
{
    struct esp_cuda_state *state = state_of(kernels);
    const struct plan_key key = key_of(kernels, p);
    for (int i = 0; i < state->plan_count; i++) {
        if (memcmp(&state->plans[i].key, &key, sizeof key) == 0) {
            state->plans[i].used = ++state->plan_uses;
            return &state->plans[i];
        }
    }
    struct esp_cuda_plan *plan = make_room(state);
    if (!plan) {
        return NULL;
    }
    memset(plan, 0, sizeof *plan);
    describe(state, kernels, p, plan);
    plan->a = lay_out(state, &p->b, p->k, p->n);
    plan->b = lay_out(state, &p->a, p->m, p->k);
    plan->c = lay_out(state, &p->c, p->m, p->n);
    if (state->failed) {
        release_plan(plan);
        memset(plan, 0, sizeof *plan); /* a key of zeros matches no product */
        return NULL;
    }
    plan->key = key;
    plan->used = ++state->plan_uses;
    plan->status = choose(state, plan);
    return plan;
}

/* Records a failure of the library with the shape: its status is only a number. */
static void fail_product(struct esp_cuda_state *state,
                         const struct esp_cuda_product *p,
                         cublasStatus_t status)
{
    char what[160];
    snprintf(what,
             sizeof what,
             "a product of %lld × %lld × %lld, types %d %d %d, transposed %d %d, epilogue %d, "
             "%d members",
             (long long)p->m,
             (long long)p->n,
             (long long)p->k,
             (int)p->a.type,
             (int)p->b.type,
             (int)p->c.type,
             p->a.transposed,
             p->b.transposed,
             (int)p->epilogue,
             p->members);
    esp_cuda_check_library(state, status, what);
}

int esp_cuda_multiply(const struct esp_kernels *kernels, const struct esp_cuda_product *p)
{
    struct esp_cuda_state *state = state_of(kernels);
    const float one = 1, keep = p->accumulate ? 1.0f : 0.0f;
    struct esp_cuda_plan *plan = find_plan(kernels, p);
    if (!plan) {
        return 0; /* the failure is recorded */
    }
    if (plan->status) {
        if (p->epilogue == CUBLASLT_EPILOGUE_DEFAULT) {
            fail_product(state, p, CUBLAS_STATUS_NOT_SUPPORTED);
        }
        return plan->status;
    }
    if (p->bias) {
        SET(plan->desc, BIAS_POINTER, p->bias);
    }
    if (p->aux) {
        SET(plan->desc, EPILOGUE_AUX_POINTER, p->aux);
    }
    const cublasStatus_t status = cublasLtMatmul(state->library,
                                                 plan->desc,
                                                 &one,
                                                 p->b.data,
                                                 plan->a,
                                                 p->a.data,
                                                 plan->b,
                                                 &keep,
                                                 p->c.data,
                                                 plan->c,
                                                 (void *)p->c.data,
                                                 plan->c,
                                                 &plan->algo,
                                                 state->library_scratch,
                                                 ESP_CUDA_LIBRARY_BYTES,
                                                 state->stream);
    if (status != CUBLAS_STATUS_SUCCESS) {
        fail_product(state, p, status);
    }
    return 0;
}
