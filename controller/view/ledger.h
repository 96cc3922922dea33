/* A study's ledger as the reading verbs see it: opened, its study known, its sums taken. */
#ifndef ESPALIER_VIEW_LEDGER_H
#define ESPALIER_VIEW_LEDGER_H

#include "../store/reader.h"
#include "buffer.h"

#include <espalier/study.h>

struct esp_ledger {
    const char *dir; /* as given, which must outlive the ledger */
    struct esp_reader *reader;
    struct esp_study *study; /* as its file said when it began */
    bool maximize;
    enum esp_study_state state;
    bool alive;
    bool orphans; /* interrupted, and this host's processes train on until their lease ends */
    struct esp_tie_remedy remedy; /* recorded at that end (ties.h) */
    pid_t pid;
    struct esp_budget budget; /* as changed */
    int64_t run_cap;          /* as changed; 0: none */
};

int esp_ledger_open(const char *dir, struct esp_ledger *ledger, struct esp_error *error);
void esp_ledger_close(struct esp_ledger *ledger);

/* Looks again at what moves: state, alive, pid, settings. */
int esp_ledger_refresh(struct esp_ledger *ledger, struct esp_error *error);

/* How an interrupted study is gone on with, and what becomes of its processes meanwhile. */
void esp_ledger_remedy(const struct esp_ledger *ledger, struct esp_buffer *out);

/* A trial's state in words for people: what the record has as running is "interrupted" once its
 * controller is gone. `status --json`, `ls --json` and `export` keep esp_rows_state's words. */
const char *esp_ledger_trial_state(const struct esp_ledger *ledger, enum esp_trial_state state);

#endif
