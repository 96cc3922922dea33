/* Small trainings for tests: a text, settings, and a record of a run's reports. */
#ifndef ESPALIER_TESTS_TRIAL_TRAINING_H
#define ESPALIER_TESTS_TRIAL_TRAINING_H

#include "../scratch.h"

#include "../../../trial/group.h"
#include "../../../trial/model/model.h"
#include <espalier/kernels.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#define POINTS_MAX 256

/* Events of one member. */
struct record {
    struct esp_group_point points[POINTS_MAX];
    int count;
    unsigned last; /* `what` of the last event */
};

static struct scratch scratch;
static struct esp_kernels *kernels;

/* Sentences of a few words, which a model learns quickly. */
static inline const char *write_text(const char *name, size_t bytes)
{
    static const char *const words[] = {
        "the ", "cat ", "sat ", "on ", "a ", "mat.\n", "dog ", "ran "};
    char *text = malloc(bytes + 16);
    size_t at = 0;
    uint32_t x = 1;
    while (at < bytes) {
        x = x * 1664525u + 1013904223u;
        at += (size_t)sprintf(text + at, "%s", words[x >> 29]);
    }
    const char *path = scratch_write(&scratch, name, text, bytes);
    free(text);
    return path;
}

/* 40 steps of 6 sequences of 16 tokens. */
static inline struct esp_trainer small_trainer(void)
{
    struct esp_trainer t;
    esp_trainer_init(&t);
    snprintf(t.data, sizeof t.data, "%s/text.txt", scratch.path);
    t.layers = 2;
    t.width = 16;
    t.heads = 2;
    t.context = 16;
    t.batch_size = 6;
    t.micro_batch = 4;
    t.tokens = 40 * 6 * 16;
    t.report_every = 500;
    t.learning_rate = 3e-3;
    t.dropout = 0.1;
    t.seed = 1;
    return t;
}

static inline int training_set_up(void **state)
{
    (void)state;
    scratch = scratch_make();
    write_text("text.txt", 6000);
    return esp_kernels_open_cpu(&kernels, NULL);
}

static inline int training_tear_down(void **state)
{
    (void)state;
    esp_kernels_close(kernels);
    scratch_remove(&scratch);
    return 0;
}

static inline struct esp_group *make_group(const struct esp_trainer *trainer, int slots)
{
    struct esp_group *group = NULL;
    struct esp_error error = {""};
    if (esp_group_create(kernels, trainer, slots, &group, &error) != 0) {
        fail_msg("%s", error.text);
    }
    return group;
}

static inline void
join(struct esp_group *group, int slot, const struct esp_trainer *trainer, const char *resume)
{
    struct esp_error error = {""};
    if (esp_group_join(group, slot, trainer, resume, &error) != 0) {
        fail_msg("%s", error.text);
    }
}

/* One step call; appends its events to records[slot]. */
static inline int step(struct esp_group *group, struct record *records)
{
    struct esp_group_event events[ESP_MEMBERS_MAX];
    struct esp_error error = {""};
    int count;
    int rc = esp_group_step(group, events, &count, &error);
    if (rc < 0) {
        fail_msg("%s", error.text);
    }
    for (int i = 0; i < count; i++) {
        struct record *record = &records[events[i].slot];
        record->last = events[i].what;
        if (events[i].what & ESP_GROUP_REPORT) {
            assert_true(record->count < POINTS_MAX);
            record->points[record->count++] = events[i].point;
        }
    }
    return rc;
}

static inline void run_to_rest(struct esp_group *group, struct record *records)
{
    while (step(group, records) == 0) {
    }
}

static inline bool same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Compares everything except times. */
static inline void assert_same_points(const struct record *a, int first, const struct record *b)
{
    assert_int_equal(a->count - first, b->count);
    for (int i = 0; i < b->count; i++) {
        const struct esp_group_point *x = &a->points[first + i], *y = &b->points[i];
        assert_int_equal(x->step, y->step);
        assert_int_equal(x->tokens, y->tokens);
        assert_true(same_number(x->val_loss, y->val_loss));
        assert_true(same_number(x->train_loss, y->train_loss));
        assert_true(same_number(x->grad_norm, y->grad_norm));
        assert_true(same_number(x->learning_rate, y->learning_rate));
    }
}

/* Compares parameters and both moments bit for bit. */
static inline void
assert_same_member(struct esp_group *a, int slot_a, struct esp_group *b, int slot_b)
{
    static const enum esp_model_slab slabs[] = {
        ESP_MODEL_PARAMETERS, ESP_MODEL_MOMENT1, ESP_MODEL_MOMENT2};
    size_t bytes = (size_t)esp_model_count(esp_group_model(a)) * sizeof(float);
    float *x = malloc(bytes), *y = malloc(bytes);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(esp_model_read(esp_group_model(a), slot_a, slabs[i], x, NULL), 0);
        assert_int_equal(esp_model_read(esp_group_model(b), slot_b, slabs[i], y, NULL), 0);
        assert_memory_equal(x, y, bytes);
    }
    free(y);
    free(x);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, training_set_up, training_tear_down)

#endif
