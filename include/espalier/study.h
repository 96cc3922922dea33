/* A study as read from its file: what is searched, how, and until when.
 *
 * A plain value except for the members marked as owned, which `esp_study_release` frees. Filled
 * by controller/study; used by core, search, stop, cli. */
#ifndef ESPALIER_STUDY_H
#define ESPALIER_STUDY_H

#include <espalier/abilities.h>
#include <espalier/trainer.h>
#include <stdbool.h>

/* W&B's distributions (controller/study/distribution.c). The quantised forms, q_…, are a flag
 * of the parameter. */
enum esp_distribution {
    ESP_CONSTANT,
    ESP_CATEGORICAL,
    ESP_CATEGORICAL_WEIGHTED,
    ESP_INT_UNIFORM,
    ESP_UNIFORM,
    ESP_LOG_UNIFORM,        /* min, max are natural-log exponents */
    ESP_LOG_UNIFORM_VALUES, /* min, max are the values */
    ESP_INV_LOG_UNIFORM,
    ESP_INV_LOG_UNIFORM_VALUES,
    ESP_NORMAL,
    ESP_LOG_NORMAL,
    ESP_BETA,
};

struct esp_param {
    char name[ESP_NAME_MAX]; /* nested ones joined by dots */
    enum esp_distribution distribution;
    bool quantised;   /* q_…: values are round(X / q) · q */
    bool integral;    /* values are integers (int_uniform; integer q) */
    double min, max;  /* uniform kinds, as written in the file */
    double mu, sigma; /* normal kinds */
    double a, b;      /* beta */
    double q;
    struct esp_value *choices; /* [choice_count], CONSTANT: 1; owned, and so is their text */
    double *probabilities;     /* [choice_count], CATEGORICAL_WEIGHTED; sum 1; owned */
    int choice_count;
    int line, column; /* place in the study file, for messages */
};

enum esp_method {
    ESP_METHOD_GRID,
    ESP_METHOD_RANDOM,
    ESP_METHOD_SOBOL,
    ESP_METHOD_TPE,
    ESP_METHOD_BAYES,
    ESP_METHOD_COUNT,
};

enum esp_prior_kind {
    ESP_PRIOR_STEP_LAW,
    ESP_PRIOR_NONE,
    ESP_PRIOR_CENTER,
};

struct esp_prior {
    enum esp_prior_kind kind;
    bool given; /* the file has the key `prior` */
    /* CENTER: expected best value of each parameter, NaN where it is not given */
    double center[ESP_PARAMS_MAX];
    double width;      /* one standard deviation, in octaves; 0: the default */
    double parameters; /* of the model without embeddings; 0: computed from `trainer` */
    double shift;      /* of the STEP_LAW's learning rate, in octaves; 0 outside of replay */
};

enum esp_scheduler_type {
    ESP_SCHEDULER_DEFAULT, /* the file has no `early_terminate` */
    ESP_SCHEDULER_NONE,
    ESP_SCHEDULER_ASHA,
    ESP_SCHEDULER_MEDIAN,
    ESP_SCHEDULER_HYPERBAND,
    ESP_SCHEDULER_BOHB,
    ESP_SCHEDULER_PASHA,
    ESP_SCHEDULER_HALVING,
    ESP_SCHEDULER_CUT,
    ESP_SCHEDULER_PERCENTILE,
    ESP_SCHEDULER_PATIENCE,
    ESP_SCHEDULER_THRESHOLD,
    ESP_SCHEDULER_WANDB_HYPERBAND,
    ESP_SCHEDULER_FREEZE_THAW,
    ESP_SCHEDULER_TYPE_COUNT,
};

/* early_terminate.form */
enum esp_asha_form {
    ESP_ASHA_PROMOTION,
    ESP_ASHA_STOPPING,
};

struct esp_calibrate_entry {
    char *path; /* absolute, or relative to the study file's folder; owned */
    int line, column;
};

/* Keys of early_terminate. A key that the type does not use is NaN or 0 here, and an error in
 * the file. */
struct esp_stopping {
    enum esp_scheduler_type type;
    double eta;
    double min, max; /* first and last rung, in tokens; 0: the scheduler's default */
    int form;        /* asha: enum esp_asha_form */
    double risk;     /* chance that the final best is discarded; 0: trials are only paused */
    /* Scores of finished studies (controller/stop/discard.h); borrowed. With too few of them no
     * trial is discarded. */
    const double *calibration;
    int calibration_count;
    /* `calibrate`: folders of finished studies, or globs, as written; owned. None: the folders
     * next to the study's own. */
    struct esp_calibrate_entry *calibrate;
    int calibrate_count;
    int min_iter, max_iter; /* W&B hyperband, in reports */
    int s;                  /* W&B hyperband: number of bands */
    bool strict;
    int startup_trials;   /* median, percentile */
    double warmup_tokens; /* median, percentile, patience: no trial is stopped before */
    double percentile;
    int patience; /* reports without improvement after which a trial is stopped */
    double min_delta;
    double threshold; /* threshold: stop a trial whose loss is above it at `at` tokens */
    double at;
    int repeats;        /* further seeds for settings that tie at the end; 0: none */
    bool repeats_given; /* the file has the key `repeats` */
    int line, column;
};

/* Parts of the default search that a replay leaves out, to measure what each contributes. */
enum esp_ablation {
    ESP_ABLATE_CURVE = 1,    /* losses are used as reported, not projected to the horizon */
    ESP_ABLATE_SCHEDULE = 2, /* the effect of the learning rate on curves is not modelled */
    ESP_ABLATE_PRIOR = 4,    /* no prior on where good settings are */
};

struct esp_budget {
    double tokens;         /* 0: none */
    double seconds;        /* device seconds (`hours` × 3600); 0: none */
    double usd;            /* 0: none; it needs price_per_hour */
    double price_per_hour; /* usd per device-hour; 0: unknown */
};

struct esp_study {
    char name[ESP_NAME_MAX];
    char description[ESP_MESSAGE_TEXT_MAX];
    uint64_t seed;
    enum esp_method method;
    bool univariate; /* tpe: each parameter on its own, as in Optuna before 5.0 */
    struct esp_prior prior;
    char metric[ESP_NAME_MAX];
    bool maximize;
    bool has_target;
    double target;
    struct esp_param params[ESP_PARAMS_MAX];
    int param_count;
    struct esp_stopping stopping;
    unsigned ablate; /* of enum esp_ablation; a study file cannot set it */
    int64_t run_cap; /* limit on the number of trials; 0: none */
    struct esp_budget budget;
    int64_t workers;                /* 0: auto */
    struct esp_abilities abilities; /* of the trainer */
    struct esp_trainer trainer;     /* its settings; defaults for a program */
    char **command; /* of a program, NULL-terminated, with W&B's macros; owned */
    char *source;   /* text of the file; owned */
};

/* Frees what the study owns, not the study. */
void esp_study_release(struct esp_study *study);
/* Frees what it owns; it is zero afterwards. */
void esp_stopping_release(struct esp_stopping *stopping);

/* A drawn value of a parameter is a double; for CONSTANT and the CATEGORICAL kinds it is the
 * index of the choice. */

/* Whether `drawn` can be a drawn value: finite, or the index of a choice. A value from a file
 * is checked with it before it is used. */
bool esp_param_is_drawn(const struct esp_param *param, double drawn);

/* The value that a drawn double represents; its text points into the study. */
struct esp_value esp_param_value(const struct esp_param *param, double drawn);

/* The drawn value at u in [0, 1): the inverse distribution function (W&B's definitions). */
double esp_param_draw(const struct esp_param *param, double u);

/* The multiple of the parameter's q that is nearest to x (halves to the even one). Where q is a
 * decimal fraction it is the double nearest to the decimal result: 0.3 for q = 0.1, not
 * 0.30000000000000004. */
double esp_param_quantise(const struct esp_param *param, double x);

/* The inverse of `esp_param_draw`: the distribution function at a drawn value, in [0, 1]. For a
 * choice, the middle of its share. */
double esp_param_unit(const struct esp_param *param, double drawn);

/* Number of grid points of a parameter, 0 where its distribution has no grid (as in W&B only
 * constant, categorical, int_uniform and q_uniform have one), and point i in [0, count) as a
 * drawn value. */
int64_t esp_param_grid_count(const struct esp_param *param);
double esp_param_grid_point(const struct esp_param *param, int64_t index);

#endif
