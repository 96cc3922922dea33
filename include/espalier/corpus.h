/* What `trainer.data` names: which files, what each of them is, and whether they suffice.
 *
 * The trainer reads by it and `check` looks by it, so that what one accepts the other does.
 *
 * llm.c shards (its dev/data): 256 little-endian int32 {magic, version, tokens, 0, …}, then the
 * tokens: 20240520 and 1: uint16 (GPT-2), 20240801 and 7: uint32 (Llama-3). A nanoGPT shard is
 * bare uint16. Shards are known by their name's end, `.bin`; anything else is text, whose bytes
 * are tokens. Files of no bytes are of every kind. */
#ifndef ESPALIER_CORPUS_H
#define ESPALIER_CORPUS_H

#include <espalier/error.h>
#include <stddef.h>
#include <stdint.h>

/* 2^20 paths of about 100 bytes: 100 MiB at most. */
#define ESP_CORPUS_FILES_MAX (1 << 20)

/* Folders deeper than this are not entered by `**`. */
#define ESP_CORPUS_DEPTH_MAX 64

/* The first bytes of a file that tell what it is. */
#define ESP_CORPUS_HEAD_BYTES 12

struct esp_corpus_files {
    char **paths; /* sorted by strcmp, no doubles, regular files only */
    size_t count;
};

/* Finds the files of a pattern: `*`, `?`, `[…]` as glob(3), `**` for any number of folders. A
 * pattern that exists as a file is that file, even when its name holds wildcards. -ENOENT:
 * nothing matches; -EISDIR: the pattern names a folder; -EINVAL: something else that is no
 * file; -E2BIG; -ENOMEM. */
int esp_corpus_files_find(const char *pattern,
                          struct esp_corpus_files *files,
                          struct esp_error *error);
void esp_corpus_files_release(struct esp_corpus_files *files);

enum esp_corpus_kind {
    ESP_CORPUS_TEXT,    /* bytes, vocabulary 256 */
    ESP_CORPUS_NANOGPT, /* headerless uint16 */
    ESP_CORPUS_GPT2,    /* llm.c, version 1: uint16 */
    ESP_CORPUS_LLAMA3,  /* llm.c, version 7: uint32 */
};

/* The vocabulary that comes with a kind; 0 for nanoGPT, whose files do not say. */
int64_t esp_corpus_kind_vocabulary(enum esp_corpus_kind kind);

static inline int64_t esp_corpus_token_bytes(enum esp_corpus_kind kind)
{
    return kind == ESP_CORPUS_TEXT ? 1 : kind == ESP_CORPUS_LLAMA3 ? 4 : 2;
}

/* Where a file's tokens lie. */
struct esp_corpus_extent {
    int64_t offset; /* bytes */
    int64_t count;  /* tokens */
};

/* Files as they are counted, one after another; starts as zero. */
struct esp_corpus_tally {
    const char *first; /* the first file that is not empty, which decides the kind; borrowed */
    enum esp_corpus_kind kind;
    int64_t tokens;
    size_t files;
};

/* Counts one file of `size` bytes, which begins with `head` [min(size,
 * ESP_CORPUS_HEAD_BYTES)]. -EINVAL: it is truncated or longer than its header says, or of
 * another kind than those before; then nothing is counted. */
int esp_corpus_tally_add(struct esp_corpus_tally *tally,
                         const char *path,
                         const uint8_t *head,
                         int64_t size,
                         struct esp_corpus_extent *extent,
                         struct esp_error *error);

/* The first ⌊9·N/10⌋ of N tokens train, the rest validates (DESIGN 8). */
int64_t esp_corpus_train_tokens(int64_t tokens);

/* Both parts must hold a window, which is a context and the token after it. -EINVAL. */
int esp_corpus_check_length(const struct esp_corpus_tally *tally,
                            const char *pattern,
                            int64_t context,
                            struct esp_error *error);

/* Looks at all files of a pattern: readable, well formed, of one kind. As above, and errno of
 * open and read. `first` of the tally is NULL afterwards. */
int esp_corpus_survey(const char *pattern,
                      struct esp_corpus_tally *tally,
                      struct esp_error *error);

#endif
