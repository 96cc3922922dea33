/* Sentences for verdicts. */
#include "../../../controller/cli/reason.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct esp_verdict verdict_of(enum esp_verdict_action action, enum esp_rule rule)
{
    struct esp_verdict verdict = {.action = action, .trial = 7, .until = 200000};
    verdict.reason = (struct esp_reason){.rule = rule,
                                         .rung = 1,
                                         .at = 67000,
                                         .rank = 5,
                                         .of = 9,
                                         .value = 2.61,
                                         .threshold = 2.5,
                                         .expected = NAN,
                                         .cost = NAN,
                                         .cost_seconds = NAN,
                                         .rivals = {3, 8, -1, -1}};
    return verdict;
}

static void a_verdict_names_rule_rung_numbers_and_rivals(void **state)
{
    (void)state;
    struct esp_verdict verdict = verdict_of(ESP_VERDICT_PAUSE, ESP_RULE_ASHA_WAIT);
    struct esp_buffer text = {0};
    esp_reason_verdict(&verdict, "val_loss", false, &text);
    assert_string_equal(esp_buffer_get(&text),
                        "paused at rung 1: asha: not (yet) among the best of its rung, so it "
                        "waits there. val_loss 2.61 at 67k tokens is rank 5 of 9; the limit is "
                        "2.5. Nearest rivals: #3, #8.");
    esp_buffer_clear(&text);
    esp_reason_json(&verdict, false, &text);
    assert_string_equal(
        esp_buffer_get(&text),
        "{\"action\":\"pause\",\"until\":200000,\"rule\":\"asha-wait\",\"rung\":1,\"at\":67000,"
        "\"rank\":5,\"of\":9,\"value\":2.61,\"threshold\":2.5,\"expected\":null,\"cost\":null,"
        "\"cost_seconds\":null,\"rivals\":[3,8]}");
    esp_buffer_release(&text);
}

static void a_cost_is_told_in_tokens_and_in_device_time(void **state)
{
    (void)state;
    struct esp_verdict verdict = verdict_of(ESP_VERDICT_CONTINUE, ESP_RULE_FREEZE_THAW);
    struct esp_buffer text = {0};
    verdict.reason.expected = 0.0125;
    verdict.reason.cost = 350000;
    esp_reason_verdict(&verdict, "loss", false, &text);
    assert_non_null(
        strstr(esp_buffer_get(&text),
               " Expected improvement 0.0125 for the 350k tokens that remain. Nearest"));
    esp_buffer_clear(&text);
    verdict.reason.cost_seconds = 192;
    esp_reason_verdict(&verdict, "loss", false, &text);
    assert_non_null(
        strstr(esp_buffer_get(&text),
               " Expected improvement 0.0125 for the 350k tokens that remain, about 3 min 12 s "
               "of the device. Nearest"));
    esp_buffer_clear(&text);
    esp_reason_json(&verdict, false, &text);
    assert_non_null(
        strstr(esp_buffer_get(&text), "\"cost\":350000,\"cost_seconds\":192,\"rivals\""));
    esp_buffer_release(&text);
}

static void a_forecast_is_not_told_as_a_loss_that_was_seen(void **state)
{
    (void)state;
    struct esp_verdict verdict = verdict_of(ESP_VERDICT_PAUSE, ESP_RULE_FREEZE_THAW);
    struct esp_buffer text = {0};
    esp_reason_verdict(&verdict, "loss", false, &text);
    assert_non_null(strstr(esp_buffer_get(&text),
                           " loss 2.61 forecast for its horizon, standing at 67k tokens, is "
                           "rank 5 of 9; the best so far is 2.5."));
    esp_buffer_clear(&text);
    verdict.reason.threshold = INFINITY;
    esp_reason_verdict(&verdict, "loss", false, &text);
    assert_non_null(strstr(esp_buffer_get(&text), "; no trial has reached its horizon yet."));
    esp_buffer_clear(&text);
    verdict = verdict_of(ESP_VERDICT_PAUSE, ESP_RULE_STARTUP);
    esp_reason_verdict(&verdict, "loss", false, &text);
    assert_non_null(
        strstr(esp_buffer_get(&text), ". Corrected loss 2.61 at 67k tokens is rank "));
    esp_buffer_release(&text);
}

static void a_maximised_metric_is_shown_as_it_is(void **state)
{
    (void)state;
    struct esp_verdict verdict = verdict_of(ESP_VERDICT_CONTINUE, ESP_RULE_ASHA_PROMOTE);
    struct esp_buffer text = {0};
    verdict.reason.value = -0.9;
    esp_reason_verdict(&verdict, "accuracy", true, &text);
    assert_non_null(strstr(esp_buffer_get(&text), "continued until 200k tokens (rung 1)"));
    assert_non_null(strstr(esp_buffer_get(&text), "accuracy 0.9 at"));
    esp_buffer_release(&text);
}

static void every_rule_has_words(void **state)
{
    (void)state;
    for (int rule = 0; rule < ESP_RULE_COUNT; rule++) {
        struct esp_verdict verdict = verdict_of(ESP_VERDICT_PRUNE, rule);
        struct esp_buffer text = {0};
        esp_reason_verdict(&verdict, "loss", false, &text);
        assert_null(strstr(esp_buffer_get(&text), "?"));
        esp_buffer_release(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verdict_names_rule_rung_numbers_and_rivals),
        cmocka_unit_test(a_cost_is_told_in_tokens_and_in_device_time),
        cmocka_unit_test(a_forecast_is_not_told_as_a_loss_that_was_seen),
        cmocka_unit_test(a_maximised_metric_is_shown_as_it_is),
        cmocka_unit_test(every_rule_has_words),
    };
    return cmocka_run_group_tests_name("cli/reason", tests, NULL, NULL);
}
