/* A study as read from its file: what is searched, how, until when (DESIGN 8).
 *
 * A plain value except for the choices of categorical parameters and the source text, which
 * `esp_study_release` frees. Read by controller/study; used by core, search, stop, cli. */
#ifndef ESPALIER_STUDY_H
#define ESPALIER_STUDY_H

#include <espalier/abilities.h>
#include <espalier/trainer.h>
#include <stdbool.h>

/* facts: W&B's distributions. QUANTISED and INVERSE forms are flags, so that the table stays
 * small. */
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
    bool quantised;   /* q_…: round(X / q) · q */
    bool integral;    /* values are integers (int_uniform; integer q) */
    double min, max;  /* uniform kinds, as written */
    double mu, sigma; /* normal kinds */
    double a, b;      /* beta */
    double q;
    struct esp_value *choices; /* CONSTANT: 1; CATEGORICAL: choice_count; text owned */
    double *probabilities;     /* CATEGORICAL_WEIGHTED, sum 1 */
    int choice_count;
    int line, column; /* in the study file, for messages */
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
    bool given; /* the file names a prior */
    /* CENTER: per parameter (index into params) the centre, NaN where not given */
    double center[ESP_PARAMS_MAX];
    double width;      /* octaves, one σ; 0: the default */
    double parameters; /* non-embedding ones of the model; 0: as `trainer` says */
    double shift; /* octaves that a STEP_LAW centre's learning rate is moved by (ablations) */
};

enum esp_scheduler_type {
    ESP_SCHEDULER_DEFAULT, /* early_terminate absent */
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
    char *path; /* absolute, or from the study file's folder */
    int line, column;
};

/* Keys of early_terminate; what a type does not use is NaN or 0 and naming it is an error. */
struct esp_stopping {
    enum esp_scheduler_type type;
    double eta;
    double min, max; /* tokens: first and last rung; 0: horizon / eta^k, the horizon */
    int form;        /* asha: enum esp_asha_form */
    double risk;     /* chance that the eventual best is ever discarded; 0: pause only */
    /* Scores of finished studies (controller/stop/discard.h), borrowed; without enough of them
     * nothing is discarded. */
    const double *calibration;
    int calibration_count;
    /* calibrate: folders of studies, or globs, as written; their lines. Owned. Without any, the
     * study's neighbours. */
    struct esp_calibrate_entry *calibrate;
    int calibrate_count;
    int min_iter, max_iter; /* W&B hyperband, in reports */
    int s;                  /* W&B hyperband's bands */
    bool strict;
    int startup_trials;   /* median, percentile */
    double warmup_tokens; /* median, percentile, patience: nothing is stopped before */
    double percentile;
    int patience; /* reports without improvement */
    double min_delta;
    double threshold; /* threshold: stop a trial whose loss is above it at `at` tokens */
    double at;
    int repeats;        /* further seeds for settings that tie at the end; 0: none */
    bool repeats_given; /* the file asks for them */
    int line, column;
};

/* What the default search does without, to show what each part is worth (espalier replay). */
enum esp_ablation {
    ESP_ABLATE_CURVE = 1, /* losses count as they are told, not as projected to the horizon */
    ESP_ABLATE_SCHEDULE = 2, /* how learning rates shape curves is not known */
    ESP_ABLATE_PRIOR = 4,    /* no shape of the losses over the settings is expected */
};

struct esp_budget {
    double tokens;         /* 0: none */
    double seconds;        /* device seconds (hours × 3600); 0: none */
    double usd;            /* 0: none; needs price_per_hour */
    double price_per_hour; /* usd per device-hour; 0: unknown */
};

struct esp_study {
    char name[ESP_NAME_MAX];
    char description[ESP_MESSAGE_TEXT_MAX];
    uint64_t seed;
    enum esp_method method;
    bool univariate; /* tpe: every parameter by itself, as Optuna did before 5.0 */
    struct esp_prior prior;
    char metric[ESP_NAME_MAX];
    bool maximize;
    bool has_target;
    double target;
    struct esp_param params[ESP_PARAMS_MAX];
    int param_count;
    struct esp_stopping stopping;
    unsigned ablate; /* of enum esp_ablation; a study file cannot set it */
    int64_t run_cap; /* trials in total; 0: no limit */
    struct esp_budget budget;
    int64_t workers;                /* 0: auto */
    struct esp_abilities abilities; /* of the trainer */
    struct esp_trainer trainer;     /* its settings; defaults for a program */
    char **command; /* own program: NULL-terminated, W&B macros unexpanded; owned */
    char *source;   /* the file's text as read; owned */
};

void esp_study_release(struct esp_study *study);
/* What it owns; it is zero afterwards. */
void esp_stopping_release(struct esp_stopping *stopping);

/* A drawn value: a double per parameter, for CONSTANT and CATEGORICAL the index of the choice.
 */

/* The value a person would write for a drawn double; text points into the study. */
struct esp_value esp_param_value(const struct esp_param *param, double drawn);

/* From u in [0, 1) to a drawn value by the inverse distribution function (W&B's definitions).
 */
double esp_param_draw(const struct esp_param *param, double u);

/* The multiple of the parameter's q that is nearest to x (halves to the even one). Where q is a
 * decimal fraction it is the double nearest to the decimal result: 0.3 for q = 0.1, not
 * 0.30000000000000004. */
double esp_param_quantise(const struct esp_param *param, double x);

/* The inverse of `esp_param_draw`, to compare and to scale: in [0, 1]; for choices the middle
 * of the choice's share. */
double esp_param_unit(const struct esp_param *param, double drawn);

/* Grid points of one parameter (W&B: categorical, constant, int_uniform, q_uniform), or 0 when
 * the distribution has no grid. Point i in [0, count) as a drawn value. */
int64_t esp_param_grid_count(const struct esp_param *param);
double esp_param_grid_point(const struct esp_param *param, int64_t index);

#endif
