/* An example checkpoint, shared by the tests of trial/checkpoint.h. */
#ifndef ESP_TEST_TRIAL_CHECKPOINTS_H
#define ESP_TEST_TRIAL_CHECKPOINTS_H

#include "../scratch.h"

#include "../../../trial/checkpoint.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

static struct scratch scratch;

static inline int set_up(void **state)
{
    (void)state;
    scratch = scratch_make();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    scratch_remove(&scratch);
    return 0;
}

/* 77 floats, so that there is a gap before the next tensor. */
static const struct esp_checkpoint_tensor tensors[] = {
    {"wte.weight", 2, {7, 11}},
    {"h.0.ln_1.bias", 1, {13}},
    {"m.wte.weight", 2, {7, 11}},
};
#define TENSORS 3

static inline float value_of(int tensor, int64_t index)
{
    return (float)(tensor + 1) * 0.25f + (float)index * 1e-3f;
}

static inline int64_t count_of(int tensor)
{
    return tensors[tensor].shape[0] * (tensors[tensor].rank > 1 ? tensors[tensor].shape[1] : 1);
}

static inline int source(void *context, int index, float *values, struct esp_error *error)
{
    if (context && *(int *)context == index) {
        return esp_error_set(error, -EIO, "the device is gone");
    }
    for (int64_t i = 0; i < count_of(index); i++) {
        values[i] = value_of(index, i);
    }
    return 0;
}

static inline struct esp_checkpoint_state example(void)
{
    struct esp_checkpoint_state s = {
        .step = 40,
        .sample = 640,
        .reported_step = 39,
        .loss_count = 1024,
        .loss_sum = 2345.678901234567,
        .device_seconds = 0.1 + 0.2,
        .val_loss = 2.5,
        .train_loss = 2.25,
        .grad_norm = 0.75,
        .data_tokens = 123456,
        .vocabulary = 256,
    };
    esp_trainer_init(&s.trainer);
    snprintf(s.trainer.data, sizeof s.trainer.data, "/some/where/a text.txt");
    s.trainer.tokens = 1000000;
    s.trainer.learning_rate = 0.1 + 0.2; /* a value that uses all bits of its mantissa */
    s.trainer.seed = 77;
    s.trainer.schedule = ESP_SCHEDULE_WSD;
    return s;
}

static inline const char *write_state(struct esp_checkpoint_state s)
{
    struct esp_error error;
    const char *path = scratch_path(&scratch, "c");
    assert_int_equal(
        esp_checkpoint_write(path, &s, tensors, TENSORS, source, NULL, NULL, NULL, &error), 0);
    return path;
}

static inline const char *write_example(void)
{
    return write_state(example());
}

static inline struct esp_checkpoint_state scaled_example(void)
{
    struct esp_checkpoint_state s = example();
    s.loss_scale = 4194304;
    s.loss_scale_clean = 1234;
    return s;
}

/* Three of the forty updates were skipped. */
static inline struct esp_checkpoint_state overflowed_example(void)
{
    struct esp_checkpoint_state s = scaled_example();
    s.overflowed = 3;
    return s;
}

static inline void expect_refusal(const char *path, int code, const char *words)
{
    struct esp_checkpoint *c = NULL;
    struct esp_error error = {"no error"};
    assert_int_equal(esp_checkpoint_open(path, &c, &error), code);
    assert_null(c);
    if (!strstr(error.text, words)) {
        fail_msg("'%s' does not contain '%s'", error.text, words);
    }
}

#endif
