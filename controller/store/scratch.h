/* Unnamed temporary files. */
#ifndef ESPALIER_STORE_SCRATCH_H
#define ESPALIER_STORE_SCRATCH_H

/* Opens a temporary file in `dir` for reading and writing. It has no name, so nothing remains
 * of it once it is closed or the process dies. The file descriptor is returned, or a negative
 * errno. File systems without O_TMPFILE (FUSE, 9p, older overlays) get a named file that is
 * unlinked at once. */
int esp_scratch_open(const char *dir);

#endif
