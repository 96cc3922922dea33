/* What the bytes of one file of a corpus are.
 *
 * llm.c shards (its dev/data): 256 little-endian int32 {magic, version, tokens, 0, …}, then the
 * tokens: 20240520 and 1: uint16 (GPT-2), 20240801 and 7: uint32 (Llama-3). A nanoGPT shard is
 * bare uint16. Shards are known by their name's end, `.bin`; anything else is text. */
#ifndef ESPALIER_TRIAL_DATA_SHARD_H
#define ESPALIER_TRIAL_DATA_SHARD_H

#include "data.h"

#include <stddef.h>

/* One file. Tokens begin at `tokens`, `position` of them come before it. */
struct esp_data_segment {
    const uint8_t *tokens;
    int64_t position;
    int64_t count;
    void *map; /* NULL: in `block`, or empty */
    size_t map_bytes;
};

/* Finds kind, first token and count of a file whose `size` > 0 bytes lie at `bytes`. -EINVAL:
 * it is truncated or longer than its header says. */
int esp_data_describe(const char *path,
                      const uint8_t *bytes,
                      int64_t size,
                      struct esp_data_segment *segment,
                      enum esp_data_kind *kind,
                      struct esp_error *error);

/* For people: "an llm.c GPT-2 shard". */
const char *esp_data_kind_name(enum esp_data_kind kind);

/* The vocabulary that comes with a kind; 0 for nanoGPT, whose files do not say. */
int64_t esp_data_kind_vocabulary(enum esp_data_kind kind);

static inline int64_t esp_data_token_bytes(enum esp_data_kind kind)
{
    return kind == ESP_DATA_TEXT ? 1 : kind == ESP_DATA_LLAMA3 ? 4 : 2;
}

static inline int32_t
esp_data_load_token(enum esp_data_kind kind, const uint8_t *tokens, int64_t index)
{
    const uint8_t *p = tokens + index * esp_data_token_bytes(kind);
    switch (kind) {
    case ESP_DATA_TEXT:
        return p[0];
    case ESP_DATA_NANOGPT:
    case ESP_DATA_GPT2:
        return p[0] | p[1] << 8;
    case ESP_DATA_LLAMA3:
        break;
    }
    uint32_t id = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return id > INT32_MAX ? INT32_MAX : (int32_t)id;
}

#endif
