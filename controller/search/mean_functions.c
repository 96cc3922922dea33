#include "mean_functions.h"

#include "normal.h"
#include "sobol_points.h"

#include <math.h>

/* Where the law's optimum may really be: 70 % of the prior weight within its width, 30 % spread
 * WIDE_FACTOR times as wide, so that a centre that is octaves off is soon moved. */
#define WIDE_SHARE 0.3
#define WIDE_FACTOR 2.5
/* The bottom of a generic bowl may lie a little outside the range. */
#define GENERIC_REACH 1.2
/* Residual of the law within one octave or two: 0.3 %. */
#define LAW_RESIDUAL_PERCENT 0.3
#define GENERIC_RESIDUAL 0.4
/* Prior weight of the constant when there is a law. */
#define CONSTANT_SHARE 0.02
#define CONSTANT_SHARE_GENERIC 0.3
/* How far losses may lie from the first ones where only the constant is believed: 1 % when a
 * scaling law is known, the spread of the losses otherwise. */
#define CONSTANT_RESIDUAL 0.35
#define HALF_DEPTH_SHARE 0.3

void esp_mean_functions_make(struct esp_mean_functions *means, const struct esp_space *space)
{
    struct esp_sobol_dimension dimension[ESP_PARAMS_MAX];
    struct esp_scaling_law *law = &means->law;
    esp_scaling_law_make(law, space);
    for (int a = 0; a < law->count; a++) {
        esp_sobol_dimension_make(&dimension[a], a);
    }
    for (uint32_t i = 0; i < ESP_SHIFTS; i++) {
        bool wide = i % 2 == 1;
        double share = wide ? WIDE_SHARE : 1 - WIDE_SHARE;
        means->shift_log_prior[i] =
            law->generic ? -log(ESP_SHIFTS) : log(share / (ESP_SHIFTS / 2));
        for (int a = 0; a < law->count; a++) {
            uint32_t point = law->generic ? i : i / 2 + 1;
            double u = (esp_sobol_bits(&dimension[a], point) + 0.5) * 0x1p-32;
            double z = i < 2 ? 0 : esp_normal_z(u);
            means->shift[i][a] = z * law->width[a] * (wide ? WIDE_FACTOR : 1);
            if (law->generic) {
                means->shift[i][a] = GENERIC_REACH * (2 * u - 1) * law->width[a];
            }
        }
    }
}

struct esp_mean_units esp_mean_units_make(const struct esp_mean_functions *means,
                                          const struct esp_loss_scale *scale)
{
    struct esp_mean_units units;
    bool generic = means->law.generic, known = esp_scaling_law_is_known(&means->law);
    units.law = generic ? 1 : scale->best > 0 ? 0.01 * scale->best / scale->scale : 0.2;
    units.law_residual = generic ? GENERIC_RESIDUAL : LAW_RESIDUAL_PERCENT * units.law;
    units.constant_residual = known ? CONSTANT_RESIDUAL : 1;
    units.constant_share = known ? CONSTANT_SHARE : CONSTANT_SHARE_GENERIC;
    return units;
}

int esp_mean_functions_count(const struct esp_mean_functions *means)
{
    return means->law.active ? ESP_MEANS_MAX : 1;
}

struct esp_mean_function esp_mean_function_at(int index)
{
    return (struct esp_mean_function){
        .shift = index == 0 ? -1 : (index - 1) % ESP_SHIFTS,
        .depth = index == 0                      ? 0
                 : (index - 1) / ESP_SHIFTS == 0 ? 1.0
                                                 : 0.5,
    };
}

double esp_mean_function_value(const struct esp_mean_functions *means,
                               const struct esp_mean_units *units,
                               struct esp_mean_function function,
                               const double *x)
{
    if (function.shift < 0) {
        return 0;
    }
    const double *shift = means->shift[function.shift];
    return esp_compress(function.depth * units->law *
                        esp_scaling_law_rise(&means->law, x, shift));
}

double esp_mean_function_log_prior(const struct esp_mean_functions *means,
                                   const struct esp_mean_units *units,
                                   struct esp_mean_function function)
{
    if (!means->law.active) {
        return 0;
    }
    if (function.shift < 0) {
        return log(units->constant_share);
    }
    double depth_share = function.depth < 1 ? HALF_DEPTH_SHARE : 1 - HALF_DEPTH_SHARE;
    return log((1 - units->constant_share) * depth_share) +
           means->shift_log_prior[function.shift];
}
