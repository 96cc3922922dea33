/* One search on a table, worked out by hand. */
#include "replay/run.h"
#include "replay/summary.h"
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

#include "../near.h"
#include "fixture.h"

/* A random search takes every trial of a table of three once. */
static void a_search_pays_for_what_it_trains(void **state)
{
    (void)state;
    struct esp_table table;
    struct esp_study *study;
    struct esp_error error;
    read_small_table(&table);
    assert_int_equal(esp_table_study(&table, &study, &error), 0);
    assert_int_equal(study->params[0].distribution, ESP_LOG_UNIFORM_VALUES);
    assert_near(study->params[1].min, 0.001, 1e-12);
    assert_near(study->params[1].max, 0.1, 1e-12);
    assert_int_equal(study->params[2].choice_count, 3);
    assert_int_equal(study->trainer.report_every, 2);
    study->method = ESP_METHOD_RANDOM;
    study->stopping.type = ESP_SCHEDULER_NONE;
    struct esp_replay_summary summary;
    assert_int_equal(esp_replay_summary_init(&summary, &table, 8), 0);
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct esp_replay_options options = {.budget = 100, .workers = 1};
        struct esp_replay_result result;
        study->seed = seed;
        assert_int_equal(esp_replay_run(&table, study, &options, &result, &error), 0);
        assert_int_equal(result.trials, 3);
        assert_int_equal(result.complete, 2); /* the third diverges at its last point */
        assert_int_equal(result.trace_count, 6);
        assert_int_equal(result.trace[5].spent, 12);
        assert_true(result.trace[5].returned == 2.5);
        assert_false(result.best_killed);
        esp_replay_summary_add(&summary, &table, &result);
        esp_replay_result_release(&result);

        options.budget = 1.4; /* 5.6 tokens: the next point would cost 2 beyond 4 */
        assert_int_equal(esp_replay_run(&table, study, &options, &result, &error), 0);
        assert_int_equal(result.trace[result.trace_count - 1].spent, 4);
        esp_replay_result_release(&result);
    }
    for (int i = 0; i < 8; i++) {
        double cost =
            summary.cost[ESP_WITHIN_1][i]; /* when trial 1 was complete, or the best so far */
        assert_true(cost >= 0.5 && cost <= 3);
        assert_true(summary.regret[4][i] == 0);
        assert_true(summary.regret[0][i] >= 0 && summary.regret[0][i] <= 0.5);
    }
    esp_replay_summary_release(&summary);
    esp_study_destroy(study);
    esp_table_release(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_search_pays_for_what_it_trains),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
