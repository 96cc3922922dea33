/* Marks of a training: half octaves of its tokens, counted so that the last of `count` marks is
 * the horizon. */
#ifndef ESPALIER_STOP_MARKS_H
#define ESPALIER_STOP_MARKS_H

#include <math.h>
#include <stdint.h>

/* The highest mark reached with these tokens (above 0); the first one also before it. Half
 * octaves within 1e-9 of a whole number count as whole. */
static inline int esp_marks_reached(int count, int64_t tokens, int64_t horizon)
{
    double octaves = log2((double)horizon / (double)tokens);
    int mark = count - 1 - (int)ceil(2 * octaves - 1e-9);
    return mark < 0 ? 0 : mark < count ? mark : count - 1;
}

/* The tokens at which a mark is reached: a whole number, as the horizon is. */
static inline double esp_marks_tokens(int count, int mark, int64_t horizon)
{
    return ceil((double)horizon * exp2(-(count - 1 - mark) / 2.0));
}

#endif
