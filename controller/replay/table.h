/* A table of recorded trainings as a value: what was trained, the loss curves, how each ended.
 * It is read from files (table_read.h) or from a recorded study (recorded_study.h). */
#ifndef ESPALIER_REPLAY_TABLE_H
#define ESPALIER_REPLAY_TABLE_H

#include <espalier/error.h>
#include <espalier/limits.h>
#include <espalier/study.h>
#include <stdbool.h>
#include <stdint.h>

enum esp_table_scale {
    ESP_TABLE_LINEAR,
    ESP_TABLE_LOG,
    ESP_TABLE_LOG1M,
};

struct esp_table_param {
    char name[ESP_NAME_MAX];
    enum esp_table_scale scale;
    double min, max;
    struct esp_value *values; /* in the file's order; texts are owned; NULL: a range */
    int value_count;
};

struct esp_table_point {
    int64_t tokens;
    double loss;
    double seconds; /* cumulative; NaN: not recorded */
    int64_t cost;   /* cumulative, in the table's unit (cost_unit.h) */
};

/* How a trial's record ends. */
enum esp_table_end {
    ESP_TABLE_COMPLETE, /* at its horizon */
    ESP_TABLE_DIVERGED, /* the loss diverged; the trial cannot reach its horizon */
    ESP_TABLE_FAILED,   /* the trainer failed; replayed, it fails again */
    ESP_TABLE_CENSORED, /* before the end: the trial was paused, pruned or stopped, or is
                           training */
};

enum esp_cost_unit {
    ESP_COST_TOKENS,
    ESP_COST_SECONDS, /* of device time, in microseconds */
};

struct esp_table {
    char name[ESP_NAME_MAX];
    char metric[ESP_NAME_MAX];
    bool maximize;   /* losses are negated on reading */
    int64_t horizon; /* tokens of a full training */
    double model_parameters;
    int64_t context;
    int64_t schedule;            /* enum esp_schedule_type; -1: unknown */
    double warmup, decay, floor; /* of the schedule; NaN: the trainer's defaults */
    int param_count;
    struct esp_table_param params[ESP_PARAMS_MAX];
    uint32_t trial_count;
    double *drawn;   /* [trials, params]: as the study of `esp_table_study` draws them */
    double *place;   /* [trials, params]: the same scaled to [0, 1] */
    uint32_t *first; /* [trials + 1]: index of each trial's first point */
    struct esp_table_point *points;
    enum esp_table_end *ends; /* [trials] */
    int64_t *horizons;        /* [trials] tokens at the last step of a training to the end */
    uint32_t best;            /* the complete trial with the lowest last loss */
    uint32_t censored;        /* number of censored trials */
    uint32_t left_out;        /* trials of a recorded study without a report */
    enum esp_cost_unit unit;
    int64_t full;               /* cost of a full training in that unit */
    struct esp_study *recorded; /* the study that recorded them; NULL: read from files */
    char source[ESP_PATH_MAX];  /* the file of the points, for messages */
};

void esp_table_release(struct esp_table *table);

/* For readers of tables: allocates all that is per trial. `param_count` must be set. -ENOMEM.
 */
int esp_table_reserve(struct esp_table *table, uint32_t trials, struct esp_error *error);
/* Sets `best` once all trials are read. -EINVAL: none ends with a finite loss. */
int esp_table_find_best(struct esp_table *table, struct esp_error *error);

/* The last recorded loss of a complete trial; infinity for any other. */
double esp_table_final(const struct esp_table *table, uint32_t trial);
/* Upper bound of a trial's loss at its horizon, assuming that it would not have ended worse
 * than its record ended: for a censored trial its last recorded loss, but not below the table's
 * best, which losses are compared with; for others the final loss. */
double esp_table_final_bound(const struct esp_table *table, uint32_t trial);
/* The largest finite one of those bounds. */
double esp_table_worst(const struct esp_table *table);
/* The final loss of rank `rank`, from 1, among the trials that are not censored. */
double esp_table_ranked(const struct esp_table *table, uint32_t rank);

/* The trial nearest to drawn values that is not taken (a flag per trial); of equally near ones
 * the lowest number; -1: all are taken. */
int64_t
esp_table_nearest(const struct esp_table *table, const double *drawn, const bool *taken);

/* A drawn value's place in its parameter's range, in [0, 1]. */
double esp_table_place(const struct esp_table *table, int param, double drawn);

/* Creates the study that searches the table's ranges; the caller destroys it. A log1m parameter
 * is drawn as 1 - x. From a recorded study its parameters and trainer are taken, but not its
 * target, budget and run_cap, which were limits of the recorded search. Reports are as far
 * apart as the first points. The caller sets method, scheduler, seed and prior. -ENOMEM. */
int esp_table_study(const struct esp_table *table,
                    struct esp_study **out,
                    struct esp_error *error);

#endif
