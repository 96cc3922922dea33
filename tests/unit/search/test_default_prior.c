/* Default values of well-known hyperparameters, and that bayes begins with them. */
#include "search/default_prior.h"
#include "search/hyperparameters.h"
#include "search/sampler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../near.h"
#include "fixture.h"

#define DRAWS 4000

static struct esp_study study;
static struct esp_space space;
static struct esp_default_prior prior;

static struct esp_param *
add(const char *name, enum esp_distribution distribution, double min, double max)
{
    struct esp_param *param = &study.params[study.param_count++];
    *param = (struct esp_param){.distribution = distribution, .min = min, .max = max};
    strcpy(param->name, name);
    return param;
}

static int begin(void **state)
{
    (void)state;
    memset(&study, 0, sizeof study);
    study.method = ESP_METHOD_BAYES;
    study.prior.kind = ESP_PRIOR_STEP_LAW;
    study.seed = 3;
    return 0;
}

static int count_of_priors(void)
{
    esp_space_make(&space, &study);
    esp_default_prior_make(&prior, &space);
    return prior.count;
}

/* The share of evenly spread draws of the one parameter that is at most `limit`. */
static double share_up_to(double limit)
{
    int found = 0;
    for (int i = 0; i < DRAWS; i++) {
        double u = (i + 0.5) / DRAWS, drawn;
        esp_default_prior_draw(&prior, &space, &u, &drawn);
        found += esp_space_number(&space, 0, drawn) <= limit;
    }
    return (double)found / DRAWS;
}

/* The range reaches 5.5 decades below the middle and 3.5 above it. */
static void learning_rates_are_normal_in_decades_around_the_default(void **state)
{
    (void)state;
    add("learning_rate", ESP_LOG_UNIFORM_VALUES, 1e-8, 1e1);
    assert_int_equal(count_of_priors(), 1);
    assert_near(share_up_to(3e-5), 0.0228, 2e-3);
    assert_near(share_up_to(3e-4), 0.1587, 2e-3);
    assert_near(share_up_to(3e-3), 0.5, 2e-3);
    assert_near(share_up_to(3e-2), 0.8413, 2e-3);
    assert_near(share_up_to(1e1), 1, 0);
}

/* Half a decade is left above the middle: Φ(log10(10/3)) = 0.6995 of the mass is kept. */
static void a_range_truncates_the_normal(void **state)
{
    (void)state;
    add("lr", ESP_LOG_UNIFORM_VALUES, 1e-8, 1e-2);
    assert_int_equal(count_of_priors(), 1);
    assert_near(share_up_to(3e-3), 0.5 / 0.6995, 2e-3);
    assert_near(share_up_to(3e-4), 0.1587 / 0.6995, 2e-3);
    assert_near(share_up_to(1e-2), 1, 0);
}

/* Up to 1e-4 uniform; above it half a normal, with 0.6827 of its mass within the first σ. */
static void small_penalties_are_equally_likely(void **state)
{
    (void)state;
    add("l2", ESP_LOG_UNIFORM_VALUES, 1e-8, 1e1);
    assert_int_equal(count_of_priors(), 1);
    assert_near(share_up_to(1e-6), 0.375, 2e-3);
    assert_near(share_up_to(1e-4), 0.75, 2e-3);
    assert_near(
        share_up_to(1e-2), 0.75 + 0.25 * 0.6827 / 0.9876, 3e-3); /* 2.5 σ are in the range */
}

/* A sixth of the range is above the default: a quarter of the draws would be more than uniform.
 */
static void a_range_that_ends_near_the_default_is_drawn_uniformly(void **state)
{
    (void)state;
    add("weight_decay", ESP_UNIFORM, 0, 0.12);
    assert_int_equal(count_of_priors(), 1);
    assert_near(share_up_to(0.1), 1 / 1.2, 1e-3);
    assert_near(share_up_to(0.12), 1, 0);
}

static void linear_ranges_are_drawn_on_their_own_scale(void **state)
{
    (void)state;
    add("dropout", ESP_UNIFORM, 0, 0.5);
    assert_int_equal(count_of_priors(), 1);
    assert_near(share_up_to(0.05), 0.375, 2e-3);
    assert_near(share_up_to(0.1), 0.75, 2e-3);
    assert_near(share_up_to(0.3), 0.75 + 0.25 * 0.6827 / 0.9545, 2e-3);
}

static void the_nearest_choice_is_drawn(void **state)
{
    (void)state;
    static struct esp_value rates[] = {{.type = ESP_VALUE_REAL, .real = 1e-5},
                                       {.type = ESP_VALUE_REAL, .real = 1e-3},
                                       {.type = ESP_VALUE_REAL, .real = 1e-1}};
    struct esp_param *param = add("learning_rate", ESP_CATEGORICAL, 0, 0);
    param->choices = rates;
    param->choice_count = 3;
    assert_int_equal(count_of_priors(), 1);
    /* Boundaries at 1e-4 and 1e-2, ends at 1e-5 and 1e-1: Φ(-1.477), Φ(0.523), Φ(±2.477, 1.523)
     */
    double low = 0.0066, high = 0.9361, kept = high - low;
    assert_near(share_up_to(1e-5), (0.0698 - low) / kept, 2e-3);
    assert_near(share_up_to(1e-3), (0.6995 - low) / kept, 2e-3);
}

static void ranges_without_the_default_are_drawn_uniformly(void **state)
{
    (void)state;
    add("learning_rate", ESP_LOG_UNIFORM_VALUES, 1e-6, 2e-3);
    add("dropout", ESP_UNIFORM, 0.2, 0.6);
    add("weight_decay", ESP_UNIFORM, 0, 0.1);
    add("momentum", ESP_UNIFORM, 0, 1);
    assert_int_equal(count_of_priors(), 0);
    double u[] = {0.1, 0.7, 0.3, 0.9}, drawn[4], uniform[4];
    esp_default_prior_draw(&prior, &space, u, drawn);
    esp_space_uniform(&space, u, uniform);
    for (int i = 0; i < 4; i++) {
        assert_near(drawn[i], uniform[i], 1e-9);
    }
}

static void a_distribution_given_by_the_user_is_kept(void **state)
{
    (void)state;
    struct esp_param *param = add("dropout", ESP_NORMAL, 0, 0);
    param->mu = 0.2;
    param->sigma = 0.05;
    assert_int_equal(count_of_priors(), 0);
    param->distribution = ESP_UNIFORM;
    param->max = 0.5;
    assert_int_equal(count_of_priors(), 1);
}

static void sgd_has_no_default_learning_rate(void **state)
{
    (void)state;
    add("learning_rate", ESP_LOG_UNIFORM_VALUES, 1e-8, 1e1);
    study.abilities = esp_abilities_builtin();
    study.trainer.optimizer = ESP_OPTIMIZER_SGD;
    assert_int_equal(count_of_priors(), 0);
    study.trainer.optimizer = ESP_OPTIMIZER_ADAMW;
    assert_int_equal(count_of_priors(), 1);

    static struct esp_value names[] = {{.type = ESP_VALUE_TEXT, .text = "adamw"},
                                       {.type = ESP_VALUE_TEXT, .text = "sgd"}};
    struct esp_param *param = add("optimizer", ESP_CATEGORICAL, 0, 0);
    param->choices = names;
    param->choice_count = 2;
    assert_int_equal(count_of_priors(), 0);
    param->distribution = ESP_CONSTANT;
    param->choice_count = 1;
    assert_int_equal(count_of_priors(), 1);
    param->choices = names + 1;
    assert_int_equal(count_of_priors(), 0);
}

static void adam_learning_rates_have_a_length_in_octaves(void **state)
{
    (void)state;
    add("learning_rate", ESP_LOG_UNIFORM_VALUES, 1e-8, 1e1);
    add("l2", ESP_LOG_UNIFORM_VALUES, 1e-8, 1e1);
    study.abilities = esp_abilities_builtin();
    study.trainer.optimizer = ESP_OPTIMIZER_ADAMW;
    esp_space_make(&space, &study);
    assert_true(esp_default_prior_length(&space, 0) == 5 &&
                isinf(esp_default_prior_length(&space, 1)));
    study.ablate = ESP_ABLATE_PRIOR;
    assert_true(isinf(esp_default_prior_length(&space, 0)));
    study.ablate = 0;
    study.prior.kind = ESP_PRIOR_NONE;
    study.prior.given = true;
    assert_true(isinf(esp_default_prior_length(&space, 0)));
    study.prior.kind = ESP_PRIOR_STEP_LAW;
    strcpy(study.params[0].name, "lr");
    assert_true(esp_default_prior_length(&space, 0) == 5);
    study.trainer.optimizer = ESP_OPTIMIZER_SGD;
    assert_true(isinf(esp_default_prior_length(&space, 0)));
    study.trainer.optimizer = ESP_OPTIMIZER_ADAMW;
    study.params[0].distribution = ESP_UNIFORM;
    study.params[0].min = 1;
    study.params[0].max = 2;
    esp_space_make(&space, &study);
    assert_true(isinf(esp_default_prior_length(&space, 0)));
}

/* Axes of equal range: the rate's length is limited in octaves, whatever the range. */
static void the_length_of_a_rate_is_limited_in_octaves(void **state)
{
    (void)state;
    struct esp_hyperparameters hyper;
    make_rate_and_batch(&study, ESP_PRIOR_STEP_LAW);
    study.params[0].min = 1e-8;
    study.params[0].max = 10;
    study.params[1] = study.params[0];
    strcpy(study.params[1].name, "l2");
    esp_space_make(&space, &study);
    esp_hyperparameters_default(&hyper, &space);
    assert_near(hyper.length[0], log(5), 1e-9);
    assert_near(hyper.length[1], log(0.35 * log2(1e9) * sqrt(3)), 1e-9);
}

static void a_linear_learning_rate_has_no_default(void **state)
{
    (void)state;
    add("learning_rate", ESP_UNIFORM, 0, 0.1);
    assert_int_equal(count_of_priors(), 0);
}

static void prior_none_a_centre_and_the_ablation_turn_the_defaults_off(void **state)
{
    (void)state;
    add("learning_rate", ESP_LOG_UNIFORM_VALUES, 1e-8, 1e1);
    study.prior.given = true;
    assert_int_equal(count_of_priors(), 1);
    study.prior.kind = ESP_PRIOR_NONE;
    assert_int_equal(count_of_priors(), 0);
    study.prior.kind = ESP_PRIOR_CENTER;
    assert_int_equal(count_of_priors(), 0);
    study.prior.kind = ESP_PRIOR_STEP_LAW;
    study.ablate = ESP_ABLATE_PRIOR;
    assert_int_equal(count_of_priors(), 0);
}

/* How many of the first 18 proposals have both penalties small. */
static int small_penalties_of_bayes(void)
{
    struct esp_sampler *sampler;
    struct esp_reason reason;
    int found = 0;
    assert_int_equal(esp_sampler_create(&study, &sampler, NULL), 0);
    for (uint32_t t = 0; t < 18; t++) {
        double values[6];
        assert_int_equal(esp_sampler_propose(sampler, t, values, &reason), 0);
        for (int i = 0; i < 6; i++) {
            assert_true(values[i] >= study.params[i].min && values[i] <= study.params[i].max);
        }
        found += values[1] <= 1e-4 && values[2] <= 1e-4;
        esp_sampler_created(sampler, t, values);
        esp_sampler_observed(sampler, t, 10, 1);
    }
    esp_sampler_destroy(sampler);
    return found;
}

/* 0.75² of two thirds of 18 trials are 6.75, a ninth of 18 uniform ones is 2 (a range of nine
 * decades, of which three lie below). */
static void bayes_begins_with_default_values_in_many_dimensions(void **state)
{
    (void)state;
    add("learning_rate", ESP_LOG_UNIFORM_VALUES, 1e-8, 1e1);
    add("l1", ESP_LOG_UNIFORM_VALUES, 1e-7, 1e2);
    add("l2", ESP_LOG_UNIFORM_VALUES, 1e-7, 1e2);
    add("a", ESP_UNIFORM, 0, 1);
    add("b", ESP_UNIFORM, 0, 1);
    add("c", ESP_UNIFORM, 0, 1);
    assert_in_range(small_penalties_of_bayes(), 6, 12);
    study.prior.kind = ESP_PRIOR_NONE;
    study.prior.given = true;
    assert_in_range(small_penalties_of_bayes(), 0, 4);
}

/* The surrogate starts with a generic bowl there, whose middle is the first trial. */
static void bayes_begins_in_the_middle_of_few_dimensions(void **state)
{
    (void)state;
    add("learning_rate", ESP_LOG_UNIFORM_VALUES, 1e-8, 1e1);
    add("l1", ESP_LOG_UNIFORM_VALUES, 1e-7, 1e2);
    struct esp_sampler *sampler;
    struct esp_reason reason;
    double values[2];
    assert_int_equal(esp_sampler_create(&study, &sampler, NULL), 0);
    assert_int_equal(esp_sampler_propose(sampler, 0, values, &reason), 0);
    assert_near(log10(values[0]), -3.5, 1e-6);
    assert_near(log10(values[1]), -2.5, 1e-6);
    esp_sampler_destroy(sampler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(learning_rates_are_normal_in_decades_around_the_default, begin),
        cmocka_unit_test_setup(a_range_truncates_the_normal, begin),
        cmocka_unit_test_setup(small_penalties_are_equally_likely, begin),
        cmocka_unit_test_setup(linear_ranges_are_drawn_on_their_own_scale, begin),
        cmocka_unit_test_setup(the_nearest_choice_is_drawn, begin),
        cmocka_unit_test_setup(ranges_without_the_default_are_drawn_uniformly, begin),
        cmocka_unit_test_setup(a_distribution_given_by_the_user_is_kept, begin),
        cmocka_unit_test_setup(sgd_has_no_default_learning_rate, begin),
        cmocka_unit_test_setup(a_linear_learning_rate_has_no_default, begin),
        cmocka_unit_test_setup(adam_learning_rates_have_a_length_in_octaves, begin),
        cmocka_unit_test_setup(the_length_of_a_rate_is_limited_in_octaves, begin),
        cmocka_unit_test_setup(a_range_that_ends_near_the_default_is_drawn_uniformly, begin),
        cmocka_unit_test_setup(bayes_begins_in_the_middle_of_few_dimensions, begin),
        cmocka_unit_test_setup(prior_none_a_centre_and_the_ablation_turn_the_defaults_off,
                               begin),
        cmocka_unit_test_setup(bayes_begins_with_default_values_in_many_dimensions, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
