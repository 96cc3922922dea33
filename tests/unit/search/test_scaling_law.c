/* Where the scaling-law prior places its optimum. */
#include "search/scaling_law.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../near.h"

/* A linear range, choices that span no octaves, octaves; words have no centre. */
static void a_centre_is_placed_on_every_kind_of_number(void **state)
{
    (void)state;
    static struct esp_study study;
    static struct esp_value rates[] = {{.type = ESP_VALUE_REAL, .real = 0},
                                       {.type = ESP_VALUE_REAL, .real = 0.1},
                                       {.type = ESP_VALUE_REAL, .real = 0.4}};
    static struct esp_value words[] = {{.type = ESP_VALUE_TEXT, .text = "cosine"},
                                       {.type = ESP_VALUE_TEXT, .text = "wsd"}};
    const double center[] = {0.25, 0.1, 0.002, 1}, wanted[] = {1, 1, log2(0.002)};
    struct esp_space space;
    struct esp_scaling_law law;
    memset(&study, 0, sizeof study);
    study.prior.kind = ESP_PRIOR_CENTER;
    study.param_count = 4;
    study.params[0] = (struct esp_param){.distribution = ESP_UNIFORM, .min = 0, .max = 1};
    study.params[1] = (struct esp_param){
        .distribution = ESP_CATEGORICAL, .choices = rates, .choice_count = 3};
    study.params[2] =
        (struct esp_param){.distribution = ESP_LOG_UNIFORM_VALUES, .min = 1e-4, .max = 1e-1};
    study.params[3] = (struct esp_param){
        .distribution = ESP_CATEGORICAL, .choices = words, .choice_count = 2};
    memcpy(study.prior.center, center, sizeof center);
    esp_space_make(&space, &study);
    esp_scaling_law_make(&law, &space);
    assert_int_equal(law.count, 3);
    for (int i = 0; i < law.count; i++) {
        assert_int_equal(law.axes[i], i);
        assert_near(law.at[i], wanted[i], 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_centre_is_placed_on_every_kind_of_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
