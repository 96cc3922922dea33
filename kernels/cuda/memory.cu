/* Memory and transfers. Uploads go through pinned memory with an event for each piece, so that
 * a training step waits only for copies that finished long before. */
#include "backend.h"

#include <errno.h>

int esp_cuda_memory_open(struct esp_cuda_state *state, struct esp_error *error)
{
    for (int i = 0; i < ESP_CUDA_PIECES && !state->failed; i++) {
        struct esp_cuda_pinned *p = &state->pieces[i];
        void *memory = NULL;
        if (esp_cuda_check(state,
                           cudaMallocHost(&memory, ESP_CUDA_PIECE_BYTES),
                           "allocating pinned memory")) {
            p->memory = (unsigned char *)memory;
            esp_cuda_check(state,
                           cudaEventCreateWithFlags(&p->event, cudaEventDisableTiming),
                           "making an event");
        }
    }
    return state->failed ? esp_error_set(error, state->failed, "%s", state->words) : 0;
}

void esp_cuda_memory_close(struct esp_cuda_state *state)
{
    for (int i = 0; i < ESP_CUDA_PIECES; i++) {
        if (state->pieces[i].event) {
            cudaEventDestroy(state->pieces[i].event);
        }
        if (state->pieces[i].memory) {
            cudaFreeHost(state->pieces[i].memory);
        }
    }
}

int esp_cuda_take_failure(struct esp_cuda_state *state, struct esp_error *error)
{
    const int failed = state->failed;
    state->failed = 0;
    return failed ? esp_error_set(error, failed, "%s", state->words) : 0;
}

static void *allocate(const struct esp_kernels *kernels, size_t bytes)
{
    struct esp_cuda_state *state = state_of(kernels);
    void *memory = NULL;
    if (cudaMalloc(&memory, bytes ? bytes : 1) != cudaSuccess) {
        cudaGetLastError(); /* a request that is too large is no failure of the device */
        return NULL;
    }
    esp_cuda_check(
        state, cudaMemsetAsync(memory, 0, bytes, state->stream), "zeroing new memory");
    return memory;
}

static void release(const struct esp_kernels *kernels, void *memory)
{
    struct esp_cuda_state *state = state_of(kernels);
    esp_cuda_check(state, cudaStreamSynchronize(state->stream), "waiting to release memory");
    esp_cuda_check(state, cudaFree(memory), "releasing memory");
}

static int memory(const struct esp_kernels *kernels, size_t *free_bytes, size_t *total_bytes)
{
    (void)kernels;
    if (cudaMemGetInfo(free_bytes, total_bytes) != cudaSuccess) {
        cudaGetLastError();
        return -EIO;
    }
    return 0;
}

static void zero(const struct esp_kernels *kernels, void *memory, size_t bytes)
{
    struct esp_cuda_state *state = state_of(kernels);
    esp_cuda_check(state, cudaMemsetAsync(memory, 0, bytes, state->stream), "zeroing memory");
}

static void copy(const struct esp_kernels *kernels, void *to, const void *from, size_t bytes)
{
    struct esp_cuda_state *state = state_of(kernels);
    esp_cuda_check(state,
                   cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, state->stream),
                   "copying memory");
}

static int
upload(const struct esp_kernels *kernels, void *device, const void *host, size_t bytes)
{
    struct esp_cuda_state *state = state_of(kernels);
    const unsigned char *from = (const unsigned char *)host;
    unsigned char *to = (unsigned char *)device;
    while (bytes > 0 && !state->failed) {
        struct esp_cuda_pinned *p = &state->pieces[state->next_piece];
        const size_t some = bytes < ESP_CUDA_PIECE_BYTES ? bytes : ESP_CUDA_PIECE_BYTES;
        esp_cuda_check(state, cudaEventSynchronize(p->event), "waiting for an upload");
        memcpy(p->memory, from, some);
        esp_cuda_check(
            state,
            cudaMemcpyAsync(to, p->memory, some, cudaMemcpyHostToDevice, state->stream),
            "uploading");
        esp_cuda_check(state, cudaEventRecord(p->event, state->stream), "uploading");
        state->next_piece = (state->next_piece + 1) % ESP_CUDA_PIECES;
        from += some;
        to += some;
        bytes -= some;
    }
    return esp_cuda_take_failure(state, NULL);
}

static int
download(const struct esp_kernels *kernels, void *host, const void *device, size_t bytes)
{
    struct esp_cuda_state *state = state_of(kernels);
    esp_cuda_check(state,
                   cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, state->stream),
                   "downloading");
    esp_cuda_check(state, cudaStreamSynchronize(state->stream), "downloading");
    return esp_cuda_take_failure(state, NULL);
}

static int synchronise(const struct esp_kernels *kernels, struct esp_error *error)
{
    struct esp_cuda_state *state = state_of(kernels);
    esp_cuda_check(state, cudaStreamSynchronize(state->stream), "waiting for the device");
    return esp_cuda_take_failure(state, error);
}

void esp_cuda_fill_memory(struct esp_kernels *kernels)
{
    kernels->allocate = allocate;
    kernels->release = release;
    kernels->memory = memory;
    kernels->zero = zero;
    kernels->copy = copy;
    kernels->upload = upload;
    kernels->download = download;
    kernels->synchronise = synchronise;
}
