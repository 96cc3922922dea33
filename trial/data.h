/* The corpus: tokens of one or more files as a single sequence, split into training and
 * validation.
 *
 * The first ⌊9·N/10⌋ tokens are for training, the rest for validation. A window is context + 1
 * tokens: inputs are its first `context`, targets its last. Training sample i is the window
 * whose start is the i-th of a permutation keyed by the seed, over all starts that leave room
 * for a window; the next epoch uses another permutation. So the order depends on (data,
 * context, seed, i) only and is the same for every batch size (common random numbers), and
 * resuming needs only i. */
#ifndef ESPALIER_TRIAL_DATA_H
#define ESPALIER_TRIAL_DATA_H

#include <espalier/corpus.h>
#include <espalier/error.h>
#include <stdint.h>

/* Windows of a full validation; fewer when the data has fewer. */
#define ESP_VALIDATION_WINDOWS 256

struct esp_data;

/* Opens the files that match `pattern`: one file, or a glob in which `**` matches any number of
 * folders. Several files are joined in the order of their paths. `vocabulary` 0: determined by
 * the data (text 256, GPT-2 50257, Llama-3 128256, shards without a header
 * their largest id + 1). Up to
 * ESP_DATA_SCAN_MAX tokens are checked against the vocabulary here, the rest as they are read.
 * -ENOENT: nothing matches; -EISDIR; -EACCES and other errno of open; -EINVAL: too short for
 * the context, mixed kinds, a truncated file, an id outside the vocabulary. *data is set on
 * success. */
int esp_data_open(const char *pattern,
                  enum esp_corpus_dtype dtype,
                  int64_t vocabulary,
                  int64_t context,
                  struct esp_data **data,
                  struct esp_error *error);
void esp_data_close(struct esp_data *data);

enum esp_corpus_kind esp_data_kind(const struct esp_data *data);
int64_t esp_data_vocabulary(const struct esp_data *data);
int64_t esp_data_tokens(const struct esp_data *data);
int64_t esp_data_files(const struct esp_data *data);

/* Number of possible training windows, and the start of sample `index` ≥ 0 (a token's
 * position). */
int64_t esp_data_train_starts(const struct esp_data *data);
int64_t esp_data_train_start(const struct esp_data *data, uint64_t seed, int64_t index);

/* Number of validation windows, and the start of window `index` as a position in the whole
 * sequence. */
int64_t esp_data_validation_windows(const struct esp_data *data);
int64_t esp_data_validation_start(const struct esp_data *data, int64_t index);

/* Copies the context + 1 tokens at `start`: inputs [context], targets [context].
 * -EINVAL: an id outside the vocabulary (the error names file and position). */
int esp_data_window(const struct esp_data *data,
                    int64_t start,
                    int32_t *inputs,
                    int32_t *targets,
                    struct esp_error *error);

/* A bijection of [0, count) for every (seed, epoch): a Feistel network over the smallest even
 * power of two ≥ `count`, applied again until the result is in range (Black and Rogaway,
 * "Ciphers with arbitrary finite domains", CT-RSA 2002). */
int64_t esp_data_permute(uint64_t seed, uint64_t epoch, int64_t count, int64_t index);

#endif
