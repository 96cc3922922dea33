/* Reading a study file, with the data that the command line names. */
#ifndef ESPALIER_CLI_SOURCE_H
#define ESPALIER_CLI_SOURCE_H

#include <espalier/error.h>
#include <espalier/study.h>

/* Reads a study file. `data`, if not NULL, replaces trainer.data, also in the study's source
 * text, so that the ledger records the data that was used. Warnings, and faults that do not fit
 * into the error, are printed to stderr. -EINVAL, -errno. */
int esp_source_read(const char *path,
                    const char *data,
                    struct esp_study **out,
                    struct esp_error *error);

/* Prints to stderr what is no fault of the file but should be known before it is run. */
void esp_source_warn(const struct esp_study *study);

#endif
