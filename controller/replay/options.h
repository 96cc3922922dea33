/* The verb's options, and what they are when left out. */
#ifndef ESPALIER_REPLAY_OPTIONS_H
#define ESPALIER_REPLAY_OPTIONS_H

#include "policy.h"
#include "run.h"

#define ESP_REPLAY_USAGE 2

struct esp_replay_call {
    struct esp_policy policy;
    int seeds;
    int first_seed;
    struct esp_replay_options run;
    enum esp_price unit;
    bool calibrate;               /* on the call's other tables */
    const char *calibration_path; /* NULL: none */
    bool json;
    const char *plot_path; /* NULL: none */
    int first_table;       /* index into argv */
};

/* 0; -1 when help was printed; ESP_REPLAY_USAGE with words on stderr. */
int esp_replay_options_read(int argc, char **argv, struct esp_replay_call *call);

#endif
