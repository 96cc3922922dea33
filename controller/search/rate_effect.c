#include "rate_effect.h"

#include <math.h>
#include <string.h>

/* Per octave of batch size as much as 0.4 octaves of rate: what regressions of the remaining
 * gain on both gave. */
#define BATCH_SHARE 0.4
/* An inverse square root without warm-up falls from its first step: about a thousandth. */
#define WARMUP_MIN 1e-3
/* κ and λ before and while they are learnt, shares of the loss per octave. In the middle of 17
 * recordings they were 0.016 and 0.002; of λ a third found the best settings of them, and of
 * random subsets of them, for the least training. The weights are sums of squares: of some
 * dozen trials that stood an octave off the middle and were seen from 1/27 on. Where N is large
 * they hold λ down, and no lag is seen there. */
#define KAPPA 0.016
#define KAPPA_WEIGHT 4.0
#define KAPPA_MOST (4 * KAPPA)
#define LAMBDA 0.0006
#define LAMBDA_WEIGHT 1500.0
#define LAMBDA_LEAST (-LAMBDA)
#define LAMBDA_MOST (6 * LAMBDA)
/* Octaves of ρ, and the earliest share, that the lag is told apart for. */
#define LAG_OCTAVES 4.0
#define LAG_SHARE_MIN (1.0 / 64)
/* A middling trial's updates in those recordings, and how much fewer are believed to matter. */
#define LAG_UPDATES 700.0
#define LAG_MOST 2.0

static bool schedule_searched(const struct esp_study *study)
{
    static const char *const shape[] = {
        "schedule", "schedule.type", "decay", "schedule.decay", "floor", "schedule.floor"};
    for (int p = 0; p < study->param_count; p++) {
        bool fixed = study->params[p].distribution == ESP_CONSTANT;
        for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
            if (!fixed && strcmp(study->params[p].name, shape[i]) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* s(t): the same closed forms as the trainer's schedule, over shares of training. */
static double rate_at(const struct esp_trainer *t, double share)
{
    double after = 1 - t->warmup;
    double along = after > 0 ? fmin(fmax((share - t->warmup) / after, 0), 1) : 1;
    switch ((enum esp_schedule_type)t->schedule) {
    case ESP_SCHEDULE_COSINE:
        return t->floor + (1 - t->floor) * 0.5 * (1 + cos(M_PI * along));
    case ESP_SCHEDULE_LINEAR:
        return 1 + (t->floor - 1) * along;
    case ESP_SCHEDULE_WSD: {
        double into = along - (1 - t->decay);
        return into <= 0 || t->decay <= 0 ? 1 : 1 + (t->floor - 1) * into / t->decay;
    }
    case ESP_SCHEDULE_INVERSE_SQRT: {
        double warm = fmax(t->warmup, WARMUP_MIN);
        return fmax(t->floor, sqrt(warm / fmax(share, warm)));
    }
    case ESP_SCHEDULE_CONSTANT:
        break;
    }
    return 1;
}

double esp_rate_effect_annealing_left(const struct esp_rate_effect *anneal, double share)
{
    return anneal->active
               ? sqrt(fmax(rate_at(anneal->trainer, share) - rate_at(anneal->trainer, 1), 0))
               : 0;
}

static double height(const struct esp_rate_effect *anneal, double rate, double batch)
{
    return rate - (anneal->batch_axis >= 0 ? BATCH_SHARE * batch : 0);
}

/* Every trial's; 0: they differ. */
static double batch_of(const struct esp_study *study)
{
    for (int i = 0; i < study->param_count; i++) {
        const struct esp_param *p = &study->params[i];
        if (strcmp(p->name, "batch_size") == 0) {
            return p->distribution == ESP_CONSTANT ? p->choices[0].real : 0;
        }
    }
    return (double)study->trainer.batch_size;
}

static double lag_of(const struct esp_trainer *trainer, double sequences)
{
    double updates = (double)trainer->tokens / ((double)trainer->context * sequences);
    return isfinite(updates) && updates > 0 ? fmin(LAG_UPDATES / updates, LAG_MOST) : 0;
}

void esp_rate_effect_make(struct esp_rate_effect *anneal, const struct esp_space *space)
{
    *anneal = (struct esp_rate_effect){
        .rate_axis = esp_space_find(space, "learning_rate"),
        .batch_axis = esp_space_find(space, "batch_size"),
        .trainer = &space->study->trainer,
    };
    if (anneal->rate_axis < 0 || !space->axes[anneal->rate_axis].octaves ||
        !space->study->abilities.schedule_known ||
        (space->study->ablate & ESP_ABLATE_SCHEDULE) || schedule_searched(space->study)) {
        return;
    }
    if (anneal->batch_axis >= 0 && !space->axes[anneal->batch_axis].octaves) {
        anneal->batch_axis = -1;
    }
    const struct esp_axis *rate = &space->axes[anneal->rate_axis];
    const struct esp_axis *batch =
        anneal->batch_axis >= 0 ? &space->axes[anneal->batch_axis] : rate;
    double middle = 0.5 * (batch->low + batch->high);
    anneal->middle = height(anneal, 0.5 * (rate->low + rate->high), middle);
    double sequences = anneal->batch_axis >= 0 ? exp2(middle) : batch_of(space->study);
    anneal->lag = lag_of(anneal->trainer, sequences);
    anneal->active = true;
}

double esp_rate_effect_log_rate(const struct esp_rate_effect *anneal, const double *x)
{
    if (!anneal->active) {
        return 0;
    }
    double batch = anneal->batch_axis >= 0 ? x[anneal->batch_axis] : 0;
    return height(anneal, x[anneal->rate_axis], batch) - anneal->middle;
}

static double behind(double share)
{
    return 1 / fmin(fmax(share, LAG_SHARE_MIN), 1) - 1;
}

struct esp_rate_effect_span esp_rate_effect_between(const struct esp_rate_effect *anneal,
                                                    double height,
                                                    double from,
                                                    double to)
{
    if (!anneal->active) {
        return (struct esp_rate_effect_span){0};
    }
    double lagging = fmin(fmax(height, -LAG_OCTAVES), LAG_OCTAVES);
    return (struct esp_rate_effect_span){
        .annealed = height * (esp_rate_effect_annealing_left(anneal, from) -
                              esp_rate_effect_annealing_left(anneal, to)),
        .lag = anneal->lag * lagging * (behind(from) - behind(to)),
    };
}

void esp_rate_effect_learn(struct esp_rate_effect_fit *seen,
                           struct esp_rate_effect_span stretch,
                           double fall)
{
    seen->xx += stretch.annealed * stretch.annealed;
    seen->xz -= stretch.annealed * stretch.lag;
    seen->zz += stretch.lag * stretch.lag;
    seen->xy += stretch.annealed * fall;
    seen->zy -= stretch.lag * fall;
}

double esp_rate_effect_decrease(const struct esp_rate_effect_fit *seen,
                                struct esp_rate_effect_span stretch)
{
    double xx = KAPPA_WEIGHT + seen->xx, zz = LAMBDA_WEIGHT + seen->zz;
    double xy = KAPPA_WEIGHT * KAPPA + seen->xy, zy = LAMBDA_WEIGHT * LAMBDA + seen->zy;
    double determinant = xx * zz - seen->xz * seen->xz; /* above 0: both weights are */
    double kappa = (xy * zz - zy * seen->xz) / determinant;
    double lambda = (zy * xx - xy * seen->xz) / determinant;
    kappa = fmin(fmax(kappa, 0), KAPPA_MOST);
    lambda = fmin(fmax(lambda, LAMBDA_LEAST), LAMBDA_MOST);
    return kappa * stretch.annealed - lambda * stretch.lag;
}
