#include "plot.h"

#include "human.h"

#include <assert.h>
#include <espalier/compare.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Points are cut off when they are worse than the best by more than this many times the
 * distance of the median point. */
#define OUTLIER_FACTOR 3.0

enum { NOTHING, ARROW, MARK };

/* A shape per series: hollow for a trial that was stopped, full for one that reached its end.
 */
static const char *const marks_utf8[ESP_PLOT_SERIES_MAX] = {
    "○●", "◇◆", "□■", "△▲", "▽▼", "☆★", "▷▶", "◎◉"};
static const char *const marks_ascii[ESP_PLOT_SERIES_MAX] = {
    "aA", "bB", "cC", "dD", "eE", "fF", "gG", "hH"};
#define MARK_BYTES 3 /* of each mark above, in UTF-8 */
static const int colors[ESP_PLOT_SERIES_MAX] = {34, 32, 35, 33, 36, 31, 94, 92};

struct frame {
    double x_min, x_max, y_min, y_max;
    /* per cell: NOTHING, ARROW, or MARK + 2 · series + finished */
    unsigned char cells[ESP_PLOT_HEIGHT_MAX][ESP_PLOT_WIDTH_MAX];
};

static bool usable(const struct esp_plot *plot, const struct esp_plot_point *point)
{
    return isfinite(point->x) && isfinite(point->y) && (!plot->log_x || point->x > 0);
}

static double position(const struct esp_plot *plot, double x)
{
    return plot->log_x ? log10(x) : x;
}

/* Computes the ranges of all points but outliers. False when there is nothing to draw. */
static bool measure(const struct esp_plot *plot, struct frame *frame)
{
    double *values = calloc(plot->point_count ? plot->point_count : 1, sizeof *values);
    size_t count = 0;
    if (!values) {
        return false;
    }
    for (size_t i = 0; i < plot->point_count; i++) {
        const struct esp_plot_point *point = &plot->points[i];
        if (!usable(plot, point)) {
            continue;
        }
        double x = position(plot, point->x);
        frame->x_min = count ? fmin(frame->x_min, x) : x;
        frame->x_max = count ? fmax(frame->x_max, x) : x;
        values[count++] = plot->maximize ? -point->y : point->y;
    }
    if (count >= 2) {
        qsort(values, count, sizeof *values, esp_compare_doubles);
        double best = values[0], middle = values[count / 2], worst = values[count - 1];
        double cut = best + OUTLIER_FACTOR * (middle - best);
        worst = middle > best && worst > cut ? cut : worst;
        worst = worst > best ? worst : best + fmax(fabs(best), 1) * 1e-3;
        frame->y_min = plot->maximize ? -worst : best;
        frame->y_max = plot->maximize ? -best : worst;
        if (frame->x_max <= frame->x_min) {
            frame->x_min -= 0.5;
            frame->x_max += 0.5;
        }
    }
    free(values);
    return count >= 2;
}

static int scale(double value, double min, double max, int cells)
{
    int cell = (int)lround((value - min) / (max - min) * (cells - 1));
    return cell < 0 ? 0 : cell >= cells ? cells - 1 : cell;
}

static void draw_points(const struct esp_plot *plot, struct frame *frame)
{
    /* Finished trials first, because a cell keeps its first mark. */
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < plot->point_count; i++) {
            const struct esp_plot_point *point = &plot->points[i];
            if (!usable(plot, point) || point->finished != (pass == 0)) {
                continue;
            }
            assert(point->series >= 0 && point->series < ESP_PLOT_SERIES_MAX);
            int column =
                scale(position(plot, point->x), frame->x_min, frame->x_max, plot->width);
            int row =
                plot->height - 1 - scale(point->y, frame->y_min, frame->y_max, plot->height);
            bool out = plot->maximize ? point->y < frame->y_min : point->y > frame->y_max;
            unsigned char *cell = &frame->cells[row][column];
            if (*cell == 0) {
                *cell =
                    out ? ARROW : (unsigned char)(MARK + 2 * point->series + point->finished);
            }
        }
    }
}

static void add_mark(const struct esp_plot *plot, unsigned char cell, struct esp_buffer *out)
{
    if (cell == NOTHING) {
        esp_buffer_add(out, " ");
        return;
    }
    if (cell == ARROW) {
        esp_buffer_add(out,
                       plot->maximize ? (plot->utf8 ? "↓" : "v") : (plot->utf8 ? "↑" : "^"));
        return;
    }
    int series = (cell - MARK) / 2, finished = (cell - MARK) % 2;
    if (plot->color) {
        esp_buffer_addf(out, "\033[%dm", colors[series]);
    }
    if (plot->utf8) {
        esp_buffer_add_bytes(out, marks_utf8[series] + MARK_BYTES * finished, MARK_BYTES);
    } else {
        esp_buffer_add_bytes(out, marks_ascii[series] + finished, 1);
    }
    if (plot->color) {
        esp_buffer_add(out, "\033[0m");
    }
}

static void
add_rows(const struct esp_plot *plot, const struct frame *frame, struct esp_buffer *out)
{
    for (int row = 0; row < plot->height; row++) {
        double share = 1.0 - (double)row / (plot->height - 1);
        bool label = row == 0 || row == plot->height - 1 || row == plot->height / 2;
        if (label) {
            esp_buffer_addf(out,
                            "%9.4g %s",
                            frame->y_min + share * (frame->y_max - frame->y_min),
                            plot->utf8 ? "┤" : "+");
        } else {
            esp_buffer_addf(out, "%9s %s", "", plot->utf8 ? "│" : "|");
        }
        int last = plot->width - 1;
        while (last >= 0 && frame->cells[row][last] == 0) {
            last--;
        }
        for (int column = 0; column <= last; column++) {
            add_mark(plot, frame->cells[row][column], out);
        }
        esp_buffer_add(out, "\n");
    }
    esp_buffer_addf(out, "%9s %s", "", plot->utf8 ? "└" : "+");
    for (int column = 0; column < plot->width; column++) {
        esp_buffer_add(out, plot->utf8 ? "─" : "-");
    }
    esp_buffer_add(out, "\n");
}

static void
add_x_axis(const struct esp_plot *plot, const struct frame *frame, struct esp_buffer *out)
{
    char left[32], right[32];
    double from = plot->log_x ? pow(10, frame->x_min) : frame->x_min;
    double to = plot->log_x ? pow(10, frame->x_max) : frame->x_max;
    snprintf(left, sizeof left, "%.3g", from);
    snprintf(right, sizeof right, "%.3g", to);
    int room = plot->width - (int)strlen(left) - (int)strlen(right);
    int name = esp_human_width(plot->x_name);
    int before = (room - name) / 2;
    before = before > 1 ? before : 1;
    int after = room - name - before;
    after = after > 1 ? after : 1;
    esp_buffer_addf(
        out, "%11s%s%*s%s%*s%s\n", "", left, before, "", plot->x_name, after, "", right);
}

void esp_plot_print(const struct esp_plot *plot, struct esp_buffer *out)
{
    assert(plot->width > 1 && plot->width <= ESP_PLOT_WIDTH_MAX);
    assert(plot->height > 1 && plot->height <= ESP_PLOT_HEIGHT_MAX);
    assert(plot->series_count >= 1 && plot->series_count <= ESP_PLOT_SERIES_MAX);
    struct frame *frame = calloc(1, sizeof *frame);
    if (!frame || !measure(plot, frame)) {
        free(frame);
        return;
    }
    draw_points(plot, frame);
    bool hollow = false, arrows = false;
    for (int row = 0; row < plot->height; row++) {
        for (int column = 0; column < plot->width; column++) {
            unsigned char cell = frame->cells[row][column];
            arrows |= cell == ARROW;
            hollow |= cell >= MARK && (cell - MARK) % 2 == 0;
        }
    }
    esp_buffer_addf(out, "%s\n", plot->y_name);
    add_rows(plot, frame, out);
    add_x_axis(plot, frame, out);
    esp_buffer_addf(out, "%11s", "");
    if (plot->series_name) {
        esp_buffer_addf(out, "%s ", plot->series_name);
        for (int i = 0; i < plot->series_count; i++) {
            esp_buffer_add(out, " ");
            add_mark(plot, (unsigned char)(MARK + 2 * i + 1), out);
            esp_buffer_addf(out, " %s ", plot->series[i]);
        }
    }
    if (hollow) {
        esp_buffer_addf(
            out, " %s stopped before the end", plot->utf8 ? "hollow:" : "small letters:");
    }
    if (arrows) {
        esp_buffer_add(out, "  ");
        add_mark(plot, ARROW, out);
        esp_buffer_add(out, " off the scale");
    }
    while (out->size > 0 && out->data[out->size - 1] == ' ') {
        out->data[--out->size] = '\0';
    }
    esp_buffer_add(out, "\n");
    free(frame);
}
