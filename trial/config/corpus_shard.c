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
};

int64_t esp_corpus_kind_vocabulary(enum esp_corpus_kind kind)
{
    static const int64_t vocabularies[] = {
        [ESP_CORPUS_TEXT] = TEXT_VOCABULARY,
        [ESP_CORPUS_NANOGPT] = 0,
        [ESP_CORPUS_GPT2] = LLMC_GPT2_VOCABULARY,
        [ESP_CORPUS_LLAMA3] = LLMC_LLAMA3_VOCABULARY,
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
static struct header read_header(const uint8_t *head, int64_t size)
{
    struct header header = {.kind = ESP_CORPUS_NANOGPT};
    int32_t words[3];
    _Static_assert(sizeof words == ESP_CORPUS_HEAD_BYTES, "magic, version, tokens");
    memcpy(words, head, sizeof words);
    const bool gpt2 = words[0] == LLMC_GPT2_MAGIC, llama3 = words[0] == LLMC_LLAMA3_MAGIC;
    if (size >= ESP_CORPUS_HEAD_BYTES && (gpt2 || llama3)) {
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

/* Finds the kind, first token and number of tokens of a file that is not empty. */
static int describe(const char *path,
                    const uint8_t *head,
                    int64_t size,
                    struct esp_corpus_extent *extent,
                    enum esp_corpus_kind *kind,
                    struct esp_error *error)
{
    if (!is_shard(path)) {
        *kind = ESP_CORPUS_TEXT;
        *extent = (struct esp_corpus_extent){.count = size};
        return 0;
    }
    const struct header header = read_header(head, size);
    const int64_t width = esp_corpus_token_bytes(header.kind);
    *kind = header.kind;
    if (header.bytes > 0) {
        *extent = (struct esp_corpus_extent){.offset = header.bytes, .count = header.declared};
        return check_header(path, &header, size, error);
    }
    if (size % width != 0) {
        return esp_error_set(error,
                             -EINVAL,
                             "trainer.data: '%s' has %" PRId64
                             " bytes, not a whole number of uint16 "
                             "tokens: it is truncated, or not a token shard",
                             path,
                             size);
    }
    *extent = (struct esp_corpus_extent){.count = size / width};
    return 0;
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
        int rc = describe(path, head, size, extent, &kind, error);
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
                      struct esp_corpus_tally *tally,
                      struct esp_error *error)
{
    struct esp_corpus_files files;
    struct esp_corpus_tally found = {0};
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
