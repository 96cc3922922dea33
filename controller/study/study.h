/* Reading study files (DESIGN 8; facts: sweep-yaml).
 *
 * A study is big (its paths, its parameters): it lives on the heap. The ledger keeps its source
 * text; reading that text again with the same folder gives the same study. */
#ifndef CONTROLLER_STUDY_STUDY_H
#define CONTROLLER_STUDY_STUDY_H

#include <espalier/error.h>
#include <espalier/study.h>

/* Words beside the error, on the heap, NULL where there are none. */
struct esp_study_words {
    char *faults;  /* every fault with its line; the error holds as many as fit */
    char *warning; /* one line: keys that were accepted and have no effect here */
};

/* Reads a study file. 0; -EINVAL: it has faults, all of them in the error and `words`
 * (nullable); or -errno when it cannot be read. `*out` is set on success alone. Nothing is
 * opened but the file itself: `esp_study_check_data` looks at the data. */
int esp_study_read_file(const char *path,
                        struct esp_study **out,
                        struct esp_study_words *words,
                        struct esp_error *error);

/* The same from a text; `file_name` is for messages and for the name of a study that gives
 * none, `base_dir` (absolute) is where relative paths start. */
int esp_study_read_text(const char *text,
                        const char *file_name,
                        const char *base_dir,
                        struct esp_study **out,
                        struct esp_study_words *words,
                        struct esp_error *error);

/* Gives a study another scheduler: `text` is what stands behind `early_terminate:` in a study
 * file, as {type: patience, patience: 5}; `name` says in messages where it stood. The study's
 * trainer.tokens are the horizon that its rungs are held against. -EINVAL with all its faults,
 * -ENOMEM; the study's scheduler is then of no use. */
int esp_study_read_stopping(struct esp_study *study,
                            const char *text,
                            const char *name,
                            struct esp_error *error);

/* Releases and frees; NULL is fine. */
void esp_study_destroy(struct esp_study *study);
void esp_study_words_release(struct esp_study_words *words);

/* The built-in trainer's data: files exist, are regular and readable, and have tokens enough
 * for one training window and one validation window of the longest context searched. 0 for a
 * study with a program of its own. Errno as of espalier/corpus.h. */
int esp_study_check_data(const struct esp_study *study, struct esp_error *error);

/* For a study whose ledger was begun in an older format: what that did not know is off, unless
 * the file names it. Before format 2 that is repeats. */
void esp_study_as_begun(struct esp_study *study, int format);

/* 0 when both describe the same search: `b` may differ from `a` in run_cap, budget, workers,
 * description alone. -EINVAL names the first key that differs. */
int esp_study_same_search(const struct esp_study *a,
                          const struct esp_study *b,
                          struct esp_error *error);

/* The study's name as one part of a path (for runs/NAME): slashes, spaces at the ends and
 * leading dots become '-'. */
void esp_study_folder_name(const struct esp_study *study, char *out, size_t size);

#endif
