#include "plot.h"

#include "summary.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 640.0
#define PANEL_HEIGHT 300.0
#define LEFT 80.0
#define TOP 40.0
#define INNER_WIDTH (WIDTH - LEFT - 20)
#define INNER_HEIGHT (PANEL_HEIGHT - 90)
/* Costs are shown from a hundredth of the budget, regrets down to a millionth of the largest.
 */
#define COST_DECADES 2.0
#define REGRET_DECADES 6.0

static double cost_at(const struct esp_plot_panel *panel, int column)
{
    double share = (double)column / (ESP_PLOT_COLUMNS - 1);
    return panel->budget * pow(10, COST_DECADES * (share - 1));
}

int esp_plot_panel(struct esp_plot *plot,
                   const struct esp_table *table,
                   double budget,
                   int seeds,
                   struct esp_error *error)
{
    if (plot->count == ESP_PLOT_PANELS_MAX) {
        return esp_error_set(
            error, -ENOSPC, "--plot draws at most %d tables", ESP_PLOT_PANELS_MAX);
    }
    struct esp_plot_panel *panels =
        realloc(plot->panels, (size_t)(plot->count + 1) * sizeof *panels);
    if (!panels) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    plot->panels = panels;
    struct esp_plot_panel *panel = &panels[plot->count];
    *panel = (struct esp_plot_panel){.budget = budget};
    snprintf(panel->name, sizeof panel->name, "%s", table->name);
    panel->best = esp_table_final(table, table->best);
    panel->worst = esp_table_worst(table);
    plot->count++;
    for (int i = 0; i < ESP_PLOT_COLUMNS; i++) {
        panel->regret[i] = calloc((size_t)seeds, sizeof(double));
        if (!panel->regret[i]) {
            return esp_error_set(error, -ENOMEM, "out of memory");
        }
    }
    return 0;
}

void esp_plot_add(struct esp_plot *plot,
                  const struct esp_table *table,
                  const struct esp_replay_result *result)
{
    struct esp_plot_panel *panel = &plot->panels[plot->count - 1];
    double loss = panel->worst;
    size_t at = 0;
    for (int i = 0; i < ESP_PLOT_COLUMNS; i++) {
        double cost = cost_at(panel, i) * (double)table->full * (1 + 1e-9);
        while (at < result->trace_count && (double)result->trace[at].spent <= cost) {
            loss = fmin(result->trace[at++].returned, panel->worst);
        }
        panel->regret[i][panel->seeds] = loss - panel->best;
    }
    panel->seeds++;
}

static void print_escaped(FILE *file, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", file);
            break;
        case '&':
            fputs("&amp;", file);
            break;
        default:
            fputc(*text, file);
        }
    }
}

static double x_of(int column)
{
    return LEFT + INNER_WIDTH * column / (ESP_PLOT_COLUMNS - 1);
}

static double y_of(double regret, double high)
{
    double decades = regret > 0 ? log10(high / regret) : REGRET_DECADES;
    return TOP + INNER_HEIGHT * fmin(fmax(decades / REGRET_DECADES, 0), 1);
}

static void draw_panel(FILE *file, struct esp_plot_panel *panel, double offset)
{
    double high = fmax(panel->worst - panel->best, 1e-12);
    size_t n = (size_t)panel->seeds;
    fprintf(file,
            "<g transform=\"translate(0,%.0f)\">\n<text x=\"%.0f\" y=\"%.0f\">",
            offset,
            LEFT,
            TOP - 12);
    print_escaped(file, panel->name);
    fprintf(file,
            "</text>\n<rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" "
            "fill=\"none\" stroke=\"#999\"/>\n",
            LEFT,
            TOP,
            INNER_WIDTH,
            INNER_HEIGHT);
    for (int d = 0; d <= (int)REGRET_DECADES; d += 2) {
        fprintf(file,
                "<text x=\"8\" y=\"%.1f\">%.1e</text>\n",
                y_of(high * pow(10, -d), high) + 4,
                high * pow(10, -d));
    }
    for (int i = 0; i < 5; i++) {
        int column = i * (ESP_PLOT_COLUMNS - 1) / 4;
        fprintf(file,
                "<text x=\"%.1f\" y=\"%.0f\">%.3g</text>\n",
                x_of(column) - 8,
                TOP + INNER_HEIGHT + 18,
                cost_at(panel, column));
    }
    fprintf(file, "<polygon fill=\"#06c\" fill-opacity=\"0.2\" points=\"");
    for (int i = 0; i < ESP_PLOT_COLUMNS; i++) {
        double y = y_of(esp_percentile_of(panel->regret[i], n, 0.25), high);
        fprintf(file, "%.1f,%.1f ", x_of(i), y);
    }
    for (int i = ESP_PLOT_COLUMNS - 1; i >= 0; i--) {
        double y = y_of(esp_percentile_of(panel->regret[i], n, 0.75), high);
        fprintf(file, "%.1f,%.1f ", x_of(i), y);
    }
    fprintf(file, "\"/>\n<polyline fill=\"none\" stroke=\"#06c\" stroke-width=\"2\" points=\"");
    for (int i = 0; i < ESP_PLOT_COLUMNS; i++) {
        double y = y_of(esp_percentile_of(panel->regret[i], n, 0.5), high);
        fprintf(file, "%.1f,%.1f ", x_of(i), y);
    }
    fprintf(file, "\"/>\n</g>\n");
}

int esp_plot_write(const struct esp_plot *plot,
                   const char *title,
                   const char *path,
                   struct esp_error *error)
{
    FILE *file = fopen(path, "w");
    if (!file) {
        return esp_error_set(error, -errno, "--plot %s: %s", path, strerror(errno));
    }
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n<text x=\"8\" y=\"18\">",
            WIDTH,
            30 + PANEL_HEIGHT * plot->count);
    print_escaped(file, title);
    fprintf(file, ": regret against full trainings; median and middle half of seeds</text>\n");
    for (int i = 0; i < plot->count; i++) {
        if (plot->panels[i].seeds > 0) {
            draw_panel(file, &plot->panels[i], 20 + PANEL_HEIGHT * i);
        }
    }
    fprintf(file, "</svg>\n");
    if (ferror(file) | fclose(file)) {
        return esp_error_set(error, -EIO, "--plot %s: cannot be written to its end", path);
    }
    return 0;
}

void esp_plot_release(struct esp_plot *plot)
{
    for (int i = 0; i < plot->count; i++) {
        for (int k = 0; k < ESP_PLOT_COLUMNS; k++) {
            free(plot->panels[i].regret[k]);
        }
    }
    free(plot->panels);
    memset(plot, 0, sizeof *plot);
}
