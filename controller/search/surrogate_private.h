/* What surrogate.c, posterior.c and fit.c share. */
#ifndef ESPALIER_SEARCH_SURROGATE_PRIVATE_H
#define ESPALIER_SEARCH_SURROGATE_PRIVATE_H

#include "surrogate.h"

#include "loss_ranking.h"
#include "quantile.h"
#include "rate_effect.h"

/* Half octaves of training, 6 octaves before the horizon to the horizon itself. */
#define ESP_MARKS 13
#define ESP_OCTAVES 6.0

/* Points the process is conditioned on, and trials they come from. A decision costs some
 * N³/3 + N²·(means + candidates) multiplications: 30 million for N = 128. */
#define ESP_POINTS_MAX 128
#define ESP_ACTIVE_MAX 80
#define ESP_PENDING_MAX 32

/* Means: a constant, and the law at ESP_SHIFTS places times two depths. */
#define ESP_SHIFTS 128
#define ESP_DEPTHS 2
#define ESP_MEANS_MAX (1 + ESP_SHIFTS * ESP_DEPTHS)
/* Those that still count when predictions are made. */
#define ESP_MEANS_KEPT 12

#define ESP_REFIT_FIRST 6

enum esp_curve_state {
    ESP_CURVE_OPEN,
    ESP_CURVE_COMPLETE,
    ESP_CURVE_BAD,
    ESP_CURVE_CLOSED,
};

struct esp_curve {
    enum esp_curve_state state;
    int mark;               /* the highest with a loss; -1: none */
    float loss[ESP_MARKS];  /* the first at each mark; NaN: none */
    float since[ESP_MARKS]; /* h of that report */
    double last, last_h;    /* the last finite loss, and how far before the horizon */
    double height;          /* rate_effect.h's ρ */
    int64_t tokens;
};

/* Logarithms, so that any vector is admissible. */
struct esp_hyper {
    double length[ESP_PARAMS_MAX];
    double gain, wander, noise; /* variances over that of f: a, b, and of a report */
};

struct esp_point_ref {
    uint32_t trial; /* UINT32_MAX: a pending place */
    int row;        /* into the posterior's distinct places */
    double h;
    double z; /* projected final loss; infinity: bad */
};

struct esp_mean_part {
    int shift; /* -1: the constant */
    double depth;
    double weight;
    double constant;
    double variance; /* of the process */
    double *alpha;   /* [points] */
};

struct esp_posterior {
    bool ready;
    int points, places, points_max;
    struct esp_point_ref *refs;
    double *x;      /* [places, axes] */
    double *factor; /* [points, points], lower, column-major */
    double *ones;   /* L⁻¹·1 */
    double ones_sum;
    double best_z, scale; /* w = compress((z - best_z) / scale) */
    double best_w;        /* the incumbent */
    double law_unit;      /* one per cent, in w */
    double law_residual, constant_residual, constant_share;
    struct esp_mean_part part[ESP_MEANS_KEPT];
    int parts;
    /* While fitting: only these means are weighed (shift, depth); 0: all. */
    int fixed;
    int fixed_shift[ESP_MEANS_KEPT];
    double fixed_depth[ESP_MEANS_KEPT];
    double law_weight;
    struct esp_hyper hyper;
    double evidence; /* log, of the whole mixture */
};

/* How losses move from one mark to the next: loss' = loss + gain + slope·(loss - middle), by
 * least squares over what was seen, shrunk to a plain shift while little was. */
struct esp_step {
    struct esp_quantile gain;   /* the median is what a middling trial gains */
    struct esp_quantile middle; /* of the losses at the mark before */
    struct esp_quantile height; /* of ρ of those who made the step */
    double reach;               /* the least loss at the mark before */
    double weight, xx, xy;      /* sums over seen steps, around the medians of then */
};

struct esp_surrogate {
    const struct esp_study *study;
    struct esp_space space;
    struct esp_scaling_law law;
    double shift[ESP_SHIFTS][ESP_PARAMS_MAX];
    double shift_prior[ESP_SHIFTS]; /* log */
    double horizon;
    struct esp_curve *trials;
    double *places; /* [trials, axes] */
    uint32_t count, capacity, told;
    struct esp_step step[ESP_MARKS]; /* from mark k to k + 1 */
    struct esp_rate_effect anneal;
    struct esp_rate_effect_fit seen; /* of all steps */
    struct esp_loss_ranking
        at_mark[ESP_MARKS]; /* trials by the highest mark they have a loss at */
    struct esp_loss_ranking bad;
    struct esp_loss_ranking silent; /* open, no loss yet: by number */
    struct esp_hyper hyper;
    uint32_t fits, refit_at;
    struct esp_posterior cache;
};

double esp_surrogate_h(const struct esp_surrogate *s, int64_t tokens);
/* z of a loss told at h by a trial with this ρ: where it is expected to end. */
double
esp_surrogate_project(const struct esp_surrogate *s, double loss, double h, double height);

/* posterior.c. `limit`: trials at most, and half as many more points. Pending places are added
 * with their own prediction. */
int esp_posterior_make(struct esp_posterior *p,
                       const struct esp_surrogate *s,
                       const struct esp_hyper *hyper,
                       int limit,
                       bool pending);
void esp_posterior_release(struct esp_posterior *p);
double esp_compress(double e);

struct esp_query {
    const double *x;
    double h;
    uint32_t trial; /* UINT32_MAX: a new one */
};
/* Mean and variance in w for each mean that counts; log EI over `best_w`. */
struct esp_prediction_w {
    double mean, variance, log_ei;
};
void esp_posterior_predict(const struct esp_posterior *p,
                           const struct esp_surrogate *s,
                           const struct esp_query *queries,
                           int count,
                           struct esp_prediction_w *out);

/* fit.c */
void esp_hyper_default(struct esp_hyper *hyper, const struct esp_space *space);
double esp_hyper_log_prior(const struct esp_hyper *hyper, const struct esp_space *space);

#endif
