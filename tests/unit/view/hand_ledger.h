/* Ledgers written by hand, event by event, as a controller would write them: one parameter,
 * learning_rate, and a horizon of HAND_HORIZON tokens. */
#ifndef ESPALIER_TESTS_VIEW_HAND_LEDGER_H
#define ESPALIER_TESTS_VIEW_HAND_LEDGER_H

#include "../../../controller/store/store.h"
#include "../../../controller/view/ledger.h"

#define HAND_HORIZON 400

struct hand_ledger {
    const char *dir;
    struct esp_study *study;
    struct esp_store *store;
    uint64_t seq;
};

/* Begins a ledger in DIR, which is created. Each call fails the test on an error. */
struct hand_ledger hand_begin(const char *dir);

/* Appends an event; seq, time and attempt are filled in. */
void hand_record(struct hand_ledger *hand, struct esp_event event);

/* A trial that is created; `of` -1, or the trial whose settings it repeats. */
void hand_create(struct hand_ledger *hand, int64_t trial, int64_t of, double learning_rate);

/* A report of a trial at some tokens. */
void hand_report(struct hand_ledger *hand, int64_t trial, int64_t tokens, double loss);

/* A trial that is created and has reached its horizon with a loss. */
void hand_complete(struct hand_ledger *hand, int64_t trial, int64_t of, double loss);

/* Commits, closes the writer and opens the ledger as a reader. */
void hand_open(struct hand_ledger *hand, struct esp_ledger *ledger);

#endif
