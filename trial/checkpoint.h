/* One member's state in one file.
 *
 * Format, version 3; little-endian, offsets from the start of the file:
 *
 *   0    8  magic "ESPALIER"
 *   8    4  u32 version
 *   12   4  u32 header_bytes: from 0 up to and including the header's checksum, ≤ HEADER_MAX
 *   16   8  u64 config hash (esp_trainer_hash)
 *   24   8  i64 step               completed updates
 *   32   8  i64 sample             the next training sample
 *   40   8  i64 reported_step      of the last report, −1: none
 *   48   8  i64 loss_count         number of training losses since that report …
 *   56   8  f64 loss_sum           … and their sum
 *   64   8  f64 device_seconds     over all attempts
 *   72   8  f64 val_loss           of the last report
 *   80   8  f64 train_loss         of the last report
 *   88   8  f64 grad_norm          of the last step
 *   96   8  i64 data_tokens        size of the corpus, to detect a different one
 *   104  8  i64 vocabulary         as determined by the data
 *   112  4  u32 setting_count, then 4 u32 tensor_count
 *
 * then, from version 2 on:
 *
 *   120  8  f64 loss_scale         fp16's: a power of two, 1 … ESP_LOSS_SCALE_MAX
 *   128  8  i64 loss_scale_clean   updates since it changed, < ESP_LOSS_SCALE_CLEAN
 *
 * then, from version 3 on:
 *
 *   136  8  i64 overflowed         updates of `step` that fp16 skipped: 1 … step
 *
 * then, in this order:
 *
 *   settings, each: u8 type (enum esp_value_type), u8 0, u16 name length, u32 value length,
 *   the name, the value (i64, f64 or text)
 *   tensors, each 152 bytes: name[88] with NULs, u32 type (1: float32), u32 rank, i64 shape[4],
 *   u64 offset, u64 bytes, u64 XXH3
 *   u64 XXH3 of the header up to here: the file's hash
 *   the tensors' bytes, each at a multiple of 64, with zeros between them, in the table's
 * order; the file ends with the last tensor's last byte
 *
 * Every byte is verified: the header by its checksum, tensors by the checksums in the header;
 * gaps must be zero and the file's length must match. The header's checksum therefore
 * identifies the whole content. Writing: PATH.tmp, fsync, rename to PATH, fsync of the folder.
 * A reader refuses newer versions and must read all older ones. A file gets the first version
 * that can hold its state: version 1 without a loss scale, version 2 without an overflow. (A
 * version 2 file that was written before version 3 existed may lack the number of its
 * overflows. AdamW's bias correction then counts those updates as completed, as it did when the
 * file was written.) */
#ifndef ESPALIER_TRIAL_CHECKPOINT_H
#define ESPALIER_TRIAL_CHECKPOINT_H

#include <espalier/error.h>
#include <espalier/trainer.h>
#include <stdint.h>

#define ESP_CHECKPOINT_VERSION 3

/* Longest name with its NUL, such as "v.h.999.attn.c_proj.weight". */
#define ESP_CHECKPOINT_NAME_MAX 88

/* At most 1000 layers of 12 tensors × 3 (weight, two moments), and a few more. */
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
    double loss_scale;        /* of fp16, as adjusted by the device; 0: there is none */
    int64_t loss_scale_clean; /* updates since it last changed */
    int64_t overflowed;       /* those of `step` updates that fp16 skipped */
};

/* A float32 tensor to write or to find. Extents beyond `rank` are 1. */
struct esp_checkpoint_tensor {
    char name[ESP_CHECKPOINT_NAME_MAX];
    int rank; /* 1 … 4 */
    int64_t shape[4];
};

/* Copies tensor `index` of those to write into `values` (host memory). Negative errno. */
typedef int
esp_checkpoint_source(void *context, int index, float *values, struct esp_error *error);

/* Writes the file. A failure leaves nothing behind, and an older file at `path` stays: -ENOSPC
 * and other errno of the file calls (the error names the call), the result of `source`,
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

/* Opens the file and verifies every byte. -EBADMSG: not a checkpoint, truncated or damaged (the
 * error names the tensor or part); -EPROTONOSUPPORT: a newer version; errno of open and read;
 * -ENOMEM. */
int esp_checkpoint_open(const char *path,
                        struct esp_checkpoint **checkpoint,
                        struct esp_error *error);
void esp_checkpoint_close(struct esp_checkpoint *checkpoint);

const struct esp_checkpoint_state *
esp_checkpoint_state(const struct esp_checkpoint *checkpoint);
int64_t esp_checkpoint_bytes(const struct esp_checkpoint *checkpoint);
uint64_t esp_checkpoint_hash(const struct esp_checkpoint *checkpoint);
int esp_checkpoint_tensors(const struct esp_checkpoint *checkpoint);

/* Reads the tensor of this name and shape and verifies it again. -EINVAL: the file has no such
 * tensor, or one of another shape, so it belongs to another model. -EBADMSG as above. */
int esp_checkpoint_read(const struct esp_checkpoint *checkpoint,
                        const struct esp_checkpoint_tensor *tensor,
                        float *values,
                        struct esp_error *error);

/* Whether training may continue from `state` with `trainer`: every setting that affects the
 * numbers must be equal, except the corpus's path. A longer horizon is allowed for a constant
 * schedule, and for wsd before its decay. -EINVAL: the error names the first setting that
 * differs, with both values. */
int esp_checkpoint_fits(const struct esp_checkpoint_state *state,
                        const struct esp_trainer *trainer,
                        struct esp_error *error);

#endif
