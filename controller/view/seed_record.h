/* The controller's record of seeds (controller/stop/repeat.h), made from a ledger, so that
 * ranks, seed noise and ties are the controller's. Losses are smaller-is-better. */
#ifndef ESPALIER_VIEW_SEED_RECORD_H
#define ESPALIER_VIEW_SEED_RECORD_H

#include "../stop/repeat.h"
#include "ledger.h"
#include "rows.h"

/* Makes the record from the best rows and from the repeats with their first trials; trials that
 * are among neither have no loss in it. -EINVAL: the ledger's numbers contradict each other. */
int esp_seed_record_make(struct esp_ledger *ledger,
                         const struct esp_rows *rows,
                         const struct esp_rows *repeats,
                         struct esp_repeat *out,
                         struct esp_error *error);

/* All seeds of a setting, by its first trial; NULL: it is not in the record. */
const struct esp_seeds *esp_seed_record_of(const struct esp_repeat *record, int64_t trial);

/* Adds the trials of a study of `count` that the record does not have: none is a repeat. */
void esp_seed_record_complete(struct esp_repeat *record, int64_t count);

#endif
