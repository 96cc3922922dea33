/* The whole transformer on the backend compared with the CPU's double build: losses, gradients
 * and weights after updates, with members side by side. */
#include "backend.h"

#include "../../../trial/model/model.h"
#include <espalier/random.h>

#define MEMBERS 3
#define MICRO_BATCH 3
#define UPDATES 3

struct models {
    struct esp_kernels *kernels;
    struct esp_model *model;
    int64_t count;
};

static uint32_t draw(uint64_t seed, uint64_t at)
{
    return esp_random_at(seed, 77, ESP_RANDOM_SIMULATION, at).word[0];
}

static void succeed(int rc, const struct esp_error *error)
{
    if (rc) {
        fail_msg("%d: %s", rc, error->text);
    }
}

static struct esp_model_shape shape_of(enum esp_objective objective,
                                       enum esp_recompute recompute)
{
    return (struct esp_model_shape){.layers = 2,
                                    .width = 32,
                                    .heads = 2,
                                    .context = 24,
                                    .vocabulary = 31,
                                    .activation = objective == ESP_OBJECTIVE_CAUSAL
                                                      ? ESP_ACTIVATION_GELU
                                                      : ESP_ACTIVATION_GELU_TANH,
                                    .objective = objective,
                                    .optimizer = ESP_OPTIMIZER_ADAMW,
                                    .recompute = recompute};
}

static struct models
make(struct esp_kernels *kernels, const struct esp_model_shape *shape, int members)
{
    struct esp_error error = {""};
    struct models m = {.kernels = kernels};
    succeed(esp_model_create(kernels, shape, members, MICRO_BATCH, true, &m.model, &error),
            &error);
    m.count = esp_model_count(m.model);
    double *p = calloc((size_t)m.count, sizeof *p);
    for (int i = 0; i < members; i++) {
        succeed(esp_model_init_member(m.model, i, 9 + (uint64_t)i, &error), &error);
        succeed(esp_model_read_f64(m.model, i, ESP_MODEL_PARAMETERS, p, &error), &error);
        for (int64_t e = 0; e < m.count; e++) {
            p[e] += 0.2 * (draw(9 + (uint64_t)i, (uint64_t)e) * 0x1p-32 - 0.5);
            p[e] = (float)p[e];
        }
        succeed(esp_model_write_f64(m.model, i, ESP_MODEL_PARAMETERS, p, &error), &error);
    }
    free(p);
    return m;
}

static void unmake(struct models *m)
{
    esp_model_destroy(m->model);
    esp_kernels_close(m->kernels);
}

struct tokens {
    int32_t tokens[MICRO_BATCH * 24], targets[MICRO_BATCH * 24];
};

static struct esp_model_input
input_of(const struct esp_model_shape *shape, struct tokens *t, int member, int step)
{
    const uint64_t seed = 1000 + 17 * (uint64_t)member + (uint64_t)step;
    for (int i = 0; i < MICRO_BATCH * shape->context; i++) {
        t->tokens[i] = (int32_t)(draw(seed, 2 * (uint64_t)i) % (uint32_t)shape->vocabulary);
        const uint32_t target = draw(seed, 2 * (uint64_t)i + 1);
        t->targets[i] =
            target % 5 == 0 ? -1 : (int32_t)(target / 5 % (uint32_t)shape->vocabulary);
    }
    return (struct esp_model_input){.active = true,
                                    .sequences = member == 1 ? MICRO_BATCH - 1 : MICRO_BATCH,
                                    .tokens = t->tokens,
                                    .targets = t->targets,
                                    .batch_tokens = MICRO_BATCH * shape->context,
                                    .dropout = member == 2 ? 0.1 : 0,
                                    .seed = 5 + (uint64_t)member,
                                    .step = (uint64_t)step};
}

/* Trains members `first` … and stores their gradients before the last update in `gradients` and
 * their weights after it in `weights`, [members, count]. */
static void train(struct models *m,
                  const struct esp_model_shape *shape,
                  int first,
                  int members,
                  double *gradients,
                  double *weights,
                  double *loss)
{
    struct esp_error error = {""};
    struct tokens tokens[MEMBERS];
    for (int step = 0; step < UPDATES; step++) {
        struct esp_model_input inputs[MEMBERS];
        struct esp_model_update updates[MEMBERS];
        struct esp_model_result results[MEMBERS];
        for (int i = 0; i < members; i++) {
            inputs[i] = input_of(shape, &tokens[i], first + i, step);
            updates[i] = (struct esp_model_update){.active = true,
                                                   .updates = step + 1,
                                                   .learning_rate = 1e-3,
                                                   .beta1 = 0.9,
                                                   .beta2 = 0.95,
                                                   .epsilon = 1e-8,
                                                   .weight_decay = 0.1,
                                                   .clip = 1.0};
        }
        succeed(esp_model_forward_backward(m->model, inputs, &error), &error);
        for (int i = 0; i < members && step == 0; i++) {
            succeed(esp_model_read_f64(
                        m->model, i, ESP_MODEL_GRADIENTS, gradients + i * m->count, &error),
                    &error);
        }
        succeed(esp_model_update(m->model, updates, &error), &error);
        succeed(esp_model_results(m->model, results, &error), &error);
        for (int i = 0; i < members; i++) {
            assert_int_equal(results[i].skipped, 0);
            assert_int_equal(results[i].updates, 1);
            loss[i] = results[i].loss_sum / (double)results[i].count;
        }
    }
    for (int i = 0; i < members; i++) {
        succeed(esp_model_read_f64(
                    m->model, i, ESP_MODEL_PARAMETERS, weights + i * m->count, &error),
                &error);
    }
}

static double distance(const double *a, const double *b, int64_t count)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    return sqrt(difference / norm);
}

/* Gradients are stored times the loss scale, a power of two. */
static void unscale(double *a, const double *b, int64_t count)
{
    double of_a = 0, of_b = 0;
    for (int64_t i = 0; i < count; i++) {
        of_a += a[i] * a[i];
        of_b += b[i] * b[i];
    }
    const double scale = exp2(nearbyint(log2(of_a / of_b) / 2));
    for (int64_t i = 0; i < count; i++) {
        a[i] /= scale;
    }
}

/* Prints the tensors that differ, for a reader who has only the log. */
static void print_tensors(const struct esp_model *model,
                          const char *what,
                          const double *a,
                          const double *b,
                          double tolerance)
{
    for (int i = 0; i < esp_model_tensor_count(model); i++) {
        const struct esp_model_tensor *t = esp_model_tensor(model, i);
        const double off = distance(a + t->offset, b + t->offset, t->count);
        int64_t worst = 0;
        for (int64_t e = 0; e < t->count; e++) {
            const double now = fabs(a[t->offset + e] - b[t->offset + e]);
            if (!(now <= fabs(a[t->offset + worst] - b[t->offset + worst]))) {
                worst = e;
            }
        }
        if (!(off <= tolerance)) {
            print_error(
                "    %s of %s [%lld, %lld] off by %g; element %lld is %.9g instead of %.9g\n",
                what,
                t->name,
                (long long)t->shape[0],
                (long long)t->shape[1],
                off,
                (long long)worst,
                a[t->offset + worst],
                b[t->offset + worst]);
        }
    }
}

static void hold(enum esp_precision precision,
                 enum esp_objective objective,
                 enum esp_recompute recompute,
                 double tolerance)
{
    const struct esp_model_shape shape = shape_of(objective, recompute);
    struct models a = make(open_backend(precision), &shape, MEMBERS);
    struct models b = make(open_reference(), &shape, MEMBERS);
    double *g[2], *w[2], loss[2][MEMBERS];
    for (int i = 0; i < 2; i++) {
        g[i] = calloc((size_t)(a.count * MEMBERS), sizeof(double));
        w[i] = calloc((size_t)(a.count * MEMBERS), sizeof(double));
        train(i ? &b : &a, &shape, 0, MEMBERS, g[i], w[i], loss[i]);
    }
    for (int m = 0; m < MEMBERS; m++) {
        unscale(g[0] + m * a.count, g[1] + m * a.count, a.count);
        const double gradient = distance(g[0] + m * a.count, g[1] + m * a.count, a.count);
        const double weight = distance(w[0] + m * a.count, w[1] + m * a.count, a.count);
        /* AdamW divides by the gradient's own size, so a gradient near zero moves its weight by
         * one rate, with a sign that depends on rounding */
        if (!(gradient <= tolerance && weight <= 10 * tolerance &&
              fabs(loss[0][m] - loss[1][m]) <= tolerance * loss[1][m])) {
            print_tensors(
                a.model, "gradient", g[0] + m * a.count, g[1] + m * a.count, tolerance);
            print_tensors(
                a.model, "weights", w[0] + m * a.count, w[1] + m * a.count, 10 * tolerance);
            fail_msg("member %d: gradient off by %g (%g allowed), weights by %g (%g), loss %g "
                     "for %g",
                     m,
                     gradient,
                     tolerance,
                     weight,
                     10 * tolerance,
                     loss[0][m],
                     loss[1][m]);
        }
    }
    for (int i = 0; i < 2; i++) {
        free(g[i]);
        free(w[i]);
    }
    unmake(&a);
    unmake(&b);
}

static void fp32_trains_as_double_does(void **state)
{
    (void)state;
    hold(ESP_PRECISION_FP32, ESP_OBJECTIVE_CAUSAL, ESP_RECOMPUTE_NONE, 1e-5);
    hold(ESP_PRECISION_FP32, ESP_OBJECTIVE_MASKED, ESP_RECOMPUTE_BLOCK, 1e-5);
}

static void tf32_trains_as_double_does(void **state)
{
    (void)state;
    hold(ESP_PRECISION_TF32, ESP_OBJECTIVE_CAUSAL, ESP_RECOMPUTE_NONE, 1e-3);
}

static void bf16_trains_as_double_does(void **state)
{
    (void)state;
    hold(ESP_PRECISION_BF16, ESP_OBJECTIVE_CAUSAL, ESP_RECOMPUTE_NONE, 2e-2);
    hold(ESP_PRECISION_BF16, ESP_OBJECTIVE_MASKED, ESP_RECOMPUTE_GELU_NORM, 2e-2);
}

static void fp16_trains_as_double_does(void **state)
{
    (void)state;
    hold(ESP_PRECISION_FP16, ESP_OBJECTIVE_CAUSAL, ESP_RECOMPUTE_NONE, 4e-3);
}

/* A vocabulary as large as GPT-2's, but a small model, fresh weights and many tokens per batch:
 * a logit's gradient is nearly −1, so 2^16 times it exceeds fp16, unless it is also multiplied
 * by one token's share in the mean. */
static void the_first_updates_of_fp16_are_not_skipped(void **state)
{
    (void)state;
    struct esp_model_shape shape = shape_of(ESP_OBJECTIVE_CAUSAL, ESP_RECOMPUTE_NONE);
    struct esp_error error = {""};
    struct esp_model *model = NULL;
    struct esp_kernels *k = open_backend(ESP_PRECISION_FP16);
    shape.vocabulary = 3000;
    succeed(esp_model_create(k, &shape, 2, MICRO_BATCH, true, &model, &error), &error);
    for (int m = 0; m < 2; m++) {
        succeed(esp_model_init_member(model, m, 3, &error), &error);
    }
    for (int step = 0; step < 4; step++) {
        struct esp_model_input inputs[2];
        struct esp_model_update updates[2];
        struct esp_model_result results[2];
        struct tokens tokens[2];
        for (int m = 0; m < 2; m++) {
            updates[m] = (struct esp_model_update){.active = true,
                                                   .updates = step + 1,
                                                   .learning_rate = 1e-3,
                                                   .beta1 = 0.9,
                                                   .beta2 = 0.95,
                                                   .epsilon = 1e-8,
                                                   .clip = 1};
        }
        for (int part = 0; part < 2; part++) {
            for (int m = 0; m < 2; m++) {
                inputs[m] = input_of(&shape, &tokens[m], 0, 2 * step + part);
                inputs[m].batch_tokens = 2 * MICRO_BATCH * shape.context;
            }
            succeed(esp_model_forward_backward(model, inputs, &error), &error);
        }
        succeed(esp_model_update(model, updates, &error), &error);
        succeed(esp_model_results(model, results, &error), &error);
        for (int m = 0; m < 2; m++) {
            assert_int_equal(results[m].overflowed, 0);
            assert_int_equal(results[m].skipped, 0);
            assert_int_equal(results[m].updates, 1);
            assert_true(results[m].grad_norm > 1e-3 && results[m].grad_norm < 1e3);
        }
    }
    esp_model_destroy(model);
    esp_kernels_close(k);
}

/* The logits that sampling reads, in a precision with a rounded copy of the weights. */
static void logits_in_bf16_are_near_those_in_double(void **state)
{
    (void)state;
    const struct esp_model_shape shape = shape_of(ESP_OBJECTIVE_CAUSAL, ESP_RECOMPUTE_NONE);
    struct models a = make(open_backend(ESP_PRECISION_BF16), &shape, 2);
    struct models b = make(open_reference(), &shape, 2);
    struct esp_error error = {""};
    const int32_t tokens[] = {3, 1, 4, 1, 5};
    float x[31], y[31];
    double of_a[31], of_b[31];
    succeed(esp_model_logits(a.model, 1, tokens, 5, x, &error), &error);
    succeed(esp_model_logits(b.model, 1, tokens, 5, y, &error), &error);
    for (int i = 0; i < 31; i++) {
        of_a[i] = x[i];
        of_b[i] = y[i];
    }
    assert_true(distance(of_a, of_b, 31) <= 2e-2);
    unmake(&a);
    unmake(&b);
}

/* The same bits with two other members as without. */
static void a_member_in_a_group_equals_it_alone(void **state)
{
    (void)state;
    const struct esp_model_shape shape = shape_of(ESP_OBJECTIVE_CAUSAL, ESP_RECOMPUTE_NONE);
    struct models group = make(open_backend(ESP_PRECISION_FP32), &shape, MEMBERS);
    struct models alone = make(open_backend(ESP_PRECISION_FP32), &shape, 1);
    double *g = calloc((size_t)(group.count * MEMBERS), sizeof *g);
    double *w = calloc((size_t)(group.count * MEMBERS), sizeof *w);
    double *h = calloc((size_t)group.count, sizeof *h);
    double *x = calloc((size_t)group.count, sizeof *x);
    double loss[MEMBERS], one;
    train(&group, &shape, 0, MEMBERS, g, w, loss);
    train(&alone, &shape, 0, 1, h, x, &one);
    assert_memory_equal(g, h, (size_t)group.count * sizeof *g);
    assert_memory_equal(w, x, (size_t)group.count * sizeof *w);
    assert_true(loss[0] == one);
    free(g);
    free(w);
    free(h);
    free(x);
    unmake(&group);
    unmake(&alone);
}

static int captures;
static int (*capture_end)(const struct esp_kernels *, struct esp_graph **, struct esp_error *);

static int count_capture(const struct esp_kernels *k, struct esp_graph **g, struct esp_error *e)
{
    captures++;
    return capture_end(k, g, e);
}

/* Eight members validate together many times, and in between every other subset of them does,
 * twice: more graphs than are kept. */
static void a_step_in_use_keeps_its_graph_when_others_are_evicted(void **state)
{
    (void)state;
    struct esp_model_shape shape = shape_of(ESP_OBJECTIVE_CAUSAL, ESP_RECOMPUTE_NONE);
    struct esp_kernels *k = open_backend(ESP_PRECISION_FP32);
    struct esp_kernels counted = *k;
    struct esp_error error = {""};
    struct esp_model *model;
    struct esp_model_input inputs[8];
    int32_t tokens[4] = {1, 2, 3, 4};
    shape.layers = 1;
    shape.width = 8;
    shape.heads = 1;
    shape.context = 4;
    capture_end = k->capture_end;
    counted.capture_end = count_capture;
    succeed(esp_model_create(&counted, &shape, 8, 1, false, &model, &error), &error);
    for (int m = 0; m < 8; m++) {
        succeed(esp_model_init_member(model, m, 1, &error), &error);
        inputs[m] = (struct esp_model_input){
            .sequences = 1, .tokens = tokens, .targets = tokens, .batch_tokens = 4};
    }
    captures = 0;
    int others = 0;
    for (int set = 1; set < 255; set++) {
        for (int at = 0; at < 4; at++) {
            for (int m = 0; m < 8; m++) {
                inputs[m].active = at % 2 || (set >> m & 1);
            }
            succeed(esp_model_evaluate(model, inputs, &error), &error);
        }
        others++;
    }
    assert_int_equal(captures, others + 1);
    esp_model_destroy(model);
    esp_kernels_close(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fp32_trains_as_double_does),
        cmocka_unit_test(tf32_trains_as_double_does),
        cmocka_unit_test(bf16_trains_as_double_does),
        cmocka_unit_test(fp16_trains_as_double_does),
        cmocka_unit_test(the_first_updates_of_fp16_are_not_skipped),
        cmocka_unit_test(logits_in_bf16_are_near_those_in_double),
        cmocka_unit_test(a_member_in_a_group_equals_it_alone),
        cmocka_unit_test(a_step_in_use_keeps_its_graph_when_others_are_evicted),
    };
    cmocka_set_test_filter(getenv("ESPALIER_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
