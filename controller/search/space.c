#include "space.h"

#include <math.h>
#include <string.h>

/* Below this ratio of the ends a logarithmic and a linear axis hardly differ. */
#define OCTAVES_RATIO_MIN 4.0
#define LINEAR_UNITS 4.0

static bool is_choice(const struct esp_param *param)
{
    return param->distribution == ESP_CATEGORICAL ||
           param->distribution == ESP_CATEGORICAL_WEIGHTED;
}

static bool all_numbers(const struct esp_param *param)
{
    for (int i = 0; i < param->choice_count; i++) {
        if (param->choices[i].type != ESP_VALUE_REAL &&
            param->choices[i].type != ESP_VALUE_INTEGER) {
            return false;
        }
    }
    return true;
}

double esp_space_number(const struct esp_space *space, int axis, double drawn)
{
    const struct esp_axis *a = &space->axes[axis];
    if (a->kind == ESP_AXIS_NUMBER) {
        return drawn;
    }
    return a->kind == ESP_AXIS_LEVELS ? space->study->params[a->param].choices[(int)drawn].real
                                      : NAN;
}

/* The range of drawn numbers; of a distribution without ends, its middle 99.9 %. */
static void range_of(const struct esp_param *param, double *low, double *high)
{
    if (is_choice(param)) {
        *low = INFINITY;
        *high = -INFINITY;
        for (int i = 0; i < param->choice_count; i++) {
            *low = fmin(*low, param->choices[i].real);
            *high = fmax(*high, param->choices[i].real);
        }
        return;
    }
    *low = esp_param_draw(param, 0.0005);
    *high = esp_param_draw(param, 0.9995);
    if (param->distribution == ESP_UNIFORM || param->distribution == ESP_LOG_UNIFORM_VALUES ||
        param->distribution == ESP_INT_UNIFORM) {
        *low = fmin(*low, param->min);
        *high = fmax(*high, param->max);
    }
}

static double coordinate(const struct esp_axis *axis, double low, double high, double number)
{
    if (axis->octaves) {
        return log2(number > 0 ? number : 1e-300);
    }
    return high > low ? LINEAR_UNITS * (number - low) / (high - low) : 0;
}

void esp_space_make(struct esp_space *space, const struct esp_study *study)
{
    memset(space, 0, sizeof *space);
    space->study = study;
    for (int i = 0; i < study->param_count; i++) {
        const struct esp_param *param = &study->params[i];
        struct esp_axis *axis = &space->axes[space->count];
        if (param->distribution == ESP_CONSTANT) {
            continue;
        }
        axis->param = i;
        space->count++;
        axis->kind = !is_choice(param)    ? ESP_AXIS_NUMBER
                     : all_numbers(param) ? ESP_AXIS_LEVELS
                                          : ESP_AXIS_NOMINAL;
        if (axis->kind == ESP_AXIS_NOMINAL) {
            axis->high = param->choice_count - 1;
            continue;
        }
        double low, high;
        range_of(param, &low, &high);
        axis->octaves = low > 0 && high / low >= OCTAVES_RATIO_MIN;
        axis->low = coordinate(axis, low, high, low);
        axis->high = coordinate(axis, low, high, high);
    }
}

double esp_space_coordinate(const struct esp_space *space, int axis, double number)
{
    const struct esp_axis *a = &space->axes[axis];
    double low = 0, high = 1;
    if (!a->octaves) {
        range_of(&space->study->params[a->param], &low, &high);
    }
    return coordinate(a, low, high, number);
}

void esp_space_place(const struct esp_space *space, const double *drawn, double *x)
{
    for (int i = 0; i < space->count; i++) {
        const struct esp_axis *axis = &space->axes[i];
        if (axis->kind == ESP_AXIS_NOMINAL) {
            x[i] = drawn[axis->param];
            continue;
        }
        x[i] = esp_space_coordinate(space, i, esp_space_number(space, i, drawn[axis->param]));
    }
}

static bool is_drawn(const struct esp_param *param, int choice)
{
    return param->distribution != ESP_CATEGORICAL_WEIGHTED || param->probabilities[choice] > 0;
}

/* The choice itself, or the next one that has a probability. */
static double nominal_choice(const struct esp_param *param, double at)
{
    int choice = (int)round(at);
    for (int i = 0; i < param->choice_count && !is_drawn(param, choice); i++) {
        choice = (choice + 1) % param->choice_count;
    }
    return choice;
}

void esp_space_draw(const struct esp_space *space, const double *x, double *drawn)
{
    for (int i = 0; i < space->study->param_count; i++) {
        if (space->study->params[i].distribution == ESP_CONSTANT) {
            drawn[i] = 0;
        }
    }
    for (int i = 0; i < space->count; i++) {
        const struct esp_axis *axis = &space->axes[i];
        const struct esp_param *param = &space->study->params[axis->param];
        double at = fmin(fmax(x[i], axis->low), axis->high);
        if (axis->kind == ESP_AXIS_NOMINAL) {
            drawn[axis->param] = nominal_choice(param, at);
            continue;
        }
        double low, high;
        range_of(param, &low, &high);
        double number = axis->octaves ? exp2(at) : low + at / LINEAR_UNITS * (high - low);
        if (axis->kind == ESP_AXIS_LEVELS) {
            int nearest = 0;
            double away_min = INFINITY;
            for (int k = 0; k < param->choice_count; k++) {
                double away = fabs(coordinate(axis, low, high, param->choices[k].real) - at);
                if (away < away_min && is_drawn(param, k)) {
                    away_min = away;
                    nearest = k;
                }
            }
            drawn[axis->param] = nearest;
            continue;
        }
        /* Through the unit interval, so that integers and quantised values stay such. */
        drawn[axis->param] = esp_param_draw(param, esp_param_unit(param, number));
    }
}

void esp_space_uniform(const struct esp_space *space, const double *u, double *drawn)
{
    for (int i = 0; i < space->study->param_count; i++) {
        drawn[i] = 0;
    }
    for (int i = 0; i < space->count; i++) {
        int param = space->axes[i].param;
        drawn[param] = esp_param_draw(&space->study->params[param], u[i]);
    }
}

int esp_space_find(const struct esp_space *space, const char *name)
{
    for (int i = 0; i < space->count; i++) {
        if (strcmp(space->study->params[space->axes[i].param].name, name) == 0) {
            return i;
        }
    }
    return -1;
}
