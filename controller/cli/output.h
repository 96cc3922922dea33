/* Exit codes of failed calls, and printing results to stdout. */
#ifndef ESPALIER_CLI_OUTPUT_H
#define ESPALIER_CLI_OUTPUT_H

#include "../view/buffer.h"

#include <espalier/error.h>

/* The exit code for a failed call on a DIR or a file: 2 for what is not there, not readable or
 * not ours, 1 for what broke. */
int esp_exit_of(int code);

/* Writes all of a text to stdout. 0, or 1 with words when it cannot (a closed pipe is silent).
 */
int esp_print(const struct esp_buffer *text, struct esp_error *error);

#endif
