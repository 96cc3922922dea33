/* Exit codes of `espalier`: one table, from which the enumeration, --help and the manual page
 * are made. The code of a planned end is also recorded in the ledger, so a number never changes
 * its meaning. */
#ifndef ESPALIER_EXIT_H
#define ESPALIER_EXIT_H

/* ROW(NAME, code, meaning) for each code. */
#define ESP_EXIT_CODES(ROW)                                                                    \
    ROW(DONE, 0, "the search came to its planned end (run_cap, every setting, or target)")     \
    ROW(FAILURE, 1, "failure")                                                                 \
    ROW(USAGE, 2, "wrong usage, or a fault in the study file, its data or DIR")                \
    ROW(NO_TRIAL, 3, "no trial is usable")                                                     \
    ROW(BUDGET, 4, "a budget is spent")                                                        \
    ROW(PAUSED, 5, "interrupted, or only trials that you paused are left; resumable")          \
    ROW(KILLED, 130, "ended at once by a second signal; resumable")

#define ESP_EXIT_MEMBER(name, code, meaning) ESP_EXIT_##name = (code),
enum esp_exit { ESP_EXIT_CODES(ESP_EXIT_MEMBER) };
#undef ESP_EXIT_MEMBER

#endif
