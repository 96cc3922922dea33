/* What training on costs: device seconds per token of every trial and of new settings, on every
 * class of devices, fitted from what reports told.
 *
 * Only intervals within one attempt count: between where it started, or its last report, and
 * its next report. So neither tokens that are trained again after a loss, nor a change of the
 * device, nor the time between attempts is taken for training. A time that does not grow, or is
 * no number, is no interval.
 *
 * How a rate is predicted, on a device of class d:
 *
 *   a trial that has reported there   the middle of its own last intervals, with what the fit
 *                                     says counted as one more
 *   another trial, new settings       a/B + b of that device (rate.h), from the trials that
 *                                     share every searched setting which changes the cost
 *                                     beside B (the model's shape, precision, optimizer), else
 *                                     from all; where the former know one batch size only, all
 *                                     of them say how the rate varies with it
 *   a device that nothing ran on      nothing (NaN): then every token costs the same
 *
 * Saving and loading checkpoints costs time too, but trainers do not count it as theirs and the
 * core keeps no clock: it is not known here.
 *
 * Pure: a fold of what it was told, O(1) per report. */
#ifndef ESPALIER_STOP_COST_H
#define ESPALIER_STOP_COST_H

#include <espalier/study.h>

struct esp_cost;

/* The study must outlive it. */
int esp_cost_create(const struct esp_study *study,
                    struct esp_cost **out,
                    struct esp_error *error);
void esp_cost_destroy(struct esp_cost *cost);

/* The folds. Trials in order; they start on device 0 with nothing trained. */
void esp_cost_created(struct esp_cost *cost, uint32_t trial, const double *values);
/* An attempt goes on from here, on a device of this class (0 to ESP_DEVICE_CLASSES_MAX - 1);
 * `device_seconds` is the trial's clock there, NaN when it is not known. */
void esp_cost_started(
    struct esp_cost *cost, uint32_t trial, int device, int64_t tokens, double device_seconds);
void esp_cost_observed(struct esp_cost *cost,
                       uint32_t trial,
                       int64_t tokens,
                       double device_seconds);

/* Seconds per token; positive, or NaN while nothing is known of the device: for all trials and
 * settings alike. */
double esp_cost_of_trial(const struct esp_cost *cost, uint32_t trial, int device);
double esp_cost_of_values(const struct esp_cost *cost, const double *values, int device);

#endif
