/* Prices and budgets: tokens, device seconds, dollars. */
#include "../../../controller/money/price.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_device_hour_costs_its_price(void **state)
{
    (void)state;
    struct esp_budget budget = {.price_per_hour = 2.5};
    assert_true(esp_price_usd(&budget, 3600) == 2.5);
    assert_true(esp_price_usd(&budget, 1800) == 1.25);
    assert_true(esp_price_usd(&budget, 0) == 0);
}

static void dollars_are_unknown_without_a_price(void **state)
{
    (void)state;
    struct esp_budget budget = {.usd = 5};
    struct esp_spending much = {1e18, 1e18};
    assert_true(isnan(esp_price_usd(&budget, 3600)));
    assert_true(esp_price_limited(&budget));
    assert_false(esp_price_reached(&budget, much));
    assert_true(isinf(esp_price_left(&budget, much).seconds));
    assert_true(isinf(esp_price_affordable(&budget, much, much).whole));
}

static void each_limit_alone_is_reached_at_its_amount(void **state)
{
    (void)state;
    struct esp_budget tokens = {.tokens = 100}, seconds = {.seconds = 60},
                      usd = {.usd = 5, .price_per_hour = 2.5};
    assert_false(esp_price_reached(&tokens, (struct esp_spending){99, 1e9}));
    assert_true(esp_price_reached(&tokens, (struct esp_spending){100, 0}));
    assert_false(esp_price_reached(&seconds, (struct esp_spending){1e18, 59}));
    assert_true(esp_price_reached(&seconds, (struct esp_spending){0, 60}));
    assert_false(esp_price_reached(&usd, (struct esp_spending){1e18, 7199}));
    assert_true(esp_price_reached(&usd, (struct esp_spending){0, 7200}));
    assert_false(esp_price_limited(&(struct esp_budget){.price_per_hour = 2.5}));
}

static void dollars_limit_the_seconds_that_are_left(void **state)
{
    (void)state;
    struct esp_budget budget = {
        .tokens = 1000, .seconds = 10000, .usd = 5, .price_per_hour = 2.5};
    struct esp_spending left = esp_price_left(&budget, (struct esp_spending){400, 200});
    assert_true(left.tokens == 600);
    assert_true(left.seconds == 7000);
    budget.seconds = 300;
    left = esp_price_left(&budget, (struct esp_spending){1200, 200});
    assert_true(left.tokens == -200);
    assert_true(left.seconds == 100);
}

static void the_scarcest_limit_says_how_many_trainings_fit(void **state)
{
    (void)state;
    struct esp_budget budget = {.tokens = 1000, .usd = 5, .price_per_hour = 2.5};
    struct esp_spending unit = {100, 1800};
    struct esp_affordable fits =
        esp_price_affordable(&budget, (struct esp_spending){100, 3600}, unit);
    assert_true(fits.whole == 4); /* 5 dollars at 1.25 each; tokens would allow 10 */
    assert_true(fits.left == 2);
    fits = esp_price_affordable(&budget, (struct esp_spending){0, 0}, (struct esp_spending){0});
    assert_true(isinf(fits.whole) && isinf(fits.left));
}

static void the_mean_rate_is_zero_before_anything_was_trained(void **state)
{
    (void)state;
    assert_true(esp_price_seconds_per_token((struct esp_spending){0, 5}) == 0);
    assert_true(esp_price_seconds_per_token((struct esp_spending){200, 50}) == 0.25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_hour_costs_its_price),
        cmocka_unit_test(dollars_are_unknown_without_a_price),
        cmocka_unit_test(each_limit_alone_is_reached_at_its_amount),
        cmocka_unit_test(dollars_limit_the_seconds_that_are_left),
        cmocka_unit_test(the_scarcest_limit_says_how_many_trainings_fit),
        cmocka_unit_test(the_mean_rate_is_zero_before_anything_was_trained),
    };
    return cmocka_run_group_tests_name("money/price", tests, NULL, NULL);
}
