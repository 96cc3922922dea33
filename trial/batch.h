/* Sequences as the model reads them: inputs, targets and, for masked models, the hidden tokens.
 * They depend on (data, objective, seed, sample) only, not on how samples are grouped into
 * calls. */
#ifndef ESPALIER_TRIAL_BATCH_H
#define ESPALIER_TRIAL_BATCH_H

#include "data.h"

#include <espalier/trainer.h>

/* Devlin et al. 2018, section 3.1: 15 % of the tokens are predicted; 80 % of those are replaced
 * by the mask token, 10 % by a random token, and 10 % are unchanged. */
#define ESP_MASK_SHARE 0.15
#define ESP_MASK_HIDDEN_SHARE 0.8
#define ESP_MASK_RANDOM_SHARE 0.1

/* The model's vocabulary: the data's, plus the mask token of a masked model. */
int64_t esp_batch_vocabulary(const struct esp_data *data, enum esp_objective objective);

/* `count` training samples from `first` on: inputs and targets are [count, context]. A target
 * of −1 is not counted. Fails like esp_data_window. */
int esp_batch_train(const struct esp_data *data,
                    enum esp_objective objective,
                    int64_t context,
                    uint64_t seed,
                    int64_t first,
                    int64_t count,
                    int32_t *inputs,
                    int32_t *targets,
                    struct esp_error *error);

/* The same for validation windows. Their masks have a fixed key, so they are the same in all
 * trials. */
int esp_batch_validation(const struct esp_data *data,
                         enum esp_objective objective,
                         int64_t context,
                         int64_t first,
                         int64_t count,
                         int32_t *inputs,
                         int32_t *targets,
                         struct esp_error *error);

#endif
