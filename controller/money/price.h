/* What training costs, in tokens, device seconds and dollars, and whether a budget covers it.
 *
 * A training is paid twice: in tokens, and in seconds of device time. Dollars follow from the
 * seconds at the budget's price per device-hour. Pure arithmetic, used by the decision core,
 * by reports on a study and by plans alike, so that all of them agree to the last bit. */
#ifndef ESPALIER_MONEY_PRICE_H
#define ESPALIER_MONEY_PRICE_H

#include <espalier/study.h>

#define ESP_SECONDS_PER_HOUR 3600.0

/* An amount of training. */
struct esp_spending {
    double tokens;
    double seconds; /* of device time */
};

/* Dollars for device seconds; NaN when the budget states no price per hour. */
double esp_price_usd(const struct esp_budget *budget, double seconds);

/* Mean device seconds per token of all that was spent; 0 before anything was. */
double esp_price_seconds_per_token(struct esp_spending spent);

/* Whether the budget limits anything. */
bool esp_price_limited(const struct esp_budget *budget);

/* Whether the spending reaches a limit of the budget. A limit in dollars counts only with a
 * price per hour. */
bool esp_price_reached(const struct esp_budget *budget, struct esp_spending spent);

/* What the budget leaves after `spent`; INFINITY where it has no limit, negative where more was
 * spent. Seconds are limited by seconds and by dollars. */
struct esp_spending esp_price_left(const struct esp_budget *budget, struct esp_spending spent);

/* How many times `unit` fits into the whole budget, and into what is left of it after `spent`:
 * the smallest over tokens, seconds and dollars. INFINITY where nothing limits it. */
struct esp_affordable {
    double whole, left;
};
struct esp_affordable esp_price_affordable(const struct esp_budget *budget,
                                           struct esp_spending spent,
                                           struct esp_spending unit);

#endif
