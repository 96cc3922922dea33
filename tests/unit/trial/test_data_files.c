/* Tests of trial/data.h: finding and loading files, and errors in them. */
#include "corpora.h"

static void an_error_states_bytes_found_and_needed_for_a_short_text(void **state)
{
    (void)state;
    const char *path = write_pattern("a.txt", 0, 160);
    expect_error(path, 0, -EINVAL, "has 160 bytes");
    expect_error(path, 0, -EINVAL, "at least 161");
    path = write_pattern("empty.txt", 0, 0);
    expect_error(path, 0, -EINVAL, "has 0 bytes");
}

static void glob_joins_files_in_order_of_their_names(void **state)
{
    (void)state;
    struct esp_data *data;
    struct esp_error error;
    int32_t inputs[16], targets[16];
    write_pattern("b.txt", 300, 200);
    write_pattern("a.txt", 0, 300);
    write_pattern("c0.txt", 500, 0);
    write_pattern("d.txt", 500, 3);
    write_pattern("e.txt", 503, 97);
    write_pattern("e.skipped", 0, 50);
    mkdir(scratch_path(&scratch, "z.txt"), 0700); /* folders among the matches are skipped */
    assert_int_equal(
        esp_data_open(scratch_path(&scratch, "*.txt"), ESP_DTYPE_AUTO, 0, 16, &data, &error),
        0);
    assert_int_equal(esp_data_tokens(data), 600);
    assert_int_equal(esp_data_files(data), 5);
    for (int64_t start = 0; start + 16 < 600; start++) {
        assert_int_equal(esp_data_window(data, start, inputs, targets, &error), 0);
        assert_int_equal(inputs[0], pattern_at(start));
        assert_int_equal(targets[15], pattern_at(start + 16));
    }
    esp_data_close(data);
}

static void thousands_of_small_files_read_as_one(void **state)
{
    (void)state;
    struct esp_data *data;
    struct esp_error error;
    int32_t inputs[16], targets[16];
    int64_t position = 0;
    for (int i = 0; i < 3000; i++) {
        char name[32];
        snprintf(name, sizeof name, "f%04d.h", i);
        write_pattern(name, position, i % 13);
        position += i % 13;
    }
    assert_int_equal(
        esp_data_open(scratch_path(&scratch, "*.h"), ESP_DTYPE_AUTO, 0, 16, &data, &error), 0);
    assert_int_equal(esp_data_tokens(data), position);
    for (int64_t start = 0; start + 16 < position; start += 7) {
        assert_int_equal(esp_data_window(data, start, inputs, targets, &error), 0);
        for (int i = 0; i < 16; i++) {
            assert_int_equal(inputs[i], pattern_at(start + i));
        }
    }
    esp_data_close(data);
}

static void two_stars_match_all_folders(void **state)
{
    (void)state;
    struct esp_data *data;
    struct esp_error error;
    mkdir(scratch_path(&scratch, "one"), 0700);
    mkdir(scratch_path(&scratch, "one/two"), 0700);
    mkdir(scratch_path(&scratch, "three"), 0700);
    write_pattern("a.h", 0, 100);
    write_pattern("one/b.h", 100, 100);
    write_pattern("one/two/c.h", 200, 100);
    write_pattern("three/d.c", 300, 100);
    assert_int_equal(symlink("..", scratch_path(&scratch, "three/circle")), 0);
    assert_int_equal(
        esp_data_open(scratch_path(&scratch, "**/*.h"), ESP_DTYPE_AUTO, 0, 16, &data, &error),
        0);
    assert_int_equal(esp_data_files(data), 3);
    assert_int_equal(esp_data_tokens(data), 300);
    esp_data_close(data);
    assert_int_equal(
        esp_data_open(scratch_path(&scratch, "**"), ESP_DTYPE_AUTO, 0, 16, &data, &error), 0);
    assert_int_equal(esp_data_files(data), 4);
    esp_data_close(data);
    assert_int_equal(
        esp_data_open(
            scratch_path(&scratch, "o*/**/*.?"), ESP_DTYPE_AUTO, 0, 16, &data, &error),
        0);
    assert_int_equal(esp_data_files(data), 2);
    esp_data_close(data);
}

/* Makes 40 folders, each within the one before and with 50 files, and a file in the last one.
 */
static void make_deep_folder(void)
{
    char name[128] = "", file[160];
    for (int i = 0; i < 40; i++) {
        snprintf(name + strlen(name), sizeof name - strlen(name), "d/");
        assert_int_equal(mkdir(scratch_path(&scratch, name), 0700), 0);
        for (int j = 0; j < 50; j++) {
            snprintf(file, sizeof file, "%s.%d", name, j); /* hidden: no pattern matches it */
            write_pattern(file, 0, 0);
        }
    }
    snprintf(name + strlen(name), sizeof name - strlen(name), "a.h");
    write_pattern(name, 0, 300);
}

static void stars_in_a_row_are_searched_once(void **state)
{
    (void)state;
    struct esp_data *data;
    struct esp_error error;
    make_deep_folder();
    const char *row = scratch_path(&scratch, "**/**/**/**/**//**/**/**/**/**/**");
    assert_int_equal(esp_data_open(row, ESP_DTYPE_AUTO, 0, 16, &data, &error), 0);
    assert_int_equal(esp_data_files(data), 1);
    esp_data_close(data);
    row = scratch_path(&scratch, "**/**/**/**/**/**/**/**/*.h");
    assert_int_equal(esp_data_open(row, ESP_DTYPE_AUTO, 0, 16, &data, &error), 0);
    assert_int_equal(esp_data_files(data), 1);
    esp_data_close(data);
}

static void a_search_reads_a_limited_number_of_folder_entries(void **state)
{
    (void)state;
    char limit[64];
    make_deep_folder();
    const char *pattern = scratch_path(&scratch, "**/d/**/d/**/d/**/d/**/d/**/d/**/d/**/*.h");
    snprintf(limit, sizeof limit, "stopped after %d folder entries", ESP_CORPUS_ENTRIES_MAX);
    expect_error(pattern, 0, -E2BIG, limit);
    expect_error(pattern, 0, -E2BIG, "'/tmp/");
    expect_error(scratch_path(&scratch, "**/*.c"), 0, -ENOENT, "no file"); /* counts anew */
}

static void special_files_are_refused_at_once(void **state)
{
    (void)state;
    const char *path = scratch_path(&scratch, "pipe.txt");
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_error(path, 0, -EINVAL, "not a regular file");
    expect_error(scratch_path(&scratch, "*.txt"), 0, -ENOENT, "no file");
}

static void two_stars_match_folders_with_wildcards_in_their_names(void **state)
{
    (void)state;
    struct esp_data *data;
    struct esp_error error;
    mkdir(scratch_path(&scratch, "a[1]"), 0700);
    mkdir(scratch_path(&scratch, "a[1]/b*"), 0700);
    write_pattern("a[1]/b*/c.h", 0, 200);
    write_pattern("a[1]/d.h", 200, 100);
    assert_int_equal(
        esp_data_open(scratch_path(&scratch, "**/*.h"), ESP_DTYPE_AUTO, 0, 16, &data, &error),
        0);
    assert_int_equal(esp_data_tokens(data), 300);
    esp_data_close(data);
}

static void missing_files_and_folders_are_clear_errors(void **state)
{
    (void)state;
    expect_error(scratch_path(&scratch, "none.txt"), 0, -ENOENT, "none.txt");
    expect_error(scratch_path(&scratch, "*.none"), 0, -ENOENT, "no file matches");
    expect_error(scratch_path(&scratch, "**/*.none"), 0, -ENOENT, "no file matches");
    expect_error(scratch.path, 0, -EISDIR, "**/*.txt");
    expect_error("", 0, -ENOENT, "trainer.data is empty");
    expect_error("/dev/null", 0, -EINVAL, "not a regular file");
}

static void unreadable_file_is_named(void **state)
{
    (void)state;
    write_pattern("a.txt", 0, 500);
    const char *path = write_pattern("b.txt", 0, 500);
    bool root = geteuid() == 0; /* root can read everything, so switch to nobody for a moment */
    assert_int_equal(chmod(scratch.path, 0755), 0);
    assert_int_equal(chmod(path, 0), 0);
    if (root) {
        assert_int_equal(seteuid(65534), 0);
    }
    expect_error(scratch_path(&scratch, "*.txt"), 0, -EACCES, "b.txt");
    if (root) {
        assert_int_equal(seteuid(0), 0);
    }
}

static const char *write_shard(const char *name, int32_t magic, int32_t version, int64_t count)
{
    int32_t header[256] = {magic, version, (int32_t)count};
    size_t width = version == 7 ? 4 : 2;
    size_t size = sizeof header + (size_t)count * width;
    uint8_t *bytes = malloc(size);
    memcpy(bytes, header, sizeof header);
    for (int64_t i = 0; i < count; i++) {
        uint32_t id =
            (uint32_t)(i * (version == 7 ? 611 : 97) % (version == 7 ? 128000 : 50000));
        memcpy(bytes + sizeof header + (size_t)i * width, &id, width);
    }
    const char *path = scratch_write(&scratch, name, bytes, size);
    free(bytes);
    return path;
}

static void shards_of_llmc_are_read_by_their_headers(void **state)
{
    (void)state;
    struct esp_data *data;
    struct esp_error error;
    int32_t inputs[16], targets[16];
    const char *path = write_shard("a.bin", 20240520, 1, 1000);
    assert_int_equal(esp_data_open(path, ESP_DTYPE_AUTO, 0, 16, &data, &error), 0);
    assert_int_equal(esp_data_kind(data), ESP_CORPUS_GPT2);
    assert_int_equal(esp_data_vocabulary(data), 50257);
    assert_int_equal(esp_data_tokens(data), 1000);
    assert_int_equal(esp_data_window(data, 500, inputs, targets, &error), 0);
    assert_int_equal(inputs[0], 500 * 97);
    assert_int_equal(targets[15], 516 * 97 % 50000);
    esp_data_close(data);

    path = write_shard("b.bin", 20240801, 7, 1000);
    assert_int_equal(esp_data_open(path, ESP_DTYPE_AUTO, 0, 16, &data, &error), 0);
    assert_int_equal(esp_data_kind(data), ESP_CORPUS_LLAMA3);
    assert_int_equal(esp_data_vocabulary(data), 128256);
    assert_int_equal(esp_data_window(data, 900, inputs, targets, &error), 0);
    assert_int_equal(inputs[5], 905 * 611 % 128000);
    esp_data_close(data);
}

static void nanogpt_shards_take_their_vocabulary_from_the_largest_id(void **state)
{
    (void)state;
    struct esp_data *data;
    uint16_t ids[400];
    for (int i = 0; i < 400; i++) {
        ids[i] = (uint16_t)(i % 65);
    }
    const char *path = scratch_write(&scratch, "train.bin", ids, sizeof ids);
    assert_int_equal(esp_data_open(path, ESP_DTYPE_AUTO, 0, 16, &data, NULL), 0);
    assert_int_equal(esp_data_kind(data), ESP_CORPUS_NANOGPT);
    assert_int_equal(esp_data_vocabulary(data), 65);
    assert_int_equal(esp_data_tokens(data), 400);
    esp_data_close(data);
}

static const char *
write_ids(const char *name, const uint32_t *ids, size_t count, size_t token_bytes)
{
    uint8_t *bytes = calloc(count, token_bytes);
    for (size_t i = 0; i < count; i++) {
        memcpy(bytes + i * token_bytes, &ids[i], token_bytes < 4 ? token_bytes : 4);
    }
    const char *path = scratch_write(&scratch, name, bytes, count * token_bytes);
    free(bytes);
    return path;
}

static void expect_dtype_error(const char *path, enum esp_corpus_dtype dtype, const char *words)
{
    struct esp_data *data = NULL;
    struct esp_error error = {""};
    assert_int_equal(esp_data_open(path, dtype, 0, 16, &data, &error), -EINVAL);
    if (!strstr(error.text, words)) {
        fail_msg("'%s' does not contain '%s'", error.text, words);
    }
}

static void wide_tokens_without_a_header_are_not_read_as_uint16(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {65, 50257, 128256, 1000000};
    uint32_t ids[1000];
    for (int i = 0; i < 4; i++) {
        for (uint32_t j = 0; j < 1000; j++) {
            ids[j] = j * 2654435761U % sizes[i];
        }
        struct esp_data *data;
        struct esp_error error;
        int32_t inputs[16], targets[16];
        const char *path = write_ids("wide.bin", ids, 1000, 4);
        expect_error(path, 0, -EINVAL, "tokens of 32 bits, not 16: write dtype: uint32");
        assert_int_equal(esp_data_open(path, ESP_DTYPE_UINT32, 0, 16, &data, &error), 0);
        assert_int_equal(esp_data_kind(data), ESP_CORPUS_UINT32);
        assert_int_equal(esp_data_tokens(data), 1000);
        assert_in_range(esp_data_vocabulary(data), 2, sizes[i]);
        assert_int_equal(esp_data_window(data, 900, inputs, targets, &error), 0);
        assert_int_equal(inputs[5], ids[905]);
        assert_int_equal(targets[15], ids[916]);
        esp_data_close(data);
        path = write_ids("wider.bin", ids, 1000, 8);
        expect_error(path, 0, -EINVAL, "tokens of 64 bits");
    }
}

static void uint16_tokens_are_not_taken_for_wider_ones(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {2, 65, 256, 300, 50257, 65536};
    uint32_t ids[4096] = {0}, random = 1;
    for (int i = 0; i < 6; i++) {
        for (size_t j = 0; j < 4096; j++) {
            random = random * 1664525U + 1013904223U;
            ids[j] = (random >> 8) % sizes[i];
        }
        struct esp_data *data;
        struct esp_error error;
        const char *path = write_ids("narrow.bin", ids, 4096, 2);
        assert_int_equal(esp_data_open(path, ESP_DTYPE_AUTO, 0, 16, &data, &error), 0);
        assert_int_equal(esp_data_kind(data), ESP_CORPUS_NANOGPT);
        esp_data_close(data);
    }
    expect_dtype_error(scratch_path(&scratch, "narrow.bin"), ESP_DTYPE_UINT32, "not uint32");
    for (size_t j = 0; j < 4096; j++) { /* looks wide, and is stated not to be */
        ids[j] = j % 2 ? 0 : 7;
    }
    struct esp_data *data;
    const char *path = write_ids("toy.bin", ids, 4096, 2);
    expect_error(path, 0, -EINVAL, "write dtype: uint16");
    assert_int_equal(esp_data_open(path, ESP_DTYPE_UINT16, 0, 16, &data, NULL), 0);
    assert_int_equal(esp_data_tokens(data), 4096);
    esp_data_close(data);
}

static void a_dtype_that_contradicts_the_file_is_refused(void **state)
{
    (void)state;
    expect_dtype_error(write_shard("a.bin", 20240520, 1, 1000), ESP_DTYPE_UINT32, "uint16");
    expect_dtype_error(write_shard("b.bin", 20240801, 7, 1000), ESP_DTYPE_UINT16, "uint32");
    expect_dtype_error(write_pattern("a.txt", 0, 400), ESP_DTYPE_UINT16, "read as text");
}

static void large_shards_are_mapped_and_joined(void **state)
{
    (void)state;
    struct esp_data *data;
    struct esp_error error;
    int32_t inputs[16], targets[16];
    uint16_t ids[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    int64_t hole = 17 << 20; /* zero tokens of each file, which use no disk space */
    for (int i = 0; i < 2; i++) {
        const char *path = scratch_write(&scratch, i ? "b.bin" : "a.bin", ids, 0);
        int fd = open(path, O_WRONLY);
        assert_int_equal(pwrite(fd, ids, sizeof ids, 2 * hole), sizeof ids);
        close(fd);
    }
    assert_int_equal(
        esp_data_open(scratch_path(&scratch, "*.bin"), ESP_DTYPE_AUTO, 0, 16, &data, &error),
        0);
    assert_int_equal(esp_data_tokens(data), 2 * (hole + 8));
    assert_int_equal(esp_data_vocabulary(data), 9);
    assert_int_equal(esp_data_window(data, hole + 2, inputs, targets, &error), 0);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(inputs[i], i < 6 ? i + 3 : 0);
        assert_int_equal(targets[i], i < 5 ? i + 4 : 0);
    }
    esp_data_close(data);
}

static void truncating_a_text_in_use_does_not_change_the_data(void **state)
{
    (void)state;
    struct esp_data *data;
    struct esp_error error;
    int32_t inputs[16], targets[16];
    const char *path = write_pattern("a.txt", 0, 100000);
    assert_int_equal(esp_data_open(path, ESP_DTYPE_AUTO, 0, 16, &data, &error), 0);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(esp_data_window(data, 90000, inputs, targets, &error), 0);
    assert_int_equal(inputs[15], pattern_at(90015));
    esp_data_close(data);
}

static void ids_outside_the_vocabulary_are_refused(void **state)
{
    (void)state;
    uint16_t ids[400] = {0};
    ids[333] = 70;
    const char *path = scratch_write(&scratch, "train.bin", ids, sizeof ids);
    expect_error(path, 65, -EINVAL, "the id 70 at its token 333");
    path = write_pattern("a.txt", 0, 400);
    expect_error(path, 128, -EINVAL, "outside the vocabulary of 128");
}

static void truncated_shards_are_refused(void **state)
{
    (void)state;
    struct stat s;
    const char *path = write_shard("a.bin", 20240520, 1, 1000);
    stat(path, &s);
    assert_int_equal(truncate(path, s.st_size - 1), 0);
    expect_error(path, 0, -EINVAL, "truncated");
    assert_int_equal(truncate(path, s.st_size + 2), 0);
    expect_error(path, 0, -EINVAL, "longer than it should be");
    path = write_pattern("odd.bin", 0, 401);
    expect_error(path, 0, -EINVAL, "not a whole number");
}

/* As in a file of another program's version, or with a damaged header: such a file with a count
 * below 0 was once read as a file without a header, 1,024 bytes past its end. */
static void impossible_headers_of_llmc_are_refused(void **state)
{
    (void)state;
    static const int32_t counts[] = {-1, -5, INT32_MIN};
    uint32_t words[1256] = {20240520, 1};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        memcpy(&words[2], &counts[i], sizeof counts[i]);
        const char *path = scratch_write(&scratch, "a.bin", words, sizeof words);
        expect_error(path, 0, -EINVAL, "its header states");
    }
    expect_error(write_shard("b.bin", 20240520, 2, 1000), 0, -EINVAL, "version 2");
    expect_error(write_shard("c.bin", 20240801, 1, 1000), 0, -EINVAL, "version 1");
}

static void mixed_kinds_are_refused(void **state)
{
    (void)state;
    write_shard("a.bin", 20240520, 1, 1000);
    write_pattern("b.txt", 0, 400);
    expect_error(scratch_path(&scratch, "?.*"), 0, -EINVAL, "mixed kinds");
    write_shard("b.bin", 20240801, 7, 1000);
    expect_error(scratch_path(&scratch, "*.bin"), 0, -EINVAL, "Llama-3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CLAIM(an_error_states_bytes_found_and_needed_for_a_short_text),
        CLAIM(glob_joins_files_in_order_of_their_names),
        CLAIM(thousands_of_small_files_read_as_one),
        CLAIM(two_stars_match_all_folders),
        CLAIM(stars_in_a_row_are_searched_once),
        CLAIM(a_search_reads_a_limited_number_of_folder_entries),
        CLAIM(special_files_are_refused_at_once),
        CLAIM(two_stars_match_folders_with_wildcards_in_their_names),
        CLAIM(missing_files_and_folders_are_clear_errors),
        CLAIM(unreadable_file_is_named),
        CLAIM(shards_of_llmc_are_read_by_their_headers),
        CLAIM(nanogpt_shards_take_their_vocabulary_from_the_largest_id),
        CLAIM(wide_tokens_without_a_header_are_not_read_as_uint16),
        CLAIM(uint16_tokens_are_not_taken_for_wider_ones),
        CLAIM(a_dtype_that_contradicts_the_file_is_refused),
        CLAIM(large_shards_are_mapped_and_joined),
        CLAIM(truncating_a_text_in_use_does_not_change_the_data),
        CLAIM(ids_outside_the_vocabulary_are_refused),
        CLAIM(truncated_shards_are_refused),
        CLAIM(impossible_headers_of_llmc_are_refused),
        CLAIM(mixed_kinds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
