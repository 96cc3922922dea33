/* The trials that a study gave up at its stated risk (controller/stop/discard.h). */
#ifndef ESPALIER_VIEW_DISCARDS_H
#define ESPALIER_VIEW_DISCARDS_H

#include "buffer.h"
#include "ledger.h"

struct esp_discards {
    double risk;
    bool calibrated;         /* the calibration is recorded */
    int64_t calibration;     /* finished studies in it */
    int needed;              /* finished studies that the risk needs */
    double limit;            /* better trials that are allowed; infinity: none is discarded */
    int64_t discarded;       /* trials, also those that were started again */
    int64_t restarts;        /* times that such a trial was started again */
    int64_t audits;          /* trials that were kept to test the rule */
    int64_t audits_complete; /* of these, complete ones */
    int64_t audits_best;     /* of these, the study's best trial */
};

/* Reads the counts. A study without a risk has risk 0, and all else is 0. */
int esp_discards_read(struct esp_ledger *ledger,
                      struct esp_discards *out,
                      struct esp_error *error);

/* Appends "risk 0.05: 7 of the 19 finished studies that it needs: trials are paused, and none
 * is discarded yet", or the limit that was calibrated; without a line end. */
void esp_discards_calibration(double risk,
                              int64_t calibration,
                              double limit,
                              struct esp_buffer *out);
/* Appends the same and the counts, one or two lines; nothing without a calibration. */
void esp_discards_words(const struct esp_discards *d, int64_t trials, struct esp_buffer *out);
/* Appends an object, or null without a calibration. */
void esp_discards_json(const struct esp_discards *d, int64_t trials, struct esp_buffer *out);

#endif
