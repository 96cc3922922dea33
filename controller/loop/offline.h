/* A command for a study without a running controller. It is recorded as a controller would do,
 * and the next controller acts on it. No training is started. */
#ifndef ESPALIER_LOOP_OFFLINE_H
#define ESPALIER_LOOP_OFFLINE_H

#include <espalier/error.h>
#include <espalier/message.h>
#include <stdbool.h>

struct esp_offline_answer {
    int32_t code; /* as in esp_reply */
    uint32_t trial;
    char text[ESP_MESSAGE_TEXT_MAX];
    bool work; /* a controller that started now would have work */
};

/* Records the command and returns the core's answer. -EBUSY: a controller is running in DIR. */
int esp_offline_command(const char *dir,
                        const struct esp_command *command,
                        struct esp_offline_answer *answer,
                        struct esp_error *error);

#endif
