/* Predicted cost of training: device seconds per token of every trial and of new settings, on
 * every class of devices, fitted to the reports.
 *
 * Only intervals within one attempt count: between its start, or its last report, and its next
 * report. So retrained tokens after a loss, a change of the device, and the time between
 * attempts are not counted as training. An interval in which the time does not grow, or is not
 * a number, is left out.
 *
 * How a rate is predicted, on a device of class d:
 *
 *   a trial that has reported there   the lower median of its own last intervals, with the
 *                                     fitted rate counted as one more interval
 *   another trial, new settings       a/B + b of that device (rate.h), from the trials that
 * have the same value of every other searched setting that changes the cost (the model's shape,
 * precision, optimizer), else from all trials; where the former have one batch size only, all
 * trials give the dependence on it a device that nothing ran on      unknown (NaN): then every
 * token costs the same
 *
 * Saving and loading checkpoints takes time too. It is not included: trainers do not count it
 * as training, and the core has no clock.
 *
 * Pure: a fold of events, O(1) per report. */
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
/* An attempt continues from here, on a device of this class (0 to ESP_DEVICE_CLASSES_MAX - 1);
 * `device_seconds` is the trial's clock at that point, NaN when it is unknown. */
void esp_cost_started(
    struct esp_cost *cost, uint32_t trial, int device, int64_t tokens, double device_seconds);
void esp_cost_observed(struct esp_cost *cost,
                       uint32_t trial,
                       int64_t tokens,
                       double device_seconds);

/* Seconds per token; positive, or NaN for all trials and settings while nothing has run on such
 * a device. */
double esp_cost_of_trial(const struct esp_cost *cost, uint32_t trial, int device);
double esp_cost_of_values(const struct esp_cost *cost, const double *values, int device);

#endif
