/* The settings of a study ranked, the best first: what `best` prints, `status` and `watch`
 * name, and `sample` takes its model from.
 *
 * A setting stands for all of its seeds and is shown as its first trial, which every other
 * setting shares its seed with; controller/stop/seeds.h says how they rank. Without repeats
 * that is the order by value at the horizon; before any trial has reached it, by the last
 * value. */
#ifndef ESPALIER_VIEW_BEST_H
#define ESPALIER_VIEW_BEST_H

#include "../stop/seeds.h"
#include "ledger.h"
#include "rows.h"

struct esp_best {
    struct esp_rows rows;
    struct esp_rows repeats; /* of any setting, and their first trials, by number */
    struct esp_seeds *seeds; /* of each row, as the study's metric; count 0: not at a horizon */
    double noise;            /* what a seed is taken to do; 0: of a program it is not known */
};

/* limit 0: all. */
int esp_best_load(struct esp_ledger *ledger,
                  int64_t limit,
                  struct esp_best *best,
                  struct esp_error *error);
void esp_best_release(struct esp_best *best);

/* All seeds of a trial that is among the rows, or NULL. */
const struct esp_seeds *esp_best_seeds(const struct esp_best *best, int64_t trial);

/* "1.9654", or "1.9654 ± 0.0035 over 2 seeds"; `digits` as printf's %.Ng. */
void esp_best_value(const struct esp_best *best,
                    size_t row,
                    int digits,
                    struct esp_buffer *out);

#endif
