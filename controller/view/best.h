/* The settings of a study ranked, the best first: what `best` prints, `status` and `watch`
 * name, and `sample` takes its model from.
 *
 * A setting stands for all of its seeds and is shown as its first trial: with the same seed as
 * every other setting's. controller/stop/setting_rank.h defines the order, and
 * controller/stop/repeat.h what several seeds show; both are the controller's. */
#ifndef ESPALIER_VIEW_BEST_H
#define ESPALIER_VIEW_BEST_H

#include "../stop/repeat.h"
#include "ledger.h"
#include "rows.h"

struct esp_best {
    struct esp_rows rows;
    struct esp_rows repeats;  /* of any setting, and their first trials, by number */
    struct esp_repeat record; /* of the seeds of the rows and repeats, as the controller's */
    struct esp_seeds *seeds; /* of each row, as the study's metric; count 0: not at a horizon */
    double noise;            /* estimated seed noise; 0: unknown, a program's */
};

/* Loads the best `limit` settings; 0: all. */
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

/* Appends an array, best first, of {"trial","value","tokens","params"}. `value` is the trial's
 * own, as in `ls`. A setting that was trained several times also has "seeds", how many
 * trainings it had, their "mean", by which it ranks, and their standard deviation "spread". */
void esp_best_json(const struct esp_best *best, struct esp_buffer *out);

#endif
