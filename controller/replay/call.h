/* What one call of `espalier replay` computes. */
#ifndef ESPALIER_REPLAY_CALL_H
#define ESPALIER_REPLAY_CALL_H

#include "policy.h"
#include "run.h"

struct esp_replay_call {
    struct esp_policy policy;
    int seeds;
    int first_seed;
    struct esp_replay_options run;
    enum esp_cost_unit unit;
    bool calibrate;               /* on the call's other tables */
    const char *calibration_path; /* NULL: none */
    bool json;
    const char *plot_path; /* NULL: none */
};

/* Checks the policy, and options that require or exclude each other. -EINVAL. */
int esp_replay_call_check(const struct esp_replay_call *call, struct esp_error *error);

#endif
