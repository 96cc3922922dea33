/* A small plot in characters: values against one parameter, with a mark per value of a second.
 *
 *   val_loss
 *   2.61 ┤ ◇                       ○
 *        │   ○      ◇          ●
 *   2.21 ┤       ●  ◆   ● ◆
 *        └──────────────────────────
 *        3e-4     learning_rate   3e-2
 *        batch_size  ● 4  ◆ 8  hollow: stopped before the end
 */
#ifndef ESPALIER_VIEW_PLOT_H
#define ESPALIER_VIEW_PLOT_H

#include "buffer.h"

#define ESP_PLOT_SERIES_MAX 8
#define ESP_PLOT_WIDTH_MAX 200
#define ESP_PLOT_HEIGHT_MAX 60

struct esp_plot_point {
    double x, y;
    int series;    /* in [0, series_count) */
    bool finished; /* else its mark is hollow */
};

struct esp_plot {
    const struct esp_plot_point *points;
    size_t point_count;
    const char *x_name, *y_name;
    const char *series_name; /* NULL: one series without a name */
    const char *series[ESP_PLOT_SERIES_MAX];
    int series_count;
    bool log_x;
    bool maximize;     /* outliers are cut at the bottom, not at the top */
    int width, height; /* of the plot area, in characters */
    bool utf8, color;
};

/* Appends the plot; nothing when fewer than two points are finite. Points far worse than the
 * rest are drawn at the edge as arrows, so that one diverged trial does not flatten the others.
 */
void esp_plot_print(const struct esp_plot *plot, struct esp_buffer *out);

#endif
