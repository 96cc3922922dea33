/* `espalier replay`: any sampler and scheduler on recorded trainings. */
#ifndef ESPALIER_REPLAY_REPLAY_H
#define ESPALIER_REPLAY_REPLAY_H

#include "call.h"

/* Runs the call on `count` tables or studies and prints the results to stdout. Returns the exit
 * code, with `error` (not NULL) set when it is not ESP_EXIT_DONE: ESP_EXIT_USAGE for a call
 * that makes no sense or a damaged table, ESP_EXIT_FAILURE for the rest. */
int esp_replay_main(const struct esp_replay_call *call,
                    char **paths,
                    int count,
                    struct esp_error *error);

#endif
