/* Reading study files.
 *
 * A study is allocated on the heap, as it is large (paths, parameters). The ledger keeps its
 * text; reading that text again with the same folder gives the same study. */
#ifndef CONTROLLER_STUDY_STUDY_H
#define CONTROLLER_STUDY_STUDY_H

#include <espalier/error.h>
#include <espalier/study.h>

/* Messages besides the error; NULL where there are none. */
struct esp_study_messages {
    char *faults;  /* every fault with its line; the error has only as many as fit */
    char *warning; /* one line about what is accepted but has no effect */
};

/* Reads a study file. -EINVAL: it has faults, which are in the error and in `messages`
 * (nullable); -errno when it cannot be read. `*out` is set only on success. No other file is
 * opened; see `esp_study_check_data` for the data. */
int esp_study_read_file(const char *path,
                        struct esp_study **out,
                        struct esp_study_messages *messages,
                        struct esp_error *error);

/* The same from a text. `file_name` is for messages and for the name of a study without `name`;
 * relative paths are relative to `base_dir`, which is absolute. */
int esp_study_read_text(const char *text,
                        const char *file_name,
                        const char *base_dir,
                        struct esp_study **out,
                        struct esp_study_messages *messages,
                        struct esp_error *error);

/* Gives a study another scheduler: `text` is the value of `early_terminate` as in a study file,
 * such as {type: patience, patience: 5}; `name` is its origin for messages. Rungs are checked
 * against the study's trainer.tokens. -EINVAL with all faults, -ENOMEM; the study's scheduler
 * must then not be used. */
int esp_study_read_stopping(struct esp_study *study,
                            const char *text,
                            const char *name,
                            struct esp_error *error);

/* Releases and frees a study, which may be NULL. */
void esp_study_destroy(struct esp_study *study);
void esp_study_messages_release(struct esp_study_messages *messages);

/* Checks the data of the built-in trainer: its files exist, are regular and readable, and have
 * enough tokens for one training window and one validation window of the longest context that
 * is searched. 0 for a study with a program. Fails as the functions of espalier/corpus.h. */
int esp_study_check_data(const struct esp_study *study, struct esp_error *error);

/* Changes a study whose ledger has an older format: features that the format did not have are
 * off unless the file has their keys. Before format 2 that is `repeats`. */
void esp_study_apply_format(struct esp_study *study, int format);

/* 0 when both describe the same search: they may differ only in run_cap, budget, workers and
 * description. -EINVAL; the error names the first key that differs. */
int esp_study_same_search(const struct esp_study *a,
                          const struct esp_study *b,
                          struct esp_error *error);

/* Writes the study's name as one component of a path, for runs/NAME: slashes, leading dots, and
 * spaces at either end become '-'. */
void esp_study_folder_name(const struct esp_study *study, char *out, size_t size);

#endif
