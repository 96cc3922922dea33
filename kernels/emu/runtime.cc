/* The CUDA runtime on the host. A stream is a queue that is worked off only when the host waits
 * for it, so that a read of host memory that is enqueued but comes too late is detected. While
 * a stream captures, its work goes into the graph instead. */
#include "emu.h"
#include "order.h"

#include <deque>
#include <map>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <vector>

struct esp_emu_graph {
    std::vector<std::function<void()>> work;
};

struct esp_emu_stream {
    std::deque<std::function<void()>> queue;
    struct esp_emu_graph *capturing;
};

struct esp_emu_event {
    bool done;
    struct esp_emu_stream *stream;
    bool timed;
    double seconds; /* time on the monotonic clock when it was reached */
};

/* Limit of the queue, so that a test that never waits does not use up the machine's memory. */
#define QUEUE_MAX 4096

static size_t memory_total = (size_t)4 << 30, memory_used;
static std::map<void *, size_t> blocks;
static cudaError_t last_error;

static uint64_t synchronisations;

extern "C" uint64_t esp_emu_synchronisations(void)
{
    return synchronisations;
}

extern "C" void esp_emu_set_memory(size_t bytes)
{
    memory_total = bytes;
}

static void run_queue(struct esp_emu_stream *stream)
{
    while (!stream->queue.empty()) {
        std::function<void()> work = stream->queue.front();
        stream->queue.pop_front();
        work();
    }
}

void esp_emu_enqueue(cudaStream_t stream, std::function<void()> work)
{
    assert(stream);
    if (stream->capturing) {
        stream->capturing->work.push_back(work);
        return;
    }
    stream->queue.push_back(work);
    if (stream->queue.size() > QUEUE_MAX) {
        run_queue(stream);
    }
}

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = 1;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    return device == 0 ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device)
{
    if (device != 0) {
        return cudaErrorInvalidDevice;
    }
    *properties = cudaDeviceProp{"emulation on the host", 9, 0, 4};
    return cudaSuccess;
}

/* 0 when a test has set less than is in use. */
static size_t memory_left(void)
{
    return memory_used < memory_total ? memory_total - memory_used : 0;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
    *total_bytes = memory_total;
    *free_bytes = memory_left();
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **memory, size_t bytes)
{
    if (bytes > memory_left()) {
        last_error = cudaErrorMemoryAllocation;
        return last_error;
    }
    void *place = NULL;
    if (posix_memalign(&place, 256, bytes)) {
        last_error = cudaErrorMemoryAllocation;
        return last_error;
    }
    memset(place, 0xff, bytes);
    blocks[place] = bytes;
    memory_used += bytes;
    *memory = place;
    return cudaSuccess;
}

cudaError_t cudaFree(void *memory)
{
    auto block = blocks.find(memory);
    if (!memory) {
        return cudaSuccess;
    }
    assert(block != blocks.end());
    memory_used -= block->second;
    blocks.erase(block);
    free(memory);
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **memory, size_t bytes)
{
    *memory = malloc(bytes);
    return *memory ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFreeHost(void *memory)
{
    free(memory);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream)
{
    esp_emu_enqueue(stream, [=] { memset(memory, value, bytes); });
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(
    void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream)
{
    (void)kind;
    esp_emu_enqueue(stream, [=] { memmove(to, from, bytes); });
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    (void)flags;
    *stream = new esp_emu_stream();
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    run_queue(stream);
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    if (stream->capturing) {
        last_error = cudaErrorStreamCaptureUnsupported;
        return last_error;
    }
    synchronisations++;
    run_queue(stream);
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode)
{
    (void)mode;
    assert(!stream->capturing);
    stream->capturing = new esp_emu_graph();
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    assert(stream->capturing);
    *graph = stream->capturing;
    stream->capturing = NULL;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, uint64_t flags)
{
    (void)flags;
    *exec = new esp_emu_graph(*graph);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    for (const std::function<void()> &work : exec->work) {
        esp_emu_enqueue(stream, work);
    }
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    delete exec;
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    *event = new esp_emu_event{true, NULL, !(flags & cudaEventDisableTiming), 0};
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    if (event->stream && !event->done) {
        run_queue(event->stream);
    }
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    assert(!stream->capturing);
    if (event->stream && !event->done) {
        run_queue(event->stream); /* an older record of the same event */
    }
    event->done = false;
    event->stream = stream;
    esp_emu_enqueue(stream, [=] {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        event->seconds = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
        event->done = true;
    });
    return cudaSuccess;
}

/* The first query finds the work unfinished, the second finds it done. */
cudaError_t cudaEventQuery(cudaEvent_t event)
{
    if (event->done) {
        return cudaSuccess;
    }
    run_queue(event->stream);
    last_error = cudaErrorNotReady; /* as in the versions that PyTorch works around */
    return cudaErrorNotReady;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    if (!event->done) {
        run_queue(event->stream);
    }
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end)
{
    if (!begin->timed || !end->timed || !begin->stream || !end->stream) {
        last_error = cudaErrorInvalidValue;
        return last_error;
    }
    if (!begin->done || !end->done) {
        return cudaErrorNotReady;
    }
    *milliseconds = (float)(1e3 * (end->seconds - begin->seconds));
    return cudaSuccess;
}

cudaError_t cudaGetLastError(void)
{
    const cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

const char *cudaGetErrorString(cudaError_t error)
{
    static char text[32];
    snprintf(text, sizeof text, "emulated error %d", (int)error);
    return text;
}
