/* The plot of values against a parameter. */
#include "../../../controller/view/plot.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct esp_plot plot_of(const struct esp_plot_point *points, size_t count)
{
    return (struct esp_plot){
        .points = points,
        .point_count = count,
        .x_name = "lr",
        .y_name = "loss",
        .series_name = "bs",
        .series = {"4", "8"},
        .series_count = 2,
        .log_x = true,
        .width = 11,
        .height = 3,
    };
}

static void marks_are_drawn_at_their_values(void **state)
{
    (void)state;
    const struct esp_plot_point points[] = {
        {1e-4, 3, 0, true}, {1e-3, 2, 1, true}, {1e-2, 2.5, 0, false}};
    struct esp_plot plot = plot_of(points, 3);
    struct esp_buffer text = {0};
    esp_plot_print(&plot, &text);
    assert_string_equal(esp_buffer_get(&text),
                        "loss\n"
                        "        3 +A\n"
                        "      2.5 +          a\n"
                        "        2 +     B\n"
                        "          +-----------\n"
                        "           0.0001 lr 0.01\n"
                        "           bs  A 4  B 8  small letters: stopped before the end\n");
    esp_buffer_release(&text);
}

static void one_diverged_trial_does_not_flatten_the_rest(void **state)
{
    (void)state;
    const struct esp_plot_point points[] = {
        {1e-4, 2.2, 0, true}, {1e-3, 2.0, 0, true}, {1e-2, 2.1, 0, true}, {1e-1, 1e6, 1, true}};
    struct esp_plot plot = plot_of(points, 4);
    struct esp_buffer text = {0};
    plot.utf8 = true;
    esp_plot_print(&plot, &text);
    assert_non_null(strstr(esp_buffer_get(&text), "↑"));
    assert_non_null(strstr(esp_buffer_get(&text), "off the scale"));
    assert_null(strstr(esp_buffer_get(&text), "e+0"));
    esp_buffer_release(&text);
}

static void points_that_are_not_finite_are_left_out(void **state)
{
    (void)state;
    const struct esp_plot_point points[] = {{1e-4, NAN, 0, true},
                                            {1e-3, INFINITY, 0, true},
                                            {-1, 2.0, 0, true},
                                            {1e-3, 2.0, 0, true}};
    struct esp_plot plot = plot_of(points, 4);
    struct esp_buffer text = {0};
    esp_plot_print(&plot, &text); /* one point is too few for a plot */
    assert_string_equal(esp_buffer_get(&text), "");
    esp_buffer_release(&text);
}

static void equal_values_do_not_divide_by_zero(void **state)
{
    (void)state;
    const struct esp_plot_point points[] = {{1e-3, 2, 0, true}, {1e-3, 2, 1, true}};
    struct esp_plot plot = plot_of(points, 2);
    struct esp_buffer text = {0};
    esp_plot_print(&plot, &text);
    assert_non_null(strchr(esp_buffer_get(&text), 'A'));
    assert_null(strstr(esp_buffer_get(&text), "nan"));
    esp_buffer_release(&text);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_are_drawn_at_their_values),
        cmocka_unit_test(one_diverged_trial_does_not_flatten_the_rest),
        cmocka_unit_test(points_that_are_not_finite_are_left_out),
        cmocka_unit_test(equal_values_do_not_divide_by_zero),
    };
    return cmocka_run_group_tests_name("view/plot", tests, NULL, NULL);
}
