/* The plot of a search. */
#include "replay/plot.h"
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

static void a_plot_has_a_panel_with_its_line(void **state)
{
    (void)state;
    struct esp_table table;
    struct esp_study *study;
    struct esp_error error;
    struct esp_plot plot = {0};
    struct esp_replay_result result;
    struct esp_replay_options options = {.budget = 3, .workers = 2};
    char path[256], text[16384] = "";
    read_small_table(&table);
    assert_int_equal(esp_table_study(&table, &study, &error), 0);
    study->method = ESP_METHOD_RANDOM;
    study->stopping.type = ESP_SCHEDULER_NONE;
    assert_int_equal(esp_plot_panel(&plot, &table, 3, 1, &error), 0);
    assert_int_equal(esp_replay_run(&table, study, &options, &result, &error), 0);
    esp_plot_add(&plot, &table, &result);
    /* The last column is at the whole budget, where the best is found. */
    assert_true(plot.panels[0].regret[ESP_PLOT_COLUMNS - 1][0] == 0);
    assert_true(plot.panels[0].regret[0][0] ==
                0.5); /* nothing returned yet: the worst finite loss */
    snprintf(path, sizeof path, "%s/t.yaml", folder);
    assert_int_equal(esp_plot_write(&plot, "a <b> & c", path, &error), 0);
    FILE *file = fopen(path, "r");
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_non_null(strstr(text, "a &lt;b> &amp; c"));
    assert_non_null(strstr(text, "<polyline"));
    assert_non_null(strstr(text, "</svg>"));
    assert_int_equal(esp_plot_write(&plot, "x", "/nonexistent/x.svg", &error), -ENOENT);
    esp_plot_release(&plot);
    esp_replay_result_release(&result);
    esp_study_destroy(study);
    esp_table_release(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plot_has_a_panel_with_its_line),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
