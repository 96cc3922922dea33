#include "setting_rank.h"

struct esp_setting_rank esp_setting_rank_of(
    int64_t trial, bool at_horizon, double loss, const struct esp_seeds *seeds, double noise)
{
    double score = loss;
    if (at_horizon) {
        score = seeds && seeds->count > 0 ? esp_seeds_score(seeds, noise) : loss + noise;
    }
    return (struct esp_setting_rank){at_horizon, score, trial};
}

bool esp_setting_ranks_before(const struct esp_setting_rank *a,
                              const struct esp_setting_rank *b)
{
    if (a->at_horizon != b->at_horizon) {
        return a->at_horizon;
    }
    return a->score < b->score || (a->score == b->score && a->trial < b->trial);
}
