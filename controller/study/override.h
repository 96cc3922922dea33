/* Replaces the data in the text of a study file, for `run --data FILE`. The ledger keeps the
 * changed text, so that `resume` needs no option. */
#ifndef CONTROLLER_STUDY_OVERRIDE_H
#define CONTROLLER_STUDY_OVERRIDE_H

#include <espalier/error.h>

/* Sets `*out` to the text with `trainer.data` replaced by `path` and everything else unchanged;
 * the caller frees it. `file_name` is for messages. -EINVAL: the text is not YAML, has no
 * trainer.data, or has it on several lines, where it cannot be replaced; -ENOMEM. */
int esp_study_override_data(const char *text,
                            const char *file_name,
                            const char *path,
                            char **out,
                            struct esp_error *error);

#endif
