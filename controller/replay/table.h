/* A table of recorded trainings: NAME.yaml, NAME.trials.csv, NAME.curves.csv.
 *
 *   NAME.yaml          name, horizon, model {parameters, context}, metric, schedule (a type, or
 *                      {type, warmup, decay, floor} as in a study file; without it
 *                      nothing is known of it),
 *                      parameters {NAME: {scale: linear | log | log1m, min, max, values}}
 *   NAME.trials.csv    trial and one column per parameter
 *   NAME.curves.csv    trial,tokens,loss,seconds; ordered; seconds may be empty
 *
 * `scale` says in which space distances are taken and proposals are uniform: log(x), or
 * log(1 - x) for log1m. Ranges that the file does not give come from the trials. */
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
    struct esp_value *values; /* in the file's order; text owned; NULL: a range */
    int value_count;
};

struct esp_table_point {
    int64_t tokens;
    double loss;
    double seconds; /* cumulative; NaN: not recorded */
    int64_t cost;   /* cumulative, in the table's unit (price.h); tokens unless priced anew */
};

/* What stands behind a trial's last point. */
enum esp_table_end {
    ESP_TABLE_COMPLETE, /* its horizon */
    ESP_TABLE_DIVERGED, /* the loss ran away: no training to the end */
    ESP_TABLE_FAILED,   /* the trainer gave up there, and would again */
    ESP_TABLE_CENSORED, /* nobody knows: it was paused, pruned or stopped, or trains now */
};

enum esp_price {
    ESP_PRICE_TOKENS,
    ESP_PRICE_SECONDS, /* of device time, in microseconds */
};

struct esp_table {
    char name[ESP_NAME_MAX];
    char metric[ESP_NAME_MAX];
    bool maximize;   /* losses are negated on reading */
    int64_t horizon; /* a full training */
    double model_parameters;
    int64_t context;
    int64_t schedule;            /* enum esp_schedule_type; -1: not known */
    double warmup, decay, floor; /* of the schedule; NaN: the trainer's defaults */
    int param_count;
    struct esp_table_param params[ESP_PARAMS_MAX];
    uint32_t trial_count;
    double *drawn;   /* [trials, params]: as the study of `esp_table_study` draws them */
    double *place;   /* [trials, params]: scaled to [0, 1] */
    uint32_t *first; /* [trials + 1]: into points */
    struct esp_table_point *points;
    enum esp_table_end *ends; /* [trials] */
    int64_t *horizons;        /* [trials] tokens at the last step of a training to the end */
    uint32_t best;            /* the complete trial with the lowest last loss */
    uint32_t censored;        /* how many are */
    uint32_t left_out;        /* trials of a recorded study without a single report */
    enum esp_price unit;
    int64_t full;               /* what a full training costs in that unit */
    struct esp_study *recorded; /* the study that recorded them; NULL: read from files */
    char source[ESP_PATH_MAX];  /* the file of the points, for messages */
};

void esp_table_release(struct esp_table *table);

/* For readers of tables. Allocates for that many trials, with `param_count` set. */
int esp_table_reserve(struct esp_table *table, uint32_t trials, struct esp_error *error);
/* Finds `best` once all trials are known; -EINVAL when none ends with a finite loss. */
int esp_table_find_best(struct esp_table *table, struct esp_error *error);

/* The last recorded loss of a complete trial; infinity for any other. */
double esp_table_final(const struct esp_table *table, uint32_t trial);
/* The most that a trial's loss at its horizon can be, if it would not have ended worse than it
 * stood when its record ended: for a censored one its last recorded loss, though not below the
 * table's best, against which losses are counted; for others the final one. */
double esp_table_promised(const struct esp_table *table, uint32_t trial);
/* The worst finite one of those. */
double esp_table_worst(const struct esp_table *table);
/* The loss whose rank is `rank` (from 1) among the final ones that are known. */
double esp_table_ranked(const struct esp_table *table, uint32_t rank);

/* The trial nearest to drawn values that is not taken (a flag per trial); ties to the lower
 * number; -1 when all are. */
int64_t
esp_table_nearest(const struct esp_table *table, const double *drawn, const bool *taken);

/* A drawn value's place in its parameter's range, in [0, 1]. */
double esp_table_place(const struct esp_table *table, int param, double drawn);

/* The study that searches the table's ranges; release it with esp_study_release. A log1m
 * parameter is drawn as 1 - x. Over a recorded study its own parameters and trainer are
 * searched, without its target, budget and run_cap: those belong to the search that was.
 * Reports are taken to come as often as the points do. Method, scheduler, seed and prior are
 * left to the caller. */
int esp_table_study(const struct esp_table *table,
                    struct esp_study **out,
                    struct esp_error *error);

#endif
