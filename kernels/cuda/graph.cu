/* Graphs: the operations that are enqueued between begin and end, launched as one. */
#include "backend.h"

#include <stdlib.h>

struct esp_graph {
    cudaGraphExec_t exec;
};

static int capture_begin(const struct esp_kernels *kernels, struct esp_error *error)
{
    struct esp_cuda_state *state = state_of(kernels);
    if (state->failed) {
        return esp_cuda_take_failure(state, error); /* the caller would not end the capture */
    }
    state->capturing =
        esp_cuda_check(state,
                       cudaStreamBeginCapture(state->stream, cudaStreamCaptureModeRelaxed),
                       "beginning a graph");
    return esp_cuda_take_failure(state, error);
}

static int capture_end(const struct esp_kernels *kernels,
                       struct esp_graph **graph,
                       struct esp_error *error)
{
    struct esp_cuda_state *state = state_of(kernels);
    cudaGraph_t captured = NULL;
    struct esp_graph *made = (struct esp_graph *)calloc(1, sizeof *made);
    state->capturing = false;
    esp_cuda_check(state, cudaStreamEndCapture(state->stream, &captured), "ending a graph");
    if (!made) {
        esp_cuda_check(state, cudaErrorMemoryAllocation, "making a graph");
    }
    if (!state->failed) {
        esp_cuda_check(state, cudaGraphInstantiate(&made->exec, captured, 0), "making a graph");
    }
    if (captured) {
        cudaGraphDestroy(captured);
    }
    if (state->failed) {
        free(made);
        return esp_cuda_take_failure(state, error);
    }
    *graph = made;
    return 0;
}

static int graph_launch(const struct esp_kernels *kernels, struct esp_graph *graph)
{
    struct esp_cuda_state *state = state_of(kernels);
    esp_cuda_check(state, cudaGraphLaunch(graph->exec, state->stream), "launching a graph");
    return esp_cuda_take_failure(state, NULL);
}

static void graph_destroy(const struct esp_kernels *kernels, struct esp_graph *graph)
{
    struct esp_cuda_state *state = state_of(kernels);
    if (graph) {
        esp_cuda_check(
            state, cudaStreamSynchronize(state->stream), "waiting to release a graph");
        cudaGraphExecDestroy(graph->exec);
        free(graph);
    }
}

void esp_cuda_fill_graph(struct esp_kernels *kernels)
{
    kernels->capture_begin = capture_begin;
    kernels->capture_end = capture_end;
    kernels->graph_launch = graph_launch;
    kernels->graph_destroy = graph_destroy;
}
