/* Statistics over many seeds on one table: cost until the returned trial stays within a share
 * of the best loss, and regret at budgets. Costs are in full trainings, of tokens or seconds as
 * the table's unit is. Regret is the returned trial's loss less the table's best; where that
 * trial diverged, or none is returned yet, the table's worst finite loss counts. */
#ifndef ESPALIER_REPLAY_SUMMARY_H
#define ESPALIER_REPLAY_SUMMARY_H

#include "run.h"

enum {
    ESP_WITHIN_1,      /* 1 % */
    ESP_WITHIN_025,    /* 0.25 % */
    ESP_WITHIN_01,     /* 0.1 % */
    ESP_WITHIN_RANK20, /* at most the 20th best loss, for large tables */
    ESP_WITHIN_COUNT
};

#define ESP_REGRET_BUDGETS 5
extern const double esp_regret_budgets[ESP_REGRET_BUDGETS]; /* 1, 2, 5, 10, 20 */

struct esp_replay_summary {
    int seeds;
    double *cost[ESP_WITHIN_COUNT]; /* per seed; infinity: not reached */
    double *regret[ESP_REGRET_BUDGETS];
    double *returned; /* per seed: the loss of the trial returned at the end */
    double *p50_us, *p99_us;
    int killed;
    /* Sums over seeds. */
    double trials;                  /* created */
    double discarded;               /* share of these that were discarded */
    double beyond_decisions;        /* share of decisions that sent a trial beyond its record */
    double beyond_spent;            /* share of the cost that was paid for that */
    double limit[ESP_WITHIN_COUNT]; /* the loss that counts as within */
    double worst;                   /* esp_table_worst */
};

int esp_replay_summary_init(struct esp_replay_summary *summary,
                            const struct esp_table *table,
                            int seeds);
void esp_replay_summary_release(struct esp_replay_summary *summary);
void esp_replay_summary_add(struct esp_replay_summary *summary,
                            const struct esp_table *table,
                            const struct esp_replay_result *result);

/* The median; of an even count the mean of the middle two. Sorts `numbers`. */
double esp_median_of(double *numbers, int count);
double esp_percentile_of(double *numbers, size_t count, double share);
double esp_mean_of(const double *numbers, int count);
/* The share of the costs that are finite. */
double esp_reached_share(const double *costs, int count);

#endif
