/* Loss, gradients and weights after three updates compared with PyTorch's, recorded in double
 * by tests/golden/make_model_fixture.py (which describes the files' format). */
#include "setting.h"

#include <math.h>
#include <stdio.h>

#define MAGIC 0x46505345
#define STEPS_MAX 8

struct recorded {
    struct esp_model_shape shape;
    int sequences, steps;
    double rate, beta1, beta2, epsilon, momentum, decay, clip;
    int32_t *tokens; /* [steps, 2, sequences, context] */
    double *before, *gradient, *after;
    double loss[STEPS_MAX], norm[STEPS_MAX];
};

/* Tolerance of a real type, ‖Δ‖/‖ref‖. */
struct tolerance {
    double loss, gradient, weights;
};

static void take(FILE *file, void *to, size_t size, size_t count)
{
    assert_int_equal(fread(to, size, count, file), count);
}

static double *take_doubles(FILE *file, int64_t count)
{
    double *out = calloc((size_t)count, sizeof *out);
    take(file, out, sizeof *out, (size_t)count);
    return out;
}

static int64_t parameters_of(const struct esp_model_shape *shape)
{
    struct esp_kernels *kernels;
    struct esp_model *model;
    struct esp_error error;
    succeed(esp_kernels_open_cpu(&kernels, &error), &error);
    succeed(esp_model_create(kernels, shape, 1, 1, false, &model, &error), &error);
    int64_t count = esp_model_count(model);
    esp_model_destroy(model);
    esp_kernels_close(kernels);
    return count;
}

static struct recorded read_recorded(const char *name)
{
    char path[4096];
    int32_t head[12];
    double rates[7];
    struct recorded r;
    snprintf(path, sizeof path, "%s/%s", ESP_GOLDEN, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    take(file, head, sizeof head[0], 12);
    take(file, rates, sizeof rates[0], 7);
    assert_int_equal(head[0], MAGIC);
    assert_int_equal(head[1], 1);
    r.shape = (struct esp_model_shape){
        .layers = head[2],
        .width = head[3],
        .heads = head[4],
        .context = head[5],
        .vocabulary = head[6],
        .activation = head[7] ? ESP_ACTIVATION_GELU_TANH : ESP_ACTIVATION_GELU,
        .objective = head[8] ? ESP_OBJECTIVE_MASKED : ESP_OBJECTIVE_CAUSAL,
        .optimizer = head[9] ? ESP_OPTIMIZER_SGD : ESP_OPTIMIZER_ADAMW,
    };
    r.sequences = head[10];
    r.steps = head[11];
    assert_in_range(r.steps, 1, STEPS_MAX);
    r.rate = rates[0];
    r.beta1 = rates[1];
    r.beta2 = rates[2];
    r.epsilon = rates[3];
    r.momentum = rates[4];
    r.decay = rates[5];
    r.clip = rates[6];
    const size_t tokens = 2 * (size_t)(r.steps * r.sequences * r.shape.context);
    const int64_t count = parameters_of(&r.shape);
    r.tokens = calloc(tokens, sizeof *r.tokens);
    take(file, r.tokens, sizeof *r.tokens, tokens);
    r.before = take_doubles(file, count);
    for (int i = 0; i < r.steps; i++) {
        take(file, &r.loss[i], sizeof(double), 1);
        take(file, &r.norm[i], sizeof(double), 1);
    }
    r.gradient = take_doubles(file, count);
    r.after = take_doubles(file, count);
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
    return r;
}

static void free_recorded(struct recorded *r)
{
    free(r->tokens);
    free(r->before);
    free(r->gradient);
    free(r->after);
}

static void near(double got, double wanted, double tolerance, const char *what)
{
    if (!(fabs(got - wanted) <= tolerance * fabs(wanted))) {
        fail_msg("%s is %.12g, not %.12g", what, got, wanted);
    }
}

static void within(double off, double tolerance, const char *what)
{
    if (!(off <= tolerance)) {
        fail_msg("%s: off by %g, above %g", what, off, tolerance);
    }
}

static void take_step(struct setting *s, const struct recorded *r, int step, struct tolerance t)
{
    struct esp_error error;
    struct esp_model_result result;
    const int64_t count = (int64_t)r->sequences * r->shape.context;
    const struct esp_model_input input = {.active = true,
                                          .sequences = r->sequences,
                                          .tokens = r->tokens + 2 * step * count,
                                          .targets = r->tokens + (2 * step + 1) * count};
    const struct esp_model_update update = {.active = true,
                                            .updates = step + 1,
                                            .learning_rate = r->rate,
                                            .beta1 = r->beta1,
                                            .beta2 = r->beta2,
                                            .epsilon = r->epsilon,
                                            .momentum = r->momentum,
                                            .weight_decay = r->decay,
                                            .clip = r->clip};
    succeed(esp_model_forward_backward(s->model, &input, &error), &error);
    if (step == 0) {
        int64_t counted = 0;
        for (int64_t i = 0; i < count; i++) {
            counted += input.targets[i] >= 0;
        }
        double *gradient = slab_of(s, 0, ESP_MODEL_GRADIENTS);
        for (int64_t i = 0; i < s->count; i++) {
            gradient[i] /= (double)counted;
        }
        within(distance(gradient, r->gradient, s->count), t.gradient, "gradient");
        free(gradient);
    }
    succeed(esp_model_update(s->model, &update, &error), &error);
    succeed(esp_model_results(s->model, &result, &error), &error);
    near(result.loss_sum / (double)result.count, r->loss[step], t.loss, "loss");
    near(result.grad_norm, r->norm[step], t.loss, "norm");
}

static void compare(const char *name, bool wide, struct tolerance t)
{
    struct esp_error error;
    struct recorded r = read_recorded(name);
    struct setting s = open_setting(wide, r.shape, 1, r.sequences, 1);
    succeed(esp_model_write_f64(s.model, 0, ESP_MODEL_PARAMETERS, r.before, &error), &error);
    for (int i = 0; i < r.steps; i++) {
        take_step(&s, &r, i, t);
    }
    double *after = slab_of(&s, 0, ESP_MODEL_PARAMETERS);
    within(distance(after, r.after, s.count), t.weights, "weights");
    free(after);
    free_recorded(&r);
    close_setting(&s);
}

static const char *const names[] = {"model-causal.bin", "model-masked.bin", "model-sgd.bin"};

static void double_agrees_with_pytorch(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        compare(names[i], true, (struct tolerance){1e-11, 1e-11, 1e-9});
    }
}

/* The biases of keys have a gradient of zero except for rounding, which AdamW divides by itself
 * plus ε. In single precision those few may therefore move by up to one rate in each step. */
static void float_agrees_with_pytorch_within_its_precision(void **state)
{
    (void)state;
    compare("model-causal.bin", false, (struct tolerance){1e-4, 1e-5, 2e-3});
    compare("model-masked.bin", false, (struct tolerance){1e-5, 1e-5, 1e-4});
    compare("model-sgd.bin", false, (struct tolerance){1e-5, 1e-5, 1e-5});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(double_agrees_with_pytorch),
        cmocka_unit_test(float_agrees_with_pytorch_within_its_precision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
