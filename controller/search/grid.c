/* Grid search: every combination once, in W&B's order: parameters sorted by name, the last one
 * varies fastest; equal choices (3.0 and 3) count once.
 *
 * A combination that a user enqueued is not proposed again: `taken` holds those at or after the
 * cursor, sorted. */
#include "sampler.h"
#include "setting_space.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct axis {
    int param;      /* index into study->params */
    double *points; /* drawn values */
    int64_t count;
};

struct grid {
    const struct esp_study *study;
    struct axis axes[ESP_PARAMS_MAX]; /* by name */
    int64_t total;                    /* saturates at INT64_MAX */
    int64_t cursor;                   /* every combination before it exists */
    int64_t *taken;
    int taken_count, taken_capacity;
};

/* Points of one parameter, held in memory; a grid that is searched to its end has far fewer. */
#define POINTS_MAX (1 << 20)

static void destroy(void *self)
{
    struct grid *grid = self;
    for (int i = 0; i < grid->study->param_count; i++) {
        free(grid->axes[i].points);
    }
    free(grid->taken);
    free(grid);
}

/* Fills in the drawn values of a parameter, each once. */
static int fill_axis(struct axis *axis, const struct esp_param *param, struct esp_error *error)
{
    int64_t count = esp_param_grid_count(param);
    if (count <= 0 || count > POINTS_MAX) {
        return esp_error_line(
            error,
            -EINVAL,
            param->line,
            count <= 0 ? "method grid cannot search parameter \"%s\": its "
                         "distribution has no grid; "
                         "give it values, integers or q_uniform, or use method sobol"
                       : "method grid cannot search parameter \"%s\": it has too many "
                         "points; "
                         "give it values, or use method sobol",
            param->name);
    }
    axis->points = malloc((size_t)count * sizeof *axis->points);
    if (!axis->points) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    bool choices = param->choice_count > 1;
    for (int64_t i = 0; i < count; i++) {
        double drawn = esp_param_grid_point(param, i);
        bool repeated = false;
        for (int64_t k = 0; choices && k < axis->count && !repeated; k++) {
            repeated = esp_same_choice(&param->choices[(int)drawn],
                                       &param->choices[(int)axis->points[k]]);
        }
        if (!repeated) {
            axis->points[axis->count++] = drawn;
        }
    }
    return 0;
}

static int create(const struct esp_study *study, void **self, struct esp_error *error)
{
    struct grid *grid = calloc(1, sizeof *grid);
    if (!grid) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    grid->study = study;
    grid->total = 1;
    for (int i = 0; i < study->param_count; i++) {
        int at = i;
        while (at > 0 && strcmp(study->params[grid->axes[at - 1].param].name,
                                study->params[i].name) > 0) {
            grid->axes[at].param = grid->axes[at - 1].param;
            at--;
        }
        grid->axes[at].param = i;
    }
    for (int i = 0; i < study->param_count; i++) {
        int rc = fill_axis(&grid->axes[i], &study->params[grid->axes[i].param], error);
        if (rc < 0) {
            destroy(grid);
            return rc;
        }
        if (__builtin_mul_overflow(grid->total, grid->axes[i].count, &grid->total)) {
            grid->total = INT64_MAX;
        }
    }
    *self = grid;
    return 0;
}

/* The number of a combination; -1: it is not on the grid. */
static int64_t number_of(const struct grid *grid, const double *values)
{
    int64_t number = 0;
    for (int i = 0; i < grid->study->param_count; i++) {
        const struct axis *axis = &grid->axes[i];
        const struct esp_param *param = &grid->study->params[axis->param];
        double value = values[axis->param];
        int64_t at = 0;
        for (; at < axis->count; at++) {
            if (param->choice_count > 1
                    ? esp_same_choice(&param->choices[(int)value],
                                      &param->choices[(int)axis->points[at]])
                    : value == axis->points[at]) {
                break;
            }
        }
        if (at == axis->count || __builtin_mul_overflow(number, axis->count, &number) ||
            __builtin_add_overflow(number, at, &number)) {
            return -1;
        }
    }
    return number;
}

static void created(void *self, uint32_t trial, const double *values)
{
    struct grid *grid = self;
    (void)trial;
    int64_t number = number_of(grid, values);
    if (number < grid->cursor) {
        return;
    }
    int at = grid->taken_count;
    while (at > 0 && grid->taken[at - 1] > number) {
        at--;
    }
    if (at > 0 && grid->taken[at - 1] == number) {
        return;
    }
    if (grid->taken_count == grid->taken_capacity) {
        grid->taken_capacity = grid->taken_capacity ? grid->taken_capacity * 2 : 16;
        grid->taken = realloc(grid->taken, (size_t)grid->taken_capacity * sizeof *grid->taken);
        assert(grid->taken);
    }
    memmove(&grid->taken[at + 1],
            &grid->taken[at],
            (size_t)(grid->taken_count - at) * sizeof *grid->taken);
    grid->taken[at] = number;
    grid->taken_count++;
    int passed = 0;
    while (passed < grid->taken_count && grid->taken[passed] == grid->cursor) {
        grid->cursor++;
        passed++;
    }
    grid->taken_count -= passed;
    memmove(grid->taken, &grid->taken[passed], (size_t)grid->taken_count * sizeof *grid->taken);
}

static int propose(const void *self, uint32_t trial, double *values, struct esp_reason *reason)
{
    const struct grid *grid = self;
    (void)trial;
    (void)reason;
    if (grid->cursor >= grid->total) {
        return ESP_SAMPLER_EXHAUSTED;
    }
    int64_t rest = grid->cursor;
    for (int i = grid->study->param_count - 1; i >= 0; i--) {
        const struct axis *axis = &grid->axes[i];
        values[axis->param] = axis->points[rest % axis->count];
        rest /= axis->count;
    }
    return 0;
}

const struct esp_sampler_ops esp_sampler_grid = {
    .create = create,
    .destroy = destroy,
    .created = created,
    .propose = propose,
};
