/* Rows for other programs (DESIGN 9):
 * trial,state,attempts,tokens,value,param.NAME…,repeats,seed and, of curves,
 * trial,step,tokens,train_loss,val_loss,device_seconds. `repeats` is the trial whose settings
 * this one has with another seed: empty in CSV when it has settings of its own, for which JSON
 * gives neither of the two.
 *
 * The same names in CSV and JSON. A value that is not finite is an empty field in CSV when it
 * is NaN, inf or -inf otherwise, and null in JSON. */
#ifndef ESPALIER_VIEW_EXPORT_H
#define ESPALIER_VIEW_EXPORT_H

#include "rows.h"

#include <espalier/study.h>

void esp_export_trial_json(const struct esp_reader_trial *trial, struct esp_buffer *out);
void esp_export_trial_csv(const struct esp_reader_trial *trial, struct esp_buffer *out);
void esp_export_trial_heading(const struct esp_study *study, struct esp_buffer *out);

void esp_export_point_json(const struct esp_event *report, struct esp_buffer *out);
void esp_export_point_csv(const struct esp_event *report, struct esp_buffer *out);
void esp_export_point_heading(struct esp_buffer *out);

#endif
