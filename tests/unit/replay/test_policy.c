/* What options name, applied to the study of a table. */
#include "replay/policy.h"
#include "study/study.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

/* It does not count as constant, whatever else is ablated. */
static void a_missing_schedule_is_unknown(void **state)
{
    (void)state;
    struct esp_table table;
    struct esp_study *study;
    struct esp_error error;
    const char *text = "name: t\nhorizon: 4\n"
                       "parameters:\n  lr: {scale: log}\n  beta: {scale: log1m}\n"
                       "  size: {scale: log}\n";
    struct esp_policy policy = {.method = "random",
                                .scheduler = "none",
                                .prior = "none",
                                .ablate = "curve",
                                .risk = NAN};
    assert_int_equal(write_and_read(text, trials, curves, &table, &error), 0);
    assert_int_equal(esp_table_study(&table, &study, &error), 0);
    assert_int_equal(study->ablate, ESP_ABLATE_SCHEDULE);
    assert_int_equal(esp_policy_apply(&policy, &table, study, &error), 0);
    assert_int_equal(study->ablate, ESP_ABLATE_SCHEDULE | ESP_ABLATE_CURVE);
    esp_study_destroy(study);
    esp_table_release(&table);
}

static void parts_are_ablated_by_name(void **state)
{
    (void)state;
    struct esp_table table;
    struct esp_study *study;
    struct esp_error error;
    struct esp_policy policy = {.method = "bayes",
                                .scheduler = "freeze-thaw",
                                .prior = "none",
                                .risk = NAN,
                                .ablate = "prior,curve"};
    read_small_table(&table);
    assert_int_equal(esp_table_study(&table, &study, &error), 0);
    assert_int_equal(esp_policy_apply(&policy, &table, study, &error), 0);
    assert_int_equal(study->ablate, ESP_ABLATE_PRIOR | ESP_ABLATE_CURVE);
    policy.ablate = "curve,kurve";
    assert_int_equal(esp_policy_check(&policy, &error), -EINVAL);
    assert_non_null(strstr(error.text, "\"kurve\"; there are curve, schedule, prior"));
    esp_study_destroy(study);
    esp_table_release(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_schedule_is_unknown),
        cmocka_unit_test(parts_are_ablated_by_name),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
