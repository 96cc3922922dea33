/* Operations on small files. What they report as written survives a power loss. */
#ifndef CONTROLLER_SYSTEM_FILES_H
#define CONTROLLER_SYSTEM_FILES_H

#include <espalier/error.h>
#include <stddef.h>

/* Makes a folder and its parents, as mkdir -p does. An existing folder is fine. -errno, and the
 * error names the part of the path that failed. */
int esp_files_make_dir(const char *path, struct esp_error *error);

/* Replaces the content of a file: temporary file → fsync → rename → fsync of the folder.
 * -errno. */
int esp_files_write(const char *path, const char *data, size_t size, struct esp_error *error);

/* Reads at most `size - 1` bytes and adds a NUL. Returns the length, or -errno. */
int esp_files_read(const char *path, char *out, size_t size);

/* Reads the last whole lines of a text file, at most `size - 1` bytes and `lines` lines. Bytes
 * that are not UTF-8, and control characters other than newline and tab, become '?'. "" when
 * the file cannot be opened. */
void esp_files_tail(const char *path, int lines, char *out, size_t size);

#endif
