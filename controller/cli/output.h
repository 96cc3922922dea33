/* Exit codes of failed calls, and printing results to stdout. */
#ifndef ESPALIER_CLI_OUTPUT_H
#define ESPALIER_CLI_OUTPUT_H

#include "../view/buffer.h"

#include <espalier/error.h>

/* Exit code of a failed call that opened DIR or a file: ESP_EXIT_USAGE when it is missing,
 * unreadable or not ours, ESP_EXIT_FAILURE for everything else. */
int esp_exit_of(int rc);

/* Writes a text to stdout. Returns ESP_EXIT_DONE, or ESP_EXIT_FAILURE with `error` set; a
 * closed pipe sets no error. */
int esp_print(const struct esp_buffer *text, struct esp_error *error);
int esp_print_bytes(const char *bytes, size_t size, struct esp_error *error);

#endif
