/* A failing disk: a SQLite VFS that wraps the real one and becomes the default. Files opened
 * through it can be made to fail their syncs or writes with SQLite's I/O errors. */
#ifndef ESPALIER_TESTS_STORE_BAD_DISK_H
#define ESPALIER_TESTS_STORE_BAD_DISK_H

enum bad_disk {
    BAD_DISK_WELL,
    BAD_DISK_SYNC,      /* fsync fails: EIO */
    BAD_DISK_WRITE,     /* write fails: EIO */
    BAD_DISK_SYNC_MAIN, /* syncs of the database file fail, those of the log succeed */
};

void bad_disk_insert(void);
void bad_disk_remove(void);
void bad_disk_set(enum bad_disk how);

#endif
