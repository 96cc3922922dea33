/* Why a search ended: one table, from which the enumeration, the words of the ledger and of
 * `status --json`, the exit codes and the sentences are made. */
#ifndef ESPALIER_END_REASON_H
#define ESPALIER_END_REASON_H

#include <espalier/exit.h>

/* ROW(NAME, word, exit code, sentence) for each reason. Words and exit codes are recorded in
 * ledgers, so they never change. INTERRUPTED is never recorded: readers infer it. */
#define ESP_END_REASONS(ROW)                                                                   \
    ROW(NONE, "none", DONE, "")                                                                \
    ROW(RUN_CAP, "run_cap", DONE, "run_cap is reached")                                        \
    ROW(EXHAUSTED, "exhausted", DONE, "every setting was trained")                             \
    ROW(SETTLED, "settled", DONE, "the scheduler has nothing left to train")                   \
    ROW(TARGET, "target", DONE, "the metric's target is reached")                              \
    ROW(NO_TRIAL, "no-usable-trial", NO_TRIAL, "no trial is usable")                           \
    ROW(BUDGET_TOKENS, "budget.tokens", BUDGET, "budget.tokens is spent")                      \
    ROW(BUDGET_HOURS, "budget.hours", BUDGET, "budget.hours is spent")                         \
    ROW(BUDGET_USD, "budget.usd", BUDGET, "budget.usd is spent")                               \
    ROW(HELD, "held", PAUSED, "only trials that you paused are left")                          \
    ROW(INTERRUPTED, "interrupted", PAUSED, "it was interrupted")

#define ESP_END_MEMBER(name, word, code, sentence) ESP_END_##name,
enum esp_end_reason { ESP_END_REASONS(ESP_END_MEMBER) ESP_END_REASON_COUNT };
#undef ESP_END_MEMBER

/* The word, and its inverse (-1 for an unknown word); "?" when out of range. */
const char *esp_end_reason_name(enum esp_end_reason reason);
int esp_end_reason_parse(const char *name);

/* The exit code of a run that ended for this reason. */
enum esp_exit esp_end_reason_exit(enum esp_end_reason reason);

/* A clause for people, without a full stop; "" for NONE. */
const char *esp_end_reason_sentence(enum esp_end_reason reason);

#endif
