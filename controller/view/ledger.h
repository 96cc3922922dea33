/* A study's ledger, opened for reading, with its study file and its current state. */
#ifndef ESPALIER_VIEW_LEDGER_H
#define ESPALIER_VIEW_LEDGER_H

#include "../store/reader.h"
#include "buffer.h"

#include <espalier/study.h>

struct esp_ledger {
    const char *dir; /* as given; must outlive the ledger */
    struct esp_reader *reader;
    struct esp_study *study; /* its study file, as recorded when the study was created */
    bool maximize;
    enum esp_study_state state;
    enum esp_end_reason reason; /* why it ended (esp_reader_study) */
    bool alive;                 /* a controller runs */
    /* Interrupted, and processes on this host still train until their lease ends. */
    bool orphans;
    struct esp_tie_remedy remedy; /* recorded at the end of the search (ties.h) */
    pid_t pid;                    /* of the controller, or 0 */
    struct esp_budget budget;     /* with recorded changes */
    int64_t run_cap;              /* with recorded changes; 0: none */
};

/* Opens the ledger of DIR. The errors are those of esp_reader_open. */
int esp_ledger_open(const char *dir, struct esp_ledger *ledger, struct esp_error *error);
void esp_ledger_close(struct esp_ledger *ledger);

/* Reads again what changes: state, alive, pid, budget and run_cap. */
int esp_ledger_refresh(struct esp_ledger *ledger, struct esp_error *error);

/* Appends how to continue an interrupted study, and what its processes do meanwhile. */
void esp_ledger_remedy(const struct esp_ledger *ledger, struct esp_buffer *out);

/* A trial's status for people (trial_status.h): a running one is "interrupted" once the
 * controller has ended. --json and exports use esp_trial_state_words instead. */
const char *esp_ledger_trial_state(const struct esp_ledger *ledger, enum esp_trial_state state);

#endif
