/* A disk that fails: a VFS laid over the real one, made the default. Every file opened while it
 * is there can be told to fail its syncs or writes with SQLite's I/O errors. */
#ifndef ESPALIER_TESTS_STORE_BAD_DISK_H
#define ESPALIER_TESTS_STORE_BAD_DISK_H

enum bad_disk {
    BAD_DISK_WELL,
    BAD_DISK_SYNC,      /* fsync fails: EIO */
    BAD_DISK_WRITE,     /* write fails: EIO */
    BAD_DISK_SYNC_MAIN, /* only the database's own syncs fail, not the log's */
};

void bad_disk_insert(void);
void bad_disk_remove(void);
void bad_disk_set(enum bad_disk how);

#endif
