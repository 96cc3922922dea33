/* Headers of token shards. See data_shard.h. */
#include "data_shard.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define LLMC_HEADER_BYTES 1024
#define LLMC_GPT2_MAGIC 20240520
#define LLMC_GPT2_VERSION 1
#define LLMC_GPT2_VOCABULARY 50257
#define LLMC_LLAMA3_MAGIC 20240801
#define LLMC_LLAMA3_VERSION 7
#define LLMC_LLAMA3_VOCABULARY 128256

/* Text has no ids above this; 256 is what DESIGN 8 says. */
#define TEXT_VOCABULARY 256

static const char *const kind_names[] = {
    [ESP_DATA_TEXT] = "text",
    [ESP_DATA_NANOGPT] = "a nanoGPT shard (bare uint16)",
    [ESP_DATA_GPT2] = "an llm.c GPT-2 shard",
    [ESP_DATA_LLAMA3] = "an llm.c Llama-3 shard",
};

const char *esp_data_kind_name(enum esp_data_kind kind)
{
    return kind_names[kind];
}

int64_t esp_data_kind_vocabulary(enum esp_data_kind kind)
{
    static const int64_t vocabularies[] = {
        [ESP_DATA_TEXT] = TEXT_VOCABULARY,
        [ESP_DATA_NANOGPT] = 0,
        [ESP_DATA_GPT2] = LLMC_GPT2_VOCABULARY,
        [ESP_DATA_LLAMA3] = LLMC_LLAMA3_VOCABULARY,
    };
    return vocabularies[kind];
}

static bool is_shard(const char *path)
{
    size_t length = strlen(path);
    return length >= 4 && strcmp(path + length - 4, ".bin") == 0;
}

/* The kind of a shard from its first words; `header_bytes` precede the tokens and `declared` is
 * what the header says, −1 without one. */
static enum esp_data_kind
read_header(const uint8_t *bytes, int64_t size, int64_t *header_bytes, int64_t *declared)
{
    *header_bytes = 0;
    *declared = -1;
    if (size < 12) {
        return ESP_DATA_NANOGPT;
    }
    int32_t words[3];
    memcpy(words, bytes, sizeof words);
    bool gpt2 = words[0] == LLMC_GPT2_MAGIC && words[1] == LLMC_GPT2_VERSION;
    bool llama3 = words[0] == LLMC_LLAMA3_MAGIC && words[1] == LLMC_LLAMA3_VERSION;
    if (!gpt2 && !llama3) {
        return ESP_DATA_NANOGPT;
    }
    *header_bytes = LLMC_HEADER_BYTES;
    *declared = words[2];
    return gpt2 ? ESP_DATA_GPT2 : ESP_DATA_LLAMA3;
}

int esp_data_describe(const char *path,
                      const uint8_t *bytes,
                      int64_t size,
                      struct esp_data_segment *segment,
                      enum esp_data_kind *kind,
                      struct esp_error *error)
{
    if (!is_shard(path)) {
        *kind = ESP_DATA_TEXT;
        segment->tokens = bytes;
        segment->count = size;
        return 0;
    }
    int64_t header_bytes, declared;
    *kind = read_header(bytes, size, &header_bytes, &declared);
    int64_t width = esp_data_token_bytes(*kind);
    if (declared < 0 && size % width != 0) {
        return esp_error_set(error,
                             -EINVAL,
                             "data: '%s' has %" PRId64 " bytes, not a whole number of uint16 "
                             "tokens: it is truncated or no token shard",
                             path,
                             size);
    }
    if (declared >= 0 && size != header_bytes + declared * width) {
        return esp_error_set(
            error,
            -EINVAL,
            "data: '%s' has %" PRId64 " bytes, but its header says %" PRId64
            " tokens, which are %" PRId64 " bytes: it is %s; write it again",
            path,
            size,
            declared,
            header_bytes + declared * width,
            size < header_bytes + declared * width ? "truncated" : "longer than it should be");
    }
    segment->tokens = bytes + header_bytes;
    segment->count = declared < 0 ? size / width : declared;
    return 0;
}
