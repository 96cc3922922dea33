/* The values of all trials drawn against one parameter, with a mark per value of a second. */
#ifndef ESPALIER_VIEW_PICTURE_H
#define ESPALIER_VIEW_PICTURE_H

#include "ledger.h"
#include "rows.h"

/* Appends the picture (plot.h); nothing when no numeric parameter takes two values. The x axis
 * is the learning rate, or else the parameter that takes the most values. */
void esp_picture_text(const struct esp_ledger *ledger,
                      const struct esp_rows *rows,
                      int width,
                      bool utf8,
                      bool color,
                      struct esp_buffer *out);

#endif
