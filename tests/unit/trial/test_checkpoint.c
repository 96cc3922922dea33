/* Tests of trial/checkpoint.h: content, versions, failed writes, and which settings fit. */
#include "checkpoints.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>

static void reads_back_what_was_written(void **state)
{
    (void)state;
    struct esp_checkpoint_state s = example();
    struct esp_checkpoint *c;
    struct esp_error error;
    int64_t bytes;
    uint64_t hash;
    const char *path = scratch_path(&scratch, "c");
    assert_int_equal(
        esp_checkpoint_write(path, &s, tensors, TENSORS, source, NULL, &bytes, &hash, &error),
        0);
    assert_int_equal(esp_checkpoint_open(path, &c, &error), 0);
    const struct esp_checkpoint_state *r = esp_checkpoint_state(c);
    assert_int_equal(esp_trainer_hash(&r->trainer), esp_trainer_hash(&s.trainer));
    assert_string_equal(r->trainer.data, s.trainer.data);
    assert_true(r->trainer.learning_rate == s.trainer.learning_rate);
    assert_int_equal(r->trainer.schedule, ESP_SCHEDULE_WSD);
    assert_int_equal(r->step, s.step);
    assert_int_equal(r->sample, s.sample);
    assert_int_equal(r->reported_step, s.reported_step);
    assert_int_equal(r->loss_count, s.loss_count);
    assert_true(r->loss_sum == s.loss_sum);
    assert_true(r->device_seconds == s.device_seconds);
    assert_true(r->val_loss == s.val_loss && r->train_loss == s.train_loss);
    assert_true(r->grad_norm == s.grad_norm);
    assert_int_equal(r->data_tokens, s.data_tokens);
    assert_int_equal(r->vocabulary, s.vocabulary);
    assert_int_equal(esp_checkpoint_bytes(c), bytes);
    assert_int_equal(esp_checkpoint_hash(c), hash);
    assert_int_equal(esp_checkpoint_tensors(c), TENSORS);
    for (int t = 0; t < TENSORS; t++) {
        float values[77] = {0};
        assert_int_equal(esp_checkpoint_read(c, &tensors[t], values, &error), 0);
        for (int64_t i = 0; i < count_of(t); i++) {
            assert_true(values[i] == value_of(t, i));
        }
    }
    esp_checkpoint_close(c);
}

static void the_loss_scale_and_its_overflows_are_read_back(void **state)
{
    (void)state;
    struct esp_checkpoint_state s = overflowed_example();
    struct esp_checkpoint *c;
    struct esp_error error;
    float values[77];
    assert_int_equal(esp_checkpoint_open(write_state(s), &c, &error), 0);
    const struct esp_checkpoint_state *r = esp_checkpoint_state(c);
    assert_true(r->loss_scale == s.loss_scale);
    assert_int_equal(r->loss_scale_clean, s.loss_scale_clean);
    assert_int_equal(r->overflowed, s.overflowed);
    assert_int_equal(esp_trainer_hash(&r->trainer), esp_trainer_hash(&s.trainer));
    assert_int_equal(r->vocabulary, s.vocabulary);
    for (int t = 0; t < TENSORS; t++) {
        assert_int_equal(esp_checkpoint_read(c, &tensors[t], values, &error), 0);
        assert_true(values[1] == value_of(t, 1));
    }
    esp_checkpoint_close(c);
}

/* tests/golden/checkpoint-N.bin was written before the version after N existed. */
static void expect_golden(const char *path, struct esp_checkpoint_state s)
{
    struct esp_checkpoint *c;
    struct esp_error error;
    float values[77];
    if (esp_checkpoint_open(path, &c, &error) != 0) {
        fail_msg("%s", error.text);
    }
    const struct esp_checkpoint_state *r = esp_checkpoint_state(c);
    assert_true(r->loss_scale == s.loss_scale);
    assert_int_equal(r->loss_scale_clean, s.loss_scale_clean);
    assert_int_equal(r->overflowed, 0);
    assert_int_equal(r->step, s.step);
    assert_int_equal(r->vocabulary, s.vocabulary);
    assert_int_equal(esp_checkpoint_fits(r, &s.trainer, &error), 0);
    for (int t = 0; t < TENSORS; t++) {
        assert_int_equal(esp_checkpoint_read(c, &tensors[t], values, &error), 0);
        assert_true(values[12] == value_of(t, 12));
    }
    esp_checkpoint_close(c);
}

static void files_of_older_versions_are_read(void **state)
{
    (void)state;
    expect_golden(ESP_GOLDEN "/checkpoint-1.bin", example());
    expect_golden(ESP_GOLDEN "/checkpoint-2.bin", scaled_example());
}

/* So that older programs can still read files that need no newer version. */
static void a_state_is_written_in_the_first_version_that_holds_it(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = scratch_read(write_example(), &size);
    assert_int_equal(bytes[8], 1);
    free(bytes);
    bytes = scratch_read(write_state(scaled_example()), &size);
    assert_int_equal(bytes[8], 2);
    free(bytes);
    bytes = scratch_read(write_state(overflowed_example()), &size);
    assert_int_equal(bytes[8], 3);
    free(bytes);
}

static void another_models_error_names_tensor_and_dimension(void **state)
{
    (void)state;
    struct esp_checkpoint *c;
    struct esp_error error;
    float values[200];
    assert_int_equal(esp_checkpoint_open(write_example(), &c, &error), 0);
    struct esp_checkpoint_tensor other = {"wte.weight", 2, {7, 12}};
    assert_int_equal(esp_checkpoint_read(c, &other, values, &error), -EINVAL);
    assert_non_null(strstr(error.text, "'wte.weight' has 11 in dimension 1, this model 12"));
    other = (struct esp_checkpoint_tensor){"h.1.ln_1.bias", 1, {13}};
    assert_int_equal(esp_checkpoint_read(c, &other, values, &error), -EINVAL);
    assert_non_null(strstr(error.text, "no tensor 'h.1.ln_1.bias'"));
    esp_checkpoint_close(c);
}

static int count_files(void)
{
    int count = 0;
    DIR *dir = opendir(scratch.path);
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count - 2;
}

static void a_full_disk_leaves_only_the_old_file(void **state)
{
    (void)state;
    struct esp_checkpoint_state s = example();
    struct esp_checkpoint *c;
    struct esp_error error;
    const char *path = write_example();
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    struct stat whole;
    assert_int_equal(stat(path, &whole), 0);
    for (rlim_t limit = 0; limit < (rlim_t)whole.st_size; limit += 300) {
        small = (struct rlimit){limit, old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        s.step = 50;
        int rc =
            esp_checkpoint_write(path, &s, tensors, TENSORS, source, NULL, NULL, NULL, &error);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(rc, -EFBIG);
        assert_non_null(strstr(error.text, "cannot write"));
        assert_int_equal(count_files(), 1);
        assert_int_equal(esp_checkpoint_open(path, &c, &error), 0);
        assert_int_equal(esp_checkpoint_state(c)->step, 40);
        esp_checkpoint_close(c);
    }
    signal(SIGXFSZ, handler);
}

static void a_failing_source_leaves_only_the_old_file(void **state)
{
    (void)state;
    struct esp_checkpoint_state s = example();
    struct esp_error error;
    const char *path = write_example();
    for (int bad = 0; bad < TENSORS; bad++) {
        assert_int_equal(
            esp_checkpoint_write(path, &s, tensors, TENSORS, source, &bad, NULL, NULL, &error),
            -EIO);
        assert_string_equal(error.text, "the device is gone");
        assert_int_equal(count_files(), 1);
    }
}

static void a_missing_folder_is_an_error(void **state)
{
    (void)state;
    struct esp_checkpoint_state s = example();
    struct esp_error error;
    assert_int_equal(esp_checkpoint_write(scratch_path(&scratch, "no/c"),
                                          &s,
                                          tensors,
                                          TENSORS,
                                          source,
                                          NULL,
                                          NULL,
                                          NULL,
                                          &error),
                     -ENOENT);
    assert_non_null(strstr(error.text, "no/c.tmp"));
}

static void only_equal_settings_fit(void **state)
{
    (void)state;
    struct esp_checkpoint_state s = example();
    struct esp_trainer t = s.trainer;
    struct esp_error error;
    assert_int_equal(esp_checkpoint_fits(&s, &t, &error), 0);
    snprintf(t.data, sizeof t.data, "/else/where.txt");
    t.report_every = 5;
    t.micro_batch = 3;
    t.checkpoint_seconds = 7;
    assert_int_equal(esp_checkpoint_fits(&s, &t, &error), 0);
    t.learning_rate = 0.25;
    assert_int_equal(esp_checkpoint_fits(&s, &t, &error), -EINVAL);
    assert_non_null(strstr(error.text, "learning_rate 0.3, not 0.25"));
    t = s.trainer;
    t.schedule = ESP_SCHEDULE_LINEAR;
    assert_int_equal(esp_checkpoint_fits(&s, &t, &error), -EINVAL);
    assert_non_null(strstr(error.text, "schedule.type wsd, not linear"));
}

static void only_a_constant_part_of_a_schedule_can_be_extended(void **state)
{
    (void)state;
    struct esp_checkpoint_state s = example();
    struct esp_trainer t = s.trainer;
    int64_t steps = esp_trainer_steps(&t); /* 976 */
    t.tokens *= 2;
    s.step = 39; /* the longer warm-up takes 39.06 steps */
    assert_int_equal(esp_checkpoint_fits(&s, &t, NULL), -EINVAL);
    s.step = 40;
    assert_int_equal(esp_checkpoint_fits(&s, &t, NULL), 0);
    s.step = steps - 192; /* a fifth of the steps after warm-up is 191.3 */
    assert_int_equal(esp_checkpoint_fits(&s, &t, NULL), 0);
    s.step = steps - 191;
    assert_int_equal(esp_checkpoint_fits(&s, &t, NULL), -EINVAL);
    t.schedule = s.trainer.schedule = ESP_SCHEDULE_CONSTANT;
    assert_int_equal(esp_checkpoint_fits(&s, &t, NULL), 0);
    t.schedule = s.trainer.schedule = ESP_SCHEDULE_COSINE;
    assert_int_equal(esp_checkpoint_fits(&s, &t, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CLAIM(reads_back_what_was_written),
        CLAIM(the_loss_scale_and_its_overflows_are_read_back),
        CLAIM(files_of_older_versions_are_read),
        CLAIM(a_state_is_written_in_the_first_version_that_holds_it),
        CLAIM(another_models_error_names_tensor_and_dimension),
        CLAIM(a_full_disk_leaves_only_the_old_file),
        CLAIM(a_failing_source_leaves_only_the_old_file),
        CLAIM(a_missing_folder_is_an_error),
        CLAIM(only_equal_settings_fit),
        CLAIM(only_a_constant_part_of_a_schedule_can_be_extended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
