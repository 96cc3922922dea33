/* Tests of trial/weights.h: valid and invalid files of other programs. */
#include "../scratch.h"

#include "../../../trial/model/model.h"
#include "../../../trial/weights.h"
#include <errno.h>
#include <espalier/kernels.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

static struct scratch scratch;
static struct esp_kernels *kernels;
static struct esp_model *model;
static int64_t count;
static float *values, *read_back;

static const struct esp_model_shape shape = {.layers = 2,
                                             .width = 8,
                                             .heads = 2,
                                             .context = 4,
                                             .vocabulary = 11,
                                             .objective = ESP_OBJECTIVE_CAUSAL};

/* Numbers that all three types represent exactly: up to 7 bits, some negative. */
static int set_up(void **state)
{
    (void)state;
    scratch = scratch_make();
    assert_int_equal(esp_kernels_open_cpu(&kernels, NULL), 0);
    assert_int_equal(esp_model_create(kernels, &shape, 1, 1, false, &model, NULL), 0);
    count = esp_model_count(model);
    values = calloc((size_t)count, sizeof *values);
    read_back = calloc((size_t)count, sizeof *read_back);
    uint32_t x = 7;
    for (int64_t i = 0; i < count; i++) {
        x = x * 1664525u + 1013904223u;
        values[i] = ((float)(x >> 25) - 64) / 32;
        read_back[i] = NAN;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(read_back);
    free(values);
    esp_model_destroy(model);
    esp_kernels_close(kernels);
    scratch_remove(&scratch);
    return 0;
}

static void read_equals(const char *path)
{
    struct esp_error error = {""};
    if (esp_weights_read(path, model, read_back, &error) != 0) {
        fail_msg("%s", error.text);
    }
    assert_memory_equal(read_back, values, (size_t)count * sizeof *values);
}

static void refused(const char *path, int code, const char *words)
{
    struct esp_error error = {"no error"};
    int rc = esp_weights_read(path, model, read_back, &error);
    if (rc != code || !strstr(error.text, words) || !strstr(error.text, path)) {
        fail_msg("%d, '%s' does not contain '%s'", rc, error.text, words);
    }
}

/* A file under construction. */
static struct {
    char json[16384];
    size_t length;
    uint8_t data[65536];
    size_t bytes;
} file;

static size_t type_bytes(const char *dtype)
{
    return strcmp(dtype, "F32") == 0 ? 4 : strcmp(dtype, "I64") == 0 ? 8 : 2;
}

static void put_number(const char *dtype, float value)
{
    uint32_t bits;
    uint64_t wide = (uint64_t)(int64_t)value;
    memcpy(&bits, &value, sizeof bits);
    if (strcmp(dtype, "F32") == 0) {
        memcpy(file.data + file.bytes, &bits, 4);
    } else if (strcmp(dtype, "BF16") == 0) {
        uint16_t half = (uint16_t)(bits >> 16);
        memcpy(file.data + file.bytes, &half, 2);
    } else if (strcmp(dtype, "F16") == 0) {
        _Float16 half = (_Float16)value;
        memcpy(file.data + file.bytes, &half, 2);
    } else {
        memcpy(file.data + file.bytes, &wide, 8);
    }
    file.bytes += type_bytes(dtype);
}

static void begin_file(void)
{
    memset(&file, 0, sizeof file);
    file.length = (size_t)snprintf(file.json, sizeof file.json, "{\"__metadata__\":{}");
}

static void add_tensor(
    const char *name, const char *dtype, const int64_t *extents, int rank, const float *from)
{
    size_t begin = file.bytes;
    int64_t elements = 1;
    char *at = file.json + file.length;
    at += sprintf(at, ", \"%s\":{\"dtype\":\"%s\",\"shape\":[", name, dtype);
    for (int d = 0; d < rank; d++) {
        at += sprintf(at, "%s%lld", d ? "," : "", (long long)extents[d]);
        elements *= extents[d];
    }
    for (int64_t i = 0; i < elements; i++) {
        put_number(dtype, from ? from[i] : 0);
    }
    at += sprintf(at, "],\"data_offsets\":[%zu,%zu]}", begin, file.bytes);
    file.length = (size_t)(at - file.json);
}

static const char *end_file(const char *name)
{
    static uint8_t all[sizeof file.json + sizeof file.data + 8];
    file.json[file.length++] = '}';
    uint64_t length = file.length;
    memcpy(all, &length, 8);
    memcpy(all + 8, file.json, file.length);
    memcpy(all + 8 + file.length, file.data, file.bytes);
    return scratch_write(&scratch, name, all, 8 + file.length + file.bytes);
}

/* Writes the whole model except `without` (NULL: all of it). */
static void add_model(const char *dtype, const char *prefix, const char *without)
{
    for (int i = 0; i < esp_model_tensor_count(model); i++) {
        const struct esp_model_tensor *t = esp_model_tensor(model, i);
        char name[128];
        snprintf(name, sizeof name, "%s%s", prefix, t->name);
        if (!without || strcmp(t->name, without) != 0) {
            add_tensor(name, dtype, t->shape, t->rank, values + t->offset);
        }
    }
}

static const struct esp_model_tensor *tensor_called(const char *name)
{
    for (int i = 0; i < esp_model_tensor_count(model); i++) {
        if (strcmp(esp_model_tensor(model, i)->name, name) == 0) {
            return esp_model_tensor(model, i);
        }
    }
    fail_msg("no %s", name);
    return NULL;
}

static void exported_weights_are_read_back(void **state)
{
    (void)state;
    struct esp_error error = {""};
    const char *path = scratch_path(&scratch, "out.safetensors");
    assert_int_equal(esp_weights_export(path, model, values, &error), 0);
    read_equals(path);
    size_t size;
    uint64_t header;
    uint8_t *bytes = scratch_read(path, &size);
    memcpy(&header, bytes, 8);
    assert_int_equal(header % 8, 0);
    assert_int_equal(size, 8 + header + (size_t)count * 4);
    assert_non_null(strstr((char *)bytes + 8,
                           "\"transformer.h.1.attn.c_attn.weight\":{\"dtype\":"
                           "\"F32\",\"shape\":[8,24]"));
    free(bytes);
    bytes = scratch_read(scratch_path(&scratch, "config.json"), &size);
    bytes[size] = '\0';
    assert_non_null(strstr((char *)bytes, "\"n_head\": 2"));
    free(bytes);
    path = scratch_path(&scratch, "no/such/folder/x.safetensors");
    assert_int_equal(esp_weights_export(path, model, values, &error), -ENOENT);
}

static void every_type_and_both_kinds_of_names_are_read(void **state)
{
    (void)state;
    static const char *const dtypes[] = {"F32", "F16", "BF16"};
    for (int i = 0; i < 6; i++) {
        begin_file();
        add_model(dtypes[i / 2], i % 2 ? "transformer." : "", NULL);
        read_equals(end_file("w.safetensors"));
    }
}

/* Subnormal, largest and negative zero. */
static void half_precision_limits_are_read_exactly(void **state)
{
    (void)state;
    const struct esp_model_tensor *bias = tensor_called("ln_f.bias");
    static const float edges[8] = {
        0x1p-24f, -0x1p-24f, 0x1.ff8p-15f, 0x1p-14f, 65504, -65504, -0.0f, 0x1.554p-2f};
    memcpy(values + bias->offset, edges, sizeof edges);
    begin_file();
    add_model("F16", "", NULL);
    read_equals(end_file("w.safetensors"));
}

static void masks_and_a_tied_head_are_accepted(void **state)
{
    (void)state;
    const int64_t four[] = {1, 1, 4, 4};
    const struct esp_model_tensor *table = tensor_called("wte.weight");
    begin_file();
    add_model("F32", "transformer.", NULL);
    add_tensor("transformer.h.1.attn.bias", "F32", four, 4, NULL);
    add_tensor("transformer.h.0.attn.masked_bias", "F32", four, 0, values);
    add_tensor("lm_head.weight", "F32", table->shape, 2, values);
    read_equals(end_file("w.safetensors"));
    begin_file();
    add_model("F32", "transformer.", NULL);
    add_tensor("lm_head.weight", "F32", table->shape, 2, NULL);
    refused(end_file("w.safetensors"), -EINVAL, "lm_head.weight differs from wte.weight");
}

static void errors_name_tensors_that_do_not_belong(void **state)
{
    (void)state;
    const int64_t wrong[] = {24, 8};
    begin_file();
    add_model("F32", "", "h.1.attn.c_attn.weight");
    add_tensor("h.1.attn.c_attn.weight", "F32", wrong, 2, NULL);
    refused(
        end_file("w.safetensors"),
        -EINVAL,
        "the tensor 'h.1.attn.c_attn.weight' has the shape [24, 8], this model needs [8, 24]");

    begin_file();
    add_model("BF16", "transformer.", "h.0.mlp.c_fc.weight");
    refused(end_file("w.safetensors"),
            -EINVAL,
            "the tensor 'h.0.mlp.c_fc.weight' of shape [8, 32] is missing");

    begin_file();
    add_model("F32", "", NULL);
    add_tensor("h.2.ln_1.weight", "F32", wrong, 1, NULL);
    refused(end_file("w.safetensors"), -EINVAL, "this model has no tensor 'h.2.ln_1.weight'");

    begin_file();
    add_model("F32", "", NULL);
    add_tensor("h.7.attn.bias", "F32", wrong, 1, NULL);
    refused(end_file("w.safetensors"), -EINVAL, "this model has no tensor 'h.7.attn.bias'");

    begin_file();
    add_model("F32", "", NULL);
    add_tensor("transformer.ln_f.bias", "F32", wrong + 1, 1, NULL);
    refused(end_file("w.safetensors"), -EINVAL, "'ln_f.bias' appears twice");

    begin_file();
    add_model("F32", "", "ln_f.bias");
    add_tensor("ln_f.bias", "I64", wrong + 1, 1, NULL);
    refused(end_file("w.safetensors"), -EINVAL, "the tensor 'ln_f.bias' is of type I64");
}

static void numbers_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    const struct esp_model_tensor *t = tensor_called("h.0.ln_2.weight");
    static const char *const dtypes[] = {"F32", "F16", "BF16"};
    for (int i = 0; i < 3; i++) {
        begin_file();
        values[t->offset + 3] = i == 1 ? -INFINITY : NAN;
        add_model(dtypes[i], "", NULL);
        refused(end_file("w.safetensors"),
                -EINVAL,
                i == 1 ? "the tensor 'h.0.ln_2.weight' holds infinity at element 3"
                       : "the tensor 'h.0.ln_2.weight' holds NaN at element 3");
    }
}

static void every_truncation_is_detected(void **state)
{
    (void)state;
    size_t size;
    begin_file();
    add_model("BF16", "", NULL);
    uint8_t *bytes = scratch_read(end_file("w.safetensors"), &size);
    for (size_t cut = 0; cut < size; cut += cut < 600 ? 1 : 97) {
        const char *path = scratch_write(&scratch, "cut.safetensors", bytes, cut);
        assert_int_equal(esp_weights_read(path, model, read_back, NULL), -EBADMSG);
    }
    const char *path = scratch_write(&scratch, "cut.safetensors", bytes, size - 2);
    refused(path, -EBADMSG, "is truncated: the tensor 'ln_f.bias' ends at byte");
    bytes[size] = 0;
    path = scratch_write(&scratch, "long.safetensors", bytes, size + 1);
    refused(path, -EBADMSG, "bytes of data, its tensors");
    free(bytes);
}

static void files_that_are_not_weights_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[64];
    memset(bytes, 0x5A, sizeof bytes);
    refused(scratch_write(&scratch, "x.bin", bytes, sizeof bytes),
            -EBADMSG,
            "is not a safetensors file, a model");
    refused(scratch_write(&scratch, "x.safetensors", bytes, sizeof bytes),
            -EBADMSG,
            "its header would have 6510615555426900570 bytes; at most 100000000 are allowed");
    refused(scratch_write(&scratch, "empty", bytes, 0), -EBADMSG, "has 0 bytes");
    refused(scratch_path(&scratch, "missing"), -ENOENT, "cannot be opened");
    refused(scratch.path, -EINVAL, "is not a regular file");
}

/* A model as llm.c writes it. */
static const char *write_llmc(int version, int padded, int cut)
{
    static uint8_t all[1024 + 65536];
    int32_t header[256] = {20240326, version, 4, 11, 2, 2, 8, padded};
    const char *dtype = version == 3 ? "F32" : "BF16";
    const int tensors = esp_model_tensor_count(model);
    memset(&file, 0, sizeof file);
    for (int kind = 0; kind < 16; kind++) {
        for (int layer = 0; layer < (kind >= 2 && kind < 14 ? 2 : 1); layer++) {
            int index = kind < 2 ? kind : kind < 14 ? layer * 12 + kind : tensors - 16 + kind;
            const struct esp_model_tensor *t = esp_model_tensor(model, index);
            bool product = kind >= 2 && t->rank == 2;
            for (int64_t i = 0; i < t->count; i++) {
                int64_t o = i / t->shape[0], in = i % t->shape[0];
                int64_t from = product ? in * t->shape[1] + o : i;
                put_number(dtype, values[t->offset + from]);
            }
            for (int i = 0; kind == 0 && i < (padded - 11) * 8; i++) {
                put_number(dtype, 9);
            }
        }
    }
    memcpy(all, header, sizeof header);
    memcpy(all + 1024, file.data, file.bytes);
    return scratch_write(&scratch, "gpt2.bin", all, 1024 + file.bytes - (size_t)cut);
}

static void models_of_llmc_are_read(void **state)
{
    (void)state;
    read_equals(write_llmc(3, 11, 0));
    read_equals(write_llmc(5, 128, 0));
    refused(write_llmc(5, 128, 2), -EBADMSG, "it is truncated");
    refused(write_llmc(3, 128, -4), -EBADMSG, "longer than it should be");
    refused(write_llmc(3, 10, 0), -EBADMSG, "its padded vocabulary 10 is below");
    refused(write_llmc(1, 11, 0), -EPROTONOSUPPORT, "an llm.c model of version 1");
}

static void models_of_llmc_must_have_the_models_shape(void **state)
{
    (void)state;
    static const char *const words[] = {"its context (T) is 5, this model's is 4",
                                        "its vocabulary (V) is 12, this model's is 11",
                                        "its layers (L) is 3, this model's is 2",
                                        "its heads (NH) is 3, this model's is 2",
                                        "its width (C) is 9, this model's is 8"};
    size_t size;
    uint8_t *bytes = scratch_read(write_llmc(3, 11, 0), &size);
    for (int i = 0; i < 5; i++) {
        int32_t *word = (int32_t *)(bytes + (2 + i) * 4);
        ++*word;
        refused(scratch_write(&scratch, "gpt2.bin", bytes, size), -EINVAL, words[i]);
        --*word;
    }
    free(bytes);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(exported_weights_are_read_back),
        CLAIM(every_type_and_both_kinds_of_names_are_read),
        CLAIM(half_precision_limits_are_read_exactly),
        CLAIM(masks_and_a_tied_head_are_accepted),
        CLAIM(errors_name_tensors_that_do_not_belong),
        CLAIM(numbers_that_are_not_finite_are_refused),
        CLAIM(every_truncation_is_detected),
        CLAIM(files_that_are_not_weights_are_refused),
        CLAIM(models_of_llmc_are_read),
        CLAIM(models_of_llmc_must_have_the_models_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
