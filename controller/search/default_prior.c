#include "default_prior.h"

#include "normal.h"

#include <math.h>
#include <string.h>

/* Share of the draws below an upper limit; more where a larger share of the range is below
 * it. */
#define BELOW_SHARE 0.75
#define RATE_LENGTH_OCTAVES 5.0

static const struct {
    const char *name;
    bool upper_limit;
    double value, beyond; /* the default, and the value one σ above it */
} known[] = {
    {"learning_rate", false, 3e-3, 3e-2},
    {"lr", false, 3e-3, 3e-2},
    {"l1", true, 1e-4, 1e-2},
    {"l2", true, 1e-4, 1e-2},
    {"weight_decay", true, 0.1, 1},
    {"dropout", true, 0.1, 0.3},
};

static bool is_enabled(const struct esp_study *study)
{
    const struct esp_prior *prior = &study->prior;
    return !(study->ablate & ESP_ABLATE_PRIOR) &&
           (prior->kind == ESP_PRIOR_STEP_LAW || !prior->given);
}

/* Whether Adam or AdamW is the only optimizer. SGD needs other learning rates. */
static bool is_adam(const struct esp_study *study)
{
    for (int i = 0; i < study->param_count; i++) {
        const struct esp_param *param = &study->params[i];
        if (strcmp(param->name, "optimizer") == 0) {
            const struct esp_value *only = param->choices;
            return param->choice_count == 1 && only->type == ESP_VALUE_TEXT &&
                   strncmp(only->text, "adam", 4) == 0;
        }
    }
    return !study->abilities.settings_known || study->trainer.optimizer == ESP_OPTIMIZER_ADAMW;
}

/* Whether an axis takes a default prior. Other distributions already are a prior of the user,
 * and the default of a learning rate is in decades, which a linear axis does not have. */
static bool takes_prior(const struct esp_study *study, const struct esp_axis *axis, bool rate)
{
    switch (study->params[axis->param].distribution) {
    case ESP_UNIFORM:
    case ESP_LOG_UNIFORM_VALUES:
    case ESP_INT_UNIFORM:
    case ESP_CATEGORICAL:
        return axis->kind != ESP_AXIS_NOMINAL && (!rate || (axis->octaves && is_adam(study)));
    default:
        return false;
    }
}

void esp_default_prior_make(struct esp_default_prior *prior, const struct esp_space *space)
{
    const struct esp_study *study = space->study;
    prior->count = 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0] && is_enabled(study); i++) {
        int at = esp_space_find(space, known[i].name);
        if (at < 0) {
            continue;
        }
        const struct esp_axis *axis = &space->axes[at];
        if (!takes_prior(study, axis, !known[i].upper_limit)) {
            continue;
        }
        double middle = esp_space_coordinate(space, at, known[i].value);
        double beyond = esp_space_coordinate(space, at, known[i].beyond);
        if (middle > axis->low && middle < axis->high) {
            prior->axes[prior->count++] =
                (struct esp_default_prior_axis){.axis = at,
                                                .upper_limit = known[i].upper_limit,
                                                .at = middle,
                                                .width = beyond - middle};
        }
    }
}

double esp_default_prior_length(const struct esp_space *space, int axis)
{
    const struct esp_study *study = space->study;
    const struct esp_axis *a = &space->axes[axis];
    bool rate =
        axis == esp_space_find(space, "learning_rate") || axis == esp_space_find(space, "lr");
    return rate && a->octaves && is_adam(study) && is_enabled(study) ? RATE_LENGTH_OCTAVES
                                                                     : INFINITY;
}

/* Quantile u of the normal around `at`, truncated to [low, high]. */
static double
truncated_normal(const struct esp_default_prior_axis *prior, double low, double high, double u)
{
    double from = esp_normal_p((low - prior->at) / prior->width);
    double to = esp_normal_p((high - prior->at) / prior->width);
    double z = esp_normal_z(fmin(fmax(from + u * (to - from), 0x1p-53), 1 - 0x1p-53));
    return fmin(fmax(prior->at + prior->width * z, low), high);
}

static double
draw(const struct esp_default_prior_axis *prior, const struct esp_axis *axis, double u)
{
    if (!prior->upper_limit) {
        return truncated_normal(prior, axis->low, axis->high, u);
    }
    double below = fmax(BELOW_SHARE, (prior->at - axis->low) / (axis->high - axis->low));
    if (u < below) {
        return axis->low + u / below * (prior->at - axis->low);
    }
    return truncated_normal(prior, prior->at, axis->high, (u - below) / (1 - below));
}

void esp_default_prior_draw(const struct esp_default_prior *prior,
                            const struct esp_space *space,
                            const double *u,
                            double *drawn)
{
    double x[ESP_PARAMS_MAX];
    esp_space_uniform(space, u, drawn);
    esp_space_place(space, drawn, x);
    for (int i = 0; i < prior->count; i++) {
        const struct esp_default_prior_axis *a = &prior->axes[i];
        x[a->axis] = draw(a, &space->axes[a->axis], u[a->axis]);
    }
    esp_space_draw(space, x, drawn);
}
