#include "scaling_law.h"

#include <math.h>
#include <string.h>

/* The grids that the law was measured on begin at 215 M parameters; smaller models extrapolate
 * it. */
#define PARAMETERS_MATCHED 1e8
/* Below this, a twentieth of the smallest of them, the law is used only where the study names
 * it: on a model of 0.3 M parameters its optimum was 1.4 and 2.6 octaves off. */
#define PARAMETERS_TRUSTED 1e7
#define WIDTH_MATCHED 0.75
#define WIDTH_RATE 1.5
#define WIDTH_BATCH 1.25
#define CURVATURE_RATE 0.30
#define CURVATURE_BATCH 0.29
#define CROSS (-0.26)
/* Rise from the bottom to half the range away, in spreads of the losses. */
#define GENERIC_RISE 2.0
#define GENERIC_AXES_MAX 4

static double model_parameters(const struct esp_study *study)
{
    if (study->prior.parameters > 0) {
        return study->prior.parameters;
    }
    double width = (double)study->trainer.width;
    return study->abilities.settings_known
               ? 12.0 * (double)study->trainer.layers * width * width
               : 0;
}

static void
add_axis(struct esp_scaling_law *law, int axis, double at, double curvature, double width)
{
    int i = law->count++;
    law->axes[i] = axis;
    law->at[i] = at;
    law->curvature[i] = curvature;
    law->width[i] = width;
}

static void make_step_law(struct esp_scaling_law *law, const struct esp_space *space)
{
    const struct esp_study *study = space->study;
    double n = model_parameters(study), d = (double)study->trainer.tokens;
    double context = (double)study->trainer.context;
    if (!(n > 0) || !(d > 0) || !(context > 0) ||
        (!study->prior.given && n < PARAMETERS_TRUSTED)) {
        return;
    }
    int rate = esp_space_find(space, "learning_rate");
    int batch = esp_space_find(space, "batch_size");
    bool matched = n >= PARAMETERS_MATCHED;
    double best_rate = log2(1.79 * pow(n, -0.713) * pow(d, 0.307)) + study->prior.shift;
    double best_batch = log2(0.58 * pow(d, 0.571) / context);
    double scale = study->prior.width > 0 ? study->prior.width / WIDTH_MATCHED : 1;
    if (rate >= 0 && space->axes[rate].octaves) {
        /* For a fixed batch size the best rate is where the rise is least for that size. */
        if (batch < 0 && study->trainer.batch_size > 0) {
            double off = log2((double)study->trainer.batch_size) - best_batch;
            best_rate += -CROSS / (2 * CURVATURE_RATE) * off;
        }
        add_axis(law,
                 rate,
                 best_rate,
                 CURVATURE_RATE,
                 scale * (matched ? WIDTH_MATCHED : WIDTH_RATE));
    }
    if (batch >= 0 && space->axes[batch].octaves) {
        add_axis(law,
                 batch,
                 best_batch,
                 CURVATURE_BATCH,
                 scale * (matched ? WIDTH_MATCHED : WIDTH_BATCH));
    }
    law->cross = law->count == 2 ? CROSS : 0;
    law->matched = matched;
    law->active = law->count > 0;
}

static void make_center(struct esp_scaling_law *law, const struct esp_space *space)
{
    const struct esp_study *study = space->study;
    double width = study->prior.width > 0 ? study->prior.width : WIDTH_MATCHED;
    double curvature = CURVATURE_RATE * (WIDTH_MATCHED / width) * (WIDTH_MATCHED / width);
    for (int i = 0; i < space->count; i++) {
        const struct esp_axis *axis = &space->axes[i];
        double center = study->prior.center[axis->param];
        if (isnan(center) || axis->kind == ESP_AXIS_NOMINAL) {
            continue;
        }
        if (!axis->octaves || center > 0) {
            add_axis(law, i, esp_space_coordinate(space, i, center), curvature, width);
        }
    }
    law->matched = true;
    law->active = law->count > 0;
}

/* A bowl whose bottom may be anywhere; `width` is half the range. In many dimensions the shifts
 * are too few to cover the possible bottoms. */
static void make_generic(struct esp_scaling_law *law, const struct esp_space *space)
{
    for (int i = 0; i < space->count; i++) {
        const struct esp_axis *axis = &space->axes[i];
        double half = 0.5 * (axis->high - axis->low);
        if (axis->kind != ESP_AXIS_NOMINAL && half > 0 && law->count < GENERIC_AXES_MAX) {
            add_axis(law, i, axis->low + half, GENERIC_RISE / (half * half), half);
        }
    }
    law->generic = true;
    law->active = law->count > 0 && space->count <= GENERIC_AXES_MAX;
}

void esp_scaling_law_make(struct esp_scaling_law *law, const struct esp_space *space)
{
    memset(law, 0, sizeof *law);
    switch (space->study->prior.kind) {
    case ESP_PRIOR_STEP_LAW:
        make_step_law(law, space);
        break;
    case ESP_PRIOR_CENTER:
        make_center(law, space);
        break;
    case ESP_PRIOR_NONE:
        break;
    }
    if (!law->active || (space->study->ablate & ESP_ABLATE_PRIOR)) {
        memset(law, 0, sizeof *law);
    }
    if (!law->active && !(space->study->ablate & ESP_ABLATE_PRIOR)) {
        make_generic(law, space);
    }
}

double
esp_scaling_law_rise(const struct esp_scaling_law *law, const double *x, const double *shift)
{
    double sum = 0, away[ESP_PARAMS_MAX];
    for (int i = 0; i < law->count; i++) {
        away[i] = x[law->axes[i]] - law->at[i] - (shift ? shift[i] : 0);
        sum += law->curvature[i] * away[i] * away[i];
    }
    if (law->count == 2) {
        sum += law->cross * away[0] * away[1];
    }
    return sum;
}

bool esp_scaling_law_is_known(const struct esp_scaling_law *law)
{
    return law->active && !law->generic;
}
