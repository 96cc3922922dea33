/* Groups of members on a device, where results come long after the work was enqueued. */
#include "../trial/training.h"
#include "backend.h"

#include <errno.h>

#define MEMBERS 3

static int set_up(void **state)
{
    (void)state;
    scratch = scratch_make();
    write_text("text.txt", 400); /* a validation of 32 windows or so: the emulator is slow */
    kernels = open_backend(ESP_PRECISION_FP32);
    return 0;
}

static int tear_down(void **state)
{
    return training_tear_down(state);
}

/* Small enough for the emulator; members differ in what members may differ in. */
static struct esp_trainer device_trainer(int member)
{
    struct esp_trainer t = small_trainer();
    t.layers = 1;
    t.context = 8;
    t.precision = ESP_PRECISION_FP32;
    t.micro_batch = 8;
    t.batch_size = (int64_t[]){6, 2, 10}[member];
    t.learning_rate = (double[]){3e-3, 1e-2, 1e-3}[member];
    t.dropout = (double[]){0.1, 0, 0}[member];
    t.seed = 1 + member;
    t.tokens = 24 * t.batch_size * t.context;
    t.report_every = 12 * t.batch_size * t.context;
    return t;
}

/* Waits for every piece before the next: what a device without a queue would do. */
static void run_waiting(struct esp_group *group, struct record *records)
{
    struct esp_group_event events[ESP_MEMBERS_MAX];
    struct esp_error error = {""};
    int count;
    while (step(group, records) == 0) {
        assert_int_equal(esp_group_collect(group, events, &count, &error), 0);
        for (int i = 0; i < count; i++) {
            struct record *record = &records[events[i].slot];
            record->last = events[i].what;
            record->points[record->count++] = events[i].point;
        }
    }
}

static void a_device_trains_as_a_cpu_does(void **state)
{
    (void)state;
    struct esp_kernels *device = kernels, *cpu = NULL;
    struct esp_trainer t = device_trainer(0);
    struct record a = {0}, b = {0};
    struct esp_group *group = make_group(&t, 1);
    join(group, 0, &t, NULL);
    run_to_rest(group, &a);
    esp_group_destroy(group);
    assert_int_equal(esp_kernels_open_cpu(&cpu, NULL), 0);
    kernels = cpu;
    group = make_group(&t, 1);
    kernels = device;
    join(group, 0, &t, NULL);
    run_to_rest(group, &b);
    esp_group_destroy(group);
    esp_kernels_close(cpu);
    assert_int_equal(a.count, 3);
    assert_int_equal(b.count, 3);
    assert_int_equal(a.last, ESP_GROUP_REPORT | ESP_GROUP_HORIZON);
    for (int i = 0; i < a.count; i++) {
        assert_int_equal(a.points[i].step, b.points[i].step);
        assert_true(fabs(a.points[i].val_loss - b.points[i].val_loss) < 1e-4);
        assert_true(i == 0 || fabs(a.points[i].train_loss - b.points[i].train_loss) < 1e-4);
        assert_true(i == 0 || fabs(a.points[i].grad_norm - b.points[i].grad_norm) < 1e-3);
    }
}

static void no_update_waits_for_the_device(void **state)
{
    (void)state;
    struct esp_trainer t = device_trainer(0);
    struct record r[2] = {0};
    struct esp_group *group = make_group(&t, 2);
    join(group, 0, &t, NULL);
    struct esp_trainer other = device_trainer(1);
    join(group, 1, &other, NULL);
    while (r[0].count < 1 || r[1].count < 1) {
        step(group, r);
    }
    step(group, r);
    const uint64_t before = esp_emu_synchronisations();
    while (esp_group_point(group, 0).step < 12) {
        step(group, r);
    }
    if (!on_a_gpu()) {
        assert_int_equal(esp_emu_synchronisations(), before);
    }
    /* and the steps are not known yet: the host is ahead */
    assert_int_equal(r[0].count, 1);
    run_to_rest(group, r);
    assert_int_equal(r[0].count, 3);
    assert_true(r[0].points[1].train_loss > r[0].points[2].train_loss);
    esp_group_destroy(group);
}

/* A member with a wild rate diverges within a few steps; the host has given the device more of
 * them by the time it learns so. */
static void a_nan_found_late_belongs_to_its_step_and_member(void **state)
{
    (void)state;
    struct esp_trainer t = device_trainer(0), wild = device_trainer(1);
    struct record waiting[2] = {0}, ahead[2] = {0}, alone[1] = {0};
    wild.learning_rate = 1e30;
    wild.warmup = 0;
    struct esp_group *a = make_group(&t, 2), *b = make_group(&t, 2), *c = make_group(&t, 1);
    struct esp_group *both[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        join(both[i], 0, &wild, NULL);
        join(both[i], 1, &t, NULL);
    }
    join(c, 0, &t, NULL);
    run_waiting(a, waiting);
    run_to_rest(b, ahead);
    run_to_rest(c, alone);
    assert_int_equal(ahead[0].last, ESP_GROUP_REPORT | ESP_GROUP_NOT_FINITE);
    assert_int_equal(esp_group_state(b, 0), ESP_GROUP_ENDED);
    const struct esp_group_point *last = &ahead[0].points[ahead[0].count - 1];
    assert_true(isnan(last->val_loss) && last->step > 0 && last->step < 12);
    assert_int_equal(esp_group_point(b, 0).step, last->step);
    assert_same_points(&waiting[0], 0, &ahead[0]);
    assert_same_member(a, 0, b, 0); /* the device left it as the first NaN found it */
    assert_same_points(&alone[0], 0, &ahead[1]);
    assert_same_member(c, 0, b, 1);
    assert_same_points(&waiting[1], 0, &ahead[1]);

    /* and the place it leaves is as good as new */
    struct record again[2] = {0};
    esp_group_leave(b, 0);
    join(b, 0, &t, NULL);
    run_to_rest(b, again);
    assert_same_points(&alone[0], 0, &again[0]);
    esp_group_destroy(a);
    esp_group_destroy(b);
    esp_group_destroy(c);
}

/* A diverged member of which nobody knows yet is told of by whoever asks. */
static void collecting_tells_of_what_is_under_way(void **state)
{
    (void)state;
    struct esp_trainer wild = device_trainer(1);
    struct record r = {0};
    struct esp_group_event events[1];
    struct esp_error error;
    int count;
    wild.learning_rate = 1e30;
    wild.warmup = 0;
    struct esp_group *group = make_group(&wild, 1);
    join(group, 0, &wild, NULL);
    /* the first update moves the weights out of all bounds, the second finds that */
    while (esp_group_point(group, 0).step < 2) {
        step(group, &r);
    }
    if (on_a_gpu() && esp_group_state(group, 0) == ESP_GROUP_ENDED) {
        esp_group_destroy(group);
        skip(); /* it was faster than its host, who knows of it already */
    }
    assert_int_equal(esp_group_state(group, 0), ESP_GROUP_ACTIVE);
    assert_int_equal(esp_group_collect(group, events, &count, &error), 0);
    assert_int_equal(count, 1);
    assert_int_equal(events[0].what, ESP_GROUP_REPORT | ESP_GROUP_NOT_FINITE);
    assert_int_equal(events[0].point.step, 2);
    assert_int_equal(esp_group_active(group), 0);
    assert_int_equal(esp_group_collect(group, events, &count, &error), 0);
    assert_int_equal(count, 0);
    esp_group_destroy(group);
}

static void a_member_saved_while_work_is_under_way_resumes_bit_for_bit(void **state)
{
    (void)state;
    struct esp_trainer t = device_trainer(2); /* two micro-steps to an update */
    static const int calls[] = {3, 11, 22};
    struct record whole = {0};
    struct esp_group *x = make_group(&t, 1);
    join(x, 0, &t, NULL);
    run_to_rest(x, &whole);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct record parts = {0};
        struct esp_error error;
        char path[512];
        struct esp_group *y = make_group(&t, 1);
        join(y, 0, &t, NULL);
        for (int call = 0; call < calls[i]; call++) {
            step(y, &parts);
        }
        snprintf(path, sizeof path, "%s", scratch_path(&scratch, "c"));
        assert_int_equal(esp_group_save(y, 0, path, NULL, NULL, &error), 0);
        esp_group_destroy(y);
        y = make_group(&t, 1);
        join(y, 0, &t, path);
        run_to_rest(y, &parts);
        assert_same_points(&whole, 0, &parts);
        assert_same_member(x, 0, y, 0);
        esp_group_destroy(y);
    }
    esp_group_destroy(x);
}

static void joining_and_leaving_disturbs_nobody(void **state)
{
    (void)state;
    struct esp_trainer t = device_trainer(0), other = device_trainer(1);
    struct record alone = {0}, records[2] = {0};
    struct esp_group *x = make_group(&t, 1), *group = make_group(&t, 2);
    join(x, 0, &t, NULL);
    run_to_rest(x, &alone);
    join(group, 1, &t, NULL);
    for (int call = 0; esp_group_state(group, 1) != ESP_GROUP_ENDED; call++) {
        step(group, records);
        if (call % 9 == 2) {
            join(group, 0, &other, NULL);
        }
        if (call % 9 == 8) {
            esp_group_leave(group, 0);
        }
    }
    assert_same_points(&alone, 0, &records[1]);
    assert_same_member(x, 0, group, 1);
    esp_group_destroy(group);
    esp_group_destroy(x);
}

/* Batches of several sizes, in frames of 6, 2 and twice 5 of 8: nobody's rows are computed for
 * another's sake, and everybody trains to the same bits as alone. */
static void mixed_batch_sizes_train_as_alone(void **state)
{
    (void)state;
    struct record records[MEMBERS + 1] = {0};
    struct esp_trainer t = device_trainer(2);
    struct esp_group *group = make_group(&t, MEMBERS + 1);
    for (int m = 0; m <= MEMBERS; m++) {
        t = device_trainer(m % MEMBERS); /* the first once more: two of one frame */
        join(group, m, &t, NULL);
    }
    run_to_rest(group, records);
    for (int m = 0; m < MEMBERS; m++) {
        struct record alone = {0};
        t = device_trainer(m);
        struct esp_group *x = make_group(&t, 1);
        join(x, 0, &t, NULL);
        run_to_rest(x, &alone);
        assert_same_points(&alone, 0, &records[m]);
        assert_same_member(x, 0, group, m);
        esp_group_destroy(x);
    }
    assert_same_points(&records[0], 0, &records[MEMBERS]);
    esp_group_destroy(group);
}

/* The plan of a device with little memory: a smaller micro-batch, then fewer members, then
 * words. */
static void too_little_memory_halves_the_micro_batch_then_the_members(void **state)
{
    (void)state;
    if (on_a_gpu()) {
        skip();
    }
    struct esp_trainer t = device_trainer(0);
    struct esp_group *group = NULL;
    struct esp_error error = {""};
    struct record r[4] = {0};
    size_t available, all;
    t.micro_batch = 16;
    struct esp_model_shape shape = esp_model_shape_of(&t, 256);
    const size_t sixteen = esp_model_plan(kernels, &shape, 4, 16, true);
    const size_t one = esp_model_plan(kernels, &shape, 4, 1, true);
    const size_t single = esp_model_plan(kernels, &shape, 1, 1, true);
    assert_int_equal(kernels->memory(kernels, &available, &all), 0);
    const size_t used = all - available;

    esp_emu_set_memory(used + sixteen); /* nothing left for workspaces */
    group = make_group(&t, 4);
    assert_int_equal(esp_group_slots(group), 4);
    assert_true(esp_model_micro_batch(esp_group_model(group)) < 16);
    join(group, 3, &t, NULL);
    run_to_rest(group, r);
    assert_int_equal(r[3].last, ESP_GROUP_REPORT | ESP_GROUP_HORIZON);
    esp_group_destroy(group);

    /* workspaces are kept: only what a group takes counts from here on */
    assert_int_equal(kernels->memory(kernels, &available, &all), 0);
    esp_emu_set_memory(all - available + one / 2);
    group = make_group(&t, 4);
    assert_true(esp_group_slots(group) < 4);
    esp_group_destroy(group);

    esp_emu_set_memory(all - available + single / 2);
    group = NULL;
    assert_int_equal(esp_group_create(kernels, &t, 4, &group, &error), -ENOMEM);
    assert_null(group);
    char bytes[32];
    snprintf(bytes, sizeof bytes, "%zu bytes", single);
    assert_non_null(strstr(error.text, bytes));
    esp_emu_set_memory((size_t)4 << 30);
}

/* What a process tells of: as many members as a dry run of the plan finds room for, which a
 * group of that many then has; fewer on a smaller device, one where there is hardly any. */
static void capacity_is_what_the_plan_finds_room_for(void **state)
{
    (void)state;
    if (on_a_gpu()) {
        skip();
    }
    const struct esp_trainer t = device_trainer(0);
    const struct esp_model_shape shape =
        esp_model_shape_of(&t, 50257); /* a vocabulary unknown */
    size_t available, all;
    assert_int_equal(kernels->memory(kernels, &available, &all), 0);
    for (int members = 1; members <= ESP_MEMBERS_MAX; members *= 2) {
        const size_t room = esp_model_plan(kernels, &shape, members, t.micro_batch, true);
        esp_emu_set_memory(all - available + 3 * room / 2);
        const int capacity = esp_group_capacity(kernels, &t);
        assert_int_equal(capacity, members);
        struct esp_group *group = make_group(&t, capacity);
        assert_int_equal(esp_group_slots(group), capacity);
        assert_int_equal(esp_model_micro_batch(esp_group_model(group)), t.micro_batch);
        esp_group_destroy(group);
    }
    esp_emu_set_memory(all - available);
    assert_int_equal(esp_group_capacity(kernels, &t), 1);
    esp_emu_set_memory((size_t)4 << 30);
    struct esp_kernels *cpu;
    assert_int_equal(esp_kernels_open_cpu(&cpu, NULL), 0);
    assert_int_equal(esp_group_capacity(cpu, &t), 1); /* one after another anyway */
    esp_kernels_close(cpu);
}

/* The device's seconds are shared by those who work, each piece's as it was measured. */
static void device_seconds_are_the_devices(void **state)
{
    (void)state;
    struct esp_trainer t = device_trainer(0);
    struct record r[2] = {0};
    struct esp_group *group = make_group(&t, 2);
    struct esp_group_event events[2];
    struct esp_error error;
    int count;
    join(group, 0, &t, NULL);
    join(group, 1, &t, NULL);
    for (int call = 0; call < 30; call++) {
        step(group, r);
    }
    assert_int_equal(esp_group_collect(group, events, &count, &error), 0);
    const double a = esp_group_point(group, 0).device_seconds;
    const double b = esp_group_point(group, 1).device_seconds;
    assert_true(a > 0 && fabs(a - b) < 1e-9 * (1 + a));
    esp_group_leave(group, 1);
    assert_int_equal(esp_group_collect(group, events, &count, &error), 0);
    assert_true(esp_group_point(group, 0).device_seconds == a); /* nothing was done */
    esp_group_destroy(group);
}

int main(void)
{
#define ON_DEVICE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ON_DEVICE(a_device_trains_as_a_cpu_does),
        ON_DEVICE(no_update_waits_for_the_device),
        ON_DEVICE(a_nan_found_late_belongs_to_its_step_and_member),
        ON_DEVICE(collecting_tells_of_what_is_under_way),
        ON_DEVICE(a_member_saved_while_work_is_under_way_resumes_bit_for_bit),
        ON_DEVICE(joining_and_leaving_disturbs_nobody),
        ON_DEVICE(mixed_batch_sizes_train_as_alone),
        ON_DEVICE(too_little_memory_halves_the_micro_batch_then_the_members),
        ON_DEVICE(capacity_is_what_the_plan_finds_room_for),
        ON_DEVICE(device_seconds_are_the_devices),
    };
    cmocka_set_test_filter(getenv("ESPALIER_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
