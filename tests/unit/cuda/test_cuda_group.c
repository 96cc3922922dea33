/* Groups of members on a device, where results arrive long after the work was enqueued. */
#include "../trial/training.h"
#include "backend.h"

#include <errno.h>

#define MEMBERS 3

static int set_up(void **state)
{
    (void)state;
    scratch = scratch_make();
    write_text("text.txt", 400); /* a validation of about 32 windows: the emulator is slow */
    kernels = open_backend(ESP_PRECISION_FP32);
    return 0;
}

static int tear_down(void **state)
{
    return training_tear_down(state);
}

/* Small enough for the emulator; members differ in all settings in which they may differ. */
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

/* Waits for every piece before the next, like a device without a queue. */
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
    /* the steps are not done yet: the host is ahead */
    assert_int_equal(r[0].count, 1);
    run_to_rest(group, r);
    assert_int_equal(r[0].count, 3);
    assert_true(r[0].points[1].train_loss > r[0].points[2].train_loss);
    esp_group_destroy(group);
}

/* A member with a very large rate diverges within a few steps. By the time the host learns of
 * it, it has enqueued more of them. */
static void a_nan_found_late_ends_its_member_at_its_step(void **state)
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
    assert_same_member(a, 0, b, 0); /* the device left it as it was at the first NaN */
    assert_same_points(&alone[0], 0, &ahead[1]);
    assert_same_member(c, 0, b, 1);
    assert_same_points(&waiting[1], 0, &ahead[1]);

    /* the slot can be used again */
    struct record again[2] = {0};
    esp_group_leave(b, 0);
    join(b, 0, &t, NULL);
    run_to_rest(b, again);
    assert_same_points(&alone[0], 0, &again[0]);
    esp_group_destroy(a);
    esp_group_destroy(b);
    esp_group_destroy(c);
}

/* A diverged member is reported by esp_group_collect before the next report point. */
static void collecting_reports_pending_work(void **state)
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
    /* the first update makes the weights very large, the second detects it */
    while (esp_group_point(group, 0).step < 2) {
        step(group, &r);
    }
    if (on_a_gpu() && esp_group_state(group, 0) == ESP_GROUP_ENDED) {
        esp_group_destroy(group);
        skip(); /* the device was faster, and the host knows already */
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

static void a_member_saved_with_pending_work_resumes_bit_for_bit(void **state)
{
    (void)state;
    struct esp_trainer t = device_trainer(2); /* two micro-steps for each update */
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

static void joining_and_leaving_does_not_affect_other_members(void **state)
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

/* Batches of several sizes, in frames of 6, 2 and twice 5 of 8: no member computes rows because
 * of another, and each trains to the same bits as alone. */
static void members_with_different_batch_sizes_train_as_alone(void **state)
{
    (void)state;
    struct record records[MEMBERS + 1] = {0};
    struct esp_trainer t = device_trainer(2);
    struct esp_group *group = make_group(&t, MEMBERS + 1);
    for (int m = 0; m <= MEMBERS; m++) {
        t = device_trainer(m % MEMBERS); /* the first again, so that two have the same frame */
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

/* On a device with little memory the plan gets a smaller micro-batch, then fewer members, then
 * an error. */
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

    esp_emu_set_memory(used + sixteen); /* no memory is left for workspaces */
    group = make_group(&t, 4);
    assert_int_equal(esp_group_slots(group), 4);
    assert_true(esp_model_micro_batch(esp_group_model(group)) < 16);
    join(group, 3, &t, NULL);
    run_to_rest(group, r);
    assert_int_equal(r[3].last, ESP_GROUP_REPORT | ESP_GROUP_HORIZON);
    esp_group_destroy(group);

    /* workspaces are kept, so only the group's memory counts from here on */
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

/* The capacity that a process reports is the number of members for which a dry run of the plan
 * finds memory. A group of that many can be created; smaller devices have fewer, at least one.
 */
static void capacity_follows_from_the_memory_plan(void **state)
{
    (void)state;
    if (on_a_gpu()) {
        skip();
    }
    const struct esp_trainer t = device_trainer(0);
    const struct esp_model_shape shape =
        esp_model_shape_of(&t, 50257); /* the vocabulary is unknown */
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
    assert_int_equal(esp_group_capacity(cpu, &t),
                     1); /* members run one after another on a CPU */
    esp_kernels_close(cpu);
}

/* The seconds of each piece, measured on the device, are shared among the members that worked.
 */
static void device_seconds_are_measured_on_the_device(void **state)
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
    assert_true(esp_group_point(group, 0).device_seconds == a); /* no work was done */
    esp_group_destroy(group);
}

int main(void)
{
#define ON_DEVICE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ON_DEVICE(a_device_trains_as_a_cpu_does),
        ON_DEVICE(no_update_waits_for_the_device),
        ON_DEVICE(a_nan_found_late_ends_its_member_at_its_step),
        ON_DEVICE(collecting_reports_pending_work),
        ON_DEVICE(a_member_saved_with_pending_work_resumes_bit_for_bit),
        ON_DEVICE(joining_and_leaving_does_not_affect_other_members),
        ON_DEVICE(members_with_different_batch_sizes_train_as_alone),
        ON_DEVICE(too_little_memory_halves_the_micro_batch_then_the_members),
        ON_DEVICE(capacity_follows_from_the_memory_plan),
        ON_DEVICE(device_seconds_are_measured_on_the_device),
    };
    cmocka_set_test_filter(getenv("ESPALIER_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
