/* The settings that a study can propose, where their number is finite.
 *
 * Choices, integers and quantised numbers have finitely many values; a continuous range has
 * not. Values are compared as a trial gets them: 3.0 and 3 are one choice, and so are two draws
 * that quantise to one number. A choice with probability 0 is not counted. Of a quantised
 * distribution without ends, the middle 99.9 % is counted, which is also the range of the
 * samplers' axes (space.c).
 *
 * A grid search has its own points (grid.c) and does not use this. */
#ifndef ESPALIER_SEARCH_SETTING_SPACE_H
#define ESPALIER_SEARCH_SETTING_SPACE_H

#include "space.h"

#include <espalier/study.h>

/* Up to this many settings the nearest one is looked for among all; then each setting has its
 * place in memory, at most this many numbers per parameter. */
#define ESP_SETTINGS_LISTED_MAX 4096

/* Values of one parameter. */
struct esp_setting_axis {
    int64_t count; /* 0: not finite */
    double first;  /* integers: the least one; quantised: the least multiple of q */
    /* Of choices; owned. [choice_count]: the first choice with an equal value; its index among
     * the values, -1: no draw gives it. [count]: the choice. */
    int *equal, *index, *choice;
    double *place; /* [count], in the coordinates of space.h; owned; NULL: not listed */
};

struct esp_setting_space {
    const struct esp_study *study;
    struct esp_setting_axis axes[ESP_PARAMS_MAX]; /* by parameter */
    struct esp_space space;
    int64_t total; /* number of settings; 0: not finite; saturates at INT64_MAX */
};

/* The study must outlive it. -ENOMEM. */
int esp_setting_space_create(const struct esp_study *study, struct esp_setting_space **out);
void esp_setting_space_destroy(struct esp_setting_space *space);

/* Whether two choices are the same value to a trainer: 3.0 and 3 are, 1 and true or "1" are
 * not.
 */
bool esp_same_choice(const struct esp_value *a, const struct esp_value *b);

/* Replaces drawn values by those that stand for all equal ones. */
void esp_setting_space_canonical(const struct esp_setting_space *space,
                                 const double *drawn,
                                 double *canonical);
/* Whether canonical values are one of the `total` settings; a user may add others. */
bool esp_setting_space_has(const struct esp_setting_space *space, const double *canonical);
/* Value `index` in [0, count) of a parameter. */
double esp_setting_space_value(const struct esp_setting_space *space, int param, int64_t index);
/* The index of a canonical value; -1: it has none. */
int64_t
esp_setting_space_index(const struct esp_setting_space *space, int param, double canonical);

/* Number of settings of a study, or of points of a grid search of it, where every parameter
 * must have a grid. 0: not finite; saturates at INT64_MAX. */
int64_t esp_setting_count(const struct esp_study *study, bool on_grid);

#endif
