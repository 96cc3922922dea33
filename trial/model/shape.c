/* A model's shape: from a trainer's settings, its limits, and its FLOPs. */
#include "block.h"
#include "internal.h"

#include <errno.h>

/* Rows of one micro-batch, and the width: a product's extents must fit BLAS's int, blocks that
 * are several times as wide inside included. */
#define ROWS_MAX (1 << 24)
#define WIDTH_MAX (1 << 20)

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

static int check_blocks(const struct esp_model_shape *shape, struct esp_error *error)
{
    const struct block_kind *const *kinds;
    const int count = esp_layer_blocks(shape, &kinds);
    int rc = 0;
    for (int b = 0; b < count && rc == 0; b++) {
        rc = kinds[b]->check ? kinds[b]->check(shape, error) : 0;
    }
    return rc;
}

int esp_model_check_shape(const struct esp_model_shape *s,
                          int members,
                          int micro_batch,
                          struct esp_error *error)
{
    if (s->layers < 1 || s->width < 1 || s->heads < 1 || s->context < 1 || s->vocabulary < 1) {
        return esp_error_set(
            error,
            -EINVAL,
            "the model's layers (%d), width (%d), heads (%d), context (%d) and "
            "vocabulary (%d) must each be at least 1",
            s->layers,
            s->width,
            s->heads,
            s->context,
            s->vocabulary);
    }
    int rc = check_blocks(s, error);
    if (rc != 0) {
        return rc;
    }
    if (members < 1 || members > ESP_MEMBERS_MAX) {
        return esp_error_set(
            error, -EINVAL, "%d members: 1 to %d are possible", members, ESP_MEMBERS_MAX);
    }
    if (micro_batch < 1 || s->width > WIDTH_MAX ||
        (int64_t)micro_batch * s->context > ROWS_MAX) {
        return esp_error_set(error,
                             -EINVAL,
                             "a micro-batch of %d sequences of %d tokens at width %d is beyond "
                             "%d tokens or width %d",
                             micro_batch,
                             s->context,
                             s->width,
                             ROWS_MAX,
                             WIDTH_MAX);
    }
    return 0;
}

double esp_model_flops_per_token(const struct esp_model_shape *shape)
{
    const struct block_kind *const *kinds;
    const int count = esp_layer_blocks(shape, &kinds);
    double layer = 0;
    for (int b = 0; b < count; b++) {
        layer += kinds[b]->flops(shape);
    }
    const int64_t outside =
        esp_tensor_forms_count(esp_embedding_forms, EMBEDDING_TENSORS, shape) +
        esp_tensor_forms_count(esp_final_forms, FINAL_TENSORS, shape);
    return 6 * (double)outside + shape->layers * layer;
}
