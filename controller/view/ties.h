/* Settings that lead by less than a seed does, and what would tell them apart.
 *
 * A search settles ties itself when it is over (controller/stop/repeat.h), as far as run_cap
 * and budget have room for it. Where they had none, the reader is told what it would take. */
#ifndef ESPALIER_VIEW_TIES_H
#define ESPALIER_VIEW_TIES_H

#include "best.h"

struct esp_tie {
    size_t count;    /* settings that tie with the first, itself included; 0: none */
    int64_t *trials; /* their first trials, the best first; owned */
    double noise;    /* what a seed is taken to do */
    size_t leaders;  /* the first of them, which the controller would train again */
    int further;    /* trainings that give each leader one more seed; 0: they have had theirs */
    int begun;      /* of these: repeats that wait, which go on */
    double tokens;  /* that these have still to train */
    double seconds; /* that it takes, as their settings did */
    double owed; /* a budget cut trials off, which go on first: what they have still to train */
};

/* Among the rows of `best`. */
int esp_tie_find(const struct esp_ledger *ledger,
                 const struct esp_best *best,
                 const struct esp_reader_totals *totals,
                 struct esp_tie *out,
                 struct esp_error *error);
/* Among as many as the controller looks at, however many rows are shown; with what is owed. */
int esp_tie_load(struct esp_ledger *ledger,
                 const struct esp_reader_totals *totals,
                 struct esp_tie *out,
                 struct esp_error *error);
/* Of a trial of a study whose budget is spent: what of it goes first once that is raised. */
double esp_tie_owed(const struct esp_tie *tie, const struct esp_reader_trial *trial);
void esp_tie_release(struct esp_tie *tie);

/* "a tie, as far as the seed tells: #3 with #1 (a seed alone moves …)", and where the search
 * has ended a line with what would tell them apart; nothing without a tie. */
void esp_tie_words(const struct esp_tie *tie,
                   const char *dir,
                   const struct esp_ledger *ledger,
                   const struct esp_reader_totals *totals,
                   struct esp_buffer *out);
/* {"trials":[1,3],"noise":0.005,"repeats":2,"tokens":1400000}, or null. */
void esp_tie_json(const struct esp_tie *tie, struct esp_buffer *out);

#endif
