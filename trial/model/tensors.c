/* The table of a model's tensors: the embedding, each layer's blocks, the final norm. */
#include "block.h"
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t vocabulary(const struct esp_model_shape *shape)
{
    return shape->vocabulary;
}

static int64_t context(const struct esp_model_shape *shape)
{
    return shape->context;
}

const struct tensor_form esp_embedding_forms[EMBEDDING_TENSORS] = {
    [TOKEN_TABLE] = {.name = "wte.weight",
                     .rows = vocabulary,
                     .columns = esp_extent_width,
                     .init = INIT_NORMAL,
                     .decay = true,
                     .vocabulary = true},
    [POSITION_TABLE] = {.name = "wpe.weight",
                        .rows = context,
                        .columns = esp_extent_width,
                        .init = INIT_NORMAL,
                        .decay = true},
};

const struct tensor_form esp_final_forms[FINAL_TENSORS] = {
    [NORM_WEIGHT] = {.name = "ln_f.weight", .rows = esp_extent_width, .init = INIT_ONE},
    [NORM_BIAS] = {.name = "ln_f.bias", .rows = esp_extent_width},
};

/* Appends tensors to the table; `layer` −1: outside of the layers. */
static void
add_tensors(struct esp_model *model, const struct tensor_form *forms, int count, int layer)
{
    for (int i = 0; i < count; i++) {
        const struct tensor_form *form = &forms[i];
        struct esp_model_tensor *t = &model->tensors[model->tensor_count];
        if (layer < 0) {
            snprintf(t->name, ESP_MODEL_NAME_MAX, "%s", form->name);
        } else {
            snprintf(t->name, ESP_MODEL_NAME_MAX, "h.%d.%s", layer, form->name);
        }
        t->layer = layer;
        t->rank = form->columns ? 2 : 1;
        t->shape[0] = form->rows(&model->shape);
        t->shape[1] = form->columns ? form->columns(&model->shape) : 1;
        t->count = t->shape[0] * t->shape[1];
        t->offset = model->count;
        t->decay = form->decay;
        model->forms[model->tensor_count++] = form;
        model->count += t->count;
    }
}

/* Places the tensors with or without weight decay in the slab from `at` on; returns the end. */
static int64_t place_tensors(struct esp_model *model, bool decay, int64_t at)
{
    const int64_t step = (int64_t)(model->kernels->alignment / model->kernels->real_bytes);
    for (int i = 0; i < model->tensor_count; i++) {
        struct esp_model_tensor *t = &model->tensors[i];
        if (t->decay == decay) {
            const int64_t rows =
                model->forms[i]->vocabulary ? model->vocabulary_padded : t->shape[0];
            t->slab_offset = at;
            at = (at + rows * t->shape[1] + step - 1) / step * step;
        }
    }
    return at;
}

int esp_model_table_fill(struct esp_model *model)
{
    const struct block_kind *const *kinds;
    const int layers = model->shape.layers;
    model->layer_blocks = esp_layer_blocks(&model->shape, &kinds);
    model->block_count = layers * model->layer_blocks;
    model->layer_tensors = 0;
    for (int b = 0; b < model->layer_blocks; b++) {
        assert(kinds[b]->buffer_count <= BLOCK_BUFFERS_MAX);
        model->layer_tensors += kinds[b]->tensor_count;
    }
    const size_t tensors =
        (size_t)(EMBEDDING_TENSORS + layers * model->layer_tensors + FINAL_TENSORS);
    model->blocks = calloc((size_t)model->block_count, sizeof *model->blocks);
    model->tensors = calloc(tensors, sizeof *model->tensors);
    model->forms = calloc(tensors, sizeof *model->forms);
    if (!model->blocks || !model->tensors || !model->forms) {
        return -ENOMEM;
    }
    model->tensor_count = 0;
    model->count = 0;
    add_tensors(model, esp_embedding_forms, EMBEDDING_TENSORS, -1);
    for (int i = 0; i < model->block_count; i++) {
        const struct block_kind *kind = kinds[i % model->layer_blocks];
        model->blocks[i] = (struct block){
            .kind = kind,
            .first_tensor = model->tensor_count,
            .dropout_tensor = DROPOUT_FIRST_BLOCK + i,
        };
        add_tensors(model, kind->tensors, kind->tensor_count, i / model->layer_blocks);
    }
    model->final_tensor = model->tensor_count;
    add_tensors(model, esp_final_forms, FINAL_TENSORS, -1);
    assert((size_t)model->tensor_count == tensors);
    model->decayed = place_tensors(model, true, 0);
    model->slab_count = place_tensors(model, false, model->decayed);
    return 0;
}

bool esp_model_ignores(const struct esp_model *model, const char *name)
{
    char *rest;
    if (strncmp(name, "h.", 2) != 0 || name[2] < '0' || name[2] > '9') {
        return false;
    }
    const long layer = strtol(name + 2, &rest, 10);
    if (layer >= model->shape.layers || *rest != '.') {
        return false;
    }
    for (int b = 0; b < model->layer_blocks; b++) {
        const char *const *ignored = model->blocks[b].kind->ignored;
        for (; ignored && *ignored; ignored++) {
            if (strcmp(rest + 1, *ignored) == 0) {
                return true;
            }
        }
    }
    return false;
}

int esp_model_tensor_count(const struct esp_model *model)
{
    return model->tensor_count;
}

const struct esp_model_tensor *esp_model_tensor(const struct esp_model *model, int index)
{
    return index >= 0 && index < model->tensor_count ? &model->tensors[index] : NULL;
}

int esp_model_layer_tensors(const struct esp_model *model)
{
    return model->layer_tensors;
}

const struct esp_model_tensor *esp_model_token_table(const struct esp_model *model)
{
    return &model->tensors[TOKEN_TABLE];
}
