/* Tests of trial/group.h for one member: reports, until, saving, resuming. */
#include "training.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

/* Trains `trainer` alone from start to end. */
static struct esp_group *train_alone(const struct esp_trainer *trainer, struct record *record)
{
    struct esp_group *group = make_group(trainer, 1);
    join(group, 0, trainer, NULL);
    run_to_rest(group, record);
    assert_int_equal(esp_group_state(group, 0), ESP_GROUP_ENDED);
    return group;
}

static void reports_come_at_the_first_step_past_each_multiple(void **state)
{
    (void)state;
    struct esp_trainer t = small_trainer();
    struct record r = {0};
    struct esp_group *group = train_alone(&t, &r);
    /* 96 tokens a step; 500, 1000, … 3500; the end at 3840 */
    static const int64_t steps[] = {0, 6, 11, 16, 21, 27, 32, 37, 40};
    assert_int_equal(r.count, 9);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(r.points[i].step, steps[i]);
        assert_int_equal(r.points[i].tokens, steps[i] * 96);
        assert_true(isfinite(r.points[i].val_loss));
        assert_int_equal(isnan(r.points[i].train_loss), i == 0);
        assert_int_equal(isnan(r.points[i].grad_norm), i == 0);
        assert_true(i == 0 || r.points[i].device_seconds > r.points[i - 1].device_seconds);
    }
    assert_int_equal(r.last, ESP_GROUP_REPORT | ESP_GROUP_HORIZON);
    assert_true(fabs(r.points[0].val_loss - log(256)) < 0.3); /* an untrained model */
    assert_int_equal(esp_group_horizon(group, 0), 3840);
    esp_group_destroy(group);
}

static void reports_default_to_a_25th_of_the_horizon(void **state)
{
    (void)state;
    struct esp_trainer t = small_trainer();
    struct record r = {0};
    t.report_every = 0;
    t.tokens = 100 * 96;
    esp_group_destroy(train_alone(&t, &r));
    assert_int_equal(r.count, 26);
    for (int i = 0; i < 26; i++) {
        assert_int_equal(r.points[i].step, 4 * i);
    }
}

static void a_batch_larger_than_report_every_reports_each_step(void **state)
{
    (void)state;
    struct esp_trainer t = small_trainer();
    struct record r = {0};
    t.report_every = 50;
    t.tokens = 5 * 96 + 95;
    esp_group_destroy(train_alone(&t, &r));
    assert_int_equal(r.count, 6);
    assert_int_equal(r.points[5].step, 5);
}

static void equal_settings_give_equal_bits(void **state)
{
    (void)state;
    struct esp_trainer t = small_trainer();
    struct record a = {0}, b = {0};
    struct esp_group *x = train_alone(&t, &a), *y = train_alone(&t, &b);
    assert_same_points(&a, 0, &b);
    assert_same_member(x, 0, y, 0);
    esp_group_destroy(y);
    esp_group_destroy(x);
}

static void another_seed_gives_another_training(void **state)
{
    (void)state;
    struct esp_trainer t = small_trainer();
    struct record a = {0}, b = {0};
    esp_group_destroy(train_alone(&t, &a));
    t.seed = 2;
    esp_group_destroy(train_alone(&t, &b));
    assert_true(a.points[0].val_loss != b.points[0].val_loss);
    assert_true(a.points[8].train_loss != b.points[8].train_loss);
}

static void until_holds_the_member_at_the_first_step_that_reaches_it(void **state)
{
    (void)state;
    struct esp_trainer t = small_trainer();
    struct record r = {0};
    struct esp_group *group = make_group(&t, 1);
    join(group, 0, &t, NULL);
    esp_group_until(group, 0, 700);
    run_to_rest(group, &r);
    assert_int_equal(esp_group_state(group, 0), ESP_GROUP_HELD);
    assert_int_equal(r.last, ESP_GROUP_REPORT | ESP_GROUP_UNTIL);
    assert_int_equal(r.count, 3); /* 0, 6 and 8 */
    assert_int_equal(r.points[2].step, 8);

    esp_group_until(group, 0, 700); /* reached already: an event, but no second report */
    run_to_rest(group, &r);
    assert_int_equal(r.last, ESP_GROUP_UNTIL);
    assert_int_equal(r.count, 3);

    esp_group_until(group, 0, 0);
    run_to_rest(group, &r);
    assert_int_equal(r.last, ESP_GROUP_REPORT | ESP_GROUP_HORIZON);
    assert_int_equal(r.points[r.count - 1].step, 40);

    /* apart from the extra report the training is the same */
    struct record whole = {0};
    struct esp_group *other = train_alone(&t, &whole);
    assert_same_member(group, 0, other, 0);
    assert_true(whole.points[8].val_loss == r.points[r.count - 1].val_loss);
    esp_group_destroy(other);
    esp_group_destroy(group);
}

static void until_may_be_lowered_while_training(void **state)
{
    (void)state;
    struct esp_trainer t = small_trainer();
    struct record r = {0};
    struct esp_group *group = make_group(&t, 1);
    join(group, 0, &t, NULL);
    while (esp_group_point(group, 0).step < 9) {
        step(group, &r);
    }
    esp_group_until(group, 0, 100);
    run_to_rest(group, &r);
    assert_int_equal(esp_group_state(group, 0), ESP_GROUP_HELD);
    assert_int_equal(r.points[r.count - 1].step, 9);
    assert_int_equal(r.last, ESP_GROUP_REPORT | ESP_GROUP_UNTIL);
    esp_group_destroy(group);
}

/* Saves after `calls` step calls, which may be in the middle of a batch or a validation, and
 * continues in a new group. */
static void resume_after(int calls)
{
    struct esp_trainer t = small_trainer();
    struct record whole = {0}, parts = {0};
    struct esp_error error = {""};
    char path[512];
    struct esp_group *x = train_alone(&t, &whole);

    struct esp_group *y = make_group(&t, 1);
    join(y, 0, &t, NULL);
    for (int i = 0; i < calls; i++) {
        step(y, &parts);
    }
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "c"));
    assert_int_equal(esp_group_save(y, 0, path, NULL, NULL, &error), 0);
    double seconds = esp_group_point(y, 0).device_seconds;
    esp_group_destroy(y);

    y = make_group(&t, 1);
    join(y, 0, &t, path);
    assert_true(esp_group_point(y, 0).device_seconds == seconds);
    run_to_rest(y, &parts);
    assert_same_points(&whole, 0, &parts);
    assert_same_member(x, 0, y, 0);
    assert_true(esp_group_point(y, 0).device_seconds > seconds);
    esp_group_destroy(y);
    esp_group_destroy(x);
}

static void a_resumed_member_equals_the_uninterrupted_one_bit_for_bit(void **state)
{
    (void)state;
    /* A validation of 256 windows takes 64 calls at a micro-batch of 4, a step 2. */
    static const int calls[] = {0, 1, 30, 63, 64, 65, 66, 75, 76, 77, 120, 140, 141, 163, 400};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        resume_after(calls[i]);
    }
}

static void resuming_a_finished_checkpoint_only_reports_the_end(void **state)
{
    (void)state;
    struct esp_trainer t = small_trainer();
    struct record r = {0}, again = {0};
    struct esp_error error;
    struct esp_group *group = train_alone(&t, &r);
    const char *path = scratch_path(&scratch, "c");
    assert_int_equal(esp_group_save(group, 0, path, NULL, NULL, &error), 0);
    esp_group_leave(group, 0);
    assert_int_equal(esp_group_state(group, 0), ESP_GROUP_EMPTY);
    join(group, 0, &t, path);
    run_to_rest(group, &again);
    assert_int_equal(again.count, 0);
    assert_int_equal(again.last, ESP_GROUP_HORIZON);
    assert_true(esp_group_point(group, 0).val_loss == r.points[8].val_loss);
    esp_group_destroy(group);
}

static void an_extended_constant_schedule_equals_a_longer_one(void **state)
{
    (void)state;
    struct esp_trainer t = small_trainer(), longer;
    struct record a = {0}, b = {0}, c = {0};
    t.schedule = ESP_SCHEDULE_CONSTANT;
    t.warmup = 0;
    longer = t;
    longer.tokens = 60 * 96;
    struct esp_group *x = train_alone(&t, &a);
    const char *path = scratch_path(&scratch, "c");
    assert_int_equal(esp_group_save(x, 0, path, NULL, NULL, NULL), 0);
    esp_group_leave(x, 0);
    join(x, 0, &longer, path);
    run_to_rest(x, &b);
    struct esp_group *y = train_alone(&longer, &c);
    assert_same_member(x, 0, y, 0);
    assert_int_equal(b.points[b.count - 1].step, 60);
    esp_group_destroy(y);
    esp_group_destroy(x);
}

static void every_split_into_micro_batches_trains_equally(void **state)
{
    (void)state;
    double last[3];
    static const int64_t micro[] = {1, 4, 6};
    for (int i = 0; i < 3; i++) {
        struct esp_trainer t = small_trainer();
        struct record r = {0};
        t.micro_batch = micro[i];
        esp_group_destroy(train_alone(&t, &r));
        last[i] = r.points[8].val_loss;
    }
    /* Only rounding differs: dropout masks and the mean are those of the whole batch. */
    assert_true(fabs(last[0] - last[1]) < 1e-4);
    assert_true(fabs(last[0] - last[2]) < 1e-4);
}

static void a_checkpoint_of_other_settings_or_data_is_refused(void **state)
{
    (void)state;
    struct esp_trainer t = small_trainer(), other = t;
    struct record r = {0};
    struct esp_error error;
    char path[512];
    struct esp_group *group = train_alone(&t, &r);
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "c"));
    assert_int_equal(esp_group_save(group, 0, path, NULL, NULL, NULL), 0);
    esp_group_leave(group, 0);
    other.learning_rate = 1;
    assert_int_equal(esp_group_join(group, 0, &other, path, &error), -EINVAL);
    assert_non_null(strstr(error.text, "learning_rate"));
    assert_int_equal(esp_group_state(group, 0), ESP_GROUP_EMPTY);
    other = t;
    other.width = 32;
    assert_int_equal(esp_group_join(group, 0, &other, NULL, &error), -EINVAL);
    assert_false(esp_group_accepts(group, &other));
    esp_group_destroy(group);

    write_text("text.txt", 6001);
    group = make_group(&t, 1);
    assert_int_equal(esp_group_join(group, 0, &t, path, &error), -EINVAL);
    assert_non_null(strstr(error.text, "6000 tokens"));
    assert_int_equal(esp_group_join(group, 0, &t, "/none/there", &error), -ENOENT);
    esp_group_destroy(group);
}

static void a_damaged_checkpoint_leaves_the_slot_usable(void **state)
{
    (void)state;
    struct esp_trainer t = small_trainer();
    struct record r = {0}, a = {0};
    struct esp_error error;
    size_t size;
    struct esp_group *group = train_alone(&t, &r);
    const char *path = scratch_path(&scratch, "c");
    assert_int_equal(esp_group_save(group, 0, path, NULL, NULL, NULL), 0);
    uint8_t *bytes = scratch_read(path, &size);
    bytes[size / 2] ^= 16;
    path = scratch_write(&scratch, "d", bytes, size);
    free(bytes);
    esp_group_leave(group, 0);
    assert_int_equal(esp_group_join(group, 0, &t, path, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "is damaged"));
    assert_int_equal(esp_group_state(group, 0), ESP_GROUP_EMPTY);
    join(group, 0, &t, NULL);
    run_to_rest(group, &a);
    assert_same_points(&r, 0, &a);
    esp_group_destroy(group);
}

static void a_full_disk_affects_neither_member_nor_older_checkpoint(void **state)
{
    (void)state;
    struct esp_trainer t = small_trainer();
    struct record whole = {0}, r = {0};
    struct esp_error error;
    struct esp_group *x = train_alone(&t, &whole), *y = make_group(&t, 1);
    char path[512];
    struct rlimit old, small;
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "c"));
    join(y, 0, &t, NULL);
    for (int i = 0; i < 80; i++) {
        step(y, &r);
    }
    assert_int_equal(esp_group_save(y, 0, path, NULL, NULL, &error), 0);
    for (int i = 0; i < 20; i++) {
        step(y, &r);
    }
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    small = (struct rlimit){8192, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = esp_group_save(y, 0, path, NULL, NULL, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(rc, -EFBIG);
    assert_int_not_equal(access(scratch_path(&scratch, "c.tmp"), F_OK), 0);
    run_to_rest(y, &r);
    assert_same_points(&whole, 0, &r);
    esp_group_leave(y, 0);
    join(y, 0, &t, path); /* the older file is still valid */
    struct record again = {0};
    run_to_rest(y, &again);
    assert_same_member(x, 0, y, 0);
    esp_group_destroy(y);
    esp_group_destroy(x);
}

static void weights_of_a_checkpoint_can_start_another_training(void **state)
{
    (void)state;
    struct esp_trainer t = small_trainer();
    struct record r = {0}, next = {0};
    struct esp_group *group = train_alone(&t, &r);
    const char *path = scratch_path(&scratch, "c");
    assert_int_equal(esp_group_save(group, 0, path, NULL, NULL, NULL), 0);
    esp_group_destroy(group);
    snprintf(t.init_from, sizeof t.init_from, "%s", path);
    t.learning_rate = 1e-3;
    esp_group_destroy(train_alone(&t, &next));
    assert_true(next.points[0].val_loss == r.points[8].val_loss);
}

static void bad_data_is_reported_before_training(void **state)
{
    (void)state;
    struct esp_trainer t = small_trainer();
    struct esp_group *group = NULL;
    struct esp_error error;
    write_text("text.txt", 100);
    assert_int_equal(esp_group_create(kernels, &t, 1, &group, &error), -EINVAL);
    assert_non_null(strstr(error.text, "has 100 bytes"));
    assert_null(group);
    t = small_trainer();
    t.precision = ESP_PRECISION_FP16;
    assert_int_equal(esp_group_create(kernels, &t, 1, &group, &error), -ENOTSUP);
    assert_non_null(strstr(error.text, "not in fp16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(reports_come_at_the_first_step_past_each_multiple),
        CLAIM(reports_default_to_a_25th_of_the_horizon),
        CLAIM(a_batch_larger_than_report_every_reports_each_step),
        CLAIM(equal_settings_give_equal_bits),
        CLAIM(another_seed_gives_another_training),
        CLAIM(until_holds_the_member_at_the_first_step_that_reaches_it),
        CLAIM(until_may_be_lowered_while_training),
        CLAIM(a_resumed_member_equals_the_uninterrupted_one_bit_for_bit),
        CLAIM(resuming_a_finished_checkpoint_only_reports_the_end),
        CLAIM(an_extended_constant_schedule_equals_a_longer_one),
        CLAIM(every_split_into_micro_batches_trains_equally),
        CLAIM(a_checkpoint_of_other_settings_or_data_is_refused),
        CLAIM(a_damaged_checkpoint_leaves_the_slot_usable),
        CLAIM(a_full_disk_affects_neither_member_nor_older_checkpoint),
        CLAIM(weights_of_a_checkpoint_can_start_another_training),
        CLAIM(bad_data_is_reported_before_training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
