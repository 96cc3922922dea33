/* Reads models of llm.c (train_gpt2.py: write_model). See weights.h. */
#include "model/model.h"
#include "weights_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define HEADER_WORDS 256
#define HEADER_BYTES (HEADER_WORDS * 4)
#define VERSION_FLOAT32 3
#define VERSION_BFLOAT16 5

struct reader {
    const struct esp_weights_file *file;
    const struct esp_model *model;
    enum esp_safetensors_type type;
    int64_t vocabulary_padded;
    uint64_t offset; /* of the next tensor */
    float *scratch;  /* [elements of the largest tensor in a layer] */
};

/* Compares T, V, L, NH, C with the model's shape. */
static int check_shape(const struct reader *r, const int32_t *header)
{
    const struct esp_model_shape *shape = esp_model_shape(r->model);
    const struct {
        const char *name;
        int found, expected;
    } sizes[] = {
        {"context (T)", header[2], shape->context},
        {"vocabulary (V)", header[3], shape->vocabulary},
        {"layers (L)", header[4], shape->layers},
        {"heads (NH)", header[5], shape->heads},
        {"width (C)", header[6], shape->width},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (sizes[i].found != sizes[i].expected) {
            return esp_weights_refuse(r->file,
                                      -EINVAL,
                                      "its %s is %d, this model's is %d: change trainer.model",
                                      sizes[i].name,
                                      sizes[i].found,
                                      sizes[i].expected);
        }
    }
    if (header[7] < header[3]) {
        return esp_weights_refuse(r->file,
                                  -EBADMSG,
                                  "its padded vocabulary %d is below its vocabulary %d",
                                  header[7],
                                  header[3]);
    }
    return 0;
}

static int check_bytes(const struct reader *r)
{
    const struct esp_model_shape *shape = esp_model_shape(r->model);
    uint64_t padding = (uint64_t)(r->vocabulary_padded - shape->vocabulary);
    uint64_t count = (uint64_t)esp_model_count(r->model) + padding * (uint64_t)shape->width;
    uint64_t expected = HEADER_BYTES + count * esp_weights_type_bytes(r->type);
    if (r->file->bytes != expected) {
        return esp_weights_refuse(
            r->file,
            -EBADMSG,
            "has %" PRIu64 " bytes, but by its header %" PRIu64 ": it is %s",
            r->file->bytes,
            expected,
            r->file->bytes < expected ? "truncated" : "longer than it should be");
    }
    return 0;
}

static int read_tensor(struct reader *r, const struct esp_model_tensor *tensor, float *values)
{
    int rc = esp_weights_read_numbers(
        r->file, tensor->name, r->type, r->offset, tensor->count, values);
    r->offset += (uint64_t)tensor->count * esp_weights_type_bytes(r->type);
    return rc;
}

/* Reads a layer's tensor; weights of products are [out, in] in the file. */
static int
read_layer_tensor(struct reader *r, const struct esp_model_tensor *tensor, float *values)
{
    if (tensor->rank == 1) {
        return read_tensor(r, tensor, values);
    }
    int rc = read_tensor(r, tensor, r->scratch);
    int64_t in = tensor->shape[0], out = tensor->shape[1];
    for (int64_t i = 0; i < in && rc == 0; i++) {
        for (int64_t o = 0; o < out; o++) {
            values[i * out + o] = r->scratch[o * in + i];
        }
    }
    return rc;
}

/* Reads the tensors of all layers, the first of which is number `first`. The file has the first
 * tensor of every layer, then the second, and so on. */
static int read_layers(struct reader *r, int first, float *values)
{
    const int layers = esp_model_shape(r->model)->layers;
    const int layer_tensors = esp_model_layer_tensors(r->model);
    int rc = 0;
    for (int i = 0; i < layer_tensors; i++) {
        for (int layer = 0; layer < layers && rc == 0; layer++) {
            const struct esp_model_tensor *tensor =
                esp_model_tensor(r->model, first + layer * layer_tensors + i);
            rc = read_layer_tensor(r, tensor, values + tensor->offset);
        }
    }
    return rc;
}

/* Reads all tensors. The file has the model's order, except within the layers. */
static int read_all(struct reader *r, float *values)
{
    const struct esp_model_shape *shape = esp_model_shape(r->model);
    const struct esp_model_tensor *table = esp_model_token_table(r->model);
    const int count = esp_model_tensor_count(r->model);
    int rc = 0, next;
    for (int i = 0; i < count && rc == 0; i = next) {
        const struct esp_model_tensor *tensor = esp_model_tensor(r->model, i);
        if (tensor->layer >= 0) {
            rc = read_layers(r, i, values);
            next = i + shape->layers * esp_model_layer_tensors(r->model);
            continue;
        }
        rc = read_tensor(r, tensor, values + tensor->offset);
        if (tensor == table) { /* its rows are padded to r->vocabulary_padded */
            r->offset += (uint64_t)(r->vocabulary_padded - shape->vocabulary) *
                         (uint64_t)shape->width * esp_weights_type_bytes(r->type);
        }
        next = i + 1;
    }
    return rc;
}

/* Elements of the largest tensor within a layer. */
static int64_t largest_layer_tensor(const struct esp_model *model)
{
    int64_t largest = 0;
    for (int i = 0; i < esp_model_tensor_count(model); i++) {
        const struct esp_model_tensor *tensor = esp_model_tensor(model, i);
        if (tensor->layer >= 0 && tensor->count > largest) {
            largest = tensor->count;
        }
    }
    return largest;
}

int esp_weights_read_llmc(const struct esp_weights_file *file,
                          const struct esp_model *model,
                          float *values)
{
    int32_t header[HEADER_WORDS];
    struct reader r = {.file = file, .model = model, .offset = HEADER_BYTES};
    int rc = esp_weights_read_at(file, header, sizeof header, 0);
    if (rc != 0) {
        return rc;
    }
    if (header[1] != VERSION_FLOAT32 && header[1] != VERSION_BFLOAT16) {
        return esp_weights_refuse(file,
                                  -EPROTONOSUPPORT,
                                  "is an llm.c model of version %d; %d (float32) and %d "
                                  "(bfloat16) can be read",
                                  header[1],
                                  VERSION_FLOAT32,
                                  VERSION_BFLOAT16);
    }
    r.type = header[1] == VERSION_FLOAT32 ? ESP_SAFETENSORS_F32 : ESP_SAFETENSORS_BF16;
    rc = check_shape(&r, header);
    if (rc == 0) {
        r.vocabulary_padded = header[7];
        rc = check_bytes(&r);
    }
    if (rc == 0) {
        r.scratch = malloc((size_t)largest_layer_tensor(model) * sizeof(float));
        rc = r.scratch ? read_all(&r, values)
                       : esp_weights_refuse(file, -ENOMEM, "no memory to read it");
    }
    free(r.scratch);
    return rc;
}
