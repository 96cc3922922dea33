/* Opening the CUDA backend: devices, the op table, the first failure. */
#include "backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef ESP_EMU
#define ESP_EXPORT __attribute__((visibility("default")))
#else
#define ESP_EXPORT
#endif

/* Lowest compute capability that this is built for: asynchronous copies and bf16 begin with
 * 8.0. */
#define COMPUTE_MAJOR_MIN 8

/* Elements of one chunk of logits: 2^27 are 256 MiB in bf16 and 2,668 rows of GPT-2's
 * vocabulary, enough for a product to use every multiprocessor. */
#define CHUNK_ELEMENTS ((int64_t)1 << 27)

extern "C" ESP_EXPORT int esp_kernels_open_as(int device,
                                              enum esp_precision precision,
                                              struct esp_kernels **kernels,
                                              struct esp_error *error);

struct cuda_backend {
    struct esp_kernels kernels;
    struct esp_cuda_state state;
};

bool esp_cuda_check(struct esp_cuda_state *state, cudaError_t error, const char *what)
{
    if (error == cudaSuccess) {
        return true;
    }
    cudaGetLastError(); /* clears the error, so that the next launch does not report it */
    if (!state->failed) {
        state->failed = error == cudaErrorMemoryAllocation ? -ENOMEM : -EIO;
        snprintf(state->words,
                 sizeof state->words,
                 "cuda device %d: %s: %s",
                 state->device,
                 what,
                 cudaGetErrorString(error));
    }
    return false;
}

bool esp_cuda_check_library(struct esp_cuda_state *state,
                            cublasStatus_t status,
                            const char *what)
{
    if (status == CUBLAS_STATUS_SUCCESS) {
        return true;
    }
    if (!state->failed) {
        state->failed = -EIO;
        snprintf(state->words,
                 sizeof state->words,
                 "cuda device %d: %s: cuBLASLt status %d",
                 state->device,
                 what,
                 (int)status);
    }
    return false;
}

void *esp_cuda_workspace(const struct esp_kernels *kernels, size_t bytes, const char *what)
{
    struct esp_cuda_state *state = state_of(kernels);
    if (bytes <= state->workspace_bytes) {
        return state->workspaces[state->workspace_count - 1];
    }
    if (state->capturing || state->workspace_count == ESP_CUDA_WORKSPACES) {
        esp_cuda_check(state, cudaErrorInvalidValue, "a graph met a shape never run before");
        return NULL;
    }
    const size_t grown =
        bytes > 2 * state->workspace_bytes ? bytes : 2 * state->workspace_bytes;
    void *memory = NULL;
    if (!esp_cuda_check(state, cudaMalloc(&memory, grown), what)) {
        return NULL;
    }
    state->workspaces[state->workspace_count++] = memory;
    state->workspace_bytes = grown;
    return memory;
}

static void close_cuda(struct esp_kernels *kernels)
{
    struct cuda_backend *backend = (struct cuda_backend *)kernels;
    struct esp_cuda_state *state = &backend->state;
    if (state->stream) {
        cudaStreamSynchronize(state->stream);
    }
    esp_cuda_plans_close(state);
    esp_cuda_memory_close(state);
    for (int i = 0; i < state->workspace_count; i++) {
        cudaFree(state->workspaces[i]);
    }
    cudaFree(state->library_scratch);
    if (state->library) {
        cublasLtDestroy(state->library);
    }
    if (state->stream) {
        cudaStreamDestroy(state->stream);
    }
    free(backend);
}

#define FILL(verb, op) kernels->verb = esp_cuda_##verb<A>;

template <typename A> static void fill(struct esp_kernels *kernels)
{
    ESP_CUDA_OPERATIONS(FILL)
    kernels->activation_bytes = sizeof(A);
    kernels->narrow = sizeof(A) == sizeof(float) ? NULL : esp_cuda_narrow<A>;
}

static int find_device(int device, cudaDeviceProp *properties, struct esp_error *error)
{
    int count = 0;
    const cudaError_t found = cudaGetDeviceCount(&count);
    if (found != cudaSuccess) {
        cudaGetLastError();
        return esp_error_set(error,
                             -ENODEV,
                             "device cuda: no usable GPU or driver on this machine (%s)",
                             cudaGetErrorString(found));
    }
    if (device < 0 || device >= count) {
        return esp_error_set(error,
                             -ENODEV,
                             "device cuda:%d: this machine has %d (cuda:0 is the first)",
                             device,
                             count);
    }
    if (cudaGetDeviceProperties(properties, device) != cudaSuccess ||
        cudaSetDevice(device) != cudaSuccess) {
        cudaGetLastError();
        return esp_error_set(error, -ENODEV, "device cuda:%d does not answer", device);
    }
    if (properties->major < COMPUTE_MAJOR_MIN) {
        return esp_error_set(error,
                             -ENOTSUP,
                             "device cuda:%d (%s) has compute capability %d.%d; %d.0 is needed",
                             device,
                             properties->name,
                             properties->major,
                             properties->minor,
                             COMPUTE_MAJOR_MIN);
    }
    return 0;
}

static int open_state(struct esp_cuda_state *state, struct esp_error *error)
{
    esp_cuda_check(state,
                   cudaStreamCreateWithFlags(&state->stream, cudaStreamNonBlocking),
                   "making a stream");
    if (!state->failed) {
        esp_cuda_check_library(state, cublasLtCreate(&state->library), "opening cuBLASLt");
    }
    if (!state->failed) {
        esp_cuda_check(state,
                       cudaMalloc(&state->library_scratch, ESP_CUDA_LIBRARY_BYTES),
                       "allocating cuBLASLt's scratch");
    }
    state->plans = NULL;
    return state->failed ? esp_error_set(error, state->failed, "%s", state->words)
                         : esp_cuda_memory_open(state, error);
}

static int open_again(const struct esp_kernels *kernels,
                      enum esp_precision precision,
                      struct esp_kernels **other,
                      struct esp_error *error)
{
    return esp_kernels_open_as(state_of(kernels)->device, precision, other, error);
}

extern "C" ESP_EXPORT int esp_kernels_open_as(int device,
                                              enum esp_precision precision,
                                              struct esp_kernels **kernels,
                                              struct esp_error *error)
{
    cudaDeviceProp properties;
    int rc = find_device(device, &properties, error);
    if (rc) {
        return rc;
    }
    struct cuda_backend *backend = (struct cuda_backend *)calloc(1, sizeof *backend);
    if (!backend) {
        return esp_error_set(error, -ENOMEM, "out of memory opening the CUDA backend");
    }
    struct esp_kernels *k = &backend->kernels;
    k->version = ESP_KERNELS_VERSION;
    k->name = "cuda";
    snprintf(k->device, sizeof k->device, "%.100s", properties.name);
    k->real_bytes = sizeof(float);
    k->alignment = 256;
    k->vocabulary_multiple = 128;
    k->chunk_elements = CHUNK_ELEMENTS;
    k->precision = precision == ESP_PRECISION_AUTO ? ESP_PRECISION_BF16 : precision;
    k->state = &backend->state;
    k->close = close_cuda;
    k->open_as = open_again;
    esp_cuda_fill_memory(k);
    esp_cuda_fill_graph(k);
    esp_cuda_fill_ring(k);
    if (k->precision == ESP_PRECISION_BF16) {
        fill<bf16>(k);
    } else if (k->precision == ESP_PRECISION_FP16) {
        fill<fp16>(k);
    } else {
        fill<float>(k);
    }
    backend->state.device = device;
    backend->state.processors = properties.multiProcessorCount;
    rc = open_state(&backend->state, error);
    if (rc) {
        close_cuda(k);
        return rc;
    }
    *kernels = k;
    return 0;
}

extern "C" ESP_EXPORT int
esp_kernels_open(int device, struct esp_kernels **kernels, struct esp_error *error)
{
    return esp_kernels_open_as(device, ESP_PRECISION_AUTO, kernels, error);
}
