/* Reads weights from files of other programs, as a starting point (trainer.init_from), and
 * exports weights for them.
 *
 *   safetensors   GPT-2's names with or without "transformer." before them, F32, F16 or BF16,
 *                 weights of products [in, out] as in GPT-2's Conv1D. An lm_head.weight must be
 *                 equal to the token table (tied). attn.bias and attn.masked_bias, masks in
 * older files, are ignored. Any other tensor is refused, as it belongs to another model. llm.c
 * its model files of GPT-2, version 3 (float32) or 5 (bfloat16): 256 int32 [20240326, version,
 * T, V, L, NH, C, Vp, 0, …], then each kind of tensor for all layers, weights of products [out,
 * in]. checkpoint    one of espalier's: its weights without its optimizer state.
 *
 * The first bytes of a file determine its format. Every value must be finite. */
#ifndef ESPALIER_TRIAL_WEIGHTS_H
#define ESPALIER_TRIAL_WEIGHTS_H

#include "checkpoint.h"

#include <espalier/error.h>

struct esp_model;

/* Reads the weights of a model of `model`'s shape: values [esp_model_count], in the packed
 * order of esp_model_write. -EINVAL: the file belongs to another model: the error names file,
 * tensor, the expected and the found value; -EBADMSG: truncated, damaged or of unknown format;
 * -EPROTONOSUPPORT: an unknown version; errno of open and read; -ENOMEM. `values` may hold
 * anything after a failure. */
int esp_weights_read(const char *path,
                     const struct esp_model *model,
                     float *values,
                     struct esp_error *error);

/* The same from an open checkpoint. */
int esp_weights_read_checkpoint(const struct esp_checkpoint *checkpoint,
                                const struct esp_model *model,
                                float *values,
                                struct esp_error *error);

/* Writes `path` as safetensors in float32 with GPT-2's names. For a causal model it also writes
 * a config.json to the same folder, so that transformers' GPT2LMHeadModel loads the folder when
 * `path` is its model.safetensors. A masked model gets no config.json, because GPT-2 in
 * transformers is causal. Each file is written completely or not at all. */
int esp_weights_export(const char *path,
                       const struct esp_model *model,
                       const float *values,
                       struct esp_error *error);

#endif
