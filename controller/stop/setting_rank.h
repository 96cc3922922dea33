/* Which setting is the best: the one definition for the controller, `best`, `status`, `watch`
 * and replay.
 *
 * Settings at their horizon come first, ordered by esp_seeds_score over all their seeds
 * (seeds.h); while no setting has reached its horizon, the order is by the last loss. Equal
 * ones are ordered by the number of their first trial, which stands for the setting. */
#ifndef ESPALIER_STOP_SETTING_RANK_H
#define ESPALIER_STOP_SETTING_RANK_H

#include "seeds.h"

struct esp_setting_rank {
    bool at_horizon;
    double score;  /* smaller ranks first */
    int64_t trial; /* the setting's first trial */
};

/* `loss` is the first trial's last loss, finite; `seeds` may be NULL or have no loss yet, as
 * during a replay, which knows one seed of each setting. */
struct esp_setting_rank esp_setting_rank_of(
    int64_t trial, bool at_horizon, double loss, const struct esp_seeds *seeds, double noise);

/* A strict total order: no two settings with different trials are equal. */
bool esp_setting_ranks_before(const struct esp_setting_rank *a,
                              const struct esp_setting_rank *b);

#endif
