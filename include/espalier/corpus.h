/* The files that `trainer.data` names: finding them, recognising their format, and checking
 * that they hold enough tokens. Used by the trainer and by `espalier check`, so that both
 * accept the same data.
 *
 * A shard is a file whose name ends in `.bin`. An llm.c shard (its dev/data) is 256
 * little-endian int32 {magic, version, tokens, 0, …}, then the tokens: uint16 with magic
 * 20240520 and version 1 (GPT-2), uint32 with magic 20240801 and version 7 (Llama-3). A nanoGPT
 * shard is tokens without a header: uint16, or uint32 when `trainer.dtype` says so. Any other
 * file is text, whose bytes are the tokens.
 * Empty files are ignored, whatever their name. */
#ifndef ESPALIER_CORPUS_H
#define ESPALIER_CORPUS_H

#include <espalier/error.h>
#include <stddef.h>
#include <stdint.h>

/* 2^20 paths of about 100 bytes: 100 MiB at most. */
#define ESP_CORPUS_FILES_MAX (1 << 20)

/* Folder entries that a search reads: each of ESP_CORPUS_FILES_MAX files twice, once to match
 * its name and once to look for folders. */
#define ESP_CORPUS_ENTRIES_MAX (2 * ESP_CORPUS_FILES_MAX)

/* Levels of folders that `**` descends. */
#define ESP_CORPUS_DEPTH_MAX 64

/* Bytes at the beginning of a file that its format is recognised by: 2048 tokens of uint16. */
#define ESP_CORPUS_HEAD_BYTES 4096

struct esp_corpus_files {
    char **paths; /* of regular files, sorted by strcmp, without duplicates; owned */
    size_t count;
};

/* Finds the files that match a pattern: `*`, `?` and `[…]` as in glob(3), `**` for any number
 * of folders. A pattern that is the name of an existing file is that file, even when it
 * contains wildcards. -ENOENT: no file matches; -EISDIR: it names a folder; -EINVAL: it names
 * something that is not a regular file; -E2BIG: too many files or
 * folder entries; -ENOMEM. */
int esp_corpus_files_find(const char *pattern,
                          struct esp_corpus_files *files,
                          struct esp_error *error);
void esp_corpus_files_release(struct esp_corpus_files *files);

/* Ids are below this; the largest model.vocabulary. */
#define ESP_CORPUS_VOCABULARY_MAX (1 << 24)

/* `trainer.dtype`: the type of the tokens in a shard without a header. */
enum esp_corpus_dtype {
    ESP_DTYPE_AUTO, /* uint16; files that seem to hold wider tokens are refused */
    ESP_DTYPE_UINT16,
    ESP_DTYPE_UINT32,
};

enum esp_corpus_kind {
    ESP_CORPUS_TEXT,    /* bytes; vocabulary 256 */
    ESP_CORPUS_NANOGPT, /* uint16 without a header */
    ESP_CORPUS_GPT2,    /* llm.c, version 1: uint16 */
    ESP_CORPUS_LLAMA3,  /* llm.c, version 7: uint32 */
    ESP_CORPUS_UINT32,  /* uint32 without a header */
};

/* Vocabulary of a kind; 0 for shards without a header, which do not state it. */
int64_t esp_corpus_kind_vocabulary(enum esp_corpus_kind kind);

static inline int64_t esp_corpus_token_bytes(enum esp_corpus_kind kind)
{
    static const int8_t bytes[] = {
        [ESP_CORPUS_TEXT] = 1,
        [ESP_CORPUS_NANOGPT] = 2,
        [ESP_CORPUS_GPT2] = 2,
        [ESP_CORPUS_LLAMA3] = 4,
        [ESP_CORPUS_UINT32] = 4,
    };
    return bytes[kind];
}

/* The tokens of a file. */
struct esp_corpus_extent {
    int64_t offset; /* of the first token, in bytes */
    int64_t count;  /* tokens */
};

/* Sum over files, added one after another; zero-initialised but for `dtype`. */
struct esp_corpus_tally {
    enum esp_corpus_dtype dtype;
    const char *first; /* first file that is not empty; its kind is that of all; borrowed */
    enum esp_corpus_kind kind;
    int64_t tokens;
    size_t files;
};

/* Adds a file of `size` bytes, whose first min(size, ESP_CORPUS_HEAD_BYTES) bytes are `head`,
 * and writes where its tokens are. -EINVAL: its size does not match its header, or it is of
 * another kind than the files before, `dtype` contradicts it, or its first tokens seem to be
 * wider than uint16; then nothing is added. */
int esp_corpus_tally_add(struct esp_corpus_tally *tally,
                         const char *path,
                         const uint8_t *head,
                         int64_t size,
                         struct esp_corpus_extent *extent,
                         struct esp_error *error);

/* Number of training tokens among N: the first ⌊9·N/10⌋. The rest is for validation. */
int64_t esp_corpus_train_tokens(int64_t tokens);

/* Checks that the training and the validation part each hold a window: a context and the token
 * after it. -EINVAL. */
int esp_corpus_check_length(const struct esp_corpus_tally *tally,
                            const char *pattern,
                            int64_t context,
                            struct esp_error *error);

/* Checks that all files of a pattern are readable, well formed and of one kind, and adds them
 * up. Fails as the functions above, or with the errno of open and read. `tally->first` is NULL
 * afterwards. */
int esp_corpus_survey(const char *pattern,
                      enum esp_corpus_dtype dtype,
                      struct esp_corpus_tally *tally,
                      struct esp_error *error);

#endif
