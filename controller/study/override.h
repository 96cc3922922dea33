/* A study file's text with another corpus: what `run --data FILE` means. The ledger keeps the
 * changed text, so that resuming needs no option. */
#ifndef CONTROLLER_STUDY_OVERRIDE_H
#define CONTROLLER_STUDY_OVERRIDE_H

#include <espalier/error.h>

/* The text of a study file with `trainer.data` replaced by `path`, on the heap for the caller;
 * nothing else of the text changes. `file_name` is for messages. -EINVAL: the text is no YAML,
 * has no trainer.data, or has it in a form that cannot be replaced (over several lines);
 * -ENOMEM. */
int esp_study_override_data(const char *text,
                            const char *file_name,
                            const char *path,
                            char **out,
                            struct esp_error *error);

#endif
