/* Fixture of the store's tests: a temporary folder, a study, random events. */
#ifndef ESPALIER_TESTS_STORE_FIXTURE_H
#define ESPALIER_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "../../../controller/store/store.h"
#include <cmocka.h>
#include <espalier/event.h>
#include <espalier/study.h>

/* Setup and teardown for cmocka: creates and removes a folder, its path is in *state. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* A study of four parameters: a log learning rate, integer batch sizes by choice, an integer
 * range, and a text choice. Static; not to be released. */
const struct esp_study *fixture_study(void);

/* Creates a ledger in the folder. */
struct esp_store *fixture_create(const char *dir);

/* A small deterministic generator. */
uint64_t fixture_random(uint64_t *state);

/* A random event of `kind`. Every member of the kind gets a random value, which may be NaN, an
 * infinity, -0 or a control character. Its strings and arrays are static and valid for the next
 * 63 calls. */
struct esp_event fixture_event(uint64_t *random, enum esp_event_kind kind, uint64_t seq);

/* Fails the test when two events differ in anything that the ledger must preserve. */
void fixture_assert_same(const struct esp_event *a, const struct esp_event *b);

/* Loads the ledger and compares it with `events`, one by one. */
void fixture_assert_holds(struct esp_store *store,
                          const struct esp_event *events,
                          size_t count);

/* Reads one integer from the ledger's file through a separate connection. */
int64_t fixture_query(const char *dir, const char *sql);

/* Constructors of common events. */
struct esp_event fixture_created(uint64_t seq, int64_t trial);
struct esp_event fixture_moved(uint64_t seq,
                               int64_t trial,
                               enum esp_trigger trigger,
                               enum esp_trial_state from,
                               enum esp_trial_state to);
struct esp_event fixture_report(uint64_t seq, int64_t trial, int64_t step, double value);

#endif
