/* What the store's tests share: a folder of their own, a study, random events. */
#ifndef ESPALIER_TESTS_STORE_FIXTURE_H
#define ESPALIER_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <espalier/event.h>
#include <espalier/study.h>
#include <store.h>

/* cmocka's setup and teardown: a fresh folder, its path in *state. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* A study of four parameters: a log learning rate, integer batch sizes by choice, an integer
 * range, and a text choice. Static; nothing to release. */
const struct esp_study *fixture_study(void);

/* Opens a new ledger in the folder. */
struct esp_store *fixture_create(const char *dir);

/* A small deterministic generator. */
uint64_t fixture_random(uint64_t *state);

/* A random event of `kind` with every member that the kind carries at random values, the odd
 * ones (NaN, infinities, -0, control characters) among them. Its strings and arrays are static,
 * good until the 64th call from now. */
struct esp_event fixture_event(uint64_t *random, enum esp_event_kind kind, uint64_t seq);

/* Fails the test when the two differ in anything that the ledger promises to keep. */
void fixture_assert_same(const struct esp_event *a, const struct esp_event *b);

/* Loads the ledger and compares it with `events`, one by one. */
void fixture_assert_holds(struct esp_store *store,
                          const struct esp_event *events,
                          size_t count);

/* One integer from the ledger's file by a connection of its own. */
int64_t fixture_query(const char *dir, const char *sql);

/* Short forms of the usual events. */
struct esp_event fixture_created(uint64_t seq, int64_t trial);
struct esp_event fixture_moved(uint64_t seq,
                               int64_t trial,
                               enum esp_trigger trigger,
                               enum esp_trial_state from,
                               enum esp_trial_state to);
struct esp_event fixture_report(uint64_t seq, int64_t trial, int64_t step, double value);

#endif
