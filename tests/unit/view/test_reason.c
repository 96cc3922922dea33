/* Sentences for verdicts. */
#include "../../../controller/view/reason.h"

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
    esp_reason_json(&verdict, &text);
    assert_string_equal(
        esp_buffer_get(&text),
        "{\"action\":\"pause\",\"until\":200000,\"rule\":\"asha-wait\",\"rung\":1,\"at\":67000,"
        "\"rank\":5,\"of\":9,\"value\":2.61,\"threshold\":2.5,\"expected\":null,\"cost\":null,"
        "\"cost_seconds\":null,\"rivals\":[3,8]}");
    esp_buffer_release(&text);
}

/* Rungs rank equal losses by number, which the losses alone do not show. */
static void an_equal_loss_at_the_cut_is_explained_by_its_number(void **state)
{
    (void)state;
    static const enum esp_rule rules[] = {
        ESP_RULE_ASHA_WAIT, ESP_RULE_HALVING, ESP_RULE_HYPERBAND, ESP_RULE_CUT};
    struct esp_buffer text = {0};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct esp_verdict verdict = verdict_of(ESP_VERDICT_PAUSE, rules[i]);
        esp_buffer_clear(&text);
        esp_reason_verdict(&verdict, "val_loss", false, &text);
        assert_null(strstr(esp_buffer_get(&text), "equal"));
        verdict.reason.value = verdict.reason.threshold;
        esp_buffer_clear(&text);
        esp_reason_verdict(&verdict, "val_loss", false, &text);
        assert_non_null(
            strstr(esp_buffer_get(&text),
                   " 2.5, and of equal trials the one with the lower number continues."));
    }
    esp_buffer_release(&text);
}

static void a_cost_is_given_in_tokens_and_in_device_time(void **state)
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
               "of device time. Nearest"));
    esp_buffer_clear(&text);
    esp_reason_json(&verdict, &text);
    assert_non_null(
        strstr(esp_buffer_get(&text), "\"cost\":350000,\"cost_seconds\":192,\"rivals\""));
    esp_buffer_release(&text);
}

static void a_forecast_is_called_a_forecast(void **state)
{
    (void)state;
    struct esp_verdict verdict = verdict_of(ESP_VERDICT_PAUSE, ESP_RULE_FREEZE_THAW);
    struct esp_buffer text = {0};
    esp_reason_verdict(&verdict, "loss", false, &text);
    assert_non_null(strstr(esp_buffer_get(&text),
                           " loss 2.61 forecast for its horizon, now at 67k tokens, is "
                           "rank 5 of 9; the best so far is 2.5."));
    esp_buffer_clear(&text);
    verdict.reason.threshold = INFINITY;
    esp_reason_verdict(&verdict, "loss", false, &text);
    assert_non_null(strstr(esp_buffer_get(&text), "; no trial has reached its horizon yet."));
    esp_buffer_clear(&text);
    verdict = verdict_of(ESP_VERDICT_CONTINUE, ESP_RULE_LEADER);
    esp_reason_verdict(&verdict, "loss", false, &text);
    assert_non_null(
        strstr(esp_buffer_get(&text),
               "of the waiting trials its curve has the best forecast, and that trial gets a "
               "share of the training whatever the model expects. loss 2.61 forecast for its "
               "horizon, now at 67k tokens, is rank 5 of 9; the best so far"));
    esp_buffer_clear(&text);
    verdict = verdict_of(ESP_VERDICT_PAUSE, ESP_RULE_STARTUP);
    esp_reason_verdict(&verdict, "loss", false, &text);
    assert_non_null(
        strstr(esp_buffer_get(&text), ". Corrected loss 2.61 at 67k tokens is rank "));
    esp_buffer_release(&text);
}

/* The core records the metric with its own sign (controller/core/record.c). */
static void a_maximized_metric_is_shown_as_recorded(void **state)
{
    (void)state;
    struct esp_verdict verdict = verdict_of(ESP_VERDICT_CONTINUE, ESP_RULE_ASHA_PROMOTE);
    struct esp_buffer text = {0};
    verdict.reason.value = 0.9;
    verdict.reason.threshold = 0.8;
    esp_reason_verdict(&verdict, "accuracy", true, &text);
    assert_non_null(strstr(esp_buffer_get(&text), "continued until 200k tokens (rung 1)"));
    assert_non_null(strstr(esp_buffer_get(&text),
                           " accuracy 0.9 at 67k tokens is rank 5 of 9; "
                           "the limit is 0.8."));
    esp_buffer_clear(&text);
    esp_reason_json(&verdict, &text);
    assert_non_null(strstr(esp_buffer_get(&text), "\"value\":0.9,\"threshold\":0.8,"));
    esp_buffer_clear(&text);
    verdict = verdict_of(ESP_VERDICT_DISCARD, ESP_RULE_CALIBRATED);
    verdict.reason.value = 0.9;
    verdict.reason.threshold = 3;
    esp_reason_verdict(&verdict, "accuracy", true, &text);
    assert_non_null(
        strstr(esp_buffer_get(&text), " accuracy 0.9 at 67k tokens is rank 5 of 9"));
    esp_buffer_clear(&text);
    verdict = verdict_of(ESP_VERDICT_PAUSE, ESP_RULE_FREEZE_THAW);
    verdict.reason.threshold = -INFINITY;
    esp_reason_verdict(&verdict, "accuracy", true, &text);
    assert_non_null(strstr(esp_buffer_get(&text), "; no trial has reached its horizon yet."));
    esp_buffer_release(&text);
}

static void a_repeat_explains_the_tie(void **state)
{
    (void)state;
    struct esp_verdict verdict = verdict_of(ESP_VERDICT_START, ESP_RULE_SEED_NOISE);
    struct esp_buffer text = {0};
    verdict.reason.rung = -1;
    verdict.reason.rank = 2;
    verdict.reason.of = 3;
    verdict.reason.threshold = 2.625;
    esp_reason_verdict(&verdict, "val_loss", false, &text);
    assert_string_equal(
        esp_buffer_get(&text),
        "started until 200k tokens: a tie: the leaders differ by less than "
        "seed noise, so another seed is trained. The setting's val_loss 2.61 so "
        "far at 67k tokens is rank 2 of 3 that tie; seed noise alone may "
        "explain values below 2.625. The others that tie: #3, #8.");
    esp_buffer_release(&text);
}

static const char start_up[] =
    "paused at rung 1: freeze-thaw's start-up: ranked at its rung by losses "
    "corrected for the effect of their learning rates. Corrected ";

static void assert_start_up(const struct esp_verdict *verdict, bool maximize, const char *rest)
{
    struct esp_buffer text = {0};
    esp_reason_verdict(verdict, maximize ? "accuracy" : "loss", maximize, &text);
    assert_int_equal(strncmp(esp_buffer_get(&text), start_up, strlen(start_up)), 0);
    assert_string_equal(esp_buffer_get(&text) + strlen(start_up), rest);
    esp_buffer_release(&text);
}

static void the_first_of_its_rung_in_the_start_up_waits_for_the_others(void **state)
{
    (void)state;
    struct esp_verdict verdict = verdict_of(ESP_VERDICT_PAUSE, ESP_RULE_STARTUP);
    verdict.reason.rivals[0] = -1;
    verdict.reason.rank = verdict.reason.of = 1;
    verdict.reason.threshold = NAN; /* more trials may continue than have arrived */
    assert_start_up(&verdict,
                    false,
                    "loss 2.61 at 67k tokens is rank 1 of 1 so far. It waits for the other "
                    "trials to reach that rung.");
    verdict.reason.of = 9;
    verdict.reason.threshold = 2.61; /* it is itself the last trial that continues */
    assert_start_up(
        &verdict,
        false,
        "loss 2.61 at 67k tokens is rank 1 of 9 so far; the last trial that can "
        "still continue has 2.61. It waits for the other trials to reach that rung.");
    verdict.reason.threshold = 2.5;
    assert_start_up(
        &verdict,
        true,
        "accuracy 2.61 at 67k tokens is rank 1 of 9 so far; the last trial that can "
        "still continue has 2.5. It waits for the other trials to reach that rung.");
    verdict.reason.rank = 5;
    assert_start_up(&verdict,
                    false,
                    "loss 2.61 at 67k tokens is rank 5 of 9; the last trial that can still "
                    "continue has 2.5.");
}

static bool
says(enum esp_verdict_action action, enum esp_rule rule, int rank, const char *words)
{
    struct esp_verdict verdict = verdict_of(action, rule);
    struct esp_buffer text = {0};
    verdict.reason.rank = rank;
    esp_reason_verdict(&verdict, "loss", false, &text);
    bool found = strstr(esp_buffer_get(&text), words) != NULL;
    esp_buffer_release(&text);
    return found;
}

static void rules_distinguish_continuing_waiting_and_losing(void **state)
{
    (void)state;
    const enum esp_verdict_action on = ESP_VERDICT_CONTINUE, pause = ESP_VERDICT_PAUSE;
    assert_true(says(on, ESP_RULE_HALVING, -1, ": among the best of its rung, so"));
    assert_true(says(pause, ESP_RULE_HALVING, 2, ": it waits until its rung is full."));
    assert_true(says(pause, ESP_RULE_HALVING, -1, ": not among the best of its rung."));
    assert_true(says(on, ESP_RULE_HYPERBAND, -1, ": among the best of its bracket's rung, so"));
    assert_true(says(pause, ESP_RULE_HYPERBAND, 2, ": it waits until its bracket's rung is"));
    assert_true(says(pause, ESP_RULE_HYPERBAND, -1, ": not among the best of its bracket's"));
    assert_true(says(on, ESP_RULE_CUT, 1, "cut: among the best where trials are compared"));
    assert_true(says(on, ESP_RULE_CUT, -1, "cut: on its way to where trials are compared"));
    assert_true(says(pause, ESP_RULE_CUT, 1, "cut: it waits where trials are compared"));
    assert_true(
        says(pause, ESP_RULE_STARTUP, -1, "start-up: it waits until the start-up is over."));
    assert_true(says(pause, ESP_RULE_ASHA_WAIT, 5, "asha: not (yet) among the best"));
    assert_true(says(pause, ESP_RULE_ASHA_WAIT, 1, "pasha: among the best of its rung;"));
}

static void each_rule_names_its_own_numbers(void **state)
{
    (void)state;
    const enum esp_verdict_action prune = ESP_VERDICT_PRUNE;
    assert_true(says(prune,
                     ESP_RULE_PATIENCE,
                     -1,
                     " loss 2.61 at 67k tokens ends 9 reports without an improvement; an "
                     "improvement would be below 2.5."));
    assert_true(says(prune,
                     ESP_RULE_MEDIAN,
                     -1,
                     " Its best loss 2.61 up to 67k tokens, compared with 9 trials; the limit "
                     "is 2.5."));
    assert_true(says(ESP_VERDICT_END, ESP_RULE_TARGET, -1, "; the target is 2.5."));
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
        cmocka_unit_test(an_equal_loss_at_the_cut_is_explained_by_its_number),
        cmocka_unit_test(a_cost_is_given_in_tokens_and_in_device_time),
        cmocka_unit_test(a_forecast_is_called_a_forecast),
        cmocka_unit_test(a_maximized_metric_is_shown_as_recorded),
        cmocka_unit_test(a_repeat_explains_the_tie),
        cmocka_unit_test(the_first_of_its_rung_in_the_start_up_waits_for_the_others),
        cmocka_unit_test(rules_distinguish_continuing_waiting_and_losing),
        cmocka_unit_test(each_rule_names_its_own_numbers),
        cmocka_unit_test(every_rule_has_words),
    };
    return cmocka_run_group_tests_name("view/reason", tests, NULL, NULL);
}
