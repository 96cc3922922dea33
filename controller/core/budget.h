/* Budgets: what is spent, and what is committed to live trials. */
#ifndef ESPALIER_CORE_BUDGET_H
#define ESPALIER_CORE_BUDGET_H

#include "money/price.h"
#include "state.h"

/* What was trained has reached a limit. */
bool esp_budget_spent(const struct esp_core *core);

/* The limit that was reached, once esp_budget_spent: tokens first, then hours, then usd. */
enum esp_end_reason esp_budget_end_reason(const struct esp_core *core);

/* A limit will be reached when live trials have trained as directed: nothing may be started. */
bool esp_budget_committed(const struct esp_core *core);

/* What is left of the budget after what is committed, in full trainings. */
struct esp_trainings esp_budget_trainings(const struct esp_core *core);

/* A budget in full trainings after `used`, with `rate` device seconds per token. */
struct esp_trainings esp_trainings_of(const struct esp_study *study,
                                      const struct esp_budget *budget,
                                      struct esp_spending used,
                                      double rate);

#endif
