#include "price.h"

#include <math.h>

static bool has_usd_limit(const struct esp_budget *budget)
{
    return budget->usd > 0 && budget->price_per_hour > 0;
}

double esp_price_usd(const struct esp_budget *budget, double seconds)
{
    double price = budget->price_per_hour;
    return price > 0 ? seconds / ESP_SECONDS_PER_HOUR * price : NAN;
}

double esp_price_seconds_per_token(struct esp_spending spent)
{
    return spent.tokens > 0 ? spent.seconds / spent.tokens : 0;
}

bool esp_price_limited(const struct esp_budget *budget)
{
    return budget->tokens > 0 || budget->seconds > 0 || budget->usd > 0;
}

bool esp_price_reached(const struct esp_budget *budget, struct esp_spending spent)
{
    return (budget->tokens > 0 && spent.tokens >= budget->tokens) ||
           (budget->seconds > 0 && spent.seconds >= budget->seconds) ||
           (has_usd_limit(budget) && esp_price_usd(budget, spent.seconds) >= budget->usd);
}

struct esp_spending esp_price_left(const struct esp_budget *budget, struct esp_spending spent)
{
    struct esp_spending left = {INFINITY, INFINITY};
    if (budget->tokens > 0) {
        left.tokens = budget->tokens - spent.tokens;
    }
    if (budget->seconds > 0) {
        left.seconds = budget->seconds - spent.seconds;
    }
    if (has_usd_limit(budget)) {
        double seconds = budget->usd / budget->price_per_hour * ESP_SECONDS_PER_HOUR;
        left.seconds = fmin(left.seconds, seconds - spent.seconds);
    }
    return left;
}

static void count(struct esp_affordable *affordable, double limit, double spent, double unit)
{
    if (limit > 0 && unit > 0) {
        affordable->whole = fmin(affordable->whole, limit / unit);
        affordable->left = fmin(affordable->left, (limit - spent) / unit);
    }
}

struct esp_affordable esp_price_affordable(const struct esp_budget *budget,
                                           struct esp_spending spent,
                                           struct esp_spending unit)
{
    struct esp_affordable affordable = {INFINITY, INFINITY};
    count(&affordable, budget->tokens, spent.tokens, unit.tokens);
    count(&affordable, budget->seconds, spent.seconds, unit.seconds);
    if (has_usd_limit(budget)) {
        count(&affordable,
              budget->usd,
              esp_price_usd(budget, spent.seconds),
              esp_price_usd(budget, unit.seconds));
    }
    return affordable;
}
