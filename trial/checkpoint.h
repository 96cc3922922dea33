/* One member's state in one file (DESIGN 6).
 *
 * Format, version 3; little-endian, offsets from the start of the file:
 *
 *   0    8  magic "ESPALIER"
 *   8    4  u32 version
 *   12   4  u32 header_bytes: from 0 up to and with the header's checksum, ≤ HEADER_MAX
 *   16   8  u64 config hash (esp_trainer_hash)
 *   24   8  i64 step               updates done
 *   32   8  i64 sample             the next training sample
 *   40   8  i64 reported_step      of the last report, −1: none
 *   48   8  i64 loss_count         training losses gathered since then …
 *   56   8  f64 loss_sum           … and their sum
 *   64   8  f64 device_seconds     over all attempts
 *   72   8  f64 val_loss           of the last report
 *   80   8  f64 train_loss         of the last report
 *   88   8  f64 grad_norm          of the last step
 *   96   8  i64 data_tokens        the corpus, to notice another one
 *   104  8  i64 vocabulary         as settled by the data
 *   112  4  u32 setting_count, then 4 u32 tensor_count
 *
 * then, from version 2 on:
 *
 *   120  8  f64 loss_scale         fp16's: a power of two, 1 … ESP_LOSS_SCALE_MAX
 *   128  8  i64 loss_scale_clean   updates since it changed, < ESP_LOSS_SCALE_CLEAN
 *
 * then, from version 3 on:
 *
 *   136  8  i64 overflowed         of `step`, left out by fp16: 1 … step
 *
 * then settings, each: u8 type (enum esp_value_type), u8 0, u16 name length, u32 value length,
 * the name, the value (i64, f64 or text);
 * tensors, each 152 bytes: name[88] with NULs, u32 type (1: float32), u32 rank, i64 shape[4],
 * u64 offset, u64 bytes, u64 XXH3;
 * u64 XXH3 of the header up to here: the file's hash;
 * the tensors' bytes, each at a multiple of 64, gaps of zeros, in the table's order; the file
 * ends with the last tensor's last byte.
 *
 * Every byte is covered: the header by its checksum, tensors by those in the header, gaps must
 * be zero and the length is known. The header's checksum therefore names the whole content.
 * Writing: PATH.tmp, fsync, rename to PATH, fsync of the folder. Versions only grow; a reader
 * refuses newer ones and must read all older ones. A file has the first version that holds its
 * state: without a loss scale it is of version 1, without an overflow of version 2. (A version
 * 2 from before there was a 3 may be without those that it had. Then AdamW's bias correction
 * takes them for made, as it did when the file was written.) */
#ifndef ESPALIER_TRIAL_CHECKPOINT_H
#define ESPALIER_TRIAL_CHECKPOINT_H

#include <espalier/error.h>
#include <espalier/trainer.h>
#include <stdint.h>

#define ESP_CHECKPOINT_VERSION 3

/* "v.h.999.attn.c_proj.weight" and the like, with the NUL. */
#define ESP_CHECKPOINT_NAME_MAX 88

/* Layers ≤ 1000, each 12 tensors × 3 (weight, two moments), and a handful more. */
#define ESP_CHECKPOINT_TENSORS_MAX 40000

struct esp_checkpoint;

struct esp_checkpoint_state {
    struct esp_trainer trainer;
    int64_t step;
    int64_t sample;
    int64_t reported_step;
    int64_t loss_count;
    double loss_sum;
    double device_seconds;
    double val_loss;
    double train_loss;
    double grad_norm;
    int64_t data_tokens;
    int64_t vocabulary;
    double loss_scale;        /* fp16's, as the device has decided; 0: there is none */
    int64_t loss_scale_clean; /* updates since it last changed */
    int64_t overflowed;       /* of `step` updates, those left out for it */
};

/* A float32 tensor to write or to find. Shapes beyond `rank` are 1. */
struct esp_checkpoint_tensor {
    char name[ESP_CHECKPOINT_NAME_MAX];
    int rank; /* 1 … 4 */
    int64_t shape[4];
};

/* Copies tensor `index` of what is written into `values` (host memory). Negative errno. */
typedef int
esp_checkpoint_source(void *context, int index, float *values, struct esp_error *error);

/* Writes the file. On failure nothing is left behind and an older file at `path` is unharmed:
 * -ENOSPC and other errno of the file calls (the error names the call), what `source` returned,
 * -ENOMEM. `bytes` and `hash` may be NULL. */
int esp_checkpoint_write(const char *path,
                         const struct esp_checkpoint_state *state,
                         const struct esp_checkpoint_tensor *tensors,
                         int tensor_count,
                         esp_checkpoint_source *source,
                         void *context,
                         int64_t *bytes,
                         uint64_t *hash,
                         struct esp_error *error);

/* Opens and verifies every byte. -EBADMSG: no checkpoint, truncated or damaged (the error names
 * the tensor or part); -EPROTONOSUPPORT: a newer version; errno of open and read; -ENOMEM. */
int esp_checkpoint_open(const char *path,
                        struct esp_checkpoint **checkpoint,
                        struct esp_error *error);
void esp_checkpoint_close(struct esp_checkpoint *checkpoint);

const struct esp_checkpoint_state *
esp_checkpoint_state(const struct esp_checkpoint *checkpoint);
int64_t esp_checkpoint_bytes(const struct esp_checkpoint *checkpoint);
uint64_t esp_checkpoint_hash(const struct esp_checkpoint *checkpoint);
int esp_checkpoint_tensors(const struct esp_checkpoint *checkpoint);

/* Reads the tensor of this name and shape and verifies it once more. -EINVAL: the file has none
 * or one of another shape: it belongs to another model. -EBADMSG as above. */
int esp_checkpoint_read(const struct esp_checkpoint *checkpoint,
                        const struct esp_checkpoint_tensor *tensor,
                        float *values,
                        struct esp_error *error);

/* Whether training may go on from `state` with `trainer`: every setting that decides the
 * numbers must be equal, apart from the corpus's path; a longer horizon is allowed for a
 * constant schedule and for wsd before its decay (DESIGN 6). -EINVAL: the error names the first
 * setting that differs with both values. */
int esp_checkpoint_fits(const struct esp_checkpoint_state *state,
                        const struct esp_trainer *trainer,
                        struct esp_error *error);

#endif
