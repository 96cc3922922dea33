/* Plots regret against cost as SVG: one panel per table, the median over seeds as a line, the
 * middle half of them as a band, both axes logarithmic. */
#ifndef ESPALIER_REPLAY_PLOT_H
#define ESPALIER_REPLAY_PLOT_H

#include "run.h"

#define ESP_PLOT_COLUMNS 96
#define ESP_PLOT_PANELS_MAX 64

struct esp_plot_panel {
    char name[ESP_NAME_MAX];
    double budget, best, worst;
    int seeds;
    double *regret[ESP_PLOT_COLUMNS]; /* [seeds], at each cost */
};

struct esp_plot {
    struct esp_plot_panel *panels;
    int count;
};

/* Adds a panel for `seeds` runs on a table. -ENOSPC: there are ESP_PLOT_PANELS_MAX; -ENOMEM. */
int esp_plot_panel(struct esp_plot *plot,
                   const struct esp_table *table,
                   double budget,
                   int seeds,
                   struct esp_error *error);
/* Adds a run to the last panel. */
void esp_plot_add(struct esp_plot *plot,
                  const struct esp_table *table,
                  const struct esp_replay_result *result);
int esp_plot_write(const struct esp_plot *plot,
                   const char *title,
                   const char *path,
                   struct esp_error *error);
void esp_plot_release(struct esp_plot *plot);

#endif
