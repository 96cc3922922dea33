/* The paths of a trial's checkpoints, and resuming from the best of them. */
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

/* Makes DIR/checkpoints/TRIAL and syncs its name to disk. -errno. */
int esp_checkpoint_make_folder(const char *dir, uint32_t trial, struct esp_error *error);

/* Adds a member to a group, from the checkpoint that the Assign names, or from the start if it
 * names none. If that checkpoint is damaged, missing or not the recorded one, the newest older
 * checkpoint of the trial that can be read is used, or else the trial starts again; `fell_back`
 * then says why, and is "" otherwise. Returns the errors of esp_group_join. */
int esp_resume_join(struct esp_group *group,
                    int slot,
                    const struct esp_trainer *trainer,
                    const char *dir,
                    const struct esp_assign *assign,
                    char fell_back[ESP_MESSAGE_TEXT_MAX],
                    struct esp_error *error);

#endif
