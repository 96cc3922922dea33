/* The study file as a verb wants it: read, its data replaced where the command line says so. */
#ifndef ESPALIER_CLI_SOURCE_H
#define ESPALIER_CLI_SOURCE_H

#include <espalier/error.h>
#include <espalier/study.h>

/* Reads a study file, with `data` (nullable) in the place of trainer.data; the study's source
 * text then has it too, so that the ledger tells what was trained on. Warnings and faults that
 * do not fit into the error go to stderr. -EINVAL, -errno. */
int esp_source_read(const char *path,
                    const char *data,
                    struct esp_study **out,
                    struct esp_error *error);

/* Says on stderr what is no fault of the file and should be known before it is run. */
void esp_source_warn(const struct esp_study *study);

#endif
