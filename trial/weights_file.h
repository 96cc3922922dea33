/* Shared declarations of the readers of other programs' weights: a file of known size, and
 * numbers of three types. */
#ifndef ESPALIER_TRIAL_WEIGHTS_FILE_H
#define ESPALIER_TRIAL_WEIGHTS_FILE_H

#include "safetensors.h"
#include "weights.h"

/* Elements that are read and converted at a time: 256 KiB of float32. */
#define WEIGHTS_PIECE (1 << 16)

struct esp_weights_file {
    const char *path;
    int fd;
    uint64_t bytes;
    void *piece; /* WEIGHTS_PIECE · 4 bytes */
    struct esp_error *error;
};

/* Sets the error, prefixed with the file's path, and returns `code`. */
__attribute__((format(printf, 3, 4))) int
esp_weights_refuse(const struct esp_weights_file *file, int code, const char *format, ...);

int esp_weights_read_at(const struct esp_weights_file *file,
                        void *buffer,
                        size_t bytes,
                        uint64_t offset);

/* Reads `count` numbers of a type as float32; each must be finite. */
int esp_weights_read_numbers(const struct esp_weights_file *file,
                             const char *name,
                             enum esp_safetensors_type type,
                             uint64_t offset,
                             int64_t count,
                             float *values);

static inline size_t esp_weights_type_bytes(enum esp_safetensors_type type)
{
    return type == ESP_SAFETENSORS_F32 ? 4 : 2;
}

/* weights_safetensors.c, weights_llmc.c */
int esp_weights_read_safetensors(const struct esp_weights_file *file,
                                 const struct esp_model *model,
                                 float *values);
int esp_weights_read_llmc(const struct esp_weights_file *file,
                          const struct esp_model *model,
                          float *values);

#define WEIGHTS_LLMC_MAGIC 20240326

#endif
