/* A ring of snapshots in pinned memory: the host reads the results of a piece of work, and the
 * device's time for it, when they arrive, without making the device wait. */
#include "backend.h"

#include <errno.h>
#include <stdlib.h>

struct snapshot {
    unsigned char *memory; /* pinned */
    cudaEvent_t begin, end;
    size_t bytes;
};

struct esp_ring {
    struct snapshot snapshots[ESP_SNAPSHOTS];
    int first, count;
    bool begun;
};

static void ring_close(const struct esp_kernels *kernels, struct esp_ring *ring)
{
    struct esp_cuda_state *state = state_of(kernels);
    if (!ring) {
        return;
    }
    esp_cuda_check(state, cudaStreamSynchronize(state->stream), "waiting to release a ring");
    for (int i = 0; i < ESP_SNAPSHOTS; i++) {
        struct snapshot *s = &ring->snapshots[i];
        if (s->begin) {
            cudaEventDestroy(s->begin);
        }
        if (s->end) {
            cudaEventDestroy(s->end);
        }
        if (s->memory) {
            cudaFreeHost(s->memory);
        }
    }
    free(ring);
}

static int
ring_open(const struct esp_kernels *kernels, struct esp_ring **out, struct esp_error *error)
{
    struct esp_cuda_state *state = state_of(kernels);
    struct esp_ring *ring = (struct esp_ring *)calloc(1, sizeof *ring);
    if (!ring) {
        return esp_error_set(error, -ENOMEM, "out of memory making a ring");
    }
    for (int i = 0; i < ESP_SNAPSHOTS && !state->failed; i++) {
        struct snapshot *s = &ring->snapshots[i];
        void *memory = NULL;
        esp_cuda_check(
            state, cudaMallocHost(&memory, ESP_SNAPSHOT_BYTES), "allocating pinned memory");
        s->memory = (unsigned char *)memory;
        esp_cuda_check(state, cudaEventCreateWithFlags(&s->begin, 0), "making an event");
        esp_cuda_check(state, cudaEventCreateWithFlags(&s->end, 0), "making an event");
    }
    const int rc = esp_cuda_take_failure(state, error);
    if (rc) {
        ring_close(kernels, ring);
        return rc;
    }
    *out = ring;
    return 0;
}

static struct snapshot *next_place(struct esp_ring *ring)
{
    return &ring->snapshots[(ring->first + ring->count) % ESP_SNAPSHOTS];
}

static int ring_begin(const struct esp_kernels *kernels, struct esp_ring *ring)
{
    struct esp_cuda_state *state = state_of(kernels);
    if (ring->count == ESP_SNAPSHOTS) {
        return -EAGAIN;
    }
    esp_cuda_check(
        state, cudaEventRecord(next_place(ring)->begin, state->stream), "beginning a piece");
    ring->begun = true;
    return 0;
}

static int ring_push(const struct esp_kernels *kernels,
                     struct esp_ring *ring,
                     const void *device,
                     size_t bytes)
{
    struct esp_cuda_state *state = state_of(kernels);
    if (bytes > ESP_SNAPSHOT_BYTES || (!ring->begun && ring->count < ESP_SNAPSHOTS)) {
        return -EINVAL;
    }
    if (ring->count == ESP_SNAPSHOTS) {
        return -EAGAIN;
    }
    struct snapshot *s = next_place(ring);
    s->bytes = bytes;
    esp_cuda_check(
        state,
        cudaMemcpyAsync(s->memory, device, bytes, cudaMemcpyDeviceToHost, state->stream),
        "taking a snapshot");
    esp_cuda_check(state, cudaEventRecord(s->end, state->stream), "taking a snapshot");
    ring->count++;
    ring->begun = false;
    return 0;
}

static int ring_pop(const struct esp_kernels *kernels,
                    struct esp_ring *ring,
                    void *host,
                    size_t bytes,
                    bool wait,
                    double *seconds)
{
    struct esp_cuda_state *state = state_of(kernels);
    struct snapshot *s = &ring->snapshots[ring->first];
    float milliseconds = 0;
    if (ring->count == 0) {
        return -ENOENT;
    }
    if (bytes != s->bytes) {
        return -EINVAL;
    }
    const cudaError_t there = wait ? cudaEventSynchronize(s->end) : cudaEventQuery(s->end);
    if (there == cudaErrorNotReady) {
        cudaGetLastError(); /* some versions keep this error, and the next launch would report
                               it */
        return -EAGAIN;
    }
    if (esp_cuda_check(state, there, "waiting for a snapshot")) {
        esp_cuda_check(state,
                       cudaEventElapsedTime(&milliseconds, s->begin, s->end),
                       "timing a piece of work");
    }
    memcpy(host, s->memory, bytes);
    *seconds = 1e-3 * (double)milliseconds;
    ring->first = (ring->first + 1) % ESP_SNAPSHOTS;
    ring->count--;
    return esp_cuda_take_failure(state, NULL);
}

void esp_cuda_fill_ring(struct esp_kernels *kernels)
{
    kernels->ring_open = ring_open;
    kernels->ring_close = ring_close;
    kernels->ring_begin = ring_begin;
    kernels->ring_push = ring_push;
    kernels->ring_pop = ring_pop;
}
