/* A command on a study that no controller runs: recorded as a controller would before it
 * begins, and left for the next one. Trains nothing. */
#ifndef ESPALIER_LOOP_OFFLINE_H
#define ESPALIER_LOOP_OFFLINE_H

#include <espalier/error.h>
#include <espalier/message.h>
#include <stdbool.h>

struct esp_offline_answer {
    int32_t code; /* as of a reply */
    uint32_t trial;
    char text[ESP_MESSAGE_TEXT_MAX];
    bool work; /* a controller that begins now would have something to do */
};

/* -EBUSY: a controller has DIR after all. */
int esp_offline_command(const char *dir,
                        const struct esp_command *command,
                        struct esp_offline_answer *answer,
                        struct esp_error *error);

#endif
