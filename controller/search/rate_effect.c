#include "rate_effect.h"

#include <math.h>
#include <string.h>

/* An octave of batch size counts as much as 0.4 octaves of learning rate, from regressions of
 * the remaining decrease on both. */
#define BATCH_SHARE 0.4
/* An inverse square root without warm-up falls from its first step: about a thousandth. */
#define WARMUP_MIN 1e-3
/* Prior and bounds of κ and λ, shares of the loss per octave. In the median of 17 recordings
 * they were 0.016 and 0.002. A third of that λ found the best settings of these recordings, and
 * of random subsets of them, with the least training. The weights are sums of squares, like
 * those of about a dozen trials that are an octave off the middle and are seen from 1/27 of
 * training on. Where N is large, they keep λ near its prior; no lag is observed there. */
#define KAPPA 0.016
#define KAPPA_WEIGHT 4.0
#define KAPPA_MOST (4 * KAPPA)
#define LAMBDA 0.0006
#define LAMBDA_WEIGHT 1500.0
#define LAMBDA_LEAST (-LAMBDA)
#define LAMBDA_MOST (6 * LAMBDA)
/* The lag does not grow beyond this many octaves of ρ, nor before this share of training. */
#define LAG_OCTAVES 4.0
#define LAG_SHARE_MIN (1.0 / 64)
/* Updates of a median trial in those recordings, and the largest factor by which fewer updates
 * increase the lag. */
#define LAG_UPDATES 700.0
#define LAG_MOST 2.0

/* Whether a parameter changes the shape of the schedule. */
static bool schedule_is_searched(const struct esp_study *study)
{
    const struct esp_field *type = esp_trainer_field("schedule.type");
    const struct esp_field *decay = esp_trainer_field("schedule.decay");
    const struct esp_field *floor = esp_trainer_field("schedule.floor");
    for (int p = 0; p < study->param_count; p++) {
        const struct esp_param *param = &study->params[p];
        const struct esp_field *field = esp_trainer_field(param->name);
        bool shapes = field && (field == type || field == decay || field == floor);
        if (shapes && param->distribution != ESP_CONSTANT) {
            return true;
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

double esp_rate_effect_annealing_left(const struct esp_rate_effect *effect, double share)
{
    return effect->active
               ? sqrt(fmax(rate_at(effect->trainer, share) - rate_at(effect->trainer, 1), 0))
               : 0;
}

static double adjusted_rate(const struct esp_rate_effect *effect, double rate, double batch)
{
    return rate - (effect->batch_axis >= 0 ? BATCH_SHARE * batch : 0);
}

/* The batch size of every trial; 0: they differ. */
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

void esp_rate_effect_make(struct esp_rate_effect *effect, const struct esp_space *space)
{
    *effect = (struct esp_rate_effect){
        .rate_axis = esp_space_find(space, "learning_rate"),
        .batch_axis = esp_space_find(space, "batch_size"),
        .trainer = &space->study->trainer,
    };
    if (effect->rate_axis < 0 || !space->axes[effect->rate_axis].octaves ||
        !space->study->abilities.schedule_known ||
        (space->study->ablate & ESP_ABLATE_SCHEDULE) || schedule_is_searched(space->study)) {
        return;
    }
    if (effect->batch_axis >= 0 && !space->axes[effect->batch_axis].octaves) {
        effect->batch_axis = -1;
    }
    const struct esp_axis *rate = &space->axes[effect->rate_axis];
    const struct esp_axis *batch =
        effect->batch_axis >= 0 ? &space->axes[effect->batch_axis] : rate;
    double middle = 0.5 * (batch->low + batch->high);
    effect->middle = adjusted_rate(effect, 0.5 * (rate->low + rate->high), middle);
    double sequences = effect->batch_axis >= 0 ? exp2(middle) : batch_of(space->study);
    effect->lag = lag_of(effect->trainer, sequences);
    effect->active = true;
}

double esp_rate_effect_log_rate(const struct esp_rate_effect *effect, const double *x)
{
    if (!effect->active) {
        return 0;
    }
    double batch = effect->batch_axis >= 0 ? x[effect->batch_axis] : 0;
    return adjusted_rate(effect, x[effect->rate_axis], batch) - effect->middle;
}

/* How far behind a trial at one octave of rate is: 1/t − 1. */
static double behind(double share)
{
    return 1 / fmin(fmax(share, LAG_SHARE_MIN), 1) - 1;
}

struct esp_rate_effect_span esp_rate_effect_between(const struct esp_rate_effect *effect,
                                                    double log_rate,
                                                    double from,
                                                    double to)
{
    if (!effect->active) {
        return (struct esp_rate_effect_span){0};
    }
    double lagging = fmin(fmax(log_rate, -LAG_OCTAVES), LAG_OCTAVES);
    return (struct esp_rate_effect_span){
        .annealed = log_rate * (esp_rate_effect_annealing_left(effect, from) -
                                esp_rate_effect_annealing_left(effect, to)),
        .lag = effect->lag * lagging * (behind(from) - behind(to)),
    };
}

void esp_rate_effect_learn(struct esp_rate_effect_fit *fit,
                           struct esp_rate_effect_span span,
                           double decrease)
{
    fit->xx += span.annealed * span.annealed;
    fit->xz -= span.annealed * span.lag;
    fit->zz += span.lag * span.lag;
    fit->xy += span.annealed * decrease;
    fit->zy -= span.lag * decrease;
}

double esp_rate_effect_decrease(const struct esp_rate_effect_fit *fit,
                                struct esp_rate_effect_span span)
{
    double xx = KAPPA_WEIGHT + fit->xx, zz = LAMBDA_WEIGHT + fit->zz;
    double xy = KAPPA_WEIGHT * KAPPA + fit->xy, zy = LAMBDA_WEIGHT * LAMBDA + fit->zy;
    double determinant = xx * zz - fit->xz * fit->xz; /* above 0: both weights are */
    double kappa = (xy * zz - zy * fit->xz) / determinant;
    double lambda = (zy * xx - xy * fit->xz) / determinant;
    kappa = fmin(fmax(kappa, 0), KAPPA_MOST);
    lambda = fmin(fmax(lambda, LAMBDA_LEAST), LAMBDA_MOST);
    return kappa * span.annealed - lambda * span.lag;
}
