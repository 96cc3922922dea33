/* The table of tensors, the shape a trainer asks for, and the FLOPs of a shape. */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct tensor_form {
    const char *name;
    int rows, columns; /* in widths; columns 0: a vector */
};

static const struct tensor_form layer_forms[LAYER_TENSORS] = {
    [LN1_WEIGHT] = {"ln_1.weight", 1, 0},
    [LN1_BIAS] = {"ln_1.bias", 1, 0},
    [ATTN_WEIGHT] = {"attn.c_attn.weight", 1, 3},
    [ATTN_BIAS] = {"attn.c_attn.bias", 3, 0},
    [ATTN_PROJ_WEIGHT] = {"attn.c_proj.weight", 1, 1},
    [ATTN_PROJ_BIAS] = {"attn.c_proj.bias", 1, 0},
    [LN2_WEIGHT] = {"ln_2.weight", 1, 0},
    [LN2_BIAS] = {"ln_2.bias", 1, 0},
    [FC_WEIGHT] = {"mlp.c_fc.weight", 1, 4},
    [FC_BIAS] = {"mlp.c_fc.bias", 4, 0},
    [FC_PROJ_WEIGHT] = {"mlp.c_proj.weight", 4, 1},
    [FC_PROJ_BIAS] = {"mlp.c_proj.bias", 1, 0},
};

static void set_tensor(struct esp_model_tensor *t, int64_t rows, int64_t columns)
{
    t->rank = columns ? 2 : 1;
    t->shape[0] = rows;
    t->shape[1] = columns ? columns : 1;
    t->count = t->shape[0] * t->shape[1];
    t->decay = t->rank == 2;
}

static void name_tensors(struct esp_model *model)
{
    const struct esp_model_shape *shape = &model->shape;
    struct esp_model_tensor *t = model->tensors;
    snprintf(t[TOKEN_TABLE].name, ESP_MODEL_NAME_MAX, "wte.weight");
    set_tensor(&t[TOKEN_TABLE], shape->vocabulary, shape->width);
    snprintf(t[POSITION_TABLE].name, ESP_MODEL_NAME_MAX, "wpe.weight");
    set_tensor(&t[POSITION_TABLE], shape->context, shape->width);
    t += FIRST_LAYER;
    for (int layer = 0; layer < shape->layers; layer++) {
        for (int i = 0; i < LAYER_TENSORS; i++, t++) {
            const struct tensor_form *form = &layer_forms[i];
            snprintf(t->name, ESP_MODEL_NAME_MAX, "h.%d.%s", layer, form->name);
            set_tensor(
                t, (int64_t)form->rows * shape->width, (int64_t)form->columns * shape->width);
        }
    }
    snprintf(t[0].name, ESP_MODEL_NAME_MAX, "ln_f.weight");
    set_tensor(&t[0], shape->width, 0);
    snprintf(t[1].name, ESP_MODEL_NAME_MAX, "ln_f.bias");
    set_tensor(&t[1], shape->width, 0);
}

/* Places the tensors with or without weight decay behind `at`; returns the end. */
static int64_t place_tensors(struct esp_model *model, bool decay, int64_t at)
{
    const int64_t step = (int64_t)(model->kernels->alignment / model->kernels->real_bytes);
    for (int i = 0; i < model->tensor_count; i++) {
        struct esp_model_tensor *t = &model->tensors[i];
        if (t->decay == decay) {
            int64_t count = t->count;
            if (i == TOKEN_TABLE) {
                count = (int64_t)model->vocabulary_padded * model->shape.width;
            }
            t->slab_offset = at;
            at = (at + count + step - 1) / step * step;
        }
    }
    return at;
}

int esp_model_table_fill(struct esp_model *model)
{
    model->tensor_count = FIRST_LAYER + model->shape.layers * LAYER_TENSORS + 2;
    model->tensors = calloc((size_t)model->tensor_count, sizeof *model->tensors);
    if (!model->tensors) {
        return -ENOMEM;
    }
    name_tensors(model);
    model->count = 0;
    for (int i = 0; i < model->tensor_count; i++) {
        model->tensors[i].offset = model->count;
        model->count += model->tensors[i].count;
    }
    model->decayed = place_tensors(model, true, 0);
    model->slab_count = place_tensors(model, false, model->decayed);
    return 0;
}

struct esp_model_shape esp_model_shape_of(const struct esp_trainer *trainer, int vocabulary)
{
    return (struct esp_model_shape){
        .layers = (int)trainer->layers,
        .width = (int)trainer->width,
        .heads = (int)trainer->heads,
        .context = (int)trainer->context,
        .vocabulary = trainer->vocabulary ? (int)trainer->vocabulary : vocabulary,
        .activation = (enum esp_activation)trainer->activation,
        .objective = (enum esp_objective)trainer->objective,
        .optimizer = (enum esp_optimizer)trainer->optimizer,
        .recompute = (enum esp_recompute)trainer->recompute,
    };
}

double esp_model_flops_per_token(const struct esp_model_shape *shape)
{
    const double width = shape->width, layers = shape->layers, context = shape->context;
    const double parameters = (shape->vocabulary + context) * width +
                              layers * (12 * width * width + 13 * width) + 2 * width;
    const double pairs = shape->objective == ESP_OBJECTIVE_CAUSAL ? 6 : 12;
    return 6 * parameters + pairs * layers * width * context;
}
