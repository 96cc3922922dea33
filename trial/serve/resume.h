/* Where a trial's checkpoints lie, and joining a group from the best of them. */
#ifndef TRIAL_SERVE_RESUME_H
#define TRIAL_SERVE_RESUME_H

#include "../group.h"

#include <espalier/message.h>

/* "checkpoints/TRIAL/ATTEMPT-TOKENS", relative to DIR. */
#define ESP_CHECKPOINT_PATH_MAX 64

void esp_checkpoint_path(uint32_t trial,
                         uint32_t attempt,
                         int64_t tokens,
                         char out[ESP_CHECKPOINT_PATH_MAX]);

/* Makes DIR/checkpoints/TRIAL, durably. -errno. */
int esp_checkpoint_make_folder(const char *dir, uint32_t trial, struct esp_error *error);

/* Joins a member from the checkpoint that Assign names, if it names one. When that is damaged,
 * missing or another than what was recorded, the trial's next older one that verifies is taken,
 * else it begins anew; `fell_back` then says why ("" otherwise). Failures are those of
 * esp_group_join for a trial that cannot be trained so. */
int esp_resume_join(struct esp_group *group,
                    int slot,
                    const struct esp_trainer *trainer,
                    const char *dir,
                    const struct esp_assign *assign,
                    char fell_back[ESP_MESSAGE_TEXT_MAX],
                    struct esp_error *error);

#endif
