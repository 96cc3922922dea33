/* What was given up at the stated risk (controller/stop/discard.h), for people and --json. */
#ifndef ESPALIER_VIEW_DISCARDS_H
#define ESPALIER_VIEW_DISCARDS_H

#include "buffer.h"
#include "ledger.h"

struct esp_discards {
    double risk;
    bool calibrated;       /* it is recorded what this study goes by */
    int64_t calibration;   /* finished studies of it */
    int needed;            /* that it takes */
    double limit;          /* infinity: nothing is given up */
    int64_t given_up;      /* trials, begun anew or not */
    int64_t anew;          /* times that one was begun anew */
    int64_t audits;        /* spared */
    int64_t audits_tested; /* of these complete */
    int64_t missed;        /* of these the study's best */
};

/* Reads them; a study without a risk has risk 0 and nothing else. */
int esp_discards_read(struct esp_ledger *ledger,
                      struct esp_discards *out,
                      struct esp_error *error);

/* "risk 0.05: 7 finished studies of the 19 it takes: trials are paused, none is given up yet",
 * without a newline. */
void esp_discards_calibration(double risk,
                              int64_t calibration,
                              double limit,
                              struct esp_buffer *out);
/* The same and what has come of it, one or two lines; nothing for a study without a risk. */
void esp_discards_words(const struct esp_discards *d, int64_t trials, struct esp_buffer *out);
void esp_discards_json(const struct esp_discards *d, int64_t trials, struct esp_buffer *out);

#endif
