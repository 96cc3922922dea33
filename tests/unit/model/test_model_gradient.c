/* The whole model's gradient in double precision, against central differences of its loss. */
#include "setting.h"

#include <math.h>

/* The error of a central difference is h² f'''/6 + ε|f|/h: about 1e-10 for losses of order 100
 * at h = 1e-5. */
#define STEP 1e-5
#define TOLERANCE 1e-6

/* Elements of each tensor that are varied. */
#define SAMPLES 12

/* Loss of one member's batch with dropout, for which the gradient is computed. */
static double loss_with(struct setting *s, const struct esp_model_input *input)
{
    struct esp_error error;
    struct esp_model_result result;
    /* An update with a rate of zero, which only collects the sums. */
    struct esp_model_update none = {.active = true, .updates = 1, .beta1 = 0.9, .beta2 = 0.9};
    succeed(esp_model_forward_backward(s->model, input, &error), &error);
    succeed(esp_model_update(s->model, &none, &error), &error);
    succeed(esp_model_results(s->model, &result, &error), &error);
    return result.loss_sum;
}

static double moved_loss(struct setting *s,
                         const struct esp_model_input *input,
                         double *parameters,
                         int64_t element,
                         double by)
{
    struct esp_error error;
    const double was = parameters[element];
    parameters[element] = was + by;
    succeed(esp_model_write_f64(s->model, 0, ESP_MODEL_PARAMETERS, parameters, &error), &error);
    double loss = loss_with(s, input);
    parameters[element] = was;
    return loss;
}

static void check_tensor(struct setting *s,
                         const struct esp_model_input *input,
                         const struct esp_model_tensor *t,
                         double *parameters,
                         const double *gradients)
{
    double difference = 0, norm = 0;
    for (int i = 0; i < SAMPLES; i++) {
        const int64_t element = t->offset + draw(5, (uint64_t)(t->offset + i)) % t->count;
        const double up = moved_loss(s, input, parameters, element, STEP);
        const double down = moved_loss(s, input, parameters, element, -STEP);
        const double numeric = (up - down) / (2 * STEP);
        difference += (numeric - gradients[element]) * (numeric - gradients[element]);
        norm += numeric * numeric;
    }
    if (!(sqrt(difference) <= TOLERANCE * sqrt(norm) + 1e-8)) {
        fail_msg("%s: off by %g of %g", t->name, sqrt(difference), sqrt(norm));
    }
}

static void check_gradient(struct esp_model_shape shape, int sequences, double dropout)
{
    struct esp_error error;
    struct setting s = open_setting(true, shape, 1, sequences, 3);
    struct tokens t = draw_tokens(&shape, sequences, 4);
    t.targets[0] = 1; /* a batch of one token must count it */
    struct esp_model_input input = input_of(&s, &t, 0, sequences);
    input.dropout = dropout;
    input.seed = 9;
    double *parameters = slab_of(&s, 0, ESP_MODEL_PARAMETERS);
    succeed(esp_model_forward_backward(s.model, &input, &error), &error);
    double *gradients = slab_of(&s, 0, ESP_MODEL_GRADIENTS);
    esp_model_zero_gradients(s.model, 0);
    for (int i = 0; i < esp_model_tensor_count(s.model); i++) {
        check_tensor(&s, &input, esp_model_tensor(s.model, i), parameters, gradients);
    }
    free(parameters);
    free(gradients);
    free_tokens(&t);
    close_setting(&s);
}

static void the_causal_model_has_the_gradient_of_its_loss(void **state)
{
    (void)state;
    check_gradient(small_shape(), 3, 0);
}

static void the_masked_model_with_tanh_has_the_gradient_of_its_loss(void **state)
{
    (void)state;
    struct esp_model_shape shape = small_shape();
    shape.objective = ESP_OBJECTIVE_MASKED;
    shape.activation = ESP_ACTIVATION_GELU_TANH;
    check_gradient(shape, 2, 0);
}

static void dropout_has_the_gradient_of_its_loss(void **state)
{
    (void)state;
    check_gradient(small_shape(), 2, 0.3);
}

static void one_token_in_one_sequence_has_the_gradient_of_its_loss(void **state)
{
    (void)state;
    struct esp_model_shape shape = small_shape();
    shape.context = 1;
    shape.layers = 1;
    shape.width = 5;
    shape.heads = 1;
    check_gradient(shape, 1, 0);
}

/* Two blocks of queries; a vocabulary and a width that are no multiple of a vector. */
static void odd_extents_have_the_gradient_of_their_loss(void **state)
{
    (void)state;
    struct esp_model_shape shape = small_shape();
    shape.layers = 1;
    shape.context = 70;
    shape.width = 18;
    shape.heads = 2;
    shape.vocabulary = 257;
    check_gradient(shape, 1, 0);
}

static void recomputation_gives_the_same_bits(void **state)
{
    (void)state;
    struct esp_error error;
    double *gradients[3];
    int64_t count = 0;
    for (int r = ESP_RECOMPUTE_NONE; r <= ESP_RECOMPUTE_BLOCK; r++) {
        struct esp_model_shape shape = small_shape();
        shape.layers = 3;
        shape.recompute = (enum esp_recompute)r;
        struct setting s = open_setting(false, shape, 1, 4, 3);
        struct tokens t = draw_tokens(&shape, 4, 4);
        struct esp_model_input input = input_of(&s, &t, 0, 4);
        input.dropout = 0.2;
        input.seed = 11;
        succeed(esp_model_forward_backward(s.model, &input, &error), &error);
        gradients[r] = slab_of(&s, 0, ESP_MODEL_GRADIENTS);
        count = s.count;
        free_tokens(&t);
        close_setting(&s);
    }
    assert_same_bits(gradients[ESP_RECOMPUTE_GELU_NORM], gradients[ESP_RECOMPUTE_NONE], count);
    assert_same_bits(gradients[ESP_RECOMPUTE_BLOCK], gradients[ESP_RECOMPUTE_NONE], count);
    for (int r = 0; r < 3; r++) {
        free(gradients[r]);
    }
}

static void recomputation_saves_memory(void **state)
{
    (void)state;
    struct esp_error error;
    struct esp_kernels *kernels;
    size_t bytes[3];
    succeed(esp_kernels_open_cpu(&kernels, &error), &error);
    for (int r = ESP_RECOMPUTE_NONE; r <= ESP_RECOMPUTE_BLOCK; r++) {
        struct esp_model_shape shape = small_shape();
        shape.layers = 6;
        shape.recompute = (enum esp_recompute)r;
        bytes[r] = esp_model_plan(kernels, &shape, 2, 64, true);
    }
    assert_true(bytes[ESP_RECOMPUTE_GELU_NORM] < bytes[ESP_RECOMPUTE_NONE]);
    assert_true(bytes[ESP_RECOMPUTE_BLOCK] < bytes[ESP_RECOMPUTE_GELU_NORM]);
    esp_kernels_close(kernels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_causal_model_has_the_gradient_of_its_loss),
        cmocka_unit_test(the_masked_model_with_tanh_has_the_gradient_of_its_loss),
        cmocka_unit_test(dropout_has_the_gradient_of_its_loss),
        cmocka_unit_test(one_token_in_one_sequence_has_the_gradient_of_its_loss),
        cmocka_unit_test(odd_extents_have_the_gradient_of_their_loss),
        cmocka_unit_test(recomputation_gives_the_same_bits),
        cmocka_unit_test(recomputation_saves_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
