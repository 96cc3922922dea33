/* The table of tensors, fresh weights, reading and writing, logits, and invalid input. */
#include "setting.h"

#include <errno.h>
#include <math.h>

static const struct esp_model_tensor *tensor_called(const struct esp_model *model,
                                                    const char *name)
{
    for (int i = 0; i < esp_model_tensor_count(model); i++) {
        if (strcmp(esp_model_tensor(model, i)->name, name) == 0) {
            return esp_model_tensor(model, i);
        }
    }
    fail_msg("no tensor %s", name);
    return NULL;
}

static void names_and_shapes_are_those_of_gpt2(void **state)
{
    (void)state;
    struct setting s = open_setting(false, small_shape(), 1, 1, 1);
    const struct esp_model_tensor *t = tensor_called(s.model, "h.1.mlp.c_fc.weight");
    assert_int_equal(t->shape[0], 24);
    assert_int_equal(t->shape[1], 96);
    assert_true(t->decay);
    t = tensor_called(s.model, "h.0.attn.c_attn.bias");
    assert_int_equal(t->rank, 1);
    assert_int_equal(t->shape[0], 72);
    assert_false(t->decay);
    assert_true(tensor_called(s.model, "wpe.weight")->decay);
    assert_false(tensor_called(s.model, "ln_f.weight")->decay);
    assert_string_equal(esp_model_tensor(s.model, 0)->name, "wte.weight");
    assert_int_equal(s.count, 31 * 24 + 7 * 24 + 2 * (12 * 24 * 24 + 13 * 24) + 2 * 24);
    close_setting(&s);
}

static double deviation_of(const double *p, const struct esp_model_tensor *t)
{
    double sum = 0;
    for (int64_t i = 0; i < t->count; i++) {
        sum += p[t->offset + i] * p[t->offset + i];
    }
    return sqrt(sum / (double)t->count);
}

static void near(double got, double wanted, double relative)
{
    if (!(fabs(got - wanted) <= relative * wanted)) {
        fail_msg("%g is not %g", got, wanted);
    }
}

static void fresh_weights_have_gpt2s_deviations(void **state)
{
    (void)state;
    struct esp_error error;
    struct esp_model_shape shape = small_shape();
    shape.width = 96;
    struct setting s = open_setting(false, shape, 1, 1, 1);
    succeed(esp_model_init_member(s.model, 0, 5, &error), &error);
    double *p = slab_of(&s, 0, ESP_MODEL_PARAMETERS);
    /* the deviation of n draws is within 3 / √(2 n) of the true one: 1.6 % at n = 96 · 96 · 2
     */
    near(deviation_of(p, tensor_called(s.model, "h.0.attn.c_attn.weight")), 0.02, 0.03);
    near(deviation_of(p, tensor_called(s.model, "h.1.mlp.c_proj.weight")), 0.01, 0.03);
    near(deviation_of(p, tensor_called(s.model, "h.0.attn.c_proj.weight")), 0.01, 0.03);
    near(deviation_of(p, tensor_called(s.model, "wte.weight")), 0.02, 0.05);
    assert_true(deviation_of(p, tensor_called(s.model, "h.0.mlp.c_fc.bias")) == 0);
    assert_true(deviation_of(p, tensor_called(s.model, "ln_f.weight")) == 1);
    assert_true(p[0] != p[1]);
    free(p);
    close_setting(&s);
}

static void written_slabs_are_read_back_bit_for_bit(void **state)
{
    (void)state;
    struct esp_error error;
    struct setting s = open_setting(false, small_shape(), 2, 1, 1);
    float *in = calloc((size_t)s.count, sizeof *in),
          *out = calloc((size_t)s.count, sizeof *out);
    for (int slab = 0; slab < 4; slab++) {
        double *other = slab_of(&s, 0, (enum esp_model_slab)slab);
        for (int64_t i = 0; i < s.count; i++) {
            in[i] = (float)draw(3, (uint64_t)i) * 1e-9f;
        }
        succeed(esp_model_write(s.model, 1, (enum esp_model_slab)slab, in, &error), &error);
        succeed(esp_model_read(s.model, 1, (enum esp_model_slab)slab, out, &error), &error);
        assert_memory_equal(in, out, (size_t)s.count * sizeof *in);
        double *still = slab_of(&s, 0, (enum esp_model_slab)slab);
        assert_same_bits(other, still, s.count);
        free(other);
        free(still);
    }
    free(in);
    free(out);
    close_setting(&s);
}

/* Stopping after one update and continuing from its slabs in another model gives the same bits
 * as not stopping. */
static void a_member_continues_from_its_slabs(void **state)
{
    (void)state;
    struct esp_error error;
    struct setting a = open_setting(false, small_shape(), 1, 2, 1);
    struct setting b = open_setting(false, small_shape(), 2, 2, 6);
    struct tokens t = draw_tokens(&a.shape, 2, 8);
    float *slab = calloc((size_t)a.count, sizeof *slab);
    struct esp_model_input inputs[2] = {input_of(&a, &t, 0, 2)};
    struct esp_model_update updates[2] = {usual_update(1)};
    succeed(esp_model_forward_backward(a.model, inputs, &error), &error);
    succeed(esp_model_update(a.model, updates, &error), &error);
    for (int i = ESP_MODEL_PARAMETERS; i <= ESP_MODEL_MOMENT2; i++) {
        succeed(esp_model_read(a.model, 0, (enum esp_model_slab)i, slab, &error), &error);
        succeed(esp_model_write(b.model, 1, (enum esp_model_slab)i, slab, &error), &error);
    }
    updates[0].updates = 2;
    succeed(esp_model_forward_backward(a.model, inputs, &error), &error);
    succeed(esp_model_update(a.model, updates, &error), &error);
    inputs[1] = inputs[0];
    updates[1] = updates[0];
    inputs[0].active = false;
    updates[0].active = false;
    succeed(esp_model_forward_backward(b.model, inputs, &error), &error);
    succeed(esp_model_update(b.model, updates, &error), &error);
    double *p = slab_of(&a, 0, ESP_MODEL_PARAMETERS), *q = slab_of(&b, 1, ESP_MODEL_PARAMETERS);
    assert_same_bits(p, q, a.count);
    free(p);
    free(q);
    free(slab);
    free_tokens(&t);
    close_setting(&a);
    close_setting(&b);
}

/* −log softmax of the logits after each prefix is the loss that esp_model_loss sums. */
static void logits_agree_with_the_loss(void **state)
{
    (void)state;
    struct esp_error error;
    struct setting s = open_setting(false, small_shape(), 2, 2, 1);
    struct tokens t = draw_tokens(&s.shape, 1, 8);
    struct esp_model_input inputs[2] = {{0}, input_of(&s, &t, 0, 1)};
    struct esp_model_loss losses[2];
    double sum = 0;
    float logits[31];
    succeed(esp_model_loss(s.model, inputs, losses, &error), &error);
    for (int n = 0; n < s.shape.context; n++) {
        if (t.targets[n] < 0) {
            continue;
        }
        double total = 0;
        succeed(esp_model_logits(s.model, 1, t.tokens, n + 1, logits, &error), &error);
        for (int v = 0; v < s.shape.vocabulary; v++) {
            total += exp((double)logits[v]);
        }
        sum += log(total) - (double)logits[t.targets[n]];
    }
    near(sum, losses[1].sum, 1e-5);
    free_tokens(&t);
    close_setting(&s);
}

static void errors_name_the_value_of_bad_input(void **state)
{
    (void)state;
    struct esp_error error = {{0}};
    struct setting s = open_setting(false, small_shape(), 2, 2, 1);
    struct tokens t = draw_tokens(&s.shape, 2, 8);
    struct esp_model_input inputs[2] = {input_of(&s, &t, 0, 2), input_of(&s, &t, 0, 2)};
    double *before = slab_of(&s, 0, ESP_MODEL_GRADIENTS);
    t.tokens[3] = 31;
    assert_int_equal(esp_model_forward_backward(s.model, inputs, &error), -EINVAL);
    assert_non_null(strstr(error.text, "31"));
    t.tokens[3] = 0;
    t.targets[2] = -2;
    assert_int_equal(esp_model_forward_backward(s.model, inputs, &error), -EINVAL);
    assert_non_null(strstr(error.text, "-2"));
    t.targets[2] = 0;
    inputs[1].sequences = 3;
    assert_int_equal(esp_model_forward_backward(s.model, inputs, NULL), -EINVAL);
    double *after = slab_of(&s, 0, ESP_MODEL_GRADIENTS);
    assert_same_bits(after, before, s.count);
    free(before);
    free(after);
    free_tokens(&t);
    close_setting(&s);
}

static void impossible_shapes_are_refused(void **state)
{
    (void)state;
    struct esp_error error = {{0}};
    struct esp_kernels *kernels;
    struct esp_model *model = NULL;
    struct esp_model_shape shape = small_shape();
    succeed(esp_kernels_open_cpu(&kernels, &error), &error);
    shape.heads = 5;
    assert_int_equal(esp_model_create(kernels, &shape, 1, 1, true, &model, &error), -EINVAL);
    assert_non_null(strstr(error.text, "24"));
    assert_non_null(strstr(error.text, "5"));
    shape = small_shape();
    shape.width = 1 << 18;
    shape.heads = 1;
    shape.layers = 4096;
    assert_int_equal(esp_model_create(kernels, &shape, 64, 64, true, &model, &error), -ENOMEM);
    assert_non_null(strstr(error.text, "lower trainer.micro_batch"));
    /* when neither can be lowered */
    assert_int_equal(esp_model_create(kernels, &shape, 1, 1, true, &model, &error), -ENOMEM);
    assert_non_null(strstr(error.text, "make trainer.model smaller"));
    assert_null(model);
    esp_kernels_close(kernels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_shapes_are_those_of_gpt2),
        cmocka_unit_test(fresh_weights_have_gpt2s_deviations),
        cmocka_unit_test(written_slabs_are_read_back_bit_for_bit),
        cmocka_unit_test(a_member_continues_from_its_slabs),
        cmocka_unit_test(logits_agree_with_the_loss),
        cmocka_unit_test(errors_name_the_value_of_bad_input),
        cmocka_unit_test(impossible_shapes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
