#include "curve_projection.h"

#include <math.h>

/* Ridge of the slope, in intervals of typical size: it halves the slope of two intervals. */
#define SLOPE_RIDGE 2.0
#define SLOPE_MIN (-0.3)
#define SLOPE_MAX 1.0
/* Deviations beyond this many times the gap between the lowest loss and the median are outliers
 * and are not learnt from. */
#define OUTLIER_GAPS 3.0
/* The horizons of trials differ by up to one update, which is larger for a larger batch. From
 * this share of the study's horizon on a trial counts as finished. */
#define HORIZON_SHARE 0.98

void esp_curve_projection_init(struct esp_curve_projection *projection,
                               const struct esp_space *space)
{
    const struct esp_study *study = space->study;
    *projection = (struct esp_curve_projection){
        .horizon = study->trainer.tokens > 0 ? (double)study->trainer.tokens : 0,
        .ablated = study->ablate & ESP_ABLATE_CURVE,
    };
    esp_rate_effect_make(&projection->rate_effect, space);
    for (int k = 0; k < ESP_MARKS; k++) {
        struct esp_mark_interval *interval = &projection->intervals[k];
        esp_quantile_init(&interval->gain, 0.5);
        esp_quantile_init(&interval->loss, 0.5);
        esp_quantile_init(&interval->log_rate, 0.5);
        interval->loss_min = INFINITY;
    }
}

void esp_curve_projection_release(struct esp_curve_projection *projection)
{
    for (int k = 0; k < ESP_MARKS; k++) {
        esp_quantile_release(&projection->intervals[k].gain);
        esp_quantile_release(&projection->intervals[k].loss);
        esp_quantile_release(&projection->intervals[k].log_rate);
    }
}

double esp_curve_projection_h(const struct esp_curve_projection *projection, int64_t tokens)
{
    double share = projection->horizon > 0 ? (double)tokens / projection->horizon : 1;
    if (share > HORIZON_SHARE) {
        return 0;
    }
    return fmin(-log2(share) / ESP_OCTAVES, 1);
}

/* The position of h between the marks: k at mark k. */
static double position_of(double h)
{
    return (1 - h) * (ESP_MARKS - 1);
}

int esp_curve_projection_mark(double h)
{
    return (int)floor(position_of(h) + 1e-9);
}

static double slope_of(const struct esp_mark_interval *interval)
{
    if (interval->weight <= 0 || interval->xx <= 0) {
        return 0;
    }
    double slope = interval->xy / (interval->xx * (1 + SLOPE_RIDGE / interval->weight));
    return fmin(fmax(slope, SLOPE_MIN), SLOPE_MAX);
}

/* The median gain of an interval. One without data gains as much as the one before it. */
static double gain_of(const struct esp_mark_interval *interval, double before)
{
    double seen =
        esp_quantile_count(&interval->gain) > 0 ? esp_quantile_value(&interval->gain) : before;
    return isfinite(seen) ? seen : before;
}

/* The rate's terms over the interval from mark k to k + 1. */
static struct esp_rate_effect_span
span_of(const struct esp_curve_projection *projection, int k, double log_rate)
{
    double from = exp2(-ESP_OCTAVES * (1 - (double)k / (ESP_MARKS - 1)));
    double to = exp2(-ESP_OCTAVES * (1 - (double)(k + 1) / (ESP_MARKS - 1)));
    return esp_rate_effect_between(&projection->rate_effect, log_rate, from, to);
}

/* One interval of a trial: `loss` at mark k and its change up to mark k + 1. */
static void learn_interval(
    struct esp_curve_projection *projection, int k, double loss, double change, double log_rate)
{
    struct esp_mark_interval *interval = &projection->intervals[k];
    esp_quantile_add(&interval->gain, change);
    esp_quantile_add(&interval->loss, loss);
    esp_quantile_add(&interval->log_rate, log_rate);
    double median = esp_quantile_value(&interval->loss);
    double gain = esp_quantile_value(&interval->gain);
    double above = log_rate - esp_quantile_value(&interval->log_rate);
    struct esp_rate_effect_span span = span_of(projection, k, above);
    double x = loss - median;
    interval->loss_min = fmin(interval->loss_min, loss);
    double clip = OUTLIER_GAPS * fabs(median - interval->loss_min);
    /* Only trials better than the median count: their ends are the ones that matter. */
    if (x < 0 && x >= -clip && fabs(change - gain) <= clip) {
        interval->weight += 1;
        interval->xx += x * x;
        double decrease = fabs(loss) * esp_rate_effect_decrease(&projection->rate_fit, span);
        interval->xy += x * (change - gain + decrease);
        esp_rate_effect_learn(
            &projection->rate_fit, span, (gain - change) / fmax(fabs(loss), 1e-12));
    }
}

void esp_curve_projection_learn(struct esp_curve_projection *projection,
                                const float losses[ESP_MARKS],
                                int mark,
                                double log_rate)
{
    int from = mark - 1;
    while (from >= 0 && isnan(losses[from])) {
        from--;
    }
    if (from < 0) {
        return;
    }
    double loss = (double)losses[from];
    double change = ((double)losses[mark] - loss) / (mark - from);
    for (int k = from; k < mark && isfinite(change); k++, loss += change) {
        learn_interval(projection, k, loss, change, log_rate);
    }
}

double esp_curve_projection_project(const struct esp_curve_projection *projection,
                                    double loss,
                                    double h,
                                    double log_rate)
{
    if (h <= 0 || projection->ablated) {
        return loss;
    }
    double position = position_of(h), gain = 0, size = fabs(loss);
    for (int k = 0; k + 1 < ESP_MARKS; k++) {
        const struct esp_mark_interval *interval = &projection->intervals[k];
        bool known = esp_quantile_count(&interval->gain) > 0;
        gain = gain_of(interval, gain);
        double share = fmin(fmax(k + 1 - position, 0), 1);
        if (share <= 0) {
            continue;
        }
        double slope = known ? slope_of(interval) : 0;
        double deviation = slope != 0 ? loss - esp_quantile_value(&interval->loss) : 0;
        double above = log_rate - (known ? esp_quantile_value(&interval->log_rate) : 0);
        double decrease = size * esp_rate_effect_decrease(&projection->rate_fit,
                                                          span_of(projection, k, above));
        loss += share * (gain + slope * deviation - decrease);
    }
    return loss;
}

double esp_curve_projection_extrapolate(const struct esp_curve_projection *projection,
                                        double loss,
                                        double h)
{
    double position = position_of(h), gain = 0;
    for (int k = 0; k + 1 < ESP_MARKS && !projection->ablated; k++) {
        gain = gain_of(&projection->intervals[k], gain);
        loss += gain * fmin(fmax(k + 1 - position, 0), 1);
    }
    return loss;
}

double esp_curve_projection_rate_adjusted(const struct esp_curve_projection *projection,
                                          double loss,
                                          int64_t tokens,
                                          double log_rate)
{
    if (!isfinite(loss)) {
        return loss;
    }
    const struct esp_rate_effect_fit nothing = {0};
    double share = projection->horizon > 0 ? (double)tokens / projection->horizon : 1;
    struct esp_rate_effect_span rest =
        esp_rate_effect_between(&projection->rate_effect, log_rate, share, 1);
    return loss - fabs(loss) * esp_rate_effect_decrease(&nothing, rest);
}
