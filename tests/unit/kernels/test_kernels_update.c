/* The loss, the optimizers, dropout and the functions of vmath.h compared with closed forms. */
#include "harness.h"

#include "../near.h"

#include "kernels/cpu/levels.h"

static void open_or_skip(enum esp_cpu_level level, struct esp_kernels **k)
{
    struct esp_error error;
    if (esp_kernels_open_cpu_level(level, k, &error)) {
        fail_msg("%s", error.text);
    }
}

static void near(double got, double wanted, double tolerance)
{
    if (!(fabs(got - wanted) <= tolerance * (1 + fabs(wanted)))) {
        fail_msg("%.17g is not %.17g", got, wanted);
    }
}

/* Vocabulary 257, padded to 264 with poison; loss and gradient follow their definitions. */
static void check_loss(const struct esp_kernels *k, double tolerance)
{
    const int rows = 6, vocabulary = 257, padded = 264;
    struct run r =
        start_run(k, (struct extents){.members = 2, .sequences = 2, .context = 4, .width = 1});
    r.batch.control = r.control;
    const int logits = add_input(&r, (int64_t)rows * padded, 20, 0);
    const struct esp_view targets = add_tokens(&r, 8, vocabulary, true);
    struct esp_loss_sum loss[2] = {{1.5, 3}, {0, 0}};
    double *x = values_of(&r, logits);
    for (int m = 0; m < 2; m++) {
        for (int n = 0; n < rows; n++) {
            for (int c = vocabulary; c < padded; c++) {
                put(&r, view(&r, logits), m * view(&r, logits).stride + n * padded + c, NAN);
            }
        }
    }
    const struct esp_cross_entropy op = {.logits = view(&r, logits),
                                         .targets = targets,
                                         .loss = loss,
                                         .rows = {.first = 1, .count = rows},
                                         .vocabulary = vocabulary,
                                         .vocabulary_padded = padded,
                                         .gradient = true};
    k->cross_entropy(k, &r.batch, &op);
    double *g = values_of(&r, logits);
    for (int m = 0; m < 2; m++) {
        double sum = m ? 0 : 1.5;
        int64_t count = m ? 0 : 3;
        for (int n = 0; n < rows; n++) {
            const double *row = x + (m * rows + n) * padded;
            const double *grad = g + (m * rows + n) * padded;
            const int target = ((int32_t *)targets.data)[m * targets.stride + 1 + n];
            double total = 0;
            for (int c = 0; c < vocabulary; c++) {
                total += exp(row[c]);
            }
            for (int c = 0; c < padded; c++) {
                double wanted = c < vocabulary ? exp(row[c]) / total - (c == target) : 0;
                near(grad[c], target < 0 ? 0 : wanted, tolerance);
            }
            sum += target < 0 ? 0 : log(total) - row[target];
            count += target >= 0;
        }
        near(loss[m].sum, sum, tolerance);
        assert_int_equal(loss[m].count, count);
    }
    free(x);
    free(g);
    end_run(&r);
}

static void loss_and_its_gradient_follow_the_definition(void **state)
{
    (void)state;
    for (int level = 0; level < ESP_CPU_LEVEL_COUNT; level++) {
        struct esp_kernels *k;
        if (esp_cpu_level_supported((enum esp_cpu_level)level)) {
            open_or_skip((enum esp_cpu_level)level, &k);
            check_loss(k, level == ESP_CPU_F64 ? 1e-13 : 2e-6);
            esp_kernels_close(k);
        }
    }
}

/* Three values, two of them with decay, computed by hand: gradient sums 6, −8, 0 over 2 tokens:
 * mean 3, −4, 0; norm 5; clip 2.5: factor 0.5 − 1e-7. */
static void adamw_follows_a_worked_example(void **state)
{
    (void)state;
    struct esp_kernels *k;
    open_or_skip(ESP_CPU_F64, &k);
    double p[3] = {1, -2, 0.5}, g[3] = {6, -8, 0}, m[3] = {0.1, 0, 0.2}, v[3] = {0.04, 0, 0.01};
    struct esp_loss_sum loss = {4, 2};
    struct esp_update_result result = {0};
    const struct esp_control control = {.active = 1,
                                        .update = 1,
                                        .loss_scale = 1,
                                        .updates = 2,
                                        .learning_rate = 0.1,
                                        .beta1 = 0.9,
                                        .beta2 = 0.75,
                                        .epsilon = 0.5,
                                        .weight_decay = 0.2,
                                        .clip = 2.5};
    const struct esp_batch batch = {1, 1, 1, &control, 1};
    const struct esp_optimize op = {.param = {p, 3},
                                    .grad = {g, 3},
                                    .m = {m, 3},
                                    .v = {v, 3},
                                    .loss = &loss,
                                    .result = &result,
                                    .count = 3,
                                    .decayed = 2};
    k->adamw(k, &batch, &op);
    /* factor = 2.5 / 5.000001; g = 1.4999997, −1.9999996, 0
     * m = 0.09 + 0.14999997, −0.19999996, 0.18;  1 − 0.9² = 0.19
     * v = 0.03 + 0.25 · 2.2499991, 0.25 · 3.9999984, 0.0075;  1 − 0.75² = 0.4375
     * p₀ = 0.98 − 0.1 · 1.26315774 / (√1.35428521 + 0.5), … */
    near(m[0], 0.23999997, 1e-8);
    near(m[1], -0.19999996, 1e-8);
    near(m[2], 0.18, 1e-12);
    near(v[0], 0.592499775, 1e-8);
    near(v[1], 0.9999996, 1e-7);
    near(v[2], 0.0075, 1e-12);
    near(p[0], 0.98 - 0.1 * (0.23999997 / 0.19) / (sqrt(0.592499775 / 0.4375) + 0.5), 1e-8);
    near(p[1], -1.96 + 0.1 * (0.19999996 / 0.19) / (sqrt(0.9999996 / 0.4375) + 0.5), 1e-7);
    near(p[2], 0.5 - 0.1 * (0.18 / 0.19) / (sqrt(0.0075 / 0.4375) + 0.5), 1e-12);
    near(result.grad_norm, 5, 1e-12);
    near(result.loss_sum, 4, 0);
    assert_int_equal(result.count, 2);
    assert_int_equal(result.updates, 1);
    assert_true(g[0] == 0 && g[1] == 0 && loss.sum == 0 && loss.count == 0);
    esp_kernels_close(k);
}

static void sgd_follows_a_worked_example(void **state)
{
    (void)state;
    struct esp_kernels *k;
    open_or_skip(ESP_CPU_F64, &k);
    double p[2] = {1, -2}, g[2] = {6, -8}, m[2] = {0.5, 0};
    struct esp_loss_sum loss = {4, 2};
    struct esp_update_result result = {0};
    const struct esp_control control = {.active = 1,
                                        .update = 1,
                                        .loss_scale = 1,
                                        .updates = 2,
                                        .learning_rate = 0.1,
                                        .momentum = 0.9,
                                        .weight_decay = 0.2};
    const struct esp_batch batch = {1, 1, 1, &control, 1};
    const struct esp_optimize op = {.param = {p, 2},
                                    .grad = {g, 2},
                                    .m = {m, 2},
                                    .loss = &loss,
                                    .result = &result,
                                    .count = 2,
                                    .decayed = 1};
    k->sgd(k, &batch, &op);
    /* m = 0.45 + 3 + 0.2, −4;  p = 1 − 0.365, −2 + 0.4 */
    near(m[0], 3.65, 1e-14);
    near(m[1], -4, 1e-14);
    near(p[0], 0.635, 1e-14);
    near(p[1], -1.6, 1e-14);
    esp_kernels_close(k);
}

static void a_gradient_that_is_not_finite_changes_no_weight(void **state)
{
    (void)state;
    struct esp_kernels *k;
    open_or_skip(ESP_CPU_F64, &k);
    for (int adamw = 0; adamw < 2; adamw++) {
        double p[2] = {1, -2}, g[2] = {INFINITY, 1}, m[2] = {3, 4}, v[2] = {5, 6};
        struct esp_loss_sum loss = {4, 2};
        struct esp_update_result result = {0};
        const struct esp_control control = {
            .active = 1, .update = 1, .loss_scale = 1, .updates = 1, .learning_rate = 0.1};
        const struct esp_batch batch = {1, 1, 1, &control, 1};
        uint32_t halted = 0;
        const struct esp_optimize op = {.param = {p, 2},
                                        .grad = {g, 2},
                                        .m = {m, 2},
                                        .v = {v, 2},
                                        .loss = &loss,
                                        .result = &result,
                                        .count = 2,
                                        .decayed = 2,
                                        .halted = &halted};
        (adamw ? k->adamw : k->sgd)(k, &batch, &op);
        assert_int_equal(halted, 1);
        assert_int_equal(result.skipped, 1);
        /* later gradients change nothing either, though finite, until the member is initialised
         * again */
        g[0] = g[1] = 1;
        loss = (struct esp_loss_sum){4, 2};
        (adamw ? k->adamw : k->sgd)(k, &batch, &op);
        assert_true(loss.sum == 0 && loss.count == 0 && result.count == 2);
        assert_true(p[0] == 1 && p[1] == -2 && m[0] == 3 && m[1] == 4 && v[0] == 5 &&
                    v[1] == 6);
        assert_true(g[0] == 0 && g[1] == 0);
        assert_int_equal(result.skipped, 1);
        assert_int_equal(result.updates, 0);
    }
    esp_kernels_close(k);
}

/* Element e is kept iff word e % 4 of block e / 4 is at or above the threshold. */
static void dropout_keeps_the_elements_that_its_key_selects(void **state)
{
    (void)state;
    for (int level = 0; level < ESP_CPU_LEVEL_COUNT; level++) {
        struct esp_kernels *k;
        if (!esp_cpu_level_supported((enum esp_cpu_level)level)) {
            continue;
        }
        open_or_skip((enum esp_cpu_level)level, &k);
        const int width = 67, context = 11, sequences = 3;
        struct run r = start_run(k,
                                 (struct extents){.members = 2,
                                                  .sequences = sequences,
                                                  .context = context,
                                                  .width = width,
                                                  .dropout = 0.3});
        r.batch.control = r.control;
        const struct esp_view tokens = add_tokens(&r, sequences * context, 2, false);
        const int table = add_input(&r, 2 * width, 0, 1);
        const int positions = add_input(&r, context * width, 0, 1);
        const int out = add_output(&r, sequences * context * width, -1);
        k->embed_forward(k,
                         &r.batch,
                         &(struct esp_embed_forward){.tokens = tokens,
                                                     .token_table = view(&r, table),
                                                     .position_table = view(&r, positions),
                                                     .out = view(&r, out),
                                                     .width = width,
                                                     .vocabulary = 2,
                                                     .dropout_tensor = 9});
        double *got = values_of(&r, out);
        const int64_t count = r.slots[out].count;
        for (int64_t i = 0; i < 2 * count; i++) {
            const uint64_t e = (uint64_t)(i % count + 2 * context * width);
            const uint64_t stream = (uint64_t)5 << 16 | 9;
            const struct esp_random_block block =
                esp_random_at(100 + (uint64_t)(i / count), stream, ESP_RANDOM_DROPOUT, e / 4);
            const bool kept = block.word[e % 4] >= (uint32_t)(0.3 * 0x1p32);
            near(got[i], kept ? 2 / 0.7 : 0, 1e-6);
        }
        free(got);
        end_run(&r);
        esp_kernels_close(k);
    }
}

/* GELU at points where its value depends on erf, tanh and exp: absolute error in units of the
 * larger of |x| and 1. */
static void activations_are_exact_to_float(void **state)
{
    (void)state;
    struct esp_kernels *k;
    for (int level = 0; level < ESP_CPU_F64; level++) {
        if (!esp_cpu_level_supported((enum esp_cpu_level)level)) {
            continue;
        }
        open_or_skip((enum esp_cpu_level)level, &k);
        struct run r = start_run(
            k, (struct extents){.members = 1, .sequences = 1, .context = 1, .width = 20001});
        r.batch.control = r.control;
        const int in = add_input(&r, 20001, 1, 0), out = add_output(&r, 20001, -1);
        for (int i = 0; i <= 20000; i++) {
            put(&r, view(&r, in), i, (i - 10000) * 1e-3);
        }
        for (int tanh_form = 0; tanh_form < 2; tanh_form++) {
            k->activation_forward(k,
                                  &r.batch,
                                  &(struct esp_activation_forward){
                                      view(&r, in),
                                      view(&r, out),
                                      20001,
                                      tanh_form ? ESP_KERNEL_GELU_TANH : ESP_KERNEL_GELU});
            for (int i = 0; i <= 20000; i++) {
                const double x = get(&r, view(&r, in), i);
                const double inner = sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
                const double wanted =
                    x / 2 * (1 + (tanh_form ? tanh(inner) : erf(x * M_SQRT1_2)));
                near(get(&r, view(&r, out), i), wanted, 4e-7 * fmax(1, fabs(x)));
            }
        }
        end_run(&r);
        esp_kernels_close(k);
    }
}

static double slope_of(double x, bool tanh_form)
{
    const double root = sqrt(2 / M_PI);
    const double t = tanh(root * (x + 0.044715 * x * x * x));
    if (tanh_form) {
        return (1 + t) / 2 + x / 2 * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x);
    }
    return (1 + erf(x * M_SQRT1_2)) / 2 + x * exp(-x * x / 2) / sqrt(2 * M_PI);
}

/* The gradient of a product of ones is the derivative only. */
static void the_derivative_of_each_gelu_is_exact_to_float(void **state)
{
    (void)state;
    const int points = 20001;
    struct esp_kernels *k;
    for (int level = 0; level < ESP_CPU_F64; level++) {
        if (!esp_cpu_level_supported((enum esp_cpu_level)level)) {
            continue;
        }
        open_or_skip((enum esp_cpu_level)level, &k);
        struct run r = start_run(
            k, (struct extents){.members = 1, .sequences = 1, .context = points, .width = 1});
        r.batch.control = r.control;
        const int grad = add_input(&r, points, 0, 1), weight = add_input(&r, 1, 0, 1);
        const int pre = add_input(&r, points, 0, 0), out = add_output(&r, points, -1);
        for (int i = 0; i < points; i++) {
            put(&r, view(&r, pre), i, (i - points / 2) * 1e-3);
        }
        for (int tanh_form = 0; tanh_form < 2; tanh_form++) {
            const struct esp_linear_backward_input op = {
                .grad_out = view(&r, grad),
                .weight = view(&r, weight),
                .grad_in = view(&r, out),
                .pre = view(&r, pre),
                .rows = {.count = points},
                .width_in = 1,
                .width_out = 1,
                .activation = tanh_form ? ESP_KERNEL_GELU_TANH : ESP_KERNEL_GELU};
            k->linear_backward_input(k, &r.batch, &op);
            for (int i = 0; i < points; i++) {
                const double x = get(&r, view(&r, pre), i);
                assert_near(get(&r, view(&r, out), i), slope_of(x, tanh_form), 4e-7);
            }
        }
        end_run(&r);
        esp_kernels_close(k);
    }
}

static void nan_passes_through_every_activation(void **state)
{
    (void)state;
    struct esp_kernels *k;
    struct esp_error error;
    assert_int_equal(esp_kernels_open_cpu(&k, &error), 0);
    float in[3] = {NAN, INFINITY, -INFINITY}, out[3];
    const struct esp_control control = {.active = 1, .sequences = 1};
    const struct esp_batch batch = {1, 1, 1, &control, 1};
    for (int a = ESP_KERNEL_GELU; a <= ESP_KERNEL_GELU_TANH; a++) {
        const struct esp_activation_forward op = {
            {in, 3}, {out, 3}, 3, (enum esp_kernel_activation)a};
        k->activation_forward(k, &batch, &op);
        assert_true(isnan(out[0]));
        assert_true(isinf(out[1]));
    }
    esp_kernels_close(k);
}

static void a_request_beyond_the_memory_is_refused(void **state)
{
    (void)state;
    struct esp_kernels *k;
    struct esp_error error;
    size_t available, all;
    assert_int_equal(esp_kernels_open_cpu(&k, &error), 0);
    assert_int_equal(k->memory(k, &available, &all), 0);
    assert_true(available > 0 && available <= all);
    assert_null(k->allocate(k, all + 1));
    assert_null(k->allocate(k, SIZE_MAX));
    esp_kernels_close(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_and_its_gradient_follow_the_definition),
        cmocka_unit_test(adamw_follows_a_worked_example),
        cmocka_unit_test(sgd_follows_a_worked_example),
        cmocka_unit_test(a_gradient_that_is_not_finite_changes_no_weight),
        cmocka_unit_test(dropout_keeps_the_elements_that_its_key_selects),
        cmocka_unit_test(activations_are_exact_to_float),
        cmocka_unit_test(the_derivative_of_each_gelu_is_exact_to_float),
        cmocka_unit_test(nan_passes_through_every_activation),
        cmocka_unit_test(a_request_beyond_the_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
