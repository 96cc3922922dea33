/* Gathers samples. See batch.h. */
#include "batch.h"

#include <espalier/random.h>

/* Random streams of the masks: those of training samples, and those of validation windows. */
#define VALIDATION_STREAM (UINT64_C(1) << 63)

int64_t esp_batch_vocabulary(const struct esp_data *data, enum esp_objective objective)
{
    return esp_data_vocabulary(data) + (objective == ESP_OBJECTIVE_MASKED);
}

/* Hides tokens of one sequence: targets of hidden tokens are the originals, the others −1. */
static void mask(int32_t *inputs,
                 int32_t *targets,
                 int64_t context,
                 int64_t vocabulary,
                 uint64_t seed,
                 uint64_t stream)
{
    for (int64_t i = 0; i < context; i++) {
        struct esp_random_block r = esp_random_at(seed, stream, ESP_RANDOM_MASK, (uint64_t)i);
        double chosen = esp_random_unit(r.word[0], r.word[1]);
        if (chosen >= ESP_MASK_SHARE) {
            targets[i] = -1;
            continue;
        }
        targets[i] = inputs[i];
        double how =
            chosen / ESP_MASK_SHARE; /* uniform again, given that the token was chosen */
        if (how < ESP_MASK_HIDDEN_SHARE) {
            inputs[i] = (int32_t)vocabulary;
        } else if (how < ESP_MASK_HIDDEN_SHARE + ESP_MASK_RANDOM_SHARE) {
            double u = esp_random_unit(r.word[2], r.word[3]);
            inputs[i] = (int32_t)(u * (double)vocabulary);
        }
    }
    /* A short sequence may have drawn no token; the loss needs at least one. */
    for (int64_t i = 0; i < context; i++) {
        if (targets[i] >= 0) {
            return;
        }
    }
    targets[0] = inputs[0];
    inputs[0] = (int32_t)vocabulary;
}

static int fill(const struct esp_data *data,
                enum esp_objective objective,
                int64_t context,
                int64_t start,
                uint64_t seed,
                uint64_t stream,
                int32_t *inputs,
                int32_t *targets,
                struct esp_error *error)
{
    int rc = esp_data_window(data, start, inputs, targets, error);
    if (rc == 0 && objective == ESP_OBJECTIVE_MASKED) {
        mask(inputs, targets, context, esp_data_vocabulary(data), seed, stream);
    }
    return rc;
}

int esp_batch_train(const struct esp_data *data,
                    enum esp_objective objective,
                    int64_t context,
                    uint64_t seed,
                    int64_t first,
                    int64_t count,
                    int32_t *inputs,
                    int32_t *targets,
                    struct esp_error *error)
{
    int rc = 0;
    for (int64_t i = 0; i < count && rc == 0; i++) {
        rc = fill(data,
                  objective,
                  context,
                  esp_data_train_start(data, seed, first + i),
                  seed,
                  (uint64_t)(first + i),
                  inputs + i * context,
                  targets + i * context,
                  error);
    }
    return rc;
}

int esp_batch_validation(const struct esp_data *data,
                         enum esp_objective objective,
                         int64_t context,
                         int64_t first,
                         int64_t count,
                         int32_t *inputs,
                         int32_t *targets,
                         struct esp_error *error)
{
    int rc = 0;
    for (int64_t i = 0; i < count && rc == 0; i++) {
        rc = fill(data,
                  objective,
                  context,
                  esp_data_validation_start(data, first + i),
                  0,
                  VALIDATION_STREAM | (uint64_t)(first + i),
                  inputs + i * context,
                  targets + i * context,
                  error);
    }
    return rc;
}
