/* The one allocation: the place of every tensor. A dry run from address 0 gives its size. */
#include "internal.h"

struct planner {
    uintptr_t base;
    size_t at;
    size_t alignment;
    int members;
};

static void *take(struct planner *p, size_t bytes)
{
    void *place = (void *)(p->base + p->at);
    p->at += (bytes + p->alignment - 1) / p->alignment * p->alignment;
    return place;
}

/* A tensor of all members: `count` elements of `size` bytes each, members aligned. */
static struct esp_view take_view(struct planner *p, int64_t count, size_t size)
{
    const int64_t step = (int64_t)(p->alignment / size);
    const int64_t stride = (count + step - 1) / step * step;
    return (struct esp_view){
        .data = take(p, (size_t)stride * size * (size_t)p->members),
        .stride = stride,
    };
}

/* Buffers that a block has to itself. It shares the others with the block of the same place in
 * layer 0. */
struct keep {
    bool in;         /* the stream that its norm reads */
    bool block;      /* buffers that only the layer's whole forward pass computes again */
    bool recomputed; /* the norm's result, and buffers that kind->recompute computes again */
};

static void take_buffers(struct planner *p,
                         const struct esp_model *model,
                         struct block *block,
                         bool recomputed)
{
    const int64_t rows = (int64_t)model->micro_batch * model->shape.context;
    const size_t a = model->kernels->activation_bytes, r = model->kernels->real_bytes;
    for (int i = 0; i < block->kind->buffer_count; i++) {
        const struct block_buffer *buffer = &block->kind->buffers[i];
        if (buffer->recomputed == recomputed && (model->training || !buffer->training)) {
            block->buffer[i] =
                take_view(p, rows * buffer->columns(&model->shape), buffer->statistic ? r : a);
        }
    }
}

static void take_block(struct planner *p,
                       const struct esp_model *model,
                       struct block *block,
                       struct keep keep)
{
    const int64_t rows = (int64_t)model->micro_batch * model->shape.context;
    const size_t a = model->kernels->activation_bytes, r = model->kernels->real_bytes;
    if (keep.in) {
        block->in = take_view(p, rows * model->shape.width, a);
    }
    if (keep.block) {
        block->mean = take_view(p, rows, r);
        block->rstd = take_view(p, rows, r);
        take_buffers(p, model, block, false);
    }
    if (keep.recomputed) {
        block->norm = take_view(p, rows * model->shape.width, a);
        take_buffers(p, model, block, true);
    }
}

/* Buffers that each layer keeps for the backward pass, by kind of recomputation:
 *
 *   none         all
 *   gelu_norm    all but the results of norms and activation, which share one buffer each
 *   block        only the stream that enters the layer
 *   (evaluation) none: the stream alternates between the buffers of one layer */
static void take_layers(struct planner *p, struct esp_model *model)
{
    const int64_t narrow =
        (int64_t)model->micro_batch * model->shape.context * model->shape.width;
    const enum esp_recompute recompute = model->shape.recompute;
    const bool block = model->training && recompute != ESP_RECOMPUTE_BLOCK;
    const bool recomputed = model->training && recompute == ESP_RECOMPUTE_NONE;
    for (int i = 0; i < model->block_count; i++) {
        const int place = i % model->layer_blocks;
        const bool first = i < model->layer_blocks;
        const struct block *shared = &model->blocks[place];
        struct block *own = &model->blocks[i];
        own->in = first ? (struct esp_view){0} : shared->in;
        own->norm = first ? (struct esp_view){0} : shared->norm;
        own->mean = first ? (struct esp_view){0} : shared->mean;
        own->rstd = first ? (struct esp_view){0} : shared->rstd;
        for (int b = 0; b < BLOCK_BUFFERS_MAX; b++) {
            own->buffer[b] = first ? (struct esp_view){0} : shared->buffer[b];
        }
        take_block(p,
                   model,
                   own,
                   (struct keep){
                       .in = first || (place == 0 ? model->training : block),
                       .block = first || block,
                       .recomputed = first || recomputed,
                   });
    }
    model->plan.last = model->training ? take_view(p, narrow, model->kernels->activation_bytes)
                                       : model->blocks[0].in;
}

/* Columns of the widest gradient within a block, for plan.grad_wide. */
static int64_t widest_gradient(const struct esp_model *model)
{
    int64_t widest = 0;
    for (int b = 0; b < model->layer_blocks; b++) {
        const int64_t columns = model->blocks[b].kind->gradient_columns(&model->shape);
        widest = columns > widest ? columns : widest;
    }
    return widest;
}

static void take_gradients(struct planner *p, struct esp_model *model)
{
    const int64_t rows = (int64_t)model->micro_batch * model->shape.context;
    const int64_t narrow = rows * model->shape.width;
    const size_t a = model->kernels->activation_bytes;
    model->plan.grad_stream = take_view(p, narrow, a);
    model->plan.grad_branch = take_view(p, narrow, a);
    model->plan.grad_narrow = take_view(p, narrow, a);
    model->plan.grad_wide = take_view(p, rows * widest_gradient(model), a);
}

/* Control, tokens and targets are adjacent, as close as the current frame allows, so that a
 * single upload transfers them. */
size_t esp_model_place_inputs(struct esp_model *model, int sequences)
{
    const int64_t rows = (int64_t)sequences * model->shape.context;
    struct plan *plan = &model->plan;
    struct planner p = {.base = (uintptr_t)plan->control,
                        .alignment = model->kernels->alignment,
                        .members = model->members};
    take(&p, (size_t)model->members * sizeof *plan->control);
    plan->tokens = take_view(&p, rows, sizeof(int32_t));
    plan->targets = take_view(&p, rows, sizeof(int32_t));
    return p.at;
}

static void take_slabs(struct planner *p, struct esp_model *model)
{
    const bool second = model->shape.optimizer == ESP_OPTIMIZER_ADAMW;
    const bool there[SLABS] = {
        [ESP_MODEL_PARAMETERS] = true,
        [ESP_MODEL_MOMENT1] = model->training,
        [ESP_MODEL_MOMENT2] = model->training && second,
        [ESP_MODEL_GRADIENTS] = model->training,
    };
    for (int i = 0; i < SLABS; i++) {
        model->plan.slab[i] = (struct esp_view){0};
        if (there[i]) {
            model->plan.slab[i] = take_view(p, model->slab_count, model->kernels->real_bytes);
        }
    }
}

void esp_model_lay_out(struct esp_model *model, void *base)
{
    const size_t members = (size_t)model->members;
    const int64_t rows = (int64_t)model->micro_batch * model->shape.context;
    const size_t a = model->kernels->activation_bytes, r = model->kernels->real_bytes;
    struct planner p = {.base = (uintptr_t)base,
                        .alignment = model->kernels->alignment,
                        .members = model->members};
    struct plan *plan = &model->plan;
    plan->control = take(&p, 0);
    plan->input_bytes = esp_model_place_inputs(model, model->micro_batch);
    take(&p, plan->input_bytes);
    plan->train_loss = take(&p, members * sizeof *plan->train_loss);
    plan->eval_loss = take(&p, members * SNAPSHOT_MEMBER);
    plan->result = (void *)((uintptr_t)plan->eval_loss + members * sizeof *plan->eval_loss);
    plan->halted = take(&p, members * sizeof *plan->halted);
    plan->scratch = take(&p, members * ESP_OPTIMIZE_SCRATCH * sizeof *plan->scratch);
    plan->scale = NULL;
    if (model->training && model->kernels->precision == ESP_PRECISION_FP16) {
        plan->scale = take(&p, members * sizeof *plan->scale);
    }
    take_slabs(&p, model);
    plan->narrow = (struct esp_view){0};
    if (model->kernels->narrow) {
        plan->narrow = take_view(&p, model->slab_count, a);
    }
    take_layers(&p, model);
    plan->branch = take_view(&p, rows * model->shape.width, a);
    plan->final = take_view(&p, rows * model->shape.width, a);
    plan->final_mean = take_view(&p, rows, r);
    plan->final_rstd = take_view(&p, rows, r);
    plan->logits = take_view(&p, model->chunk_rows * model->vocabulary_padded, a);
    if (model->training) {
        take_gradients(&p, model);
    }
    plan->bytes = p.at;
}
