/* fp16's loss scale is part of its member: it is saved in the checkpoint and restored, and a
 * slot's next member does not inherit it. */
#include "../trial/training.h"
#include "backend.h"

#include "../../../trial/checkpoint.h"
#include "../../../trial/schedule.h"

static int set_up(void **state)
{
    (void)state;
    scratch = scratch_make();
    write_text("text.txt", 200); /* a validation of a few windows: the emulator is slow */
    kernels = open_backend(ESP_PRECISION_FP16);
    return 0;
}

/* Two micro-steps for each update. */
static struct esp_trainer fp16_trainer(void)
{
    struct esp_trainer t = small_trainer();
    t.layers = 1;
    t.context = 8;
    t.precision = ESP_PRECISION_FP16;
    t.micro_batch = 2;
    t.batch_size = 4;
    t.tokens = 18 * t.batch_size * t.context;
    t.report_every = 6 * t.batch_size * t.context;
    return t;
}

static struct esp_model_scale scale_of(struct esp_group *group, int slot)
{
    struct esp_model_scale scale;
    struct esp_error error;
    if (esp_model_read_scale(esp_group_model(group), slot, &scale, &error) != 0) {
        fail_msg("%s", error.text);
    }
    return scale;
}

static void assert_same_scale(struct esp_model_scale a, struct esp_model_scale b)
{
    assert_true(a.scale == b.scale);
    assert_int_equal(a.clean, b.clean);
    assert_int_equal(a.overflowed, b.overflowed);
}

static void set_scale(struct esp_group *group, int slot, double scale, int64_t clean)
{
    const struct esp_model_scale s = {.scale = scale, .clean = clean};
    assert_int_equal(esp_model_write_scale(esp_group_model(group), slot, s, NULL), 0);
}

static void run_to_step(struct esp_group *group, int slot, int64_t end, struct record *records)
{
    while (esp_group_point(group, slot).step < end) {
        step(group, records);
    }
}

/* Twelve steps that contain every decision of the device: from the largest scale, which
 * overflows at once, down to one that does not, and up again after enough updates without
 * overflow, of which the run has only the last. It stops one step before the next doubling. */
#define SCALED_STEPS 12
static void run_scaled(struct esp_group *group, int slot, struct record *records)
{
    struct esp_model_scale last = {.scale = ESP_LOSS_SCALE_MAX};
    double settled = 0;
    int halved = 0, doubled = 0;
    set_scale(group, slot, last.scale, last.clean);
    for (int at = 1; at <= SCALED_STEPS; at++) {
        if (at == SCALED_STEPS - 3) {
            settled = last.scale;
            last.scale = settled / 4;
            last.clean = ESP_LOSS_SCALE_CLEAN - 2;
            set_scale(group, slot, last.scale, last.clean);
        }
        if (at == SCALED_STEPS - 1) {
            last.scale = settled;
            last.clean = ESP_LOSS_SCALE_CLEAN - 3;
            set_scale(group, slot, last.scale, last.clean);
        }
        run_to_step(group, slot, at, records);
        const struct esp_model_scale now = scale_of(group, slot);
        halved += now.scale < last.scale;
        doubled += now.scale > last.scale;
        assert_int_equal(now.clean, now.scale == last.scale ? last.clean + 1 : 0);
        last = now;
    }
    assert_true(halved > 0);
    assert_true(doubled > 0);
    assert_int_equal(last.clean, ESP_LOSS_SCALE_CLEAN - 1);
}

static void an_fp16_member_resumes_with_its_loss_scale_bit_for_bit(void **state)
{
    (void)state;
    struct esp_trainer t = fp16_trainer();
    struct record whole = {0};
    struct esp_error error;
    struct esp_group *x = make_group(&t, 1);
    join(x, 0, &t, NULL);
    run_scaled(x, 0, &whole);
    const struct esp_model_scale saved = scale_of(x, 0);
    assert_true(saved.scale != ESP_LOSS_SCALE_START);
    char path[512];
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "scaled"));
    assert_int_equal(esp_group_save(x, 0, path, NULL, NULL, &error), 0);
    const int before = whole.count;
    run_to_step(x, 0, SCALED_STEPS + 1, &whole);
    assert_true(scale_of(x, 0).scale == 2 * saved.scale);
    run_to_rest(x, &whole);
    assert_true(whole.count > before);

    /* alone, and in another slot with another member */
    struct record alone = {0}, with_other[2] = {0};
    struct esp_group *y = make_group(&t, 1), *z = make_group(&t, 2);
    join(y, 0, &t, path);
    assert_same_scale(scale_of(y, 0), saved);
    run_to_rest(y, &alone);
    assert_same_points(&whole, before, &alone);
    assert_same_member(x, 0, y, 0);
    struct esp_trainer other = t;
    other.seed = 9;
    join(z, 0, &other, NULL);
    run_to_step(z, 0, 3, with_other);
    join(z, 1, &t, path);
    run_to_rest(z, with_other);
    assert_same_points(&whole, before, &with_other[1]);
    assert_same_member(x, 0, z, 1);
    const struct esp_model_scale end = scale_of(x, 0);
    assert_same_scale(scale_of(y, 0), end);
    assert_same_scale(scale_of(z, 1), end);
    esp_group_destroy(x);
    esp_group_destroy(y);
    esp_group_destroy(z);
}

/* Saved between overflows, with half of the next batch accumulated. */
static void an_fp16_member_may_be_saved_between_overflows(void **state)
{
    (void)state;
    struct esp_trainer t = fp16_trainer();
    static const int64_t steps[] = {1, 3};
    struct record whole = {0};
    struct esp_group *x = make_group(&t, 1);
    join(x, 0, &t, NULL);
    set_scale(x, 0, ESP_LOSS_SCALE_MAX, 0);
    run_to_rest(x, &whole);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct record parts = {0};
        struct esp_error error;
        char path[512];
        struct esp_group *y = make_group(&t, 1);
        join(y, 0, &t, NULL);
        set_scale(y, 0, ESP_LOSS_SCALE_MAX, 0);
        run_to_step(y, 0, steps[i], &parts);
        step(y, &parts); /* half of the next batch is accumulated, and dropped */
        snprintf(path, sizeof path, "%s", scratch_path(&scratch, "c"));
        assert_int_equal(esp_group_save(y, 0, path, NULL, NULL, &error), 0);
        assert_true(scale_of(y, 0).scale == ldexp(ESP_LOSS_SCALE_MAX, -(int)steps[i]));
        esp_group_leave(y, 0);
        join(y, 0, &t, path);
        run_to_rest(y, &parts);
        assert_same_points(&whole, 0, &parts);
        assert_same_member(x, 0, y, 0);
        assert_same_scale(scale_of(x, 0), scale_of(y, 0));
        esp_group_destroy(y);
    }
    esp_group_destroy(x);
}

/* The largest change of a weight, in units of `rate`. */
static double largest_move(const float *before, const float *after, int64_t count, double rate)
{
    double most = 0;
    for (int64_t i = 0; i < count; i++) {
        most = fmax(most, fabs((double)after[i] - (double)before[i]) / rate);
    }
    return most;
}

/* As with torch.optim.AdamW and a GradScaler, overflows do not advance the optimizer's count,
 * so its first completed step moves weights by a whole learning rate. The schedule depends on
 * tokens seen, so the rate is that of the step. The other member trains as if alone. */
static void overflowed_updates_count_in_the_schedule_but_not_in_adamw(void **state)
{
    (void)state;
    struct esp_trainer t = fp16_trainer();
    t.weight_decay = 0;
    t.dropout = 0;
    struct record alone = {0}, records[2] = {0};
    struct esp_group *x = make_group(&t, 1), *group = make_group(&t, 2);
    const int64_t count = esp_model_count(esp_group_model(group));
    float *before = malloc((size_t)count * sizeof *before);
    float *after = malloc((size_t)count * sizeof *after);
    int64_t at = 0;
    join(x, 0, &t, NULL);
    join(group, 0, &t, NULL);
    join(group, 1, &t, NULL);
    set_scale(x, 0, 1024, 0);
    set_scale(group, 0, 1024, 0);
    set_scale(group, 1, ESP_LOSS_SCALE_MAX, 0);
    struct esp_model *model = esp_group_model(group);
    do {
        assert_int_equal(esp_model_read(model, 1, ESP_MODEL_PARAMETERS, before, NULL), 0);
        run_to_step(group, 1, ++at, records);
        assert_true(at < 12);
    } while (scale_of(group, 1).overflowed == at);
    assert_true(at > 1); /* there were overflows */
    assert_int_equal(scale_of(group, 1).overflowed, at - 1);
    assert_int_equal(esp_model_read(model, 1, ESP_MODEL_PARAMETERS, after, NULL), 0);
    const double move = largest_move(before, after, count, esp_schedule_rate(&t, at - 1));
    if (fabs(move - 1) > 0.01) {
        fail_msg("after %d overflows a weight moved by %g rates", (int)at - 1, move);
    }
    assert_int_equal(scale_of(group, 0).overflowed, 0);
    run_to_rest(group, records);
    run_to_rest(x, &alone);
    assert_same_points(&alone, 0, &records[0]);
    assert_same_member(x, 0, group, 0);
    free(before);
    free(after);
    esp_group_destroy(group);
    esp_group_destroy(x);
}

static void a_reused_slot_starts_with_a_fresh_loss_scale(void **state)
{
    (void)state;
    struct esp_trainer t = fp16_trainer();
    struct record alone = {0}, records[2] = {0};
    struct esp_group *x = make_group(&t, 1), *group = make_group(&t, 2);
    join(x, 0, &t, NULL);
    run_to_rest(x, &alone);
    join(group, 1, &t, NULL);
    set_scale(group, 1, ESP_LOSS_SCALE_MAX, 7);
    run_to_step(group, 1, 2, records);
    esp_group_leave(group, 1); /* with pending work */
    records[1] = (struct record){0};
    join(group, 1, &t, NULL);
    assert_true(scale_of(group, 1).scale == ESP_LOSS_SCALE_START);
    assert_int_equal(scale_of(group, 1).clean, 0);
    assert_int_equal(scale_of(group, 1).overflowed, 0);
    run_to_rest(group, records);
    assert_same_points(&alone, 0, &records[1]);
    assert_same_member(x, 0, group, 1);
    esp_group_destroy(group);
    esp_group_destroy(x);
}

/* Writes a checkpoint's tensors to another file, whose state has no scale. */
struct copy {
    struct esp_checkpoint *from;
    struct esp_checkpoint_tensor tensors[3 * 64];
};

static int copy_tensor(void *context, int index, float *values, struct esp_error *error)
{
    const struct copy *copy = context;
    return esp_checkpoint_read(copy->from, &copy->tensors[index], values, error);
}

static void copy_without_scale(const struct esp_model *model, const char *from, const char *to)
{
    static const char *const prefixes[] = {"", "m.", "v."};
    struct copy copy;
    struct esp_error error;
    const int count = esp_model_tensor_count(model);
    assert_true(count <= 64);
    for (int i = 0; i < 3 * count; i++) {
        const struct esp_model_tensor *t = esp_model_tensor(model, i % count);
        copy.tensors[i] = (struct esp_checkpoint_tensor){
            .rank = t->rank, .shape = {t->shape[0], t->shape[1], 1, 1}};
        snprintf(copy.tensors[i].name,
                 sizeof copy.tensors[i].name,
                 "%s%s",
                 prefixes[i / count],
                 t->name);
    }
    assert_int_equal(esp_checkpoint_open(from, &copy.from, &error), 0);
    struct esp_checkpoint_state old = *esp_checkpoint_state(copy.from);
    assert_true(old.loss_scale > 0);
    old.loss_scale = 0;
    old.loss_scale_clean = 0;
    old.overflowed = 0;
    assert_int_equal(
        esp_checkpoint_write(
            to, &old, copy.tensors, 3 * count, copy_tensor, &copy, NULL, NULL, &error),
        0);
    esp_checkpoint_close(copy.from);
}

/* As written by versions before the loss scale was stored. */
static void an_fp16_checkpoint_without_a_loss_scale_starts_from_the_first(void **state)
{
    (void)state;
    struct esp_trainer t = fp16_trainer();
    struct record r = {0}, again = {0};
    struct esp_error error;
    char with[512], without[512];
    struct esp_group *group = make_group(&t, 1);
    join(group, 0, &t, NULL);
    set_scale(group, 0, 1024, 5);
    run_to_step(group, 0, 4, &r);
    snprintf(with, sizeof with, "%s", scratch_path(&scratch, "with"));
    snprintf(without, sizeof without, "%s", scratch_path(&scratch, "without"));
    assert_int_equal(esp_group_save(group, 0, with, NULL, NULL, &error), 0);
    copy_without_scale(esp_group_model(group), with, without);
    esp_group_leave(group, 0);
    join(group, 0, &t, with);
    assert_true(scale_of(group, 0).scale == 1024);
    assert_int_equal(scale_of(group, 0).clean, 9);
    esp_group_leave(group, 0);
    join(group, 0, &t, without);
    assert_true(scale_of(group, 0).scale == ESP_LOSS_SCALE_START);
    assert_int_equal(scale_of(group, 0).clean, 0);
    run_to_rest(group, &again);
    assert_int_equal(again.last, ESP_GROUP_REPORT | ESP_GROUP_HORIZON);
    esp_group_destroy(group);
}

int main(void)
{
#define ON_FP16(name) cmocka_unit_test_setup_teardown(name, set_up, training_tear_down)
    const struct CMUnitTest tests[] = {
        ON_FP16(an_fp16_member_resumes_with_its_loss_scale_bit_for_bit),
        ON_FP16(an_fp16_member_may_be_saved_between_overflows),
        ON_FP16(overflowed_updates_count_in_the_schedule_but_not_in_adamw),
        ON_FP16(a_reused_slot_starts_with_a_fresh_loss_scale),
        ON_FP16(an_fp16_checkpoint_without_a_loss_scale_starts_from_the_first),
    };
    cmocka_set_test_filter(getenv("ESPALIER_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
