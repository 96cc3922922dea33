/* Reads safetensors files with GPT-2's names. See weights.h. */
#include "model/model.h"
#include "weights_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "transformer."
#define TOKEN_TABLE "wte.weight"
#define HEAD "lm_head.weight"

/* Longest text of a shape such as "[96, 288]": 8 numbers of 20 digits. */
#define SHAPE_WORDS 192

struct reader {
    const struct esp_weights_file *file;
    const struct esp_model *model;
    const struct esp_safetensors_header *header;
    uint64_t data; /* offset of the data in the file */
};

static const char *shape_words(const int64_t *shape, int rank, char out[SHAPE_WORDS])
{
    int at = snprintf(out, SHAPE_WORDS, "[");
    for (int d = 0; d < rank; d++) {
        at +=
            snprintf(out + at, SHAPE_WORDS - (size_t)at, "%s%" PRId64, d ? ", " : "", shape[d]);
    }
    snprintf(out + at, SHAPE_WORDS - (size_t)at, "]");
    return out;
}

/* The name without "transformer.". */
static const char *plain_name(const char *name)
{
    size_t length = sizeof PREFIX - 1;
    return strncmp(name, PREFIX, length) == 0 ? name + length : name;
}

static int read_tensor(const struct reader *r,
                       const struct esp_safetensors_tensor *found,
                       const struct esp_model_tensor *wanted,
                       float *values)
{
    char have[SHAPE_WORDS], need[SHAPE_WORDS];
    bool same = found->rank == wanted->rank;
    for (int d = 0; d < wanted->rank && same; d++) {
        same = found->shape[d] == wanted->shape[d];
    }
    if (!same) {
        return esp_weights_refuse(r->file,
                                  -EINVAL,
                                  "the tensor '%.200s' has the shape %s, this model needs %s: "
                                  "change trainer.model",
                                  found->name,
                                  shape_words(found->shape, found->rank, have),
                                  shape_words(wanted->shape, wanted->rank, need));
    }
    if (found->type == ESP_SAFETENSORS_OTHER) {
        return esp_weights_refuse(r->file,
                                  -EINVAL,
                                  "the tensor '%.200s' is of type %s; F32, F16 and BF16 can be "
                                  "read",
                                  found->name,
                                  found->dtype);
    }
    return esp_weights_read_numbers(
        r->file, found->name, found->type, r->data + found->begin, wanted->count, values);
}

static const struct esp_safetensors_tensor *find(const struct reader *r, const char *name)
{
    char full[sizeof PREFIX + ESP_MODEL_NAME_MAX];
    snprintf(full, sizeof full, PREFIX "%s", name);
    const struct esp_safetensors_tensor *found = esp_safetensors_find(r->header, full);
    return found ? found : esp_safetensors_find(r->header, name);
}

static int read_model_tensors(const struct reader *r, float *values)
{
    int rc = 0;
    for (int i = 0; i < esp_model_tensor_count(r->model) && rc == 0; i++) {
        const struct esp_model_tensor *wanted = esp_model_tensor(r->model, i);
        const struct esp_safetensors_tensor *found = find(r, wanted->name);
        if (!found) {
            char need[SHAPE_WORDS];
            return esp_weights_refuse(
                r->file,
                -EINVAL,
                "the tensor '%s' of shape %s is missing, with and without "
                "'" PREFIX "' before its name",
                wanted->name,
                shape_words(wanted->shape, wanted->rank, need));
        }
        rc = read_tensor(r, found, wanted, values + wanted->offset);
    }
    return rc;
}

static bool is_model_tensor(const struct reader *r, const char *name)
{
    for (int i = 0; i < esp_model_tensor_count(r->model); i++) {
        if (strcmp(esp_model_tensor(r->model, i)->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Refuses a head that differs from the token table: the model ties the two, so it would be
 * lost. */
static int check_head(const struct reader *r,
                      const struct esp_safetensors_tensor *head,
                      const float *values)
{
    const struct esp_model_tensor *table = esp_model_token_table(r->model);
    float *copy = malloc((size_t)table->count * sizeof *copy);
    if (!copy) {
        return esp_weights_refuse(r->file, -ENOMEM, "no memory to read it");
    }
    int rc = read_tensor(r, head, table, copy);
    if (rc == 0 &&
        memcmp(copy, values + table->offset, (size_t)table->count * sizeof *copy) != 0) {
        rc = esp_weights_refuse(r->file,
                                -EINVAL,
                                "its " HEAD " differs from " TOKEN_TABLE
                                "; this model ties the two");
    }
    free(copy);
    return rc;
}

/* Refuses names that are not the model's, except those to be ignored. */
static int check_names(const struct reader *r)
{
    for (size_t i = 0; i < r->header->count; i++) {
        const struct esp_safetensors_tensor *tensor = &r->header->tensors[i];
        const char *name = plain_name(tensor->name);
        if (!is_model_tensor(r, name) && !esp_model_ignores(r->model, name) &&
            strcmp(name, HEAD) != 0) {
            return esp_weights_refuse(r->file,
                                      -EINVAL,
                                      "this model has no tensor '%.200s': change trainer.model",
                                      tensor->name);
        }
        if (find(r, name) != tensor) {
            return esp_weights_refuse(r->file,
                                      -EINVAL,
                                      "the tensor '%.200s' appears twice, with and without "
                                      "'" PREFIX "'",
                                      tensor->name);
        }
    }
    return 0;
}

int esp_weights_read_safetensors(const struct esp_weights_file *file,
                                 const struct esp_model *model,
                                 float *values)
{
    struct esp_safetensors_header header = {0};
    struct reader r = {.file = file, .model = model, .header = &header};
    struct esp_error why = {""};
    uint64_t size;
    int rc = esp_weights_read_at(file, &size, sizeof size, 0);
    if (rc != 0) {
        return rc;
    }
    if (size > ESP_SAFETENSORS_HEADER_MAX) {
        return esp_weights_refuse(file,
                                  -EBADMSG,
                                  "is not a safetensors file: its header would have %" PRIu64
                                  " bytes; at most %d are allowed",
                                  size,
                                  ESP_SAFETENSORS_HEADER_MAX);
    }
    if (size > file->bytes - sizeof size) {
        return esp_weights_refuse(file,
                                  -EBADMSG,
                                  "is truncated: its header has %" PRIu64
                                  " bytes, the file %" PRIu64,
                                  size,
                                  file->bytes);
    }
    char *json = malloc(size + 1);
    if (!json) {
        return esp_weights_refuse(file, -ENOMEM, "no memory for its header");
    }
    r.data = sizeof size + size;
    rc = esp_weights_read_at(file, json, size, sizeof size);
    if (rc == 0) {
        rc = esp_safetensors_parse(json, size, file->bytes - r.data, &header, &why);
        if (rc != 0) {
            esp_weights_refuse(file, rc, "%.900s", why.text);
        }
    }
    free(json);
    if (rc == 0) {
        rc = check_names(&r);
    }
    if (rc == 0) {
        rc = read_model_tensors(&r, values);
    }
    const struct esp_safetensors_tensor *head = rc == 0 ? find(&r, HEAD) : NULL;
    if (head) {
        rc = check_head(&r, head, values);
    }
    esp_safetensors_release(&header);
    return rc;
}
