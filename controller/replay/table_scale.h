/* The scale on which a table's parameter is even: distances are taken on it, and proposals are
 * uniform on it. */
#ifndef ESPALIER_REPLAY_TABLE_SCALE_H
#define ESPALIER_REPLAY_TABLE_SCALE_H

#include "table.h"

/* The words of `scale`, in the order of enum esp_table_scale, NULL-terminated. */
extern const char *const esp_table_scale_names[];

/* The scale of a parameter's values. Values with texts among them are placed by their
 * index, so their scale is linear. */
enum esp_table_scale esp_table_param_scale(const struct esp_table_param *param);
/* The number that represents a value; for a text its index. */
double esp_table_param_number(const struct esp_table_param *param, int value);

/* x transformed to the scale; not finite outside its domain. */
double esp_table_on_scale(enum esp_table_scale scale, double x);
/* x as a share of [min, max] on the scale; 0.5 where they are equal. */
double esp_table_share(enum esp_table_scale scale, double min, double max, double x);

#endif
