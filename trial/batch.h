/* Sequences as the model wants them: inputs, targets, and for masked models which tokens are
 * hidden. A function of (data, objective, seed, sample), never of how samples are gathered. */
#ifndef ESPALIER_TRIAL_BATCH_H
#define ESPALIER_TRIAL_BATCH_H

#include "data.h"

#include <espalier/trainer.h>

/* Devlin et al. 2018, section 3.1: 15 % of the tokens are predicted; of those 80 % are replaced
 * by the mask token, 10 % by a random token, 10 % left as they are. */
#define ESP_MASK_SHARE 0.15
#define ESP_MASK_HIDDEN_SHARE 0.8
#define ESP_MASK_RANDOM_SHARE 0.1

/* The model's vocabulary: the data's, and one more for the mask token of a masked model. */
int64_t esp_batch_vocabulary(const struct esp_data *data, enum esp_objective objective);

/* `count` training samples from `first` on: inputs and targets are [count, context]. A target
 * of −1 is not counted. Fails as esp_data_window. */
int esp_batch_train(const struct esp_data *data,
                    enum esp_objective objective,
                    int64_t context,
                    uint64_t seed,
                    int64_t first,
                    int64_t count,
                    int32_t *inputs,
                    int32_t *targets,
                    struct esp_error *error);

/* The same for validation windows. Their masks have a key of their own: equal for all trials.
 */
int esp_batch_validation(const struct esp_data *data,
                         enum esp_objective objective,
                         int64_t context,
                         int64_t first,
                         int64_t count,
                         int32_t *inputs,
                         int32_t *targets,
                         struct esp_error *error);

#endif
