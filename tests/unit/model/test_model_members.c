/* Members of one model are independent: isolation, accumulation, short micro-batches. */
#include "setting.h"

#include <math.h>

#define UPDATES 3
#define MICRO_BATCH 3

/* One member's training: batch, dropout and rate differ between members. */
struct plan_of_member {
    uint64_t seed;
    int batch; /* sequences per update */
    double dropout, rate;
};

static const struct plan_of_member plans[] = {
    {.seed = 21, .batch = 7, .dropout = 0.0, .rate = 1e-2},
    {.seed = 22, .batch = 3, .dropout = 0.2, .rate = 3e-3},
    {.seed = 23, .batch = 5, .dropout = 0.1, .rate = 1e-2},
};

/* Trains members in slots 0 … members − 1 by plans[which[slot]], side by side: in each round
 * every member with micro-batches left does one, and members whose batch is complete update. */
static struct setting train_together(bool wide, const int *which, int members, int micro_batch)
{
    struct esp_error error;
    struct setting s = open_setting(wide, small_shape(), members, micro_batch, 1);
    struct tokens tokens[3];
    int done[3] = {0}, updates[3] = {0}, running = members;
    for (int m = 0; m < members; m++) {
        const struct plan_of_member *p = &plans[which[m]];
        succeed(esp_model_init_member(s.model, m, p->seed, &error), &error);
        tokens[m] = draw_tokens(&s.shape, p->batch, p->seed);
    }
    while (running) {
        struct esp_model_input inputs[3] = {{0}};
        struct esp_model_update steps[3] = {{0}};
        running = 0;
        for (int m = 0; m < members; m++) {
            const struct plan_of_member *p = &plans[which[m]];
            if (updates[m] == UPDATES) {
                continue;
            }
            running++;
            int some = p->batch - done[m] < micro_batch ? p->batch - done[m] : micro_batch;
            inputs[m] = input_of(&s, &tokens[m], done[m], some);
            inputs[m].dropout = p->dropout;
            inputs[m].seed = p->seed;
            inputs[m].step = (uint64_t)updates[m];
            done[m] += some;
            if (done[m] == p->batch) {
                steps[m] = usual_update(++updates[m]);
                steps[m].learning_rate = p->rate;
                done[m] = 0;
            }
        }
        succeed(esp_model_forward_backward(s.model, inputs, &error), &error);
        succeed(esp_model_update(s.model, steps, &error), &error);
    }
    for (int m = 0; m < members; m++) {
        free_tokens(&tokens[m]);
    }
    return s;
}

static void a_member_in_a_group_equals_it_alone(void **state)
{
    (void)state;
    const int all[] = {0, 1, 2};
    struct setting group = train_together(false, all, 3, MICRO_BATCH);
    for (int m = 0; m < 3; m++) {
        struct setting alone = train_together(false, &all[m], 1, MICRO_BATCH);
        for (int slab = ESP_MODEL_PARAMETERS; slab <= ESP_MODEL_MOMENT2; slab++) {
            double *a = slab_of(&group, m, (enum esp_model_slab)slab);
            double *b = slab_of(&alone, 0, (enum esp_model_slab)slab);
            assert_same_bits(a, b, group.count);
            free(a);
            free(b);
        }
        close_setting(&alone);
    }
    close_setting(&group);
}

static void a_members_slot_does_not_matter(void **state)
{
    (void)state;
    const int one[] = {0, 1, 2}, other[] = {2, 0, 1};
    struct setting a = train_together(false, one, 3, MICRO_BATCH);
    struct setting b = train_together(false, other, 3, MICRO_BATCH);
    for (int m = 0; m < 3; m++) {
        double *p = slab_of(&a, other[m], ESP_MODEL_PARAMETERS);
        double *q = slab_of(&b, m, ESP_MODEL_PARAMETERS);
        assert_same_bits(p, q, a.count);
        free(p);
        free(q);
    }
    close_setting(&a);
    close_setting(&b);
}

static void training_again_gives_the_same_bits(void **state)
{
    (void)state;
    const int which[] = {1};
    struct setting a = train_together(false, which, 1, MICRO_BATCH);
    struct setting b = train_together(false, which, 1, MICRO_BATCH);
    double *p = slab_of(&a, 0, ESP_MODEL_PARAMETERS), *q = slab_of(&b, 0, ESP_MODEL_PARAMETERS);
    assert_same_bits(p, q, a.count);
    free(p);
    free(q);
    close_setting(&a);
    close_setting(&b);
}

/* Includes dropout, which is keyed by the position in the whole batch. */
static void the_split_into_micro_batches_does_not_matter(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        struct setting whole = train_together(true, &which, 1, 8);
        double *a = slab_of(&whole, 0, ESP_MODEL_PARAMETERS);
        for (int micro_batch = 1; micro_batch < 5; micro_batch++) {
            struct setting split = train_together(true, &which, 1, micro_batch);
            double *b = slab_of(&split, 0, ESP_MODEL_PARAMETERS);
            assert_true(distance(b, a, whole.count) < 1e-9);
            free(b);
            close_setting(&split);
        }
        free(a);
        close_setting(&whole);
    }
}

/* With a NaN in member 1's weights, it completes no update, and members 0 and 2 train to the
 * same bits. */
static void a_nan_stays_in_its_member(void **state)
{
    (void)state;
    struct esp_error error;
    double *after[2][3];
    int64_t count = 0;
    for (int poisoned = 0; poisoned < 2; poisoned++) {
        struct setting s = open_setting(false, small_shape(), 3, 2, 1);
        struct tokens t = draw_tokens(&s.shape, 2, 8);
        struct esp_model_input inputs[3];
        struct esp_model_update updates[3];
        struct esp_model_result results[3];
        count = s.count;
        if (poisoned) {
            double *p = slab_of(&s, 1, ESP_MODEL_PARAMETERS);
            p[100] = NAN;
            succeed(esp_model_write_f64(s.model, 1, ESP_MODEL_PARAMETERS, p, &error), &error);
            free(p);
        }
        for (int m = 0; m < 3; m++) {
            inputs[m] = input_of(&s, &t, 0, 2);
            updates[m] = usual_update(1);
        }
        /* a token whose row contains the NaN */
        t.tokens[0] = 100 / s.shape.width;
        succeed(esp_model_forward_backward(s.model, inputs, &error), &error);
        succeed(esp_model_update(s.model, updates, &error), &error);
        succeed(esp_model_results(s.model, results, &error), &error);
        for (int m = 0; m < 3; m++) {
            const bool bad = poisoned && m == 1;
            assert_int_equal(results[m].skipped, bad);
            assert_int_equal(results[m].updates, !bad);
            assert_int_equal(isnan(results[m].loss_sum) != 0, bad);
            after[poisoned][m] = slab_of(&s, m, ESP_MODEL_PARAMETERS);
        }
        free_tokens(&t);
        close_setting(&s);
    }
    assert_same_bits(after[1][0], after[0][0], count);
    assert_same_bits(after[1][2], after[0][2], count);
    for (int m = 0; m < 3; m++) {
        free(after[0][m]);
        free(after[1][m]);
    }
}

static void a_paused_member_is_left_untouched(void **state)
{
    (void)state;
    struct esp_error error;
    struct setting s = open_setting(false, small_shape(), 2, 2, 1);
    struct tokens t = draw_tokens(&s.shape, 2, 8);
    struct esp_model_input inputs[2] = {input_of(&s, &t, 0, 2), {0}};
    struct esp_model_update updates[2] = {usual_update(1), {0}};
    struct esp_model_loss losses[2];
    double *before[4];
    for (int slab = 0; slab < 4; slab++) {
        before[slab] = slab_of(&s, 1, (enum esp_model_slab)slab);
    }
    succeed(esp_model_forward_backward(s.model, inputs, &error), &error);
    succeed(esp_model_loss(s.model, inputs, losses, &error), &error);
    succeed(esp_model_update(s.model, updates, &error), &error);
    assert_int_equal(losses[1].count, 0);
    for (int slab = 0; slab < 4; slab++) {
        double *now = slab_of(&s, 1, (enum esp_model_slab)slab);
        assert_same_bits(now, before[slab], s.count);
        free(now);
        free(before[slab]);
    }
    free_tokens(&t);
    close_setting(&s);
}

static void a_validation_between_micro_batches_changes_nothing(void **state)
{
    (void)state;
    struct esp_error error;
    double *gradients[2];
    int64_t count = 0;
    for (int validated = 0; validated < 2; validated++) {
        struct setting s = open_setting(false, small_shape(), 1, 2, 1);
        struct tokens t = draw_tokens(&s.shape, 4, 8), other = draw_tokens(&s.shape, 2, 9);
        struct esp_model_input input = input_of(&s, &t, 0, 2);
        struct esp_model_input validation = input_of(&s, &other, 0, 2);
        struct esp_model_loss loss;
        succeed(esp_model_forward_backward(s.model, &input, &error), &error);
        if (validated) {
            succeed(esp_model_loss(s.model, &validation, &loss, &error), &error);
            assert_true(loss.count > 0 && loss.sum > 0);
        }
        input = input_of(&s, &t, 2, 2);
        succeed(esp_model_forward_backward(s.model, &input, &error), &error);
        gradients[validated] = slab_of(&s, 0, ESP_MODEL_GRADIENTS);
        count = s.count;
        free_tokens(&t);
        free_tokens(&other);
        close_setting(&s);
    }
    assert_same_bits(gradients[0], gradients[1], count);
    free(gradients[0]);
    free(gradients[1]);
}

static void a_batch_without_counted_tokens_makes_no_update(void **state)
{
    (void)state;
    struct esp_error error;
    struct setting s = open_setting(false, small_shape(), 1, 2, 1);
    struct tokens t = draw_tokens(&s.shape, 2, 8);
    struct esp_model_update update = usual_update(1);
    struct esp_model_result result;
    double *before = slab_of(&s, 0, ESP_MODEL_PARAMETERS);
    for (int i = 0; i < 2 * s.shape.context; i++) {
        t.targets[i] = -1;
    }
    struct esp_model_input input = input_of(&s, &t, 0, 2);
    succeed(esp_model_forward_backward(s.model, &input, &error), &error);
    succeed(esp_model_update(s.model, &update, &error), &error);
    succeed(esp_model_results(s.model, &result, &error), &error);
    assert_int_equal(result.count, 0);
    assert_int_equal(result.skipped, 1);
    double *after = slab_of(&s, 0, ESP_MODEL_PARAMETERS);
    assert_same_bits(after, before, s.count);
    free(before);
    free(after);
    free_tokens(&t);
    close_setting(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_in_a_group_equals_it_alone),
        cmocka_unit_test(a_members_slot_does_not_matter),
        cmocka_unit_test(training_again_gives_the_same_bits),
        cmocka_unit_test(the_split_into_micro_batches_does_not_matter),
        cmocka_unit_test(a_nan_stays_in_its_member),
        cmocka_unit_test(a_paused_member_is_left_untouched),
        cmocka_unit_test(a_validation_between_micro_batches_changes_nothing),
        cmocka_unit_test(a_batch_without_counted_tokens_makes_no_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
