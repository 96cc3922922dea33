/* Tests of trial/checkpoint.h: damaged and forged files are refused. */
#include "checkpoints.h"

#include <espalier/kernels.h>
#include <math.h>
#include <xxhash.h>

/* With a right checksum, as a faulty program would write it. */
static void an_impossible_loss_scale_is_refused(void **state)
{
    (void)state;
    static const struct {
        double scale;
        int64_t clean;
    } wrong[] = {{0, 0},
                 {-1, 0},
                 {0.5, 0},
                 {3, 0},
                 {ESP_LOSS_SCALE_MAX * 2, 0},
                 {INFINITY, 0},
                 {NAN, 0},
                 {1024, -1},
                 {1024, ESP_LOSS_SCALE_CLEAN}};
    size_t size;
    uint8_t *bytes = scratch_read(write_state(scaled_example()), &size);
    uint32_t header_bytes;
    memcpy(&header_bytes, bytes + 12, 4);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        memcpy(bytes + 120, &wrong[i].scale, 8);
        memcpy(bytes + 128, &wrong[i].clean, 8);
        const uint64_t hash = XXH3_64bits(bytes, header_bytes - 8);
        memcpy(bytes + header_bytes - 8, &hash, 8);
        expect_refusal(scratch_write(&scratch, "w", bytes, size), -EBADMSG, "loss scale");
    }
    free(bytes);
}

/* The number of overflows is between 1 and the number of updates. */
static void an_impossible_number_of_overflows_is_refused(void **state)
{
    (void)state;
    const int64_t step = overflowed_example().step, wrong[] = {0, -1, step + 1, INT64_MAX};
    size_t size;
    uint8_t *bytes = scratch_read(write_state(overflowed_example()), &size);
    uint32_t header_bytes;
    memcpy(&header_bytes, bytes + 12, 4);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        memcpy(bytes + 136, &wrong[i], 8);
        const uint64_t hash = XXH3_64bits(bytes, header_bytes - 8);
        memcpy(bytes + header_bytes - 8, &hash, 8);
        expect_refusal(scratch_write(&scratch, "w", bytes, size), -EBADMSG, "overflowed");
    }
    free(bytes);
}

static void a_flipped_bit_in_any_byte_is_detected(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = scratch_read(write_state(overflowed_example()), &size);
    for (size_t i = 0; i < size; i++) {
        struct esp_checkpoint *c = NULL;
        bytes[i] ^= (uint8_t)(1u << (i % 8));
        const char *path = scratch_write(&scratch, "flipped", bytes, size);
        bytes[i] ^= (uint8_t)(1u << (i % 8));
        int rc = esp_checkpoint_open(path, &c, NULL);
        if (rc != -EBADMSG && rc != -EPROTONOSUPPORT) {
            fail_msg("byte %zu of %zu: %d", i, size, rc);
        }
    }
    free(bytes);
}

static void every_truncation_is_detected(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = scratch_read(write_state(overflowed_example()), &size);
    for (size_t i = 0; i < size; i++) {
        const char *path = scratch_write(&scratch, "short", bytes, i);
        expect_refusal(path, -EBADMSG, "");
    }
    bytes[size] = 0;
    expect_refusal(scratch_write(&scratch, "long", bytes, size + 1), -EBADMSG, "instead of");
    free(bytes);
}

static void the_damaged_tensor_is_named(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = scratch_read(write_example(), &size);
    bytes[size - 1] ^= 1;
    expect_refusal(scratch_write(&scratch, "d", bytes, size), -EBADMSG, "m.wte.weight");
    expect_refusal(scratch_write(&scratch, "d", bytes, size - 9), -EBADMSG, "m.wte.weight");
    free(bytes);
}

static void other_files_and_newer_versions_are_refused(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = scratch_read(write_example(), &size);
    bytes[8] = ESP_CHECKPOINT_VERSION + 1;
    expect_refusal(scratch_write(&scratch, "n", bytes, size), -EPROTONOSUPPORT, "newer");
    bytes[0] = 'e';
    expect_refusal(
        scratch_write(&scratch, "n", bytes, size), -EBADMSG, "not an espalier checkpoint");
    expect_refusal(scratch_path(&scratch, "missing"), -ENOENT, "missing");
    expect_refusal(scratch.path, -EBADMSG, "regular file");
    free(bytes);
}

/* A forged file: a count in the header is changed and the checksum corrected. */
static void impossible_sizes_are_refused_despite_a_right_checksum(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = scratch_read(write_example(), &size);
    uint32_t header_bytes;
    memcpy(&header_bytes, bytes + 12, 4);
    size_t end = header_bytes - 8;
    size_t table = end - TENSORS * 152;
    const size_t places[] = {24,
                             32,
                             40,
                             48,
                             112,
                             116,
                             table + 88,
                             table + 92,
                             table + 96,
                             table + 104,
                             table + 128,
                             table + 136};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        for (int byte = 0; byte < 4; byte++) {
            struct esp_checkpoint *c = NULL;
            uint8_t was = bytes[places[i] + (size_t)byte];
            bytes[places[i] + (size_t)byte] = 0xff;
            uint64_t hash = XXH3_64bits(bytes, end);
            memcpy(bytes + end, &hash, 8);
            int rc = esp_checkpoint_open(scratch_write(&scratch, "d", bytes, size), &c, NULL);
            assert_true(rc == 0 || rc == -EBADMSG || rc == -EPROTONOSUPPORT);
            esp_checkpoint_close(c);
            bytes[places[i] + (size_t)byte] = was;
        }
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CLAIM(an_impossible_loss_scale_is_refused),
        CLAIM(an_impossible_number_of_overflows_is_refused),
        CLAIM(a_flipped_bit_in_any_byte_is_detected),
        CLAIM(every_truncation_is_detected),
        CLAIM(the_damaged_tensor_is_named),
        CLAIM(other_files_and_newer_versions_are_refused),
        CLAIM(impossible_sizes_are_refused_despite_a_right_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
