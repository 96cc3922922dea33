/* The searched space in coordinates whose distances are comparable between axes.
 *
 * A positive number whose range spans a factor of four or more is measured in octaves (log2),
 * any other in quarters of its range, so that correlation lengths of one to a few units suit
 * both. Choices that are numbers are placed by their value; other choices are all at distance
 * one from each other. */
#ifndef ESPALIER_SEARCH_SPACE_H
#define ESPALIER_SEARCH_SPACE_H

#include <espalier/study.h>

enum esp_axis_kind {
    ESP_AXIS_NUMBER,  /* continuous or integer: drawn by esp_param_draw */
    ESP_AXIS_LEVELS,  /* choices that are numbers */
    ESP_AXIS_NOMINAL, /* other choices */
};

struct esp_axis {
    enum esp_axis_kind kind;
    int param; /* index into the study's params */
    bool octaves;
    double low, high; /* range of the coordinate; NOMINAL: of the choice's index */
};

struct esp_space {
    const struct esp_study *study;
    struct esp_axis axes[ESP_PARAMS_MAX];
    int count;
};

void esp_space_make(struct esp_space *space, const struct esp_study *study);

/* From drawn values to coordinates and back. A coordinate outside its range is clipped; on a
 * LEVELS axis the nearest choice is drawn. A choice with probability 0 is never drawn.
 * Constants are filled in. */
void esp_space_place(const struct esp_space *space, const double *drawn, double *x);
void esp_space_draw(const struct esp_space *space, const double *x, double *drawn);
/* Drawn values from u in [0, 1) per axis, by the distribution of each parameter. */
void esp_space_uniform(const struct esp_space *space, const double *u, double *drawn);

/* The coordinate of a number on an axis that is not NOMINAL; the number may be outside the
 * range. */
double esp_space_coordinate(const struct esp_space *space, int axis, double number);

/* The axis of the parameter with this name; -1: not searched. */
int esp_space_find(const struct esp_space *space, const char *name);
/* The number that a drawn value represents; NaN on a NOMINAL axis. */
double esp_space_number(const struct esp_space *space, int axis, double drawn);

#endif
