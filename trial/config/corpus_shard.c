/* Headers of token shards, and adding up files. See corpus.h. */
#include <errno.h>
#include <espalier/corpus.h>
#include <espalier/regular_file.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define LLMC_HEADER_BYTES 1024
#define LLMC_GPT2_MAGIC 20240520
#define LLMC_GPT2_VERSION 1
#define LLMC_GPT2_VOCABULARY 50257
#define LLMC_LLAMA3_MAGIC 20240801
#define LLMC_LLAMA3_VERSION 7
#define LLMC_LLAMA3_VOCABULARY 128256

/* Tokens of text are bytes. */
#define TEXT_VOCABULARY 256

static const char *const kind_names[] = {
    [ESP_CORPUS_TEXT] = "text",
    [ESP_CORPUS_NANOGPT] = "a nanoGPT shard (bare uint16)",
    [ESP_CORPUS_GPT2] = "an llm.c GPT-2 shard",
    [ESP_CORPUS_LLAMA3] = "an llm.c Llama-3 shard",
    [ESP_CORPUS_UINT32] = "a shard of bare uint32",
};

int64_t esp_corpus_kind_vocabulary(enum esp_corpus_kind kind)
{
    static const int64_t vocabularies[] = {
        [ESP_CORPUS_TEXT] = TEXT_VOCABULARY,
        [ESP_CORPUS_NANOGPT] = 0,
        [ESP_CORPUS_GPT2] = LLMC_GPT2_VOCABULARY,
        [ESP_CORPUS_LLAMA3] = LLMC_LLAMA3_VOCABULARY,
        [ESP_CORPUS_UINT32] = 0,
    };
    return vocabularies[kind];
}

static bool is_shard(const char *path)
{
    size_t length = strlen(path);
    return length >= 4 && strcmp(path + length - 4, ".bin") == 0;
}

/* Header of a shard. */
struct header {
    enum esp_corpus_kind kind;
    int64_t bytes;          /* of the header; 0: there is none */
    int64_t declared;       /* number of tokens that the header states */
    int32_t version, known; /* of the header; the one that is supported */
};

/* A file has a header if it begins with a magic number. A nanoGPT shard cannot begin with one
 * by accident: the lower half of either is larger than any token of GPT-2. */
static struct header read_header(const uint8_t *head, int64_t size, enum esp_corpus_dtype dtype)
{
    struct header header = {.kind = dtype == ESP_DTYPE_UINT32 ? ESP_CORPUS_UINT32
                                                              : ESP_CORPUS_NANOGPT};
    int32_t words[3] = {0}; /* magic, version, tokens */
    if (size >= (int64_t)sizeof words) {
        memcpy(words, head, sizeof words);
    }
    const bool gpt2 = words[0] == LLMC_GPT2_MAGIC, llama3 = words[0] == LLMC_LLAMA3_MAGIC;
    if (gpt2 || llama3) {
        header.kind = gpt2 ? ESP_CORPUS_GPT2 : ESP_CORPUS_LLAMA3;
        header.bytes = LLMC_HEADER_BYTES;
        header.version = words[1];
        header.known = gpt2 ? LLMC_GPT2_VERSION : LLMC_LLAMA3_VERSION;
        header.declared = words[2];
    }
    return header;
}

/* Checks that the header's version is supported and that the file has the size that it states.
 */
static int check_header(const char *path,
                        const struct header *header,
                        int64_t size,
                        struct esp_error *error)
{
    const int64_t wanted =
        header->bytes + header->declared * esp_corpus_token_bytes(header->kind);
    if (header->version != header->known) {
        return esp_error_set(error,
                             -EINVAL,
                             "trainer.data: '%s' is %s of version %" PRId32
                             "; only version %" PRId32
                             " can be read: write it again with llm.c's dev/data",
                             path,
                             kind_names[header->kind],
                             header->version,
                             header->known);
    }
    if (header->declared < 0) {
        return esp_error_set(error,
                             -EINVAL,
                             "trainer.data: '%s' is damaged: its header states %" PRId64
                             " tokens; write it again",
                             path,
                             header->declared);
    }
    if (size != wanted) {
        return esp_error_set(error,
                             -EINVAL,
                             "trainer.data: '%s' has %" PRId64
                             " bytes, but its header states %" PRId64
                             " tokens, which need %" PRId64 " bytes: it is %s; write it again",
                             path,
                             size,
                             header->declared,
                             wanted,
                             size < wanted ? "truncated" : "longer than it should be");
    }
    return 0;
}

/* What the first bytes of a shard without a header look like: the bytes of a token, 2, 4 or 8.
 *
 * Of wider tokens, every second uint16 is the upper half of an id: 0, or at most 255, since ids
 * are below 2^24 (model.vocabulary). The order of uint16 tokens does not depend on whether
 * their places are even or odd. So "no upper half above 255, and a quarter of the n lower ones
 * are" occurs by chance with a probability of at most 2^(-n/4), 2^-32 for the smallest n. (A
 * quarter: with tokens of 64 bits, half of the pairs are 0.) "Every upper half is 0, and a
 * lower one is not" occurs with p^n, where p is the frequency of the token 0. */
#define WIDTH_PAIRS_MIN 128

static int guess_token_bytes(const uint8_t *head, int64_t size)
{
    const int64_t bytes = size < ESP_CORPUS_HEAD_BYTES ? size : ESP_CORPUS_HEAD_BYTES;
    const int64_t pairs = bytes / 4;
    int64_t low_set = 0, low_large = 0, high_set = 0, high_large = 0, odd_pairs_set = 0;
    for (int64_t i = 0; i < pairs; i++) {
        const uint8_t *p = head + 4 * i;
        low_set += p[0] || p[1];
        low_large += p[1] > 0;
        high_set += p[2] || p[3];
        high_large += p[3] > 0;
        odd_pairs_set += i % 2 && (p[0] || p[1] || p[2] || p[3]);
    }
    const bool wide = high_set == 0 ? low_set > 0 : high_large == 0 && 4 * low_large >= pairs;
    if (pairs < WIDTH_PAIRS_MIN || !wide) {
        return 2;
    }
    return odd_pairs_set == 0 ? 8 : 4;
}

/* Checks that a shard without a header holds tokens of the type that it is read as. */
static int check_bare(const char *path,
                      const uint8_t *head,
                      int64_t size,
                      enum esp_corpus_dtype dtype,
                      struct esp_error *error)
{
    const int64_t width = dtype == ESP_DTYPE_UINT32 ? 4 : 2;
    const int guess = dtype == ESP_DTYPE_AUTO ? guess_token_bytes(head, size) : 0;
    if (guess > 2) {
        return esp_error_set(error,
                             -EINVAL,
                             "trainer.data: '%s' seems to hold tokens of %d bits, not 16: %s; "
                             "if it holds uint16, write dtype: uint16",
                             path,
                             8 * guess,
                             guess == 4 ? "write dtype: uint32 beside data"
                                        : "write it again as uint32 or uint16");
    }
    if (size % width != 0) {
        return esp_error_set(error,
                             -EINVAL,
                             "trainer.data: '%s' has %" PRId64
                             " bytes, not a whole number of uint%d "
                             "tokens: it is truncated, or not a token shard",
                             path,
                             size,
                             (int)(8 * width));
    }
    return 0;
}

/* Checks that `dtype`, where it is given, is the type of the tokens of a file that has a header
 * or is text. */
static int check_dtype(const char *path,
                       enum esp_corpus_kind kind,
                       enum esp_corpus_dtype dtype,
                       struct esp_error *error)
{
    if (kind == ESP_CORPUS_TEXT && dtype != ESP_DTYPE_AUTO) {
        return esp_error_set(error,
                             -EINVAL,
                             "trainer.dtype is for token shards, but '%s' is read as text; "
                             "rename it to end in .bin, or leave dtype out",
                             path);
    }
    const int64_t width = dtype == ESP_DTYPE_UINT32 ? 4 : 2;
    if (dtype != ESP_DTYPE_AUTO && esp_corpus_token_bytes(kind) != width) {
        return esp_error_set(error,
                             -EINVAL,
                             "trainer.dtype is uint%d, but '%s' is %s, whose header states "
                             "uint%d; leave dtype out",
                             (int)(8 * width),
                             path,
                             kind_names[kind],
                             (int)(8 * esp_corpus_token_bytes(kind)));
    }
    return 0;
}

/* Finds the kind, first token and number of tokens of a file that is not empty. */
static int describe(const char *path,
                    enum esp_corpus_dtype dtype,
                    const uint8_t *head,
                    int64_t size,
                    struct esp_corpus_extent *extent,
                    enum esp_corpus_kind *kind,
                    struct esp_error *error)
{
    if (!is_shard(path)) {
        *kind = ESP_CORPUS_TEXT;
        *extent = (struct esp_corpus_extent){.count = size};
        return check_dtype(path, *kind, dtype, error);
    }
    const struct header header = read_header(head, size, dtype);
    *kind = header.kind;
    if (header.bytes > 0) {
        *extent = (struct esp_corpus_extent){.offset = header.bytes, .count = header.declared};
        int rc = check_dtype(path, *kind, dtype, error);
        return rc == 0 ? check_header(path, &header, size, error) : rc;
    }
    *extent = (struct esp_corpus_extent){.count = size / esp_corpus_token_bytes(*kind)};
    return check_bare(path, head, size, dtype, error);
}

int esp_corpus_tally_add(struct esp_corpus_tally *tally,
                         const char *path,
                         const uint8_t *head,
                         int64_t size,
                         struct esp_corpus_extent *extent,
                         struct esp_error *error)
{
    enum esp_corpus_kind kind;
    *extent = (struct esp_corpus_extent){0};
    if (size > 0) {
        int rc = describe(path, tally->dtype, head, size, extent, &kind, error);
        if (rc != 0) {
            return rc;
        }
        if (tally->first && kind != tally->kind) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "trainer.data: mixed kinds: '%s' is %s, '%s' is %s; name "
                                 "files of one kind",
                                 tally->first,
                                 kind_names[tally->kind],
                                 path,
                                 kind_names[kind]);
        }
        tally->first = tally->first ? tally->first : path;
        tally->kind = kind;
        tally->tokens += extent->count;
    }
    tally->files++;
    return 0;
}

int64_t esp_corpus_train_tokens(int64_t tokens)
{
    return tokens / 10 * 9 + tokens % 10 * 9 / 10;
}

/* ⌈N / 10⌉ ≥ context + 1, so N ≥ 10 · context + 1. */
int esp_corpus_check_length(const struct esp_corpus_tally *tally,
                            const char *pattern,
                            int64_t context,
                            struct esp_error *error)
{
    int64_t needed = 10 * context + 1;
    if (tally->tokens >= needed && esp_corpus_train_tokens(tally->tokens) > context) {
        return 0;
    }
    int64_t width = esp_corpus_token_bytes(tally->kind);
    return esp_error_set(error,
                         -EINVAL,
                         "trainer.data: '%s' is too short: it has %" PRId64
                         " bytes of tokens (%zu file%s), but a context of %" PRId64
                         " needs at least %" PRId64
                         ", as the last tenth is for validation; name more data or lower "
                         "model.context",
                         pattern,
                         tally->tokens * width,
                         tally->files,
                         tally->files == 1 ? "" : "s",
                         context,
                         needed * width);
}

static int read_head(const char *path, uint8_t *head, int64_t *size, struct esp_error *error)
{
    int rc = 0;
    int fd = esp_regular_file_open(path, O_RDONLY, size);
    if (fd < 0 || pread(fd, head, ESP_CORPUS_HEAD_BYTES, 0) < 0) {
        rc = fd < 0 ? fd : -errno;
        esp_error_set(
            error, rc, "trainer.data: cannot read '%s': %s", path, esp_regular_file_reason(rc));
    }
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

int esp_corpus_survey(const char *pattern,
                      enum esp_corpus_dtype dtype,
                      struct esp_corpus_tally *tally,
                      struct esp_error *error)
{
    struct esp_corpus_files files;
    struct esp_corpus_tally found = {.dtype = dtype};
    int rc = esp_corpus_files_find(pattern, &files, error);
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < files.count && rc == 0; i++) {
        uint8_t head[ESP_CORPUS_HEAD_BYTES] = {0};
        struct esp_corpus_extent extent;
        int64_t size = 0;
        rc = read_head(files.paths[i], head, &size, error);
        if (rc == 0) {
            rc = esp_corpus_tally_add(&found, files.paths[i], head, size, &extent, error);
        }
    }
    esp_corpus_files_release(&files);
    if (rc == 0) {
        found.first = NULL;
        *tally = found;
    }
    return rc;
}
