/* What repeat.c, which keeps the record of seeds, and repeat_choice.c, which decides, share. */
#ifndef ESPALIER_STOP_REPEAT_PRIVATE_H
#define ESPALIER_STOP_REPEAT_PRIVATE_H

#include "repeat.h"

enum esp_repeat_state {
    ESP_REPEAT_LIVE,
    ESP_REPEAT_PAUSED,
    ESP_REPEAT_HELD,
    ESP_REPEAT_ENDED,
};

struct esp_repeat_trial {
    int64_t horizon, tokens;
    double final; /* loss at the horizon; NaN: none yet */
    double last;  /* last finite loss; NaN: none yet */
    uint32_t of;  /* first trial of the setting; its own number when it is that one */
    enum esp_repeat_state state;
    struct esp_scatter scatter; /* of the trial's own curve */
    /* Of a setting's first trial: */
    uint32_t made; /* repeats created */
    struct esp_seeds seeds;
};

#endif
