/* safetensors files (the format of huggingface/safetensors).
 *
 *   0   8  u64 little-endian N ≤ ESP_SAFETENSORS_HEADER_MAX
 *   8   N  JSON, `{` first, padded with spaces: {"NAME": {"dtype": D, "shape": [n, …],
 *          "data_offsets": [begin, end]}, …, "__metadata__": {"KEY": "TEXT", …}}
 *   8+N    the tensors' bytes, little-endian, row-major; offsets count from here
 *
 * Tensors cover the data without gaps or overlaps. Files come from untrusted sources, so every
 * number is checked before it is used. */
#ifndef ESPALIER_TRIAL_SAFETENSORS_H
#define ESPALIER_TRIAL_SAFETENSORS_H

#include <espalier/error.h>
#include <stddef.h>
#include <stdint.h>

#define ESP_SAFETENSORS_HEADER_MAX 100000000

/* Largest number of tensors: 2^20 × 88 bytes = 88 MiB. */
#define ESP_SAFETENSORS_TENSORS_MAX (1 << 20)
#define ESP_SAFETENSORS_RANK_MAX 8

enum esp_safetensors_type {
    ESP_SAFETENSORS_F32,
    ESP_SAFETENSORS_F16,
    ESP_SAFETENSORS_BF16,
    ESP_SAFETENSORS_OTHER, /* in the format, but not used here */
};

struct esp_safetensors_tensor {
    const char *name;  /* UTF-8, NUL-terminated */
    const char *dtype; /* as written in the file: "BF16" */
    enum esp_safetensors_type type;
    int rank; /* 0: a scalar */
    int64_t shape[ESP_SAFETENSORS_RANK_MAX];
    uint64_t begin, end; /* bytes from the data's start */
};

/* Contents of a header. Names point into `text`. */
struct esp_safetensors_header {
    char *text;
    struct esp_safetensors_tensor *tensors; /* ordered by their data's offset */
    size_t count;
};

/* Parses a header's `size` bytes of JSON, which are copied; `data_bytes` follow it in the file.
 * -EBADMSG: the error names the byte or the tensor and the fault; -ENOMEM. */
int esp_safetensors_parse(const char *json,
                          size_t size,
                          uint64_t data_bytes,
                          struct esp_safetensors_header *header,
                          struct esp_error *error);
void esp_safetensors_release(struct esp_safetensors_header *header);

/* The tensor of this name, or NULL. */
const struct esp_safetensors_tensor *
esp_safetensors_find(const struct esp_safetensors_header *header, const char *name);

#endif
