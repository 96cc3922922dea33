#include "unseen_setting.h"

#include <assert.h>
#include <espalier/random.h>
#include <math.h>
#include <string.h>

/* Counters of the random numbers drawn here are above those of the samplers. */
#define COUNTER (1ull << 40)
/* Steps from the proposed setting that are tried where not all settings are compared. */
#define STEPS_MAX 64

static struct esp_random_block
block_at(const struct esp_setting_space *space, uint32_t number, uint64_t counter)
{
    return esp_random_at(space->study->seed, number, ESP_RANDOM_SAMPLER, COUNTER + counter);
}

static double draw(const struct esp_setting_space *space, uint32_t number, int step, int param)
{
    struct esp_random_block b =
        block_at(space, number, (uint64_t)step * ESP_PARAMS_MAX + (uint64_t)param);
    return esp_param_draw(&space->study->params[param], esp_random_unit(b.word[0], b.word[1]));
}

static bool is_unseen(const struct esp_setting_space *space,
                      const struct esp_known_settings *known,
                      const double *drawn)
{
    double canonical[ESP_PARAMS_MAX];
    esp_setting_space_canonical(space, drawn, canonical);
    return esp_known_settings_find(known, space->study->param_count, canonical) < 0;
}

/* Setting `rank` of the `total`: the last parameter varies fastest. */
static void
setting_at(const struct esp_setting_space *space, int64_t rank, int64_t *index, double *values)
{
    for (int i = space->study->param_count - 1; i >= 0; i--) {
        index[i] = rank % space->axes[i].count;
        rank /= space->axes[i].count;
        values[i] = esp_setting_space_value(space, i, index[i]);
    }
}

/* The nearest of all settings. The first one that is compared is drawn, so that of several at
 * the same distance none is preferred. */
static bool nearest(const struct esp_setting_space *space,
                    const struct esp_known_settings *known,
                    uint32_t number,
                    double *values)
{
    double from[ESP_PARAMS_MAX], at[ESP_PARAMS_MAX], best[ESP_PARAMS_MAX], least = INFINITY;
    int64_t index[ESP_PARAMS_MAX];
    size_t size = (size_t)space->study->param_count * sizeof *values;
    int64_t start = block_at(space, number, 0).word[0] % space->total;
    assert(space->total <= ESP_SETTINGS_LISTED_MAX);
    esp_space_place(&space->space, values, from);
    for (int64_t i = 0; i < space->total; i++) {
        double distance = 0;
        setting_at(space, (start + i) % space->total, index, at);
        for (int a = 0; a < space->space.count; a++) {
            int param = space->space.axes[a].param;
            const double *place = space->axes[param].place;
            double apart = place ? place[index[param]] - from[a] : at[param] != from[a];
            distance += apart * apart;
        }
        if (distance < least && is_unseen(space, known, at)) {
            least = distance;
            memcpy(best, at, size);
        }
    }
    if (isinf(least)) {
        return false;
    }
    memcpy(values, best, size);
    return true;
}

/* Draws the continuous parameters again and keeps the others. */
static bool redraw(const struct esp_setting_space *space,
                   const struct esp_known_settings *known,
                   uint32_t number,
                   double *values)
{
    int params = space->study->param_count;
    double at[ESP_PARAMS_MAX];
    for (int step = 0; step < STEPS_MAX; step++) {
        for (int i = 0; i < params; i++) {
            at[i] = space->axes[i].count > 0 ? values[i] : draw(space, number, step, i);
        }
        if (is_unseen(space, known, at)) {
            memcpy(values, at, (size_t)params * sizeof *values);
            return true;
        }
    }
    return false;
}

/* Moves one parameter by one step, then by two, and so on. */
static bool step_aside(const struct esp_setting_space *space,
                       const struct esp_known_settings *known,
                       uint32_t number,
                       double *values)
{
    int params = space->study->param_count;
    double from[ESP_PARAMS_MAX];
    esp_setting_space_canonical(space, values, from);
    for (int step = 0; step < STEPS_MAX; step++) {
        struct esp_random_block b = block_at(space, number, (uint64_t)step);
        int param = (int)(b.word[0] % (uint32_t)params);
        int64_t size = 1 + step / (2 * params);
        int64_t at = esp_setting_space_index(space, param, from[param]);
        at += b.word[1] % 2 ? size : -size;
        if (at < 0 || at >= space->axes[param].count) {
            continue;
        }
        double kept = values[param];
        values[param] = esp_setting_space_value(space, param, at);
        if (is_unseen(space, known, values)) {
            return true;
        }
        values[param] = kept;
    }
    return false;
}

/* The next one after the proposed setting, in the order of `setting_at`. It looks at one more
 * than there are known ones at most. */
static bool next_in_order(const struct esp_setting_space *space,
                          const struct esp_known_settings *known,
                          double *values)
{
    int params = space->study->param_count;
    int64_t index[ESP_PARAMS_MAX];
    double at[ESP_PARAMS_MAX];
    esp_setting_space_canonical(space, values, at);
    for (int i = 0; i < params; i++) {
        int64_t inside = esp_setting_space_index(space, i, at[i]);
        index[i] = inside < 0 ? 0 : inside;
        at[i] = esp_setting_space_value(space, i, index[i]);
    }
    for (uint32_t looked = 0; looked <= known->count; looked++) {
        if (is_unseen(space, known, at)) {
            memcpy(values, at, (size_t)params * sizeof *values);
            return true;
        }
        bool carry = true;
        for (int i = params - 1; i >= 0 && carry; i--) {
            index[i] = (index[i] + 1) % space->axes[i].count;
            carry = index[i] == 0;
            at[i] = esp_setting_space_value(space, i, index[i]);
        }
    }
    return false;
}

bool esp_unseen_setting(const struct esp_setting_space *space,
                        const struct esp_known_settings *known,
                        uint32_t number,
                        double *values)
{
    if (space->total == 0) {
        return redraw(space, known, number, values);
    }
    if (space->total <= ESP_SETTINGS_LISTED_MAX) {
        return nearest(space, known, number, values);
    }
    return step_aside(space, known, number, values) || next_in_order(space, known, values);
}

void esp_drawable_setting(const struct esp_setting_space *space,
                          uint32_t number,
                          double *values)
{
    double canonical[ESP_PARAMS_MAX];
    esp_setting_space_canonical(space, values, canonical);
    for (int i = 0; i < space->study->param_count; i++) {
        if (space->axes[i].choice && esp_setting_space_index(space, i, canonical[i]) < 0) {
            values[i] = draw(space, number, STEPS_MAX, i);
        }
    }
}
