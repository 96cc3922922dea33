/* Exports weights as safetensors, with the configuration file that transformers needs. See
 * weights.h. */
#include "durable.h"
#include "model/model.h"
#include "safetensors.h"
#include "weights.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest entry of the header:
 * {"transformer.h.1023.attn.c_attn.weight":{"dtype":"F32","shape":[N,N],"data_offsets":[N,N]},
 * is below 64 + 4 × 20 + 64 bytes. */
#define ENTRY_BYTES 256
#define HEADER_ROOM 256
#define CONFIG_BYTES 2048

/* The header, including its length, padded with spaces to a multiple of 8; NULL: no memory. */
static char *make_header(const struct esp_model *model, size_t *size)
{
    const int count = esp_model_tensor_count(model);
    size_t room = HEADER_ROOM + (size_t)count * ENTRY_BYTES, at = sizeof(uint64_t);
    char *header = malloc(room);
    if (!header) {
        return NULL;
    }
    at += (size_t)snprintf(
        header + at, room - at, "{\"__metadata__\":{\"format\":\"pt\",\"tool\":\"espalier\"}");
    for (int i = 0; i < count; i++) {
        const struct esp_model_tensor *t = esp_model_tensor(model, i);
        at += (size_t)snprintf(header + at,
                               room - at,
                               ",\"transformer.%s\":{\"dtype\":\"F32\",\"shape\":[%" PRId64,
                               t->name,
                               t->shape[0]);
        if (t->rank == 2) {
            at += (size_t)snprintf(header + at, room - at, ",%" PRId64, t->shape[1]);
        }
        at += (size_t)snprintf(header + at,
                               room - at,
                               "],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}",
                               t->offset * (int64_t)sizeof(float),
                               (t->offset + t->count) * (int64_t)sizeof(float));
    }
    header[at++] = '}';
    while (at % sizeof(uint64_t) != 0) {
        header[at++] = ' ';
    }
    uint64_t bytes = at - sizeof bytes;
    memcpy(header, &bytes, sizeof bytes);
    *size = at;
    return header;
}

static int write_weights(const char *path,
                         const struct esp_model *model,
                         const float *values,
                         struct esp_error *error)
{
    struct esp_durable file;
    size_t size;
    int rc = esp_durable_open(&file, "export", path, error);
    if (rc != 0) {
        return rc;
    }
    char *header = make_header(model, &size);
    if (!header) {
        rc = esp_error_set(error, -ENOMEM, "export: no memory for the header");
        goto out;
    }
    rc = esp_durable_write(&file, header, size, 0, error);
    if (rc == 0) {
        rc = esp_durable_write(
            &file, values, (size_t)esp_model_count(model) * sizeof *values, size, error);
    }
    if (rc == 0) {
        rc = esp_durable_commit(&file, error);
    }
out:
    free(header);
    esp_durable_close(&file);
    return rc;
}

/* Writes a GPT2Config of transformers. No token has a special meaning in these models, so none
 * begins or ends a text; dropout is off, since the model is exported for use. */
static int
write_config(const char *weights, const struct esp_model *model, struct esp_error *error)
{
    const struct esp_model_shape *shape = esp_model_shape(model);
    struct esp_durable file;
    char copy[ESP_PATH_MAX], path[ESP_PATH_MAX], text[CONFIG_BYTES];
    snprintf(copy, sizeof copy, "%s", weights);
    int length = snprintf(path, sizeof path, "%s/config.json", dirname(copy));
    if (length < 0 || (size_t)length >= sizeof path) {
        return esp_error_set(error, -ENAMETOOLONG, "export: the path is too long");
    }
    length = snprintf(text,
                      sizeof text,
                      "{\n"
                      "  \"architectures\": [\"GPT2LMHeadModel\"],\n"
                      "  \"model_type\": \"gpt2\",\n"
                      "  \"vocab_size\": %d,\n"
                      "  \"n_positions\": %d,\n"
                      "  \"n_embd\": %d,\n"
                      "  \"n_layer\": %d,\n"
                      "  \"n_head\": %d,\n"
                      "  \"activation_function\": \"%s\",\n"
                      "  \"layer_norm_epsilon\": 1e-05,\n"
                      "  \"initializer_range\": 0.02,\n"
                      "  \"embd_pdrop\": 0.0,\n"
                      "  \"resid_pdrop\": 0.0,\n"
                      "  \"attn_pdrop\": 0.0,\n"
                      "  \"tie_word_embeddings\": true,\n"
                      "  \"bos_token_id\": null,\n"
                      "  \"eos_token_id\": null,\n"
                      "  \"torch_dtype\": \"float32\"\n"
                      "}\n",
                      shape->vocabulary,
                      shape->context,
                      shape->width,
                      shape->layers,
                      shape->heads,
                      shape->activation == ESP_ACTIVATION_GELU ? "gelu" : "gelu_new");
    int rc = esp_durable_open(&file, "export", path, error);
    if (rc != 0) {
        return rc;
    }
    rc = esp_durable_write(&file, text, (size_t)length, 0, error);
    if (rc == 0) {
        rc = esp_durable_commit(&file, error);
    }
    esp_durable_close(&file);
    return rc;
}

int esp_weights_export(const char *path,
                       const struct esp_model *model,
                       const float *values,
                       struct esp_error *error)
{
    int rc = write_weights(path, model, values, error);
    if (rc == 0 && esp_model_shape(model)->objective == ESP_OBJECTIVE_CAUSAL) {
        rc = write_config(path, model, error);
    }
    return rc;
}
