/* Small file operations that survive power loss or say why not; used by the agent and the
 * command line. */
#ifndef CONTROLLER_SYSTEM_FILES_H
#define CONTROLLER_SYSTEM_FILES_H

#include <espalier/error.h>
#include <stddef.h>

/* mkdir -p. A folder that is there already is fine. -errno, with words that name the part that
 * failed. */
int esp_files_make_dir(const char *path, struct esp_error *error);

/* Replaces the file: temp → fsync → rename → fsync of the folder. -errno. */
int esp_files_write(const char *path, const char *data, size_t size, struct esp_error *error);

/* Reads at most `size - 1` bytes and closes them with a NUL; the length, or -errno. */
int esp_files_read(const char *path, char *out, size_t size);

/* The last whole lines of a text file, at most `size - 1` bytes and `lines` lines, as valid
 * UTF-8 (what is not becomes '?'). "" when there is no such file. */
void esp_files_tail(const char *path, int lines, char *out, size_t size);

/* Replaces what is not UTF-8, and control characters other than newline and tab, by '?'. */
void esp_files_clean(char *text);

#endif
