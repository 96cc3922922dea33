/* A corpus: vocabulary, splits and windows. See data.h. */
#include "data_private.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Tokens checked on opening; 64 Mi tokens take about 30 ms from the page cache. */
#define ESP_DATA_SCAN_MAX (64LL << 20)

static inline int32_t
load_token(enum esp_corpus_kind kind, const uint8_t *tokens, int64_t index)
{
    const uint8_t *p = tokens + index * esp_corpus_token_bytes(kind);
    switch (kind) {
    case ESP_CORPUS_TEXT:
        return p[0];
    case ESP_CORPUS_NANOGPT:
    case ESP_CORPUS_GPT2:
        return p[0] | p[1] << 8;
    case ESP_CORPUS_LLAMA3:
    case ESP_CORPUS_UINT32:
        break;
    }
    uint32_t id = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return id > INT32_MAX ? INT32_MAX : (int32_t)id;
}

static const struct esp_data_segment *segment_at(const struct esp_data *data, int64_t position)
{
    size_t low = 0, high = data->files.count - 1;
    while (low < high) { /* the last segment that begins at or before it */
        size_t middle = (low + high + 1) / 2;
        if (data->segments[middle].position <= position) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return &data->segments[low];
}

static int refuse_id(const struct esp_data *data,
                     const struct esp_data_segment *segment,
                     int64_t index,
                     int32_t id,
                     struct esp_error *error)
{
    return esp_error_set(error,
                         -EINVAL,
                         "trainer.data: '%s' holds the id %" PRId32 " at its token %" PRId64
                         ", outside the vocabulary of %" PRId64 "; raise model.vocabulary",
                         data->files.paths[segment - data->segments],
                         id,
                         index,
                         data->vocabulary);
}

/* Sets the vocabulary from the data when none is given, and checks ids against it where the
 * kind of file allows ids outside of it. */
static int determine_vocabulary(struct esp_data *data, struct esp_error *error)
{
    bool derive = data->vocabulary == 0 && esp_corpus_kind_vocabulary(data->kind) == 0;
    if (data->vocabulary == 0 && !derive) {
        data->vocabulary = esp_corpus_kind_vocabulary(data->kind);
    }
    if (data->kind == ESP_CORPUS_TEXT &&
        data->vocabulary >= esp_corpus_kind_vocabulary(ESP_CORPUS_TEXT)) {
        return 0;
    }
    int64_t left = derive ? INT64_MAX : ESP_DATA_SCAN_MAX;
    int32_t largest = 0;
    for (size_t s = 0; s < data->files.count && left > 0; s++) {
        const struct esp_data_segment *segment = &data->segments[s];
        int64_t count = segment->count < left ? segment->count : left;
        for (int64_t i = 0; i < count; i++) {
            int32_t id = load_token(data->kind, segment->tokens, i);
            if (!derive && id >= data->vocabulary) {
                return refuse_id(data, segment, i, id, error);
            }
            largest = id > largest ? id : largest;
        }
        left -= count;
    }
    if (derive && largest >= ESP_CORPUS_VOCABULARY_MAX) {
        return esp_error_set(error,
                             -EINVAL,
                             "trainer.data: '%s' holds the id %" PRId32
                             ", above any vocabulary: its tokens are not uint32; change dtype",
                             data->files.paths[0],
                             largest);
    }
    if (derive) {
        data->vocabulary = (int64_t)largest + 1;
    }
    return 0;
}

int esp_data_open(const char *pattern,
                  enum esp_corpus_dtype dtype,
                  int64_t vocabulary,
                  int64_t context,
                  struct esp_data **data,
                  struct esp_error *error)
{
    assert(context > 0 && vocabulary >= 0);
    struct esp_data *opened = calloc(1, sizeof *opened);
    if (!opened) {
        return esp_error_set(error, -ENOMEM, "trainer.data: no memory");
    }
    opened->context = context;
    opened->vocabulary = vocabulary;
    opened->dtype = dtype;
    int rc = esp_corpus_files_find(pattern, &opened->files, error);
    if (rc != 0) {
        goto out;
    }
    opened->segments = calloc(opened->files.count, sizeof *opened->segments);
    if (!opened->segments) {
        rc = esp_error_set(
            error, -ENOMEM, "trainer.data: no memory for %zu files", opened->files.count);
        goto out;
    }
    rc = esp_data_load(opened, pattern, error);
    if (rc != 0) {
        goto out;
    }
    rc = determine_vocabulary(opened, error);
out:
    if (rc != 0) {
        esp_data_close(opened);
        return rc;
    }
    *data = opened;
    return 0;
}

void esp_data_close(struct esp_data *data)
{
    if (!data) {
        return;
    }
    for (size_t i = 0; data->segments && i < data->files.count; i++) {
        if (data->segments[i].map) {
            munmap(data->segments[i].map, data->segments[i].map_bytes);
        }
    }
    free(data->segments);
    free(data->block);
    esp_corpus_files_release(&data->files);
    free(data);
}

enum esp_corpus_kind esp_data_kind(const struct esp_data *data)
{
    return data->kind;
}

int64_t esp_data_vocabulary(const struct esp_data *data)
{
    return data->vocabulary;
}

int64_t esp_data_tokens(const struct esp_data *data)
{
    return data->tokens;
}

int64_t esp_data_files(const struct esp_data *data)
{
    return (int64_t)data->files.count;
}

int64_t esp_data_train_starts(const struct esp_data *data)
{
    return data->train_tokens - data->context;
}

int64_t esp_data_train_start(const struct esp_data *data, uint64_t seed, int64_t index)
{
    assert(index >= 0);
    int64_t starts = esp_data_train_starts(data);
    return esp_data_permute(seed, (uint64_t)(index / starts), starts, index % starts);
}

int64_t esp_data_validation_windows(const struct esp_data *data)
{
    int64_t starts = data->tokens - data->train_tokens - data->context;
    return starts < ESP_VALIDATION_WINDOWS ? starts : ESP_VALIDATION_WINDOWS;
}

int64_t esp_data_validation_start(const struct esp_data *data, int64_t index)
{
    int64_t windows = esp_data_validation_windows(data);
    assert(index >= 0 && index < windows);
    int64_t last = data->tokens - data->train_tokens - data->context - 1;
    return data->train_tokens + (windows == 1 ? 0 : index * last / (windows - 1));
}

int esp_data_window(const struct esp_data *data,
                    int64_t start,
                    int32_t *inputs,
                    int32_t *targets,
                    struct esp_error *error)
{
    assert(start >= 0 && start + data->context < data->tokens);
    const struct esp_data_segment *segment = segment_at(data, start);
    for (int64_t i = 0; i <= data->context; i++) {
        while (start + i >= segment->position + segment->count) {
            segment++; /* skips empty files */
        }
        int64_t index = start + i - segment->position;
        int32_t id = load_token(data->kind, segment->tokens, index);
        if (id >= data->vocabulary) {
            return refuse_id(data, segment, index, id, error);
        }
        if (i < data->context) {
            inputs[i] = id;
        }
        if (i > 0) {
            targets[i - 1] = id;
        }
    }
    return 0;
}
