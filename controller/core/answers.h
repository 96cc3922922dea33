/* Recorded answers to commands, by command id. */
#ifndef ESPALIER_CORE_ANSWERS_H
#define ESPALIER_CORE_ANSWERS_H

#include "state.h"

/* NULL: the command is new. */
const struct esp_answer *esp_answer_find(const struct esp_core *core, uint64_t id);

/* Keeps a copy; id 0 is ignored. 0 or -ENOMEM. */
int esp_answer_keep(
    struct esp_core *core, uint64_t id, int32_t code, uint32_t trial, const char *text);

#endif
