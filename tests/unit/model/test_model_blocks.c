/* The table of blocks: numbers computed from its rows agree with the published ones. */
#include "setting.h"

#include "../../../trial/model/block.h"

static const struct esp_model_shape shapes[] = {
    {.layers = 1, .width = 8, .heads = 2, .context = 5, .vocabulary = 11},
    {.layers = 12, .width = 768, .heads = 12, .context = 1024, .vocabulary = 50257},
    {.layers = 3,
     .width = 96,
     .heads = 3,
     .context = 64,
     .vocabulary = 256,
     .objective = ESP_OBJECTIVE_MASKED},
};
#define SHAPES (sizeof shapes / sizeof *shapes)

/* GPT-2: 12 C² + 13 C parameters a layer, both tables, and the final norm. */
static double parameters_of(const struct esp_model_shape *s)
{
    const double width = s->width;
    return (s->vocabulary + s->context) * width +
           s->layers * (12 * width * width + 13 * width) + 2 * width;
}

static void flops_per_token_follow_kaplan_2020(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        const struct esp_model_shape *s = &shapes[i];
        const double pair = s->objective == ESP_OBJECTIVE_CAUSAL ? 6 : 12;
        const double attention = pair * s->layers * s->width * s->context;
        assert_true(esp_model_flops_per_token(s) == 6 * parameters_of(s) + attention);
    }
}

static void the_smallest_gpt2_has_124_million_parameters(void **state)
{
    (void)state;
    const struct esp_model_shape *s = &shapes[1];
    const struct block_kind *const *kinds;
    const int blocks = esp_layer_blocks(s, &kinds);
    int64_t layer = 0;
    for (int b = 0; b < blocks; b++) {
        layer += esp_tensor_forms_count(kinds[b]->tensors, kinds[b]->tensor_count, s);
    }
    assert_int_equal(esp_tensor_forms_count(esp_embedding_forms, EMBEDDING_TENSORS, s) +
                         s->layers * layer +
                         esp_tensor_forms_count(esp_final_forms, FINAL_TENSORS, s),
                     124439808);
}

static void a_block_starts_with_the_weight_and_bias_of_its_norm(void **state)
{
    (void)state;
    const struct block_kind *const *kinds;
    const int count = esp_layer_blocks(&shapes[0], &kinds);
    assert_in_range(count, 1, LAYER_BLOCKS_MAX);
    for (int b = 0; b < count; b++) {
        const struct tensor_form *weight = &kinds[b]->tensors[NORM_WEIGHT];
        const struct tensor_form *bias = &kinds[b]->tensors[NORM_BIAS];
        assert_null(weight->columns);
        assert_null(bias->columns);
        assert_int_equal(weight->rows(&shapes[0]), shapes[0].width);
        assert_int_equal(bias->rows(&shapes[0]), shapes[0].width);
        assert_int_equal(weight->init, INIT_ONE);
        assert_int_equal(bias->init, INIT_ZERO);
        assert_in_range(kinds[b]->buffer_count, 0, BLOCK_BUFFERS_MAX);
    }
}

static void the_model_has_the_tensors_of_its_blocks_layer_by_layer(void **state)
{
    (void)state;
    struct setting s = open_setting(false, small_shape(), 1, 1, 3);
    const struct block_kind *const *kinds;
    const int blocks = esp_layer_blocks(&s.shape, &kinds);
    int at = EMBEDDING_TENSORS, in_layer = 0;
    for (int layer = 0; layer < s.shape.layers; layer++) {
        in_layer = 0;
        for (int b = 0; b < blocks; b++) {
            for (int i = 0; i < kinds[b]->tensor_count; i++, at++, in_layer++) {
                const struct esp_model_tensor *t = esp_model_tensor(s.model, at);
                char name[ESP_MODEL_NAME_MAX];
                snprintf(name, sizeof name, "h.%d.%s", layer, kinds[b]->tensors[i].name);
                assert_string_equal(t->name, name);
                assert_int_equal(t->layer, layer);
                assert_int_equal(t->count,
                                 esp_tensor_form_count(&kinds[b]->tensors[i], &s.shape));
                assert_int_equal(t->decay, t->rank == 2);
            }
        }
    }
    assert_int_equal(esp_model_layer_tensors(s.model), in_layer);
    assert_int_equal(esp_model_tensor_count(s.model), at + FINAL_TENSORS);
    assert_true(esp_model_count(s.model) == parameters_of(&s.shape));
    close_setting(&s);
}

static void only_the_masks_of_existing_layers_are_ignored(void **state)
{
    (void)state;
    struct setting s = open_setting(false, small_shape(), 1, 1, 3);
    assert_true(esp_model_ignores(s.model, "h.0.attn.bias"));
    assert_true(esp_model_ignores(s.model, "h.1.attn.masked_bias"));
    assert_false(esp_model_ignores(s.model, "h.2.attn.bias"));
    assert_false(esp_model_ignores(s.model, "h.0.attn.biases"));
    assert_false(esp_model_ignores(s.model, "h.attn.bias"));
    assert_false(esp_model_ignores(s.model, "attn.bias"));
    assert_false(esp_model_ignores(s.model, "h.0.mlp.bias"));
    close_setting(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flops_per_token_follow_kaplan_2020),
        cmocka_unit_test(the_smallest_gpt2_has_124_million_parameters),
        cmocka_unit_test(a_block_starts_with_the_weight_and_bias_of_its_norm),
        cmocka_unit_test(the_model_has_the_tensors_of_its_blocks_layer_by_layer),
        cmocka_unit_test(only_the_masks_of_existing_layers_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
