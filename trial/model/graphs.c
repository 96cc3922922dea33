/* Micro-steps as captured graphs, where the backend has them.
 *
 * A step is one combination of frame, set of active members, gradient and dropout. The first
 * step of a combination runs operation by operation, the second is captured, and the graph is
 * launched from then on. */
#include "internal.h"

static struct step_graph *
find_graph(struct esp_model *model, const struct esp_batch *batch, bool gradient, bool dropout)
{
    struct step_graph *oldest = &model->graphs[0];
    for (int i = 0; i < GRAPHS; i++) {
        struct step_graph *g = &model->graphs[i];
        oldest = g->used < oldest->used ? g : oldest;
        if (g->seen && g->active == batch->active && g->frame == batch->sequences &&
            g->gradient == gradient && g->dropout == dropout) {
            g->used = ++model->graph_uses;
            return g;
        }
    }
    if (oldest->graph) {
        model->kernels->graph_destroy(model->kernels, oldest->graph);
    }
    *oldest = (struct step_graph){.active = batch->active,
                                  .frame = batch->sequences,
                                  .gradient = gradient,
                                  .dropout = dropout,
                                  .used = ++model->graph_uses};
    return oldest;
}

/* Runs the first step of a combination operation by operation, captures the second, and
 * launches the graph from then on. */
int esp_model_run_step(struct esp_model *model, int frame, bool gradient, bool dropout)
{
    const struct esp_kernels *k = model->kernels;
    const struct esp_batch batch = esp_model_batch(model, frame);
    if (!batch.active) {
        return 0; /* a backend takes an empty set for all members */
    }
    if (!k->capture_begin) {
        esp_model_enqueue_step(model, &batch, gradient, dropout);
        return 0;
    }
    struct step_graph *g = find_graph(model, &batch, gradient, dropout);
    if (!g->seen) {
        g->seen = true;
        esp_model_enqueue_step(model, &batch, gradient, dropout);
        return 0;
    }
    int rc = 0;
    if (!g->graph) {
        rc = k->capture_begin(k, NULL);
        if (!rc) {
            esp_model_enqueue_step(model, &batch, gradient, dropout);
            rc = k->capture_end(k, &g->graph, NULL);
        }
    }
    return rc ? rc : k->graph_launch(k, g->graph);
}
