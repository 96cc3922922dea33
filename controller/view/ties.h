/* Settings that lead by less than the seed noise, and what would tell them apart.
 *
 * A search settles ties itself when it has nothing else to do (controller/stop/repeat.h), where
 * run_cap and budget have room for it. Where they had none, the controller recorded with the
 * end of the search which limits would have to be raised; here that is only printed. A ledger
 * of an older version has no such record, and no limits are named. */
#ifndef ESPALIER_VIEW_TIES_H
#define ESPALIER_VIEW_TIES_H

#include "best.h"

struct esp_tie {
    struct esp_tied tied;
    struct esp_repeat_plan further;
};

/* Finds the tie among the best settings, as the controller would now. */
int esp_tie_load(struct esp_ledger *ledger,
                 const struct esp_reader_totals *totals,
                 struct esp_tie *out,
                 struct esp_error *error);

/* "within seed noise of the best (#1): #3 …", and where the search has ended a line with
 * what would tell them apart; nothing without a tie. */
void esp_tie_words(const struct esp_tie *tie,
                   const char *dir,
                   const struct esp_ledger *ledger,
                   struct esp_buffer *out);
/* {"trials":[1,3],"noise":0.005,"repeats":2,"tokens":1400000}, or null. */
void esp_tie_json(const struct esp_tie *tie, struct esp_buffer *out);

#endif
