/* Closed forms, so that a step's rate depends on the step only. See schedule.h. */
#include "schedule.h"

#include <assert.h>
#include <math.h>

double esp_schedule_rate(const struct esp_trainer *trainer, int64_t step)
{
    double steps = (double)esp_trainer_steps(trainer);
    double peak = trainer->learning_rate;
    double low = trainer->floor * peak;
    double warm = trainer->warmup * steps;
    double t = (double)step + 1;
    assert(step >= 0 && t <= steps);

    if (t < warm) {
        return peak * t / warm;
    }
    double after = steps - warm;
    double share = after > 0 ? (t - warm) / after : 1; /* 0 … 1 */
    switch ((enum esp_schedule_type)trainer->schedule) {
    case ESP_SCHEDULE_COSINE:
        return low + (peak - low) * 0.5 * (1 + cos(M_PI * share));
    case ESP_SCHEDULE_LINEAR:
        return peak + (low - peak) * share;
    case ESP_SCHEDULE_WSD: {
        double decay = trainer->decay * after;
        double into = t - (steps - decay);
        return into <= 0 ? peak : peak + (low - peak) * into / decay;
    }
    case ESP_SCHEDULE_CONSTANT:
        return peak;
    case ESP_SCHEDULE_INVERSE_SQRT:
        return fmax(low, peak * sqrt((warm > 1 ? warm : 1) / t));
    }
    assert(!"unknown schedule");
    return peak;
}
