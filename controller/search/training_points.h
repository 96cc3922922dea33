/* The losses that the Gaussian process is conditioned on: an active set of bounded size, so
 * that a decision costs the same among ten thousand trials as among a hundred. */
#ifndef ESPALIER_SEARCH_TRAINING_POINTS_H
#define ESPALIER_SEARCH_TRAINING_POINTS_H

#include "loss_curves.h"

/* Points, and trials they come from. A decision costs some N³/3 + N²·(means + candidates)
 * multiplications: 30 million for N = 128. */
#define ESP_POINTS_MAX 128
#define ESP_ACTIVE_MAX 80

#define ESP_NO_TRIAL UINT32_MAX

struct esp_training_point {
    uint32_t trial; /* ESP_NO_TRIAL: assumed, of a trial that has not reported */
    int place;      /* index into x */
    double h;
    double z; /* projected final loss; infinity: failed; NaN: assumed */
};

struct esp_training_points {
    int count, capacity;
    int place_count;
    int axes;
    struct esp_training_point *points; /* the last loss of each place comes first */
    double *x;                         /* [places, axes] */
};

/* Chooses points from at most `limit` trials, ESP_ACTIVE_MAX at most, and half as many more
 * points. `points` is all zero at first, and keeps its memory from call to call. -ENOMEM. */
int esp_training_points_choose(struct esp_training_points *points,
                               const struct esp_loss_curves *curves,
                               int limit);
void esp_training_points_release(struct esp_training_points *points);

/* Adds a finished training at x with an assumed loss; false: full. */
bool esp_training_points_assume(struct esp_training_points *points, const double *x);

/* Coordinates of a point, [axes]. */
const double *esp_training_points_x(const struct esp_training_points *points, int index);

#endif
