/* Creating and destroying a model, and its plain queries. */
#include "internal.h"

#include <errno.h>
#include <espalier/limits.h>
#include <stdlib.h>

/* Elements of logits at a time: 1 MiB of floats, so that the logits of a small vocabulary stay
 * in the L2 cache. With a large vocabulary at least 512 rows, so that the product that adds to
 * the table's gradient does 1024 operations for each 8 bytes that it moves. */
#define CHUNK_ELEMENTS (1 << 18)
#define CHUNK_ROWS_MIN 512

/* Makes the host's tables, and the plan from address 0, which gives its size. */
static int prepare(struct esp_model *model)
{
    const int multiple = model->kernels->vocabulary_multiple;
    const int vocabulary = model->shape.vocabulary;
    const int64_t rows = (int64_t)model->micro_batch * model->shape.context;
    model->vocabulary_padded = (vocabulary + multiple - 1) / multiple * multiple;
    const int64_t chunk =
        model->kernels->chunk_elements ? model->kernels->chunk_elements : CHUNK_ELEMENTS;
    model->chunk_rows = chunk / model->vocabulary_padded;
    if (model->chunk_rows < CHUNK_ROWS_MIN) {
        model->chunk_rows = CHUNK_ROWS_MIN;
    }
    model->chunk_rows = model->chunk_rows < rows ? model->chunk_rows : rows;
    if (esp_model_table_fill(model)) {
        return -ENOMEM;
    }
    esp_model_lay_out(model, NULL);
    return 0;
}

static void release_host(struct esp_model *model)
{
    free(model->blocks);
    free(model->tensors);
    free(model->forms);
    free(model->control);
    free(model->loss_scale);
}

size_t esp_model_plan(const struct esp_kernels *kernels,
                      const struct esp_model_shape *shape,
                      int members,
                      int micro_batch,
                      bool training)
{
    struct esp_model model = {
        .kernels = kernels,
        .shape = *shape,
        .members = members,
        .micro_batch = micro_batch,
        .training = training,
    };
    if (esp_model_check_shape(shape, members, micro_batch, NULL)) {
        return SIZE_MAX;
    }
    size_t bytes = prepare(&model) ? SIZE_MAX : model.plan.bytes;
    release_host(&model);
    return bytes;
}

int esp_model_create(const struct esp_kernels *kernels,
                     const struct esp_model_shape *shape,
                     int members,
                     int micro_batch,
                     bool training,
                     struct esp_model **out,
                     struct esp_error *error)
{
    struct esp_model *model = NULL;
    int rc = esp_model_check_shape(shape, members, micro_batch, error);
    if (rc) {
        return rc;
    }
    model = calloc(1, sizeof *model);
    if (!model) {
        rc = esp_error_set(error, -ENOMEM, "out of memory creating a model");
        goto out;
    }
    model->kernels = kernels;
    model->shape = *shape;
    model->members = members;
    model->micro_batch = micro_batch;
    model->training = training;
    if (!prepare(model)) {
        model->control = calloc(1, model->plan.input_bytes);
    }
    model->loss_scale = calloc((size_t)members, sizeof *model->loss_scale);
    if (!model->control || !model->loss_scale) {
        rc = esp_error_set(error, -ENOMEM, "out of memory creating a model");
        goto out;
    }
    rc = kernels->ring_open(kernels, &model->ring, error);
    if (rc) {
        goto out;
    }
    model->memory = kernels->allocate(kernels, model->plan.bytes);
    if (!model->memory) {
        rc = esp_error_set(
            error,
            -ENOMEM,
            "%s does not have the %zu bytes for %d member%s with a micro-batch of %d: %s",
            kernels->name,
            model->plan.bytes,
            members,
            members == 1 ? "" : "s",
            micro_batch,
            members > 1 || micro_batch > 1
                ? "lower trainer.micro_batch or the number of members"
                : "make trainer.model smaller, or use a device with more");
        goto out;
    }
    esp_model_lay_out(model, model->memory);
    *out = model;
    model = NULL;
out:
    esp_model_destroy(model);
    return rc;
}

void esp_model_destroy(struct esp_model *model)
{
    if (model) {
        for (int i = 0; i < GRAPHS; i++) {
            if (model->graphs[i].graph) {
                model->kernels->graph_destroy(model->kernels, model->graphs[i].graph);
            }
        }
        if (model->ring) {
            model->kernels->ring_close(model->kernels, model->ring);
        }
        if (model->memory) {
            model->kernels->release(model->kernels, model->memory);
        }
        release_host(model);
        free(model);
    }
}

const struct esp_model_shape *esp_model_shape(const struct esp_model *model)
{
    return &model->shape;
}

int esp_model_micro_batch(const struct esp_model *model)
{
    return model->micro_batch;
}

int64_t esp_model_count(const struct esp_model *model)
{
    return model->count;
}
