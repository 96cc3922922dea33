/* Tests of trial/group.h for several members: each trains as if it were alone. */
#include "training.h"

#include <errno.h>

#define MEMBERS 4

/* Members that differ in all settings in which members of a group may differ. */
static struct esp_trainer member_trainer(int member)
{
    struct esp_trainer t = small_trainer();
    t.micro_batch = 4; /* sets the group's, whichever member joins first */
    t.batch_size = (int64_t[]){6, 2, 9, 4}[member];
    t.learning_rate = (double[]){3e-3, 1e-2, 1e-3, 2e-3}[member];
    t.schedule = (int64_t[]){ESP_SCHEDULE_COSINE,
                             ESP_SCHEDULE_WSD,
                             ESP_SCHEDULE_LINEAR,
                             ESP_SCHEDULE_CONSTANT}[member];
    t.dropout = (double[]){0.1, 0, 0.3, 0}[member];
    t.weight_decay = (double[]){0.1, 0, 0.5, 0.01}[member];
    t.beta1 = (double[]){0.9, 0.8, 0.9, 0.95}[member];
    t.clip = (double[]){1, 0, 0.1, 0.5}[member];
    t.seed = (int64_t[]){1, 2, 3, 1}[member];
    t.tokens = 3840 - 300 * member;
    t.report_every = 500 + 100 * member;
    return t;
}

/* Each member trained alone in a group of one. */
static struct esp_group *alone[MEMBERS];
static struct record alone_record[MEMBERS];

static int set_up(void **state)
{
    int rc = training_set_up(state);
    for (int m = 0; m < MEMBERS; m++) {
        struct esp_trainer t = member_trainer(m);
        alone_record[m] = (struct record){0};
        alone[m] = make_group(&t, 1);
        join(alone[m], 0, &t, NULL);
        run_to_rest(alone[m], &alone_record[m]);
    }
    return rc;
}

static int tear_down(void **state)
{
    for (int m = 0; m < MEMBERS; m++) {
        esp_group_destroy(alone[m]);
    }
    return training_tear_down(state);
}

static void a_member_in_a_group_equals_it_alone_bit_for_bit(void **state)
{
    (void)state;
    struct esp_trainer t = member_trainer(0);
    struct record records[MEMBERS + 1] = {0};
    struct esp_group *group = make_group(&t, MEMBERS + 1); /* slot 2 stays empty */
    for (int m = 0; m < MEMBERS; m++) {
        t = member_trainer(m);
        join(group, m < 2 ? m : m + 1, &t, NULL);
    }
    run_to_rest(group, records);
    for (int m = 0; m < MEMBERS; m++) {
        int slot = m < 2 ? m : m + 1;
        assert_same_points(&alone_record[m], 0, &records[slot]);
        assert_same_member(alone[m], 0, group, slot);
    }
    esp_group_destroy(group);
}

static void joining_and_leaving_does_not_affect_other_members(void **state)
{
    (void)state;
    struct esp_trainer t = member_trainer(0), other = member_trainer(3);
    struct record records[3] = {0};
    struct esp_group *group = make_group(&t, 3);
    join(group, 1, &t, NULL);
    for (int call = 0; step(group, records) == 0; call++) {
        if (call % 17 == 5) {
            join(group, 0, &other, NULL);
        }
        if (call % 17 == 16) {
            esp_group_leave(group, 0); /* in the middle of a batch or a validation */
        }
        if (call == 40) {
            struct esp_trainer third = member_trainer(2);
            join(group, 2, &third, NULL);
        }
        if (esp_group_state(group, 1) == ESP_GROUP_ENDED) {
            break;
        }
    }
    esp_group_leave(group, 0);
    run_to_rest(group, records);
    assert_same_points(&alone_record[0], 0, &records[1]);
    assert_same_member(alone[0], 0, group, 1);
    assert_same_points(&alone_record[2], 0, &records[2]);
    assert_same_member(alone[2], 0, group, 2);
    esp_group_destroy(group);
}

static void a_member_resumes_in_another_slot_with_other_members(void **state)
{
    (void)state;
    struct esp_trainer first = member_trainer(0), second = member_trainer(1);
    struct record records[2] = {0}, later[3] = {0};
    struct esp_error error;
    char path[512];
    struct esp_group *group = make_group(&first, 2);
    join(group, 0, &first, NULL);
    join(group, 1, &second, NULL);
    for (int call = 0; call < 101; call++) {
        step(group, records);
    }
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "c"));
    assert_int_equal(esp_group_save(group, 1, path, NULL, NULL, &error), 0);
    esp_group_destroy(group);

    struct esp_trainer third = member_trainer(2);
    group = make_group(&third, 3);
    join(group, 0, &second, path);
    join(group, 2, &third, NULL);
    run_to_rest(group, later);
    assert_same_points(&alone_record[1], records[1].count, &later[0]);
    assert_same_member(alone[1], 0, group, 0);
    assert_same_member(alone[2], 0, group, 2);
    esp_group_destroy(group);
}

static void a_nan_stays_in_its_member(void **state)
{
    (void)state;
    struct esp_trainer t = member_trainer(0), wild = member_trainer(1);
    struct record records[2] = {0};
    struct esp_group *group = make_group(&t, 2);
    wild.learning_rate = 1e30; /* far outside of any study's range */
    wild.warmup = 0;
    join(group, 0, &wild, NULL);
    join(group, 1, &t, NULL);
    run_to_rest(group, records);
    assert_int_equal(records[0].last, ESP_GROUP_REPORT | ESP_GROUP_NOT_FINITE);
    assert_int_equal(esp_group_state(group, 0), ESP_GROUP_ENDED);
    assert_true(isnan(records[0].points[records[0].count - 1].val_loss));
    assert_same_points(&alone_record[0], 0, &records[1]);
    assert_same_member(alone[0], 0, group, 1);

    /* the slot can be used again */
    struct record again[2] = {0};
    struct esp_trainer next = member_trainer(3);
    esp_group_leave(group, 0);
    join(group, 0, &next, NULL);
    run_to_rest(group, again);
    assert_same_points(&alone_record[3], 0, &again[0]);
    assert_same_member(alone[3], 0, group, 0);
    esp_group_destroy(group);
}

static void the_others_train_while_one_member_is_held(void **state)
{
    (void)state;
    struct esp_trainer t = member_trainer(0), held = member_trainer(1);
    struct record records[2] = {0};
    struct esp_group *group = make_group(&t, 2);
    join(group, 0, &held, NULL);
    join(group, 1, &t, NULL);
    esp_group_until(group, 0, 700);
    run_to_rest(group, records);
    assert_int_equal(esp_group_state(group, 0), ESP_GROUP_HELD);
    assert_same_points(&alone_record[0], 0, &records[1]);
    esp_group_until(group, 0, 0);
    run_to_rest(group, records);
    assert_same_member(alone[1], 0, group, 0);
    assert_same_member(alone[0], 0, group, 1);
    esp_group_destroy(group);
}

static void device_seconds_are_shared_among_working_members(void **state)
{
    (void)state;
    struct esp_trainer t = small_trainer();
    struct record records[2] = {0};
    struct esp_group *group = make_group(&t, 2);
    join(group, 0, &t, NULL);
    for (int call = 0; call < 20; call++) {
        step(group, records);
    }
    double before = esp_group_point(group, 0).device_seconds;
    join(group, 1, &t, NULL);
    assert_true(before > 0 && esp_group_point(group, 1).device_seconds == 0);
    for (int call = 0; call < 20; call++) {
        step(group, records);
    }
    double a = esp_group_point(group, 0).device_seconds - before;
    double b = esp_group_point(group, 1).device_seconds;
    assert_true(fabs(a - b) < 1e-9 * (1 + a));
    esp_group_destroy(group);
}

int main(void)
{
#define COMPANY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        COMPANY(a_member_in_a_group_equals_it_alone_bit_for_bit),
        COMPANY(joining_and_leaving_does_not_affect_other_members),
        COMPANY(a_member_resumes_in_another_slot_with_other_members),
        COMPANY(a_nan_stays_in_its_member),
        COMPANY(the_others_train_while_one_member_is_held),
        COMPANY(device_seconds_are_shared_among_working_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
