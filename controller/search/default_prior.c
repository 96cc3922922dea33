#include "default_prior.h"

#include "normal.h"

#include <math.h>
#include <string.h>

/* Of the draws on an axis where any value up to the usual one will do; more where more of the
 * range lies below it. */
#define BELOW_SHARE 0.75
/* default_prior.h */
#define RATE_LENGTH_OCTAVES 5.0

static const struct {
    const char *name;
    bool most;
    double value, beyond; /* the usual value, and the one that lies one σ above it */
} known[] = {
    {"learning_rate", false, 3e-3, 3e-2},
    {"lr", false, 3e-3, 3e-2},
    {"l1", true, 1e-4, 1e-2},
    {"l2", true, 1e-4, 1e-2},
    {"weight_decay", true, 0.1, 1},
    {"dropout", true, 0.1, 0.3},
};

static bool is_wanted(const struct esp_study *study)
{
    const struct esp_prior *prior = &study->prior;
    return !(study->ablate & ESP_ABLATE_PRIOR) &&
           (prior->kind == ESP_PRIOR_STEP_LAW || !prior->given);
}

/* SGD's learning rates are another matter, and so are those of several optimizers at once. */
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

/* Other distributions are a prior of the user's own; and what is known of learning rates are
 * decades, which a linear axis does not have. */
static bool is_open(const struct esp_study *study, const struct esp_axis *axis, bool rate)
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

void esp_default_prior_make(struct esp_default_prior *usual, const struct esp_space *space)
{
    const struct esp_study *study = space->study;
    usual->count = 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0] && is_wanted(study); i++) {
        int at = esp_space_find(space, known[i].name);
        if (at < 0) {
            continue;
        }
        const struct esp_axis *axis = &space->axes[at];
        if (!is_open(study, axis, !known[i].most)) {
            continue;
        }
        double middle = esp_space_coordinate(space, at, known[i].value);
        double beyond = esp_space_coordinate(space, at, known[i].beyond);
        if (middle > axis->low && middle < axis->high) {
            usual->axes[usual->count++] = (struct esp_default_prior_axis){
                .axis = at, .most = known[i].most, .at = middle, .width = beyond - middle};
        }
    }
}

double esp_default_prior_length(const struct esp_space *space, int axis)
{
    const struct esp_study *study = space->study;
    const struct esp_axis *a = &space->axes[axis];
    bool rate =
        axis == esp_space_find(space, "learning_rate") || axis == esp_space_find(space, "lr");
    return rate && a->octaves && is_adam(study) && is_wanted(study) ? RATE_LENGTH_OCTAVES
                                                                    : INFINITY;
}

/* Of the normal around `at` between the ends, by the share u of its mass. */
static double
between(const struct esp_default_prior_axis *usual, double low, double high, double u)
{
    double from = esp_normal_p((low - usual->at) / usual->width);
    double to = esp_normal_p((high - usual->at) / usual->width);
    double z = esp_normal_z(fmin(fmax(from + u * (to - from), 0x1p-53), 1 - 0x1p-53));
    return fmin(fmax(usual->at + usual->width * z, low), high);
}

static double
draw(const struct esp_default_prior_axis *usual, const struct esp_axis *axis, double u)
{
    if (!usual->most) {
        return between(usual, axis->low, axis->high, u);
    }
    double below = fmax(BELOW_SHARE, (usual->at - axis->low) / (axis->high - axis->low));
    if (u < below) {
        return axis->low + u / below * (usual->at - axis->low);
    }
    return between(usual, usual->at, axis->high, (u - below) / (1 - below));
}

void esp_default_prior_draw(const struct esp_default_prior *usual,
                            const struct esp_space *space,
                            const double *u,
                            double *drawn)
{
    double x[ESP_PARAMS_MAX];
    esp_space_uniform(space, u, drawn);
    esp_space_place(space, drawn, x);
    for (int i = 0; i < usual->count; i++) {
        const struct esp_default_prior_axis *a = &usual->axes[i];
        x[a->axis] = draw(a, &space->axes[a->axis], u[a->axis]);
    }
    esp_space_draw(space, x, drawn);
}
