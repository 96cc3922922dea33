#include "setting_space.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of a distribution without ends. */
#define TAIL 0.0005
/* Multiples of q are counted while they are exact whole numbers. */
#define WHOLE_MAX 0x1p53

static bool is_choice(const struct esp_param *param)
{
    return param->distribution == ESP_CONSTANT || param->distribution == ESP_CATEGORICAL ||
           param->distribution == ESP_CATEGORICAL_WEIGHTED;
}

bool esp_same_choice(const struct esp_value *a, const struct esp_value *b)
{
    if ((a->type == ESP_VALUE_TEXT) != (b->type == ESP_VALUE_TEXT) ||
        (a->type == ESP_VALUE_BOOLEAN) != (b->type == ESP_VALUE_BOOLEAN)) {
        return false;
    }
    return a->type == ESP_VALUE_TEXT ? strcmp(a->text, b->text) == 0 : a->real == b->real;
}

static int first_equal(const struct esp_param *param, int choice)
{
    int first = 0;
    while (first < choice &&
           !esp_same_choice(&param->choices[first], &param->choices[choice])) {
        first++;
    }
    return first;
}

static bool is_drawn(const struct esp_param *param, int choice)
{
    return param->distribution != ESP_CATEGORICAL_WEIGHTED || param->probabilities[choice] > 0;
}

/* Number of values of a parameter that is no choice, and its `first`. */
static int64_t count_numbers(const struct esp_param *param, double *first)
{
    bool endless = param->distribution == ESP_NORMAL || param->distribution == ESP_LOG_NORMAL;
    double low = esp_param_draw(param, endless ? TAIL : 0);
    double high = esp_param_draw(param, endless ? 1 - TAIL : 1);
    *first = low;
    if (param->quantised) {
        *first = rint(low / param->q);
        double count = rint(high / param->q) - *first + 1;
        return fabs(*first) < WHOLE_MAX && count >= 1 && count < WHOLE_MAX ? (int64_t)count : 0;
    }
    if (param->distribution == ESP_INT_UNIFORM) {
        return (int64_t)(high - low) + 1;
    }
    return low == high ? 1 : 0;
}

static int make_choices(struct esp_setting_axis *axis, const struct esp_param *param)
{
    size_t count = (size_t)param->choice_count;
    axis->equal = malloc(count * sizeof *axis->equal);
    axis->index = malloc(count * sizeof *axis->index);
    axis->choice = malloc(count * sizeof *axis->choice);
    if (!axis->equal || !axis->index || !axis->choice) {
        return -ENOMEM;
    }
    for (int i = 0; i < param->choice_count; i++) {
        int first = first_equal(param, i);
        axis->equal[i] = first;
        axis->index[i] = -1;
        if (is_drawn(param, i) && axis->index[first] < 0) {
            axis->choice[axis->count] = first;
            axis->index[first] = (int)axis->count++;
        }
    }
    return 0;
}

/* The places of all values of the axes, when the settings are few enough. */
static int make_places(struct esp_setting_space *space)
{
    for (int a = 0; a < space->space.count; a++) {
        int param = space->space.axes[a].param;
        struct esp_setting_axis *axis = &space->axes[param];
        if (space->space.axes[a].kind == ESP_AXIS_NOMINAL) {
            continue;
        }
        axis->place = malloc((size_t)axis->count * sizeof *axis->place);
        if (!axis->place) {
            return -ENOMEM;
        }
        for (int64_t i = 0; i < axis->count; i++) {
            double drawn = esp_setting_space_value(space, param, i);
            axis->place[i] = esp_space_coordinate(
                &space->space, a, esp_space_number(&space->space, a, drawn));
        }
    }
    return 0;
}

int esp_setting_space_create(const struct esp_study *study, struct esp_setting_space **out)
{
    int rc = 0;
    struct esp_setting_space *space = calloc(1, sizeof *space);
    if (!space) {
        return -ENOMEM;
    }
    space->study = study;
    space->total = 1;
    esp_space_make(&space->space, study);
    for (int i = 0; i < study->param_count && rc == 0; i++) {
        struct esp_setting_axis *axis = &space->axes[i];
        if (is_choice(&study->params[i])) {
            rc = make_choices(axis, &study->params[i]);
        } else {
            axis->count = count_numbers(&study->params[i], &axis->first);
        }
        if (__builtin_mul_overflow(space->total, axis->count, &space->total)) {
            space->total = INT64_MAX;
        }
    }
    if (rc == 0 && space->total > 0 && space->total <= ESP_SETTINGS_LISTED_MAX) {
        rc = make_places(space);
    }
    if (rc < 0) {
        esp_setting_space_destroy(space);
        return rc;
    }
    *out = space;
    return 0;
}

void esp_setting_space_destroy(struct esp_setting_space *space)
{
    for (int i = 0; space && i < ESP_PARAMS_MAX; i++) {
        free(space->axes[i].equal);
        free(space->axes[i].index);
        free(space->axes[i].choice);
        free(space->axes[i].place);
    }
    free(space);
}

void esp_setting_space_canonical(const struct esp_setting_space *space,
                                 const double *drawn,
                                 double *canonical)
{
    for (int i = 0; i < space->study->param_count; i++) {
        const struct esp_param *param = &space->study->params[i];
        canonical[i] = drawn[i] + 0.0; /* never -0 */
        if (is_choice(param)) {
            int last = param->choice_count - 1, choice = (int)fmin(fmax(drawn[i], 0), last);
            canonical[i] = space->axes[i].equal[choice];
        }
    }
}

double esp_setting_space_value(const struct esp_setting_space *space, int param, int64_t index)
{
    const struct esp_setting_axis *axis = &space->axes[param];
    const struct esp_param *p = &space->study->params[param];
    assert(index >= 0 && index < axis->count);
    if (axis->choice) {
        return axis->choice[index];
    }
    if (p->quantised) {
        return esp_param_quantise(p, (axis->first + (double)index) * p->q) + 0.0;
    }
    return axis->first + (double)index;
}

int64_t
esp_setting_space_index(const struct esp_setting_space *space, int param, double canonical)
{
    const struct esp_setting_axis *axis = &space->axes[param];
    const struct esp_param *p = &space->study->params[param];
    if (axis->choice) {
        return axis->index[(int)canonical];
    }
    double at = (p->quantised ? rint(canonical / p->q) : canonical) - axis->first;
    bool inside = at >= 0 && at < (double)axis->count && at == floor(at);
    return inside && esp_setting_space_value(space, param, (int64_t)at) == canonical
               ? (int64_t)at
               : -1;
}

bool esp_setting_space_has(const struct esp_setting_space *space, const double *canonical)
{
    for (int i = 0; i < space->study->param_count; i++) {
        if (esp_setting_space_index(space, i, canonical[i]) < 0) {
            return false;
        }
    }
    return true;
}

static int64_t count_choices(const struct esp_param *param)
{
    int64_t count = 0;
    for (int i = 0; i < param->choice_count; i++) {
        bool counted = !is_drawn(param, i);
        for (int k = 0; k < i && !counted; k++) {
            counted =
                is_drawn(param, k) && esp_same_choice(&param->choices[k], &param->choices[i]);
        }
        count += !counted;
    }
    return count;
}

int64_t esp_setting_count(const struct esp_study *study, bool on_grid)
{
    int64_t total = 1;
    for (int i = 0; i < study->param_count; i++) {
        const struct esp_param *param = &study->params[i];
        double first;
        int64_t count = is_choice(param) ? count_choices(param)
                        : on_grid        ? esp_param_grid_count(param)
                                         : count_numbers(param, &first);
        if (__builtin_mul_overflow(total, count, &total)) {
            total = INT64_MAX;
        }
    }
    return total;
}
