/* Tests of trial/data.h: the order of samples, the split, and validation windows. */
#include "corpora.h"

static void permutation_is_a_bijection_for_every_size(void **state)
{
    (void)state;
    for (int64_t count = 1; count < 5000; count += count < 70 ? 1 : 611) {
        bool *seen = calloc((size_t)count, sizeof *seen);
        for (int64_t i = 0; i < count; i++) {
            int64_t x = esp_data_permute(3, 1, count, i);
            assert_in_range(x, 0, count - 1);
            assert_false(seen[x]);
            seen[x] = true;
        }
        free(seen);
    }
}

static void permutation_depends_on_seed_and_epoch(void **state)
{
    (void)state;
    int same_seed = 0, same_epoch = 0, in_place = 0;
    for (int64_t i = 0; i < 1000; i++) {
        int64_t x = esp_data_permute(1, 0, 1000, i);
        same_seed += x == esp_data_permute(2, 0, 1000, i);
        same_epoch += x == esp_data_permute(1, 1, 1000, i);
        in_place += x == i;
    }
    /* Each has an expectation of 1; the probability of 12 is below 1e-9. */
    assert_in_range(same_seed, 0, 12);
    assert_in_range(same_epoch, 0, 12);
    assert_in_range(in_place, 0, 12);
}

static void permutation_spreads_evenly(void **state)
{
    (void)state;
    /* Of the first 10,000 of a million, about 1,000 are in each tenth (σ = 30). */
    int tenth[10] = {0};
    for (int64_t i = 0; i < 10000; i++) {
        tenth[esp_data_permute(0, 0, 1000000, i) / 100000]++;
    }
    for (int t = 0; t < 10; t++) {
        assert_in_range(tenth[t], 850, 1150);
    }
}

static void text_is_bytes_split_nine_to_one(void **state)
{
    (void)state;
    struct esp_data *data;
    struct esp_error error;
    int32_t inputs[16], targets[16];
    const char *path = write_pattern("a.txt", 0, 1009);
    assert_int_equal(esp_data_open(path, ESP_DTYPE_AUTO, 0, 16, &data, &error), 0);
    assert_int_equal(esp_data_kind(data), ESP_CORPUS_TEXT);
    assert_int_equal(esp_data_tokens(data), 1009);
    assert_int_equal(esp_data_vocabulary(data), 256);
    assert_int_equal(esp_data_train_starts(data), 908 - 16);
    for (int64_t start = 0; start + 16 < 1009; start++) {
        assert_int_equal(esp_data_window(data, start, inputs, targets, &error), 0);
        for (int i = 0; i < 16; i++) {
            assert_int_equal(inputs[i], pattern_at(start + i));
            assert_int_equal(targets[i], pattern_at(start + i + 1));
        }
    }
    esp_data_close(data);
}

static void training_never_touches_the_last_tenth(void **state)
{
    (void)state;
    struct esp_data *data;
    const char *path = write_pattern("a.txt", 0, 1009);
    assert_int_equal(esp_data_open(path, ESP_DTYPE_AUTO, 0, 16, &data, NULL), 0);
    int64_t starts = esp_data_train_starts(data), last = 0, first = starts;
    for (int64_t i = 0; i < starts; i++) {
        int64_t start = esp_data_train_start(data, 5, i);
        last = start > last ? start : last;
        first = start < first ? start : first;
    }
    assert_int_equal(first, 0);
    assert_int_equal(last + 16, 907); /* the last token of the first ⌊9·1009/10⌋ = 908 */
    esp_data_close(data);
}

static void next_epoch_has_another_order_of_the_same_windows(void **state)
{
    (void)state;
    struct esp_data *data;
    const char *path = write_pattern("a.txt", 0, 400);
    assert_int_equal(esp_data_open(path, ESP_DTYPE_AUTO, 0, 16, &data, NULL), 0);
    int64_t starts = esp_data_train_starts(data), same = 0;
    bool *seen = calloc((size_t)starts, sizeof *seen);
    for (int64_t i = 0; i < starts; i++) {
        int64_t start = esp_data_train_start(data, 5, starts + i);
        assert_false(seen[start]);
        seen[start] = true;
        same += start == esp_data_train_start(data, 5, i);
    }
    assert_in_range(same, 0, 12);
    free(seen);
    esp_data_close(data);
}

static void validation_windows_follow_the_formula(void **state)
{
    (void)state;
    struct esp_data *data;
    const char *path = write_pattern("a.txt", 0, 50003);
    assert_int_equal(esp_data_open(path, ESP_DTYPE_AUTO, 0, 64, &data, NULL), 0);
    int64_t train = 45002, n = 50003 - train; /* ⌊0.9 · 50003⌋ = 45002 */
    assert_int_equal(esp_data_validation_windows(data), 256);
    for (int64_t i = 0; i < 256; i++) {
        assert_int_equal(esp_data_validation_start(data, i),
                         train + (int64_t)((double)i * (double)(n - 64 - 1) / 255.0));
    }
    assert_int_equal(esp_data_validation_start(data, 255) + 64, 50002);
    esp_data_close(data);
}

static void short_data_has_fewer_validation_windows(void **state)
{
    (void)state;
    struct esp_data *data;
    const char *path = write_pattern("a.txt", 0, 300);
    assert_int_equal(esp_data_open(path, ESP_DTYPE_AUTO, 0, 16, &data, NULL), 0);
    assert_int_equal(esp_data_validation_windows(data), 14); /* 30 − 16 starts */
    for (int64_t i = 0; i < 14; i++) {
        assert_int_equal(esp_data_validation_start(data, i), 270 + i);
    }
    esp_data_close(data);
    path = write_pattern("b.txt", 0, 161); /* the shortest text for a context of 16 */
    assert_int_equal(esp_data_open(path, ESP_DTYPE_AUTO, 0, 16, &data, NULL), 0);
    assert_int_equal(esp_data_validation_windows(data), 1);
    assert_int_equal(esp_data_validation_start(data, 0) + 16, 160);
    esp_data_close(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CLAIM(permutation_is_a_bijection_for_every_size),
        CLAIM(permutation_depends_on_seed_and_epoch),
        CLAIM(permutation_spreads_evenly),
        CLAIM(text_is_bytes_split_nine_to_one),
        CLAIM(training_never_touches_the_last_tenth),
        CLAIM(next_epoch_has_another_order_of_the_same_windows),
        CLAIM(validation_windows_follow_the_formula),
        CLAIM(short_data_has_fewer_validation_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
