/* A small model with a batch of random tokens, shared by all tests of the model. */
#ifndef ESP_TEST_MODEL_SETTING_H
#define ESP_TEST_MODEL_SETTING_H

#include "../../../trial/model/model.h"
#include <espalier/kernels.h>
#include <espalier/random.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Sequences of one member's batch. */
#define SETTING_SEQUENCES_MAX 16

struct setting {
    struct esp_kernels *kernels;
    struct esp_model *model;
    struct esp_model_shape shape;
    int members;
    int64_t count; /* parameters of one member */
};

static inline uint32_t draw(uint64_t seed, uint64_t at)
{
    return esp_random_at(seed, 77, ESP_RANDOM_SIMULATION, at).word[0];
}

static inline void succeed(int rc, const struct esp_error *error)
{
    if (rc) {
        fail_msg("%d: %s", rc, error->text);
    }
}

static inline struct esp_model_shape small_shape(void)
{
    return (struct esp_model_shape){
        .layers = 2,
        .width = 24,
        .heads = 3,
        .context = 7,
        .vocabulary = 31,
        .activation = ESP_ACTIVATION_GELU,
        .objective = ESP_OBJECTIVE_CAUSAL,
        .optimizer = ESP_OPTIMIZER_ADAMW,
        .recompute = ESP_RECOMPUTE_NONE,
    };
}

/* Members are initialised with seed + member, and then every parameter is changed slightly, so
 * that biases and norms do not have their initial values. */
static inline struct setting open_setting(
    bool wide, struct esp_model_shape shape, int members, int micro_batch, uint64_t seed)
{
    struct esp_error error;
    struct setting s = {.shape = shape, .members = members};
    succeed(wide ? esp_kernels_open_cpu_f64(&s.kernels, &error)
                 : esp_kernels_open_cpu(&s.kernels, &error),
            &error);
    succeed(esp_model_create(s.kernels, &shape, members, micro_batch, true, &s.model, &error),
            &error);
    s.count = esp_model_count(s.model);
    double *p = calloc((size_t)s.count, sizeof *p);
    for (int m = 0; m < members; m++) {
        succeed(esp_model_init_member(s.model, m, seed + (uint64_t)m, &error), &error);
        succeed(esp_model_read_f64(s.model, m, ESP_MODEL_PARAMETERS, p, &error), &error);
        for (int64_t i = 0; i < s.count; i++) {
            p[i] += 0.2 * (draw(seed + (uint64_t)m, (uint64_t)i) * 0x1p-32 - 0.5);
        }
        succeed(esp_model_write_f64(s.model, m, ESP_MODEL_PARAMETERS, p, &error), &error);
    }
    free(p);
    return s;
}

static inline void close_setting(struct setting *s)
{
    esp_model_destroy(s->model);
    esp_kernels_close(s->kernels);
}

/* Random tokens and targets of `sequences` sequences; about one target in five is not counted.
 */
struct tokens {
    int32_t *tokens, *targets;
};

static inline struct tokens
draw_tokens(const struct esp_model_shape *shape, int sequences, uint64_t seed)
{
    const size_t count = (size_t)sequences * (size_t)shape->context;
    struct tokens t = {calloc(count, sizeof(int32_t)), calloc(count, sizeof(int32_t))};
    for (size_t i = 0; i < count; i++) {
        t.tokens[i] = (int32_t)(draw(seed, 2 * i) % (uint32_t)shape->vocabulary);
        uint32_t target = draw(seed, 2 * i + 1);
        t.targets[i] =
            target % 5 == 0 ? -1 : (int32_t)(target / 5 % (uint32_t)shape->vocabulary);
    }
    return t;
}

static inline void free_tokens(struct tokens *t)
{
    free(t->tokens);
    free(t->targets);
}

/* The part of `count` sequences from `first` on. */
static inline struct esp_model_input
input_of(const struct setting *s, const struct tokens *t, int first, int count)
{
    const int64_t at = (int64_t)first * s->shape.context;
    return (struct esp_model_input){
        .active = true,
        .sequences = count,
        .tokens = t->tokens + at,
        .targets = t->targets + at,
        .first_sequence = first,
    };
}

static inline struct esp_model_update usual_update(int64_t updates)
{
    return (struct esp_model_update){
        .active = true,
        .updates = updates,
        .learning_rate = 1e-2,
        .beta1 = 0.9,
        .beta2 = 0.95,
        .epsilon = 1e-8,
        .momentum = 0.9,
        .weight_decay = 0.1,
        .clip = 1.0,
    };
}

/* ‖a − b‖ / ‖b‖; NaN when any element is NaN. */
static inline double distance(const double *a, const double *b, int64_t count)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    return __builtin_sqrt(difference) / __builtin_sqrt(norm);
}

static inline double *slab_of(struct setting *s, int member, enum esp_model_slab slab)
{
    struct esp_error error;
    double *out = calloc((size_t)s->count, sizeof *out);
    succeed(esp_model_read_f64(s->model, member, slab, out, &error), &error);
    return out;
}

static inline void assert_same_bits(const double *a, const double *b, int64_t count)
{
    assert_memory_equal(a, b, (size_t)count * sizeof *a);
}

#endif
