/* Commands of clients. */
#ifndef ESPALIER_CORE_COMMAND_H
#define ESPALIER_CORE_COMMAND_H

#include "state.h"

void esp_command(struct esp_core *core,
                 struct esp_peer peer,
                 const struct esp_command *command);

/* Of one command on one trial. */
struct esp_command_result {
    int32_t code; /* 0 or negative errno */
    uint32_t trial;
    const char *text; /* a constant, or NULL */
};

/* command_trials.c: STOP, PAUSE, CONTINUE, EXTEND. */
struct esp_command_result
esp_command_trial(struct esp_core *core, enum esp_command_verb verb, uint32_t trial);

/* command_settings.c: SET. */
struct esp_command_result esp_command_set(struct esp_core *core,
                                          const struct esp_command *command);

/* command_add.c: ADD. */
struct esp_command_result esp_command_add(struct esp_core *core,
                                          const struct esp_command *command);

#endif
